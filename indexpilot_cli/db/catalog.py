"""The whole catalog of a database in one snapshot and about a dozen questions, whatever its size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, groupby, islice
from types import MappingProxyType
from typing import Any, TypeAlias

from indexpilot_cli.core.catalog import (
    Activity,
    Catalog,
    Column,
    ColumnStatistics,
    Extension,
    ForeignKey,
    Index,
    OperatorClass,
    Policy,
    SqlFunction,
    Table,
)
from indexpilot_cli.core.index import BTREE, IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import Identifier, composed, filled
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError


def read_catalog(
    session: Session,
    *,
    schemas: Sequence[str] = (),
    metadata_schema: str = "indexpilot",
    with_statistics: Callable[[Catalog], Iterable[Table]] = lambda catalog: catalog.tables,
) -> Catalog:
    """Everything the advisor needs to know of the session's database.

    Tables, materialized views and foreign tables of user schemas (only of ``schemas`` when given), without our
    own metadata and without what belongs to extensions. An ordinary role sees statistics of the tables it may
    SELECT from; the others have ``readable`` False. ``functions`` has the least volatile overload of a name.
    ``with_statistics`` says of which tables the columns' statistics are read, given the catalog without any.
    Raises UnreachableError on timeout or loss of the connection.
    """
    scope = {"schemas": list(schemas), "metadata_schema": metadata_schema}
    with _one_snapshot(session):
        database = session.one("catalog/database", scope)
        assert database is not None
        tables = _tables(session, scope, database)
        catalog = Catalog(
            version=database.version,
            database=database.name,
            tables=tables,
            foreign_keys=_foreign_keys(session, [t.oid for t in tables]),
            extensions=tuple(Extension(*row) for row in session.rows("catalog/extensions")),
            settings=MappingProxyType({row.name: row.setting for row in session.rows("catalog/settings")}),
            **_functions(session, database.search_path),
            **_extensible(session),
            views=MappingProxyType(
                {QualifiedName(v.schema, v.name): v.definition for v in session.rows("catalog/views", scope)}
            ),
            search_path=tuple(database.search_path),
            default_collation=_collation(database),
            encoding=database.encoding,
            statistics_since=database.statistics_since,
            taken_at=database.taken_at,
        )
        wanted = {table.oid: table.name.name for table in with_statistics(catalog)}
        catalog = _with_statistics(catalog, read_statistics(session, wanted)) if wanted else catalog
    return _with_tree_heights(session, catalog)


def _with_statistics(catalog: Catalog, statistics: StatisticsByColumn) -> Catalog:
    known = {oid for oid, _ in statistics}

    def with_own(table: Table) -> Table:
        if table.oid not in known:
            return table
        columns = (replace(c, statistics=statistics.get((table.oid, c.name))) for c in table.columns)
        return replace(table, columns=tuple(columns))

    return replace(catalog, tables=tuple(map(with_own, catalog.tables)))


@contextmanager
def _one_snapshot(session: Session) -> Iterator[None]:
    """One consistent view of everything, values in forms that do not depend on the role's settings."""
    with session.transaction(rollback=True):
        session.rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        session.rows("catalog/output_forms")
        yield


def _tables(session: Session, scope: Mapping[str, object], database: Row) -> tuple[Table, ...]:
    rows = session.rows("catalog/tables", scope)
    names = {row.oid: QualifiedName(row.schema, row.name) for row in rows}
    columns = _columns(session, list(names))
    indexes = read_indexes(session, names)
    return tuple(_table(row, columns.get(row.oid, ()), indexes.get(row.oid, ()), database) for row in rows)


def _columns(session: Session, oids: Sequence[int]) -> dict[int, tuple[Column, ...]]:
    rows = session.rows("catalog/columns", {"oids": list(oids)})
    return {oid: tuple(filled(Column, row) for row in group) for oid, group in groupby(rows, key=lambda r: r.relation)}


def _table(row: Row, columns: tuple[Column, ...], indexes: tuple[Index, ...], database: Row) -> Table:
    return filled(
        Table,
        row,
        name=QualifiedName(row.schema, row.name),
        columns=columns,
        indexes=indexes,
        tuples=_reltuples(row, database.version),
        parent=QualifiedName(row.parent_schema, row.parent_name) if row.parent_name else None,
        fillfactor=int(dict(options_of(row.options)).get("fillfactor", 100)),
        activity=_activity(row, indexes, database),
    )


def _reltuples(row: Row, version: int) -> float:
    """Before 14 a table never analyzed has 0 tuples; it is told from an empty one by what vacuum has seen."""
    never = version < 140000 and row.tuples == 0 and row.last_analyze is None and row.analyzed_pages == 0
    return -1.0 if never else float(row.tuples)


def _activity(row: Row, indexes: tuple[Index, ...], database: Row) -> Activity:
    return filled(
        Activity, row, index_scans=sum(index.scans or 0 for index in indexes), since=database.statistics_since
    )


def _foreign_keys(session: Session, oids: Sequence[int]) -> tuple[ForeignKey, ...]:
    return tuple(
        filled(
            ForeignKey,
            row,
            table=QualifiedName(row.schema, row.table),
            columns=tuple(row.columns),
            referenced=QualifiedName(row.referenced_schema, row.referenced_table),
            referenced_columns=tuple(row.referenced_columns),
        )
        for row in session.rows("catalog/foreign_keys", {"oids": list(oids)})
    )


def _functions(session: Session, search_path: Sequence[str]) -> dict[str, Any]:
    """By ``schema.name``; by bare name what the search path finds first, pg_catalog before all."""
    rows = session.rows("catalog/functions")
    schemas: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:  # the least volatile come last and stay
        schemas[row.schema].update(dict.fromkeys(sorted(row.names), row.volatility))
    found: dict[str, str] = {}
    for schema, names in sorted(schemas.items()):
        found.update((f"{schema}.{name}", volatility) for name, volatility in names.items())
    for schema in reversed(("pg_catalog", *search_path)):
        found.update(schemas[schema])
    leaking = frozenset(chain.from_iterable(row.names for row in rows if not row.leakproof))
    return {
        "functions": MappingProxyType(found),
        "leakproof": frozenset(chain.from_iterable(row.names for row in rows)) - leaking,
        "supported": frozenset(chain.from_iterable(row.names for row in rows if row.supported)),
    }


def _extensible(session: Session) -> dict[str, Any]:
    """What extensions and users add that the planner looks into: operator classes, SQL functions, policies."""
    return {
        "sql_functions": tuple(
            SqlFunction(
                QualifiedName(row.schema, row.name), tuple(row.names) or ("",) * row.count, row.body, row.returns_set
            )
            for row in session.rows("catalog/sql_functions")
        ),
        "operator_classes": tuple(
            OperatorClass(row.method, row.name, row.type, row.is_default, tuple(row.searches), tuple(row.orders))
            for row in session.rows("catalog/operator_classes")
        ),
        "policies": tuple(
            Policy(QualifiedName(row.schema, row.name), row.command, row.permissive, row.condition)
            for row in session.rows("catalog/policies")
        ),
    }


def _collation(database: Row) -> str:
    """The default collation's locale; ``C`` when it compares bytes (so LIKE can use an ordinary B-tree)."""
    if database.provider == "b":
        return "C" if database.locale in ("C", "C.UTF-8") else str(database.locale)
    return str(database.locale or database.collate) if database.provider == "i" else str(database.collate)


def _with_tree_heights(session: Session, catalog: Catalog) -> Catalog:
    """Asked outside the transaction: one index dropped meanwhile would fail it."""
    trees = {i.name for i in catalog.indexes() if i.definition.method == BTREE and i.pages}
    heights = read_tree_heights(session, trees)
    if not heights:
        return catalog

    def with_height(index: Index) -> Index:
        return replace(index, tree_height=heights[index.name]) if index.name in heights else index

    tables = (replace(table, indexes=tuple(with_height(i) for i in table.indexes)) for table in catalog.tables)
    return replace(catalog, tables=tuple(tables))


def read_indexes(session: Session, tables: Mapping[int, QualifiedName]) -> dict[int, tuple[Index, ...]]:
    """The indexes of the tables (by oid), each list in order of name."""
    rows = session.rows("catalog/indexes", {"oids": list(tables)})
    keys = read_keys(session, tables)
    # pg_stats shows the statistics of index expressions under the name of the index.
    statistics = read_statistics(session, {r.oid: r.name for r in rows if any(p.expression for p in keys[r.oid])})
    found: defaultdict[int, list[Index]] = defaultdict(list)
    for row in rows:
        found[row.relation].append(_index(row, keys[row.oid], tables[row.relation], statistics))
    return {oid: tuple(indexes) for oid, indexes in found.items()}


def read_keys(session: Session, tables: Iterable[int], indexes: Sequence[int] | None = None) -> dict[int, list[Row]]:
    """The keys of the tables' indexes, or of these only, by the oid of the index."""
    rows = session.rows("catalog/index_keys", {"oids": list(tables), "indexes": indexes})
    return {oid: list(group) for oid, group in groupby(rows, key=lambda key: int(key.oid))}


def read_tree_heights(session: Session, names: Iterable[QualifiedName]) -> dict[QualifiedName, int]:
    """Root levels of B-trees, where pageinspect is installed and the role may use it; else nothing.

    https://www.postgresql.org/docs/current/pageinspect.html
    """
    schema = session.value("catalog/pageinspect")
    wanted = sorted(names)
    if schema is None or not wanted:
        return {}
    query = composed("catalog/tree_heights", session.version, bt_metap=Identifier(schema, "bt_metap"))
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
    return filled(
        Index,
        row,
        name=QualifiedName(row.schema, row.name),
        definition=definition_of(row, parts, table),
        primary=row.is_primary,
        statistics=_expression_statistics(row, parts, statistics),
        parent=QualifiedName(row.parent_schema, row.parent_name) if row.parent_name else None,
        parameters=_parameters(parts),
        targets=tuple((number, target) for number, target in row.targets or ()),
    )


def definition_of(row: Row, parts: Sequence[Row], table: QualifiedName) -> IndexDefinition:
    """The structure of an index from what is kept of it and of its keys."""
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
    return filled(IndexKey, part, expression=without_parentheses(part.expression) if part.expression else None)


def _parameters(parts: Sequence[Row]) -> tuple[str, ...]:
    found = tuple(", ".join(part.parameters or ()) for part in parts)
    return found if any(found) else ()


def _expression_statistics(
    row: Row, parts: Sequence[Row], statistics: StatisticsByColumn
) -> tuple[ColumnStatistics | None, ...]:
    found = tuple(statistics.get((row.oid, part.stored_name)) for part in parts[: row.key_count])
    return found if any(found) else ()


_LISTS = (
    *("most_common_vals", "most_common_freqs", "histogram_bounds", "most_common_elems", "most_common_elem_freqs"),
    *("elem_count_histogram", "range_length_histogram", "range_bounds_histogram"),
)
_AT_ONCE = 400  # relations per question, so that none of them runs into a statement timeout

StatisticsByColumn: TypeAlias = Mapping[tuple[int, str], ColumnStatistics]
"""From relation oid and column name to its statistics."""


def read_statistics(session: Session, relations: Mapping[int, str]) -> StatisticsByColumn:
    """Statistics of all columns of the relations (tables or indexes, name by oid) that the role may read.

    For a table with children the statistics of the whole tree are preferred: those are what a query meets.
    """
    found: dict[tuple[int, str], ColumnStatistics] = {}
    # Those of one name together: the view finds them by name, so each question then looks at its own and few others.
    todo = iter(sorted(relations.items(), key=lambda item: item[1]))
    while part := dict(islice(todo, _AT_ONCE)):
        names = sorted(set(part.values()))  # the view knows names only, and looks up few of them quickly
        rows = session.rows("catalog/statistics", {"oids": list(part), "names": names})
        found.update(((row.oid, row.column), column_statistics(row)) for row in rows)  # inherited ones come last
    return found


def column_statistics(row: Row) -> ColumnStatistics:
    """A row of pg_stats (or of a view shaped like it) as a value."""
    lists = {name: tuple(getattr(row, name, None) or ()) for name in _LISTS}
    return ColumnStatistics(
        null_frac=row.null_frac,
        avg_width=row.avg_width,
        n_distinct=row.n_distinct,
        correlation=row.correlation,
        # The view of extended statistics has no columns for ranges.
        range_empty_frac=getattr(row, "range_empty_frac", None),
        **lists,
    )
