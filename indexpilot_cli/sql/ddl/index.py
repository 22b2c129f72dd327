"""Indexes and maintenance as Actions: CREATE INDEX, REINDEX, REFRESH, CLUSTER, VACUUM, ANALYZE, LOCK, TRUNCATE."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.ddl.columns import referenced_columns
from indexpilot_cli.sql.ddl.words import cascade, expression, options, relation, words
from indexpilot_cli.sql.parser import Node

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


def create_index(node: Node, sql: str) -> Action:
    """CREATE_INDEX: ``columns`` are all it mentions, ``expression`` its key list, ``condition`` its predicate."""
    schema, table = relation(node.child("relation"))
    place = node.child("relation")
    keys = node.children("index_params")
    predicate = node.child("where_clause")
    mentioned = [
        c for k in keys for c in ((k.text("name"),) if k.text("name") else referenced_columns(k.child("expr")))
    ]
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
