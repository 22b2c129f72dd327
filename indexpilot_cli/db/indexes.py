"""Existing indexes, read as structure: what the server keeps, not what a name or DDL text suggests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby

from psycopg import sql

from indexpilot_cli.core.catalog import ColumnStatistics, Index
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db import queries
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.db.statistics import StatisticsByColumn, read_statistics
from indexpilot_cli.errors import IndexPilotError


def read_indexes(session: Session, tables: Mapping[int, QualifiedName]) -> dict[int, tuple[Index, ...]]:
    """The indexes of the tables (by oid), each list in order of name."""
    parameters = {"oids": list(tables)}
    rows = session.rows("catalog/indexes", parameters)
    keys = {
        oid: list(group)
        for oid, group in groupby(session.rows("catalog/index_keys", parameters), key=lambda key: int(key.oid))
    }
    with_expressions = {r.oid: r.name for r in rows if any(part.expression for part in keys[r.oid])}
    statistics = read_statistics(session, with_expressions)
    found: defaultdict[int, list[Index]] = defaultdict(list)
    for row in rows:
        found[row.relation].append(_index(row, keys[row.oid], tables[row.relation], statistics))
    return {oid: tuple(indexes) for oid, indexes in found.items()}


def read_tree_heights(session: Session, names: Iterable[QualifiedName]) -> dict[QualifiedName, int]:
    """Root levels of B-trees, where pageinspect is installed and the role may use it; else nothing.

    https://www.postgresql.org/docs/current/pageinspect.html
    """
    schema = session.value("catalog/pageinspect")
    wanted = sorted(names)
    if schema is None or not wanted:
        return {}
    text = queries.get("catalog/tree_heights", session.version)
    query = sql.SQL(text).format(bt_metap=sql.Identifier(schema, "bt_metap"))
    heights: list[Row] = []
    with suppress(IndexPilotError):  # an index dropped or locked meanwhile: heights are a refinement only
        heights = session.rows(query, {"names": [str(name) for name in wanted]})
    return {wanted[row.number - 1]: int(row.height) for row in heights}


def without_parentheses(text: str) -> str:
    """The expression without the pairs of parentheses that surround all of it."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth, quote = 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0 and position < len(text) - 1:
                return text
    return without_parentheses(text[1:-1])


def options_of(texts: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """Storage parameters from ``reloptions`` entries such as ``fillfactor=70``."""
    pairs = (text.partition("=") for text in texts or ())
    return tuple((name, value) for name, _, value in pairs)


def _index(row: Row, parts: Sequence[Row], table: QualifiedName, statistics: StatisticsByColumn) -> Index:
    return Index(
        name=QualifiedName(row.schema, row.name),
        definition=_definition(row, parts, table),
        ddl=row.ddl,
        valid=row.valid,
        ready=row.ready,
        primary=row.is_primary,
        constraint=row.constraint,
        clustered=row.clustered,
        replica_identity=row.replica_identity,
        pages=row.pages,
        tuples=row.tuples,
        scans=row.scans,
        comment=row.comment,
        statistics=_expression_statistics(row, parts, statistics),
    )


def _definition(row: Row, parts: Sequence[Row], table: QualifiedName) -> IndexDefinition:
    return IndexDefinition(
        table=table,
        keys=tuple(_key(part) for part in parts[: row.key_count]),
        method=row.method,
        include=tuple(part.column for part in parts[row.key_count :]),
        predicate=without_parentheses(row.predicate) if row.predicate else None,
        unique=row.is_unique,
        nulls_not_distinct=row.nulls_not_distinct,
        options=options_of(row.options),
    )


def _key(part: Row) -> IndexKey:
    return IndexKey(
        column=part.column,
        expression=without_parentheses(part.expression) if part.expression else None,
        operator_class=part.operator_class,
        collation=part.collation,
        descending=part.descending,
        nulls_first=part.nulls_first,
    )


def _expression_statistics(
    row: Row, parts: Sequence[Row], statistics: StatisticsByColumn
) -> tuple[ColumnStatistics | None, ...]:
    found = tuple(statistics.get((row.oid, part.stored_name)) for part in parts[: row.key_count])
    return found if any(found) else ()
