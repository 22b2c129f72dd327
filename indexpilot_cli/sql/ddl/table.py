"""CREATE TABLE and ALTER TABLE as Actions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.ddl.columns import add_column, add_constraint
from indexpilot_cli.sql.ddl.words import (
    cascade,
    expression,
    options,
    qualified,
    relation,
    statement_text,
    strings,
    type_text,
    value,
    words,
)
from indexpilot_cli.sql.parser import Node, with_only

_PERSISTENCE = {"t": "temporary", "u": "unlogged"}
_PLAIN = {
    "AT_DropNotNull": Act.DROP_NOT_NULL,
    "AT_SetNotNull": Act.SET_NOT_NULL,
    "AT_DropExpression": Act.DROP_EXPRESSION,
    "AT_SetStatistics": Act.SET_STATISTICS,
    "AT_SetOptions": Act.SET_OPTIONS,
    "AT_ResetOptions": Act.SET_OPTIONS,
    "AT_SetStorage": Act.SET_STORAGE,
    "AT_SetCompression": Act.SET_STORAGE,
    "AT_DropColumn": Act.DROP_COLUMN,
    "AT_AddIdentity": Act.ADD_IDENTITY,
    "AT_SetIdentity": Act.OTHER,
    "AT_DropIdentity": Act.OTHER,
}
_OF_TABLE = {
    "AT_ChangeOwner": Act.SET_OWNER,
    "AT_ClusterOn": Act.SET_CLUSTER,
    "AT_DropCluster": Act.SET_CLUSTER,
    "AT_SetLogged": Act.SET_LOGGED,
    "AT_SetUnLogged": Act.SET_LOGGED,
    "AT_SetAccessMethod": Act.SET_ACCESS_METHOD,
    "AT_SetTableSpace": Act.SET_TABLESPACE,
    "AT_SetRelOptions": Act.SET_OPTIONS,
    "AT_ResetRelOptions": Act.SET_OPTIONS,
    "AT_ReplaceRelOptions": Act.SET_OPTIONS,
    "AT_AddInherit": Act.INHERIT,
    "AT_DropInherit": Act.INHERIT,
    "AT_ReplicaIdentity": Act.SET_REPLICA_IDENTITY,
    "AT_EnableRowSecurity": Act.SET_ROW_SECURITY,
    "AT_DisableRowSecurity": Act.SET_ROW_SECURITY,
    "AT_ForceRowSecurity": Act.SET_ROW_SECURITY,
    "AT_NoForceRowSecurity": Act.SET_ROW_SECURITY,
    "AT_ValidateConstraint": Act.VALIDATE_CONSTRAINT,
    "AT_DropConstraint": Act.DROP_CONSTRAINT,
}
_TABLES = ("OBJECT_TABLE", "OBJECT_FOREIGN_TABLE", "OBJECT_MATVIEW")


def create_table(node: Node, sql: str) -> Iterator[Action]:
    """CREATE_TABLE or CREATE_PARTITION, then its columns and constraints, each with the option ``new_table``."""
    schema, name = relation(node.child("relation"))
    bound = node.child("partbound")
    parents = node.children("inh_relations")
    flags = _creation_words(node)
    kind = Act.CREATE_PARTITION if bound is not None else Act.CREATE_TABLE
    parent = relation(parents[0]) if parents else (None, None)
    elements = node.children("table_elts")
    yield Action(
        kind,
        *(parent if bound is not None else (schema, name)),
        object=name,
        object_schema=schema,
        columns=tuple(e.text("colname") for e in elements if e.kind == "ColumnDef"),
        expression=_bound_text(bound),
        references=(parent[0], parent[1]) if parent[1] and bound is None else None,
        parameters=_table_parameters(node, elements),
        options=flags,
        sql=sql,
    )
    template = Action(Act.OTHER, schema, name, options=frozenset({"new_table"}), sql=sql)
    for element in elements:
        if element.kind == "ColumnDef":
            yield from add_column(element, template)
        elif element.kind == "Constraint":
            yield add_constraint(element, template)


def _creation_words(node: Node) -> frozenset[str]:
    place = node.child("relation")
    bound = node.child("partbound")
    return words(
        node.flag("if_not_exists") and "if_not_exists",
        _PERSISTENCE.get(place.text("relpersistence") if place else "p", ""),
        bound is not None and bound.flag("is_default") and "default_partition",
        node.child("partspec") is not None and "partitioned",
    )


def _table_parameters(node: Node, elements: tuple[Node, ...]) -> tuple[tuple[str, str], ...]:
    likes = (relation(e.child("relation")) for e in elements if e.kind == "TableLikeClause")
    return options(node) + tuple(("like", ".".join(p for p in like if p)) for like in likes)


def _bound_text(bound: Node | None) -> str | None:
    """A partition bound as ``list: a, b``, ``range: a .. b``, ``hash: m r`` or ``default``."""
    if bound is None:
        return None
    if bound.flag("is_default"):
        return "default"
    listed = {"l": "listdatums", "r": "lowerdatums"}.get(bound.text("strategy"))
    if listed is None:
        return f"hash: {bound.number('modulus')} {bound.number('remainder')}"
    first = ", ".join(_datum(n) for n in bound.children(listed))
    if listed == "listdatums":
        return f"list: {first}"
    return f"range: {first} .. {', '.join(_datum(n) for n in bound.children('upperdatums'))}"


def _datum(node: Node) -> str:
    text = expression(node) or "?"
    return text.upper() if text.lower() in ("minvalue", "maxvalue") else text


def alter_table(node: Node, sql: str) -> Iterator[Action]:
    """One Action for each subcommand; ``sql`` of each is an ALTER statement with that subcommand alone."""
    kind = node.enum("objtype")
    place = node.child("relation")
    schema, name = relation(place)
    commands = node.children("cmds")
    flags = words(node.flag("missing_ok") and "if_exists", place is not None and not place.flag("inh") and "only")
    for number, command in enumerate(commands):
        alone = sql if len(commands) == 1 else statement_text(with_only(node, "cmds", number))
        if kind in _TABLES:
            yield from _alter(command, Action(Act.OTHER, schema, name, options=flags, sql=alone))
        else:
            yield _alter_other(kind, command, Action(Act.OTHER, None, None, name, schema, options=flags, sql=alone))


def _alter_other(kind: str, node: Node, base: Action) -> Action:
    """ALTER INDEX, VIEW, SEQUENCE or TYPE by ALTER TABLE's subcommands: ``object`` is what is altered."""
    subtype = node.enum("subtype")
    word = kind.removeprefix("OBJECT_").lower()
    if kind == "OBJECT_INDEX" and subtype == "AT_AttachPartition":
        command = node.child("def")
        child = relation(command.child("name")) if command else (None, None)
        return replace(base, kind=Act.ATTACH_INDEX, new_name=child[1], options=base.options | {word})
    return replace(base, kind=_OF_TABLE.get(subtype, Act.OTHER), options=base.options | {word})


def _alter(node: Node, base: Action) -> Iterator[Action]:
    subtype, name = node.enum("subtype"), node.text("name") or None
    definition = node.child("def")
    base = replace(base, options=base.options | words(cascade(node)))
    if subtype == "AT_AddColumn" and definition is not None:
        extra = words(node.flag("missing_ok") and "if_not_exists")
        yield from add_column(definition, replace(base, options=base.options | extra))
    elif subtype == "AT_AddConstraint" and definition is not None:
        yield add_constraint(definition, base)
    elif subtype in ("AT_AttachPartition", "AT_DetachPartition", "AT_DetachPartitionFinalize") and definition:
        yield _partition(subtype, definition, base)
    elif subtype in _PLAIN or subtype in ("AT_ColumnDefault", "AT_SetExpression", "AT_AlterColumnType"):
        yield _column(subtype, node, base)
    else:
        missing = words(node.flag("missing_ok") and "if_exists", subtype.removeprefix("AT_").lower())
        yield replace(
            base,
            kind=_OF_TABLE.get(subtype, Act.SET_TRIGGER if "Trig" in subtype or "Rule" in subtype else Act.OTHER),
            object=name or _definition_name(definition),
            references=_parent(subtype, definition),
            parameters=_parameters(definition),
            options=base.options | missing,
        )


def _definition_name(node: Node | None) -> str | None:
    return node.text("conname") or None if node is not None and node.kind == "ATAlterConstraint" else None


def _parent(subtype: str, definition: Node | None) -> tuple[str | None, str] | None:
    if subtype not in ("AT_AddInherit", "AT_DropInherit"):
        return None
    schema, name = relation(definition)
    return (schema, name) if name else None


def _parameters(node: Node | None) -> tuple[tuple[str, str], ...]:
    if node is not None and node.kind == "Constraint":  # ADD GENERATED … AS IDENTITY (…)
        return options(node)
    return options(node, "items") if node is not None and node.kind == "List" else ()


def _column(subtype: str, node: Node, base: Action) -> Action:
    definition = node.child("def")
    made = replace(base, columns=(node.text("name"),) if node.text("name") else (str(node.number("num")),))
    missing = made.options | words(node.flag("missing_ok") and "if_exists")
    if subtype == "AT_ColumnDefault":
        kind = Act.SET_DEFAULT if definition is not None else Act.DROP_DEFAULT
        return replace(made, kind=kind, expression=expression(definition))
    if subtype == "AT_SetExpression":
        return replace(made, kind=Act.SET_EXPRESSION, expression=expression(definition))
    if subtype == "AT_AlterColumnType" and definition is not None:
        using = expression(definition.child("raw_default"))
        collation = definition.child("coll_clause")
        return replace(
            made,
            kind=Act.ALTER_TYPE,
            type=type_text(definition.child("type_name")),
            expression=using,
            parameters=(("collation", ".".join(collation.names("collname"))),) if collation else (),
            options=made.options | words(bool(using) and "using"),
        )
    shown = definition is not None and definition.kind in ("String", "Integer")
    parameters = ((subtype.removeprefix("AT_").lower(), value(definition)),) if shown else _parameters(definition)
    return replace(made, kind=_PLAIN[subtype], parameters=parameters, options=missing)


def _partition(subtype: str, node: Node, base: Action) -> Action:
    schema, name = relation(node.child("name"))
    bound = node.child("bound")
    attach = subtype == "AT_AttachPartition"
    flags = words(
        node.flag("concurrent") and "concurrently",
        bound is not None and bound.flag("is_default") and "default_partition",
        subtype == "AT_DetachPartitionFinalize" and "finalize",
    )
    return replace(
        base,
        kind=Act.ATTACH_PARTITION if attach else Act.DETACH_PARTITION,
        object=name,
        object_schema=schema,
        expression=_bound_text(bound),
        options=base.options | flags,
    )


def create_table_as(node: Node, sql: str) -> Action:
    """CREATE_TABLE_AS or CREATE_MATVIEW; ``expression`` is the query."""
    into = node.child("into")
    place = into.child("rel") if into else None
    schema, name = relation(place)
    query = node.child("query")
    matview = node.enum("objtype") == "OBJECT_MATVIEW"
    flags = words(
        node.flag("if_not_exists") and "if_not_exists",
        "no_data" if into is not None and into.flag("skip_data") else "with_data",
        _PERSISTENCE.get(place.text("relpersistence") if place else "p", ""),
    )
    kind = Act.CREATE_MATVIEW if matview else Act.CREATE_TABLE_AS
    text = statement_text(query) if query is not None else None
    return Action(kind, schema, name, name, schema, expression=text, options=flags, sql=sql)


def rename(node: Node, sql: str) -> Action:
    """Every form of ALTER … RENAME."""
    kind = node.enum("rename_type")
    schema, name = relation(node.child("relation"))
    new = node.text("newname")
    flags = words(node.flag("missing_ok") and "if_exists", kind.removeprefix("OBJECT_").lower())
    sub = node.text("subname") or None
    if kind in ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT") and node.enum("relation_type") != "OBJECT_VIEW":
        column = kind == "OBJECT_COLUMN"
        act = Act.RENAME_COLUMN if column else Act.RENAME_CONSTRAINT
        columns = (sub,) if column and sub else ()
        return Action(act, schema, name, None if column else sub, None, columns, new, options=flags, sql=sql)
    if kind in _TABLES:
        return Action(Act.RENAME_TABLE, schema, name, new_name=new, options=flags, sql=sql)
    if kind == "OBJECT_INDEX":
        return Action(Act.RENAME_INDEX, object=name, object_schema=schema, new_name=new, options=flags, sql=sql)
    if kind == "OBJECT_SCHEMA":
        return Action(Act.RENAME_SCHEMA, object=sub, new_name=new, options=flags, sql=sql)
    object_schema, object_name = (schema, name) if name else qualified(strings(node.child("object")))
    return Action(Act.RENAME, None, None, sub or object_name, object_schema, (), new, options=flags, sql=sql)
