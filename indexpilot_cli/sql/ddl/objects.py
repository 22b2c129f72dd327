"""Types, domains, sequences, views, triggers, policies, schemas and DROP as Actions."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.ddl.columns import add_constraint
from indexpilot_cli.sql.ddl.words import (
    cascade,
    expression,
    options,
    qualified,
    relation,
    statement_text,
    strings,
    type_text,
    words,
)
from indexpilot_cli.sql.parser import Node

_DROPS = {
    "OBJECT_TABLE": Act.DROP_TABLE,
    "OBJECT_FOREIGN_TABLE": Act.DROP_TABLE,
    "OBJECT_INDEX": Act.DROP_INDEX,
    "OBJECT_VIEW": Act.DROP_VIEW,
    "OBJECT_MATVIEW": Act.DROP_VIEW,
    "OBJECT_TRIGGER": Act.DROP_TRIGGER,
    "OBJECT_FUNCTION": Act.DROP_FUNCTION,
    "OBJECT_PROCEDURE": Act.DROP_FUNCTION,
    "OBJECT_ROUTINE": Act.DROP_FUNCTION,
    "OBJECT_TYPE": Act.DROP_TYPE,
    "OBJECT_DOMAIN": Act.DROP_TYPE,
    "OBJECT_SEQUENCE": Act.DROP_SEQUENCE,
    "OBJECT_SCHEMA": Act.DROP_SCHEMA,
    "OBJECT_EXTENSION": Act.DROP_EXTENSION,
    "OBJECT_POLICY": Act.DROP_POLICY,
}
_OF_TABLE = ("OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE")
_DOMAIN = {"T": "set_default", "N": "drop_not_null", "O": "set_not_null", "C": "add", "X": "drop", "V": "validate"}


def drop(node: Node, sql: str) -> Iterator[Action]:
    """DROP of anything: one Action for each object. A trigger's or policy's table stands in ``table``."""
    kind = node.enum("remove_type")
    act = _DROPS.get(kind, Act.DROP)
    flags = words(
        node.flag("missing_ok") and "if_exists",
        node.flag("concurrent") and "concurrently",
        cascade(node),
        kind.removeprefix("OBJECT_").lower(),
    )
    for target in node.children("objects"):
        parts = strings(target)
        if kind in _OF_TABLE:
            schema, table = qualified(parts[:-1])
            yield Action(act, schema, table, parts[-1] if parts else None, options=flags, sql=sql)
        elif act is Act.DROP_TABLE:
            schema, table = qualified(parts)
            yield Action(act, schema, table, options=flags, sql=sql)
        else:
            schema, name = qualified(parts)
            yield Action(act, None, None, name, schema, options=flags, sql=sql)


def create_view(node: Node, sql: str) -> Action:
    """CREATE VIEW; ``expression`` is its query."""
    schema, name = relation(node.child("view"))
    query = node.child("query")
    text = statement_text(query) if query else None
    flags = words(node.flag("replace") and "or_replace")
    return Action(Act.CREATE_VIEW, None, None, name, schema, expression=text, options=flags, sql=sql)


# Bits of a trigger's type, as in pg_trigger.tgtype.
_BEFORE = 2
_EVENTS = (("insert", 4), ("delete", 8), ("update", 16))


def create_trigger(node: Node, sql: str) -> Action:
    """CREATE TRIGGER; ``expression`` is its function, ``condition`` its WHEN."""
    schema, table = relation(node.child("relation"))
    return Action(
        Act.CREATE_TRIGGER,
        schema,
        table,
        node.text("trigname"),
        columns=node.names("columns"),
        expression=".".join(node.names("funcname")),
        condition=expression(node.child("when_clause")),
        options=words(
            node.flag("replace") and "or_replace",
            node.flag("isconstraint") and "constraint",
            node.flag("row") and "row",
            "before" if node.number("timing") & _BEFORE else "",
            *(word for word, bit in _EVENTS if node.number("events") & bit),
        ),
        sql=sql,
    )


def create_policy(node: Node, sql: str) -> Action:
    """CREATE POLICY and ALTER POLICY (option ``alter``)."""
    schema, table = relation(node.child("table"))
    flags = words(node.kind == "AlterPolicyStmt" and "alter")
    qual = expression(node.child("qual"))
    name = node.text("policy_name")
    return Action(Act.CREATE_POLICY, schema, table, name, condition=qual, options=flags, sql=sql)


def create_enum(node: Node, sql: str) -> Action:
    """CREATE TYPE … AS ENUM, its values in ``columns``."""
    schema, name = qualified(node.names("type_name"))
    return Action(Act.CREATE_TYPE, None, None, name, schema, node.names("vals"), type="enum", sql=sql)


def create_composite(node: Node, sql: str) -> Action:
    """CREATE TYPE … AS (…)."""
    schema, name = relation(node.child("typevar"))
    columns = tuple(c.text("colname") for c in node.children("coldeflist"))
    return Action(Act.CREATE_TYPE, None, None, name, schema, columns, type="composite", sql=sql)


def create_range(node: Node, sql: str) -> Action:
    """CREATE TYPE … AS RANGE."""
    schema, name = qualified(node.names("type_name"))
    return Action(Act.CREATE_TYPE, None, None, name, schema, type="range", sql=sql)


def alter_enum(node: Node, sql: str) -> Action:
    """ALTER TYPE … ADD VALUE (``new_name``) and RENAME VALUE (``columns`` holds the old one)."""
    schema, name = qualified(node.names("type_name"))
    old = node.text("old_val")
    kind = Act.RENAME_ENUM_VALUE if old else Act.ADD_ENUM_VALUE
    flags = words(node.flag("skip_if_new_val_exists") and "if_not_exists")
    return Action(kind, None, None, name, schema, (old,) if old else (), node.text("new_val"), options=flags, sql=sql)


def create_domain(node: Node, sql: str) -> Iterator[Action]:
    """CREATE DOMAIN, then its constraints, each an ALTER_DOMAIN with the options ``add`` and ``inline``."""
    schema, name = qualified(node.names("domainname"))
    constraints = node.children("constraints")
    default = next((c for c in constraints if c.enum("contype") == "CONSTR_DEFAULT"), None)
    text = expression(default.child("raw_expr")) if default else None
    kind = type_text(node.child("type_name"))
    flags = words(any(c.enum("contype") in ("CONSTR_CHECK", "CONSTR_NOTNULL") for c in constraints) and "constrained")
    yield Action(Act.CREATE_DOMAIN, None, None, name, schema, type=kind, expression=text, options=flags, sql=sql)


def alter_domain(node: Node, sql: str) -> Action:
    """ALTER DOMAIN: options say add, drop, validate, set_not_null, drop_not_null or set_default."""
    schema, name = qualified(node.names("type_name"))
    definition = node.child("def")
    word = _DOMAIN.get(node.text("subtype"), "")
    flags = words(word, cascade(node), node.flag("missing_ok") and "if_exists")
    constraint = text = None
    label = node.text("name") or None
    if definition is not None and definition.kind == "Constraint":
        made = add_constraint(definition, Action(Act.ALTER_DOMAIN))
        constraint, text, label, flags = made.constraint, made.expression, made.object, flags | made.options
    elif definition is not None:
        text = expression(definition)
    return Action(
        Act.ALTER_DOMAIN,
        None,
        None,
        name,
        schema,
        new_name=label,
        expression=text,
        constraint=constraint,
        options=flags,
        sql=sql,
    )


def sequence(node: Node, sql: str) -> Action:
    """CREATE SEQUENCE and ALTER SEQUENCE; ``type`` is what AS names."""
    schema, name = relation(node.child("sequence"))
    given = options(node)
    kind = Act.CREATE_SEQUENCE if node.kind == "CreateSeqStmt" else Act.ALTER_SEQUENCE
    return Action(kind, None, None, name, schema, type=dict(given).get("as"), parameters=given, sql=sql)


def create_statistics(node: Node, sql: str) -> Action:
    """CREATE STATISTICS."""
    places = node.children("relations")
    schema, table = relation(places[0]) if places else (None, None)
    object_schema, name = qualified(node.names("defnames"))
    columns = tuple(e.text("name") for e in node.children("exprs") if e.text("name"))
    return Action(Act.CREATE_STATISTICS, schema, table, name, object_schema, columns, sql=sql)


def named(node: Node, sql: str) -> Action:
    """CREATE SCHEMA and CREATE EXTENSION."""
    schema = node.kind == "CreateSchemaStmt"
    flags = words(node.flag("if_not_exists") and "if_not_exists")
    name = node.text("schemaname" if schema else "extname") or None
    return Action(Act.CREATE_SCHEMA if schema else Act.CREATE_EXTENSION, object=name, options=flags, sql=sql)


def set_schema(node: Node, sql: str) -> Action:
    """ALTER … SET SCHEMA: of tables with ``table``, of others with ``object``."""
    kind = node.enum("object_type")
    schema, name = relation(node.child("relation"))
    flags = words(kind.removeprefix("OBJECT_").lower(), node.flag("missing_ok") and "if_exists")
    new = node.text("newschema")
    if name is not None:
        return Action(Act.SET_SCHEMA, schema, name, new_name=new, options=flags, sql=sql)
    object_schema, object_name = qualified(strings(node.child("object")))
    return Action(Act.SET_SCHEMA, None, None, object_name, object_schema, new_name=new, options=flags, sql=sql)


def comment(node: Node, sql: str) -> Action:
    """COMMENT ON: the table (or a column's) in ``table``."""
    kind = node.enum("objtype")
    parts = strings(node.child("object"))
    flags = words(kind.removeprefix("OBJECT_").lower())
    if kind == "OBJECT_COLUMN":
        schema, table = qualified(parts[:-1])
        return Action(Act.COMMENT, schema, table, columns=parts[-1:], options=flags, sql=sql)
    if kind == "OBJECT_TABLE":
        schema, table = qualified(parts)
        return Action(Act.COMMENT, schema, table, options=flags, sql=sql)
    object_schema, name = qualified(parts)
    return Action(Act.COMMENT, None, None, name, object_schema, options=flags, sql=sql)


def owner(node: Node, sql: str) -> Action:
    """ALTER … OWNER TO of what is no table."""
    object_schema, name = qualified(strings(node.child("object")))
    return Action(Act.SET_OWNER, None, None, name, object_schema, sql=sql)


def grant(node: Node, sql: str) -> Iterator[Action]:
    """GRANT and REVOKE: one Action for each table, one without a table for anything else."""
    flags = words("grant" if node.flag("is_grant") else "revoke")
    places = [n for n in node.children("objects") if n.kind == "RangeVar"] if node.kind == "GrantStmt" else []
    for place in places:
        schema, table = relation(place)
        yield Action(Act.GRANT, schema, table, options=flags, sql=sql)
    if not places:
        yield Action(Act.GRANT, options=flags, sql=sql)
