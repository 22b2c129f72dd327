"""Column definitions and constraints, in CREATE TABLE and in ALTER TABLE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.ddl.words import cascade, expression, options, relation, type_text, words
from indexpilot_cli.sql.parser import Node

_SERIAL = {"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"}
CONSTRAINT_KINDS = {
    "CONSTR_CHECK": "check",
    "CONSTR_PRIMARY": "primary_key",
    "CONSTR_UNIQUE": "unique",
    "CONSTR_EXCLUSION": "exclude",
    "CONSTR_FOREIGN": "foreign_key",
    "CONSTR_NOTNULL": "not_null",
}
_OF_COLUMN = {
    "CONSTR_NOTNULL": "not_null",
    "CONSTR_DEFAULT": "default",
    "CONSTR_IDENTITY": "identity",
    "CONSTR_PRIMARY": "primary_key",
    "CONSTR_UNIQUE": "unique",
}
_MARKS = {
    "CONSTR_ATTR_DEFERRABLE": "deferrable",
    "CONSTR_ATTR_DEFERRED": "deferrable",
    "CONSTR_ATTR_NOT_ENFORCED": "not_enforced",
}


def add_column(node: Node, table: Action) -> Iterator[Action]:
    """ADD_COLUMN for a ColumnDef, then one ADD_CONSTRAINT (``inline``) for each constraint that stands in it.

    ``table`` is an Action with the table, the options (if_not_exists, new_table) and the text to repeat.
    """
    constraints = node.children("constraints")
    kind = type_text(node.child("type_name"))
    references = next((c for c in constraints if c.enum("contype") == "CONSTR_FOREIGN"), None)
    target = relation(references.child("pktable")) if references else None
    yield replace(
        table,
        kind=Act.ADD_COLUMN,
        columns=(node.text("colname"),),
        type=kind,
        expression=_value(constraints),
        references=(target[0], target[1]) if target and target[1] else None,
        referenced_columns=references.names("pk_attrs") if references else (),
        options=table.options | _column_words(constraints) | words(kind in _SERIAL and "serial"),
    )
    yield from _inline(node.text("colname"), constraints, table)


def _value(constraints: tuple[Node, ...]) -> str | None:
    """The default or the generation expression."""
    kinds = ("CONSTR_DEFAULT", "CONSTR_GENERATED")
    return next((expression(c.child("raw_expr")) for c in constraints if c.enum("contype") in kinds), None)


def _column_words(constraints: tuple[Node, ...]) -> frozenset[str]:
    found = {_OF_COLUMN[c.enum("contype")] for c in constraints if c.enum("contype") in _OF_COLUMN}
    for node in constraints:
        if node.enum("contype") == "CONSTR_GENERATED":
            found.add("generated_stored" if node.text("generated_kind") == "s" else "generated_virtual")
    return frozenset(found)


def _inline(column: str, constraints: tuple[Node, ...], table: Action) -> Iterator[Action]:
    found: list[Action] = []
    for node in constraints:
        kind = node.enum("contype")
        if kind in _MARKS and found:
            found[-1] = replace(found[-1], options=found[-1].options | {_MARKS[kind]})
        elif kind in CONSTRAINT_KINDS and kind != "CONSTR_NOTNULL":
            made = add_constraint(node, table)
            found.append(replace(made, columns=(column,), options=made.options | {"inline"}))
    yield from found


def add_constraint(node: Node, table: Action) -> Action:
    """ADD_CONSTRAINT for a Constraint. ``object`` is its name, or the index's behind USING INDEX."""
    referenced = relation(node.child("pktable"))
    predicate = expression(node.child("where_clause"))
    return replace(
        table,
        kind=Act.ADD_CONSTRAINT,
        constraint=CONSTRAINT_KINDS.get(node.enum("contype"), "check"),
        object=node.text("conname") or None,
        columns=_constrained(node),
        expression=expression(node.child("raw_expr")),
        condition=predicate,
        references=(referenced[0], referenced[1]) if referenced[1] else None,
        referenced_columns=node.names("pk_attrs"),
        parameters=_constraint_parameters(node),
        options=table.options | _constraint_words(node),
    )


def _constrained(node: Node) -> tuple[str, ...]:
    if node.enum("contype") == "CONSTR_FOREIGN":
        return node.names("fk_attrs")
    if node.enum("contype") == "CONSTR_EXCLUSION":
        elements = (pair.children("items")[0] for pair in node.children("exclusions") if pair.children("items"))
        return tuple(e.text("name") for e in elements if e.text("name"))
    if node.enum("contype") == "CONSTR_CHECK":
        return referenced_columns(node.child("raw_expr"))
    return node.names("keys")


def referenced_columns(node: Node | None) -> tuple[str, ...]:
    """The columns an expression mentions, each once, in order."""
    if node is None:
        return ()
    names = [n.names("fields")[-1] for n in node.walk() if n.kind == "ColumnRef" and n.names("fields")]
    return tuple(dict.fromkeys(n for n in names if n != "*"))


def _constraint_parameters(node: Node) -> tuple[tuple[str, str], ...]:
    found = options(node)
    if node.text("indexname"):
        found += (("index", node.text("indexname")),)
    if node.names("including"):
        found += (("include", ", ".join(node.names("including"))),)
    for action, field in (("on_delete", "fk_del_action"), ("on_update", "fk_upd_action")):
        if node.text(field) not in ("", "a"):
            found += ((action, node.text(field)),)
    if node.text("access_method"):
        found += (("method", node.text("access_method")),)
    return found


def _constraint_words(node: Node) -> frozenset[str]:
    enforceable = node.enum("contype") in ("CONSTR_CHECK", "CONSTR_FOREIGN")
    return words(
        node.flag("skip_validation") and "not_valid",
        enforceable and not node.flag("is_enforced") and "not_enforced",
        node.flag("nulls_not_distinct") and "nulls_not_distinct",
        bool(node.text("indexname")) and "using_index",
        node.flag("deferrable") and "deferrable",
        node.flag("is_no_inherit") and "no_inherit",
    )


_MODES = (
    "",
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
_ON = ("", "true", "on", "1", "yes")


def _key_columns(key: Node) -> tuple[str, ...]:
    name = key.text("name")
    return (name,) if name else referenced_columns(key.child("expr"))


def create_index(node: Node, sql: str) -> Action:
    """CREATE_INDEX: ``columns`` are all it mentions, ``expression`` its key list, ``condition`` its predicate."""
    schema, table = relation(node.child("relation"))
    place = node.child("relation")
    keys = node.children("index_params")
    predicate = node.child("where_clause")
    mentioned = chain.from_iterable(_key_columns(k) for k in keys)
    included = [k.text("name") for k in node.children("index_including_params")]
    partial = referenced_columns(predicate)
    return Action(
        Act.CREATE_INDEX,
        schema,
        table,
        node.text("idxname") or None,
        schema,
        tuple(dict.fromkeys((*mentioned, *included, *partial))),
        expression=", ".join(k.text("name") or f"({expression(k.child('expr'))})" for k in keys),
        condition=expression(predicate),
        parameters=(("method", node.text("access_method") or "btree"), *options(node)),
        options=words(
            node.flag("concurrent") and "concurrently",
            node.flag("unique") and "unique",
            node.flag("if_not_exists") and "if_not_exists",
            node.flag("nulls_not_distinct") and "nulls_not_distinct",
            place is not None and not place.flag("inh") and "only",
        ),
        sql=sql,
    )


def reindex(node: Node, sql: str) -> Action:
    """REINDEX: ``object`` is the index, ``table`` the table; ``type`` is index, table, schema, system or database."""
    kind = node.enum("kind").removeprefix("REINDEX_OBJECT_").lower()
    schema, name = relation(node.child("relation"))
    parameters = options(node, "params")
    flags = words(("concurrently", "true") in _switched(parameters) and "concurrently")
    if kind == "index":
        return Action(Act.REINDEX, None, None, name, schema, type=kind, parameters=parameters, options=flags, sql=sql)
    named = name or node.text("name") or None
    table = name if kind == "table" else None
    return Action(Act.REINDEX, schema, table, named, schema, type=kind, parameters=parameters, options=flags, sql=sql)


def _switched(parameters: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), "true" if value.lower() in _ON else "false") for name, value in parameters)


def refresh(node: Node, sql: str) -> Action:
    """REFRESH MATERIALIZED VIEW."""
    schema, name = relation(node.child("relation"))
    flags = words(node.flag("concurrent") and "concurrently", node.flag("skip_data") and "no_data")
    return Action(Act.REFRESH, schema, name, name, schema, options=flags, sql=sql)


def cluster(node: Node, sql: str) -> Action:
    """CLUSTER: ``object`` is the index, ``table`` None for all tables."""
    schema, name = relation(node.child("relation"))
    return Action(Act.CLUSTER, schema, name, node.text("indexname") or None, sql=sql)


def vacuum(node: Node, sql: str) -> Iterator[Action]:
    """VACUUM or ANALYZE, one Action for each table (one without a table for all)."""
    parameters = _switched(options(node))
    analyze = not node.flag("is_vacuumcmd")
    flags = frozenset(name for name, value in parameters if value == "true")
    kind = Act.ANALYZE if analyze else Act.VACUUM
    for target in node.children("rels") or (None,):
        schema, name = relation(target.child("relation")) if target else (None, None)
        columns = target.names("va_cols") if target else ()
        yield Action(kind, schema, name, columns=columns, parameters=parameters, options=flags, sql=sql)


def lock(node: Node, sql: str) -> Iterator[Action]:
    """LOCK TABLE: one Action for each table, ``parameters`` holding (mode, pg_locks' name)."""
    mode = (("mode", _MODES[node.number("mode")]),)
    flags = words(node.flag("nowait") and "nowait")
    for place in node.children("relations"):
        schema, name = relation(place)
        yield Action(Act.LOCK, schema, name, parameters=mode, options=flags, sql=sql)


def truncate(node: Node, sql: str) -> Iterator[Action]:
    """TRUNCATE: one Action for each table."""
    flags = words(cascade(node), node.flag("restart_seqs") and "restart_identity")
    for place in node.children("relations"):
        schema, name = relation(place)
        yield Action(Act.TRUNCATE, schema, name, options=flags, sql=sql)
