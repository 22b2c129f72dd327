"""What is known of a field, and what the planner thinks that a query on it, or an index of it, would cost.

Nothing is counted, and no query is run: figures come from the catalog, from the statistics of ANALYZE and from plain
EXPLAIN. Costs are the planner's units (https://www.postgresql.org/docs/current/runtime-config-query.html), so that
those of queries and of builds can be compared.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypedDict

from indexpilot_cli.core.catalog import Catalog, ColumnStatistics, Table
from indexpilot_cli.core.command import PlannerRequest, Silent, TableFilter, WorkloadRequest
from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.estimator import PlannedStatement, WhatIf
from indexpilot_cli.core.index import BRIN, BTREE, GIN, GIST, HASH, SPGIST, IndexDefinition, IndexKey
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.core.workload import Plannable, SourceKind
from indexpilot_cli.db.catalog import read_statistics
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import AnsweredError, UsageError
from indexpilot_cli.host import place
from indexpilot_cli.workload import query_stats

if TYPE_CHECKING:
    from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate
    from indexpilot_cli.snapshot.source import Source

_LOOKED_AT = 1000  # rows that are searched for a value where no statistics have one
_LOOK_MS = 5_000


class FieldSelectivity(TypedDict):
    """``n_distinct`` values among ``row_count`` rows (both estimated), and ``selectivity``, the one over the other.

    ``selectivity`` is 1.0 where every row has a value of its own. ``null_frac`` of the rows have none;
    ``average_share`` of them have the value that an equality asks for, on average. None: ANALYZE cannot tell, because
    the type has no equality. ``most_common`` are values as text with their shares.
    """

    schema_name: str
    table_name: str
    field_name: str
    row_count: int
    n_distinct: float | None
    selectivity: float | None
    null_frac: float
    average_share: float | None
    most_common: list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class TableField:
    """A field of a table as the catalog has it; ``rows`` None: the table was never vacuumed or analyzed."""

    table: QualifiedName
    name: str
    rows: int | None
    facts: Row
    statistics: ColumnStatistics | None

    @property
    def quoted(self) -> str:
        return quote_identifier(self.name)


def get_field_selectivity(table_name: str, field_name: str) -> FieldSelectivity | None:
    """What the statistics say of a field's values; None while there are none (ANALYZE makes them), or none to read.

    No row is read. Raises UsageError for a table or field that is not there.
    """
    from indexpilot_cli.sql.selectivity import average_equal

    with place.session(statement_timeout_ms=_LOOK_MS) as session:
        field = find_field(session, table_name, field_name)
    known = field.statistics
    if known is None or field.rows is None:
        return None
    empty = known.null_frac == 1 or not field.rows
    unknown = known.n_distinct == 0 and not empty
    distinct = 0.0 if empty else known.distinct(field.rows)
    return {
        "schema_name": field.table.schema,
        "table_name": field.table.name,
        "field_name": field.name,
        "row_count": field.rows,
        "n_distinct": None if unknown else distinct,
        "selectivity": None if unknown else distinct / max(field.rows, 1),
        "null_frac": known.null_frac,
        "average_share": None if unknown else average_equal(known, field.rows),
        "most_common": list(zip(known.most_common_vals, known.most_common_freqs, strict=False)),
    }


def get_sample_query_for_field(table_name: str, field_name: str) -> str:
    """A query that restricts the field to a value it has, complete and ready to run or to EXPLAIN.

    The value is a common one, else a typical one, else that of some row; a field without values, and one of a type
    that has no equality (json, point), is asked whether it is NULL. Arrays, ranges and jsonb are asked what they
    contain. Raises UsageError for a table or field that is not there.
    """
    with place.session(statement_timeout_ms=_LOOK_MS) as session:
        return _sample(session, find_field(session, table_name, field_name))


def estimate_build_cost(table_name: str, field_name: str, index_type: str | None = None) -> float:
    """What building an index of the field costs, in planner units: as many as it takes times a scan's time.

    ``index_type`` is the access method; None takes btree, else the first that can index the type. The planner prices a
    scan of the table; how many times as long the build takes tell the rates measured on this server (``indexpilot
    calibrate``), else usual ones: two scans, and for each row what its kind and type take to sort and to write.
    Raises UsageError for a table or field that is not there, and for a type that the method, or none, can index.
    """
    from indexpilot_cli.log.calibrations import kept
    from indexpilot_cli.methods.size import build_seconds, estimate, table_pages
    from indexpilot_cli.snapshot.source import SourceRequest, open_source

    with (
        place.logged(MutationType.EXPLAIN, "estimate_build_cost") as note,
        open_source(SourceRequest(place.connection()), Silent()) as source,
    ):
        session = _session(source)
        field = find_field(session, table_name, field_name)
        note.table(field.table.name, field.table.schema, field.name)
        wanted = IndexDefinition(field.table, (IndexKey(field.name),), _method(field, index_type))
        table = _table(source.catalog, field)
        size = estimate(wanted, table, source.catalog)
        rates = kept(session, source.connection.metadata_schema).rates
        seconds = build_seconds(wanted, table, source.catalog, size, rates)
        scan = _planned_cost(session, Select(field.quoted, field.table))
        scan_seconds = max(1, table_pages(table, source.catalog)) * rates.scan_us / 1e6
        cost = scan * max(1.0, seconds / scan_seconds)
        note.details(cost=cost, seconds=seconds, index_bytes=size.bytes)
    return cost


def _method(field: TableField, asked: str | None) -> str:
    """The access method asked for, else the first that can index the type. Raises UsageError where none can."""
    # record_ops and array_ops are there for every composite type and array, and fail where a part has no order.
    needs = {BTREE: field.facts.ordered, GIN: field.facts.comparable, HASH: field.facts.comparable}
    usable = [m for m in _METHODS if m in field.facts.methods and needs.get(m, True)]
    if not usable or asked not in (None, *usable):
        hint = f"{field.facts.type}: {', '.join(usable) or 'no method at all'}"
        raise UsageError(f"no {asked or 'index'} on {field.table.short} ({field.quoted})", hint=hint, code="no_method")
    return asked or usable[0]


def _planned_cost(session: Session, query: str) -> float:
    from indexpilot_cli.db.plans import explain_text

    return float(explain_text(session, Plannable(query), settings=_AS_A_BUILD)["Total Cost"])


_METHODS = (BTREE, GIN, GIST, SPGIST, BRIN, HASH)
# A build reads the table itself, and may have fewer workers than a query.
_AS_A_BUILD = (
    "SET LOCAL max_parallel_workers_per_gather = 0",
    "SET LOCAL enable_indexscan = off",
    "SET LOCAL enable_indexonlyscan = off",
    "SET LOCAL enable_bitmapscan = off",
)


def estimate_query_cost_without_index(table_name: str, field_name: str, query: str | None = None) -> float:
    """What a query on the field costs in planner units while no index begins with the field, on average of its calls.

    The queries are ``query``, else those that pg_stat_statements has on the field, else a sample
    (``get_sample_query_for_field``). Indexes of the field that are there are hidden from the planner. Which it was,
    and how many could be planned, is in the log. Raises UsageError for a table or field that is not there, and when
    none of the queries can be planned.
    """
    from indexpilot_cli.log import explains
    from indexpilot_cli.snapshot.source import SourceRequest, open_source

    begun = time.monotonic()
    name = "estimate_query_cost_without_index"
    with (
        place.logged(MutationType.EXPLAIN, name) as note,
        open_source(SourceRequest(place.connection()), Silent()) as source,
    ):
        field = find_field(_session(source), table_name, field_name)
        note.table(field.table.name, field.table.schema, field.name)
        origin, weighed = _weighed(source, field, query)
        answers = list(zip(weighed, _answers(source, field, [w.statement for w in weighed]), strict=True))
        planned = {w.query for w, answer in answers if answer.ok}
        failed = {w.query for w in weighed} - planned
        note.details(queries=origin, planned=len(planned), failed=len(failed))
        # Before the error below: what nobody could plan counts, too.
        explains.add(source.connection, name, len(planned), len(failed), time.monotonic() - begun)
        total = sum(w.weight for w, answer in answers if answer.ok)
        if total <= 0:
            why = next((answer.error for _, answer in answers), None)
            raise UsageError("no query on the field can be planned", detail=why, code="not_plannable")
        cost = sum(answer.total_cost * w.weight for w, answer in answers if answer.ok) / total
        note.details(cost=cost)
    return cost


@dataclass(frozen=True, slots=True)
class _WeighedStatement:
    """A statement that stands for some of a query's calls (``weight``)."""

    query: str
    statement: Plannable
    weight: float


def _weighed(source: Source, field: TableField, query: str | None) -> tuple[str, list[_WeighedStatement]]:
    """Where the statements are from, and the statements."""
    if query is not None:
        asked = WorkloadRequest(SourceKind.SQL, queries=(query,))
        return "query", list(_statements(source, asked, None))
    if source.records_statements:
        found = list(_statements(source, WorkloadRequest(SourceKind.STATEMENTS), field))
        if found:
            return "pg_stat_statements", found
    sample = _sample(_session(source), field)
    return "sample", [_WeighedStatement(sample, Plannable(sample), 1.0)]


def _statements(source: Source, asked: WorkloadRequest, field: TableField | None) -> Iterator[_WeighedStatement]:
    from indexpilot_cli.workload.templates import fold_workload, with_scenarios

    folded: FoldedWorkload = fold_workload(source, asked, TableFilter(), Silent())
    for template in with_scenarios(folded, source.catalog, None).templates:
        if field is None or _restricts(template, field):
            for scenario in template.scenarios:
                yield _WeighedStatement(template.id, scenario.statement, template.calls * scenario.share)


def _restricts(template: QueryTemplate, field: TableField) -> bool:
    """Whether the template compares the field with something."""
    uses = (use for use in template.uses if use.table == field.table)
    return any(any(atom.column == field.name for atom in use.atoms) for use in uses)


def _answers(source: Source, field: TableField, statements: list[Plannable]) -> tuple[PlannedStatement, ...]:
    """Of each statement what it costs without the field's indexes."""
    from indexpilot_cli.planner.open import open_estimator

    hidden = frozenset(_indexes(source.catalog, field))
    # Nothing is to be hidden: the server's own planner answers, and no other has to be opened.
    if not hidden:
        return tuple(_explained(_session(source), statement) for statement in statements)
    advisor = place.current_settings().advisor
    with open_estimator(source, PlannerRequest(advisor.what_if, workers=advisor.workers), Silent()) as estimator:
        return estimator.plan([WhatIf(statement, hidden=hidden) for statement in statements])


def _explained(session: Session, statement: Plannable) -> PlannedStatement:
    from indexpilot_cli.db import plans

    try:
        return PlannedStatement(float(plans.explain_text(session, statement)["Total Cost"]))
    except StatementError as error:
        return plans.failed(error.detail or error.message)


def _indexes(catalog: Catalog, field: TableField) -> Iterator[QualifiedName]:
    """The indexes of the table, and of its parts, that begin with the field or with an expression of it."""
    from indexpilot_cli.methods.partitioned import upwards
    from indexpilot_cli.sql.normal import columns

    whole = _table(catalog, field).name
    family = (t for t in catalog.tables if whole in upwards(t.name, catalog))
    for index in chain.from_iterable(t.indexes for t in family):
        key = index.definition.keys[0]
        if field.name in ({key.column} if key.expression is None else columns(key.expression)):
            yield index.name


def _table(catalog: Catalog, field: TableField) -> Table:
    table = catalog.table(field.table)
    if table is None:
        raise UsageError(f"no statistics of {field.table.short} can be read", code="unknown_table")
    return table


def _session(source: Source) -> Session:
    assert source.session is not None  # the source is a server
    return source.session


def find_field(session: Session, table_name: str, field_name: str) -> TableField:
    """The field. Raises UsageError for what is not there."""
    schema_name, typed = place.checked_table(table_name)
    size = query_stats.table_size(session, typed or "", schema_name)
    if size is None:
        raise UsageError(
            f'no table "{table_name}"', hint="indexpilot discover lists what is there", code="unknown_table"
        )
    name = place.checked_name(field_name, "field")
    row = session.one("host/field", {"schema": size.name.schema, "table": size.name.name, "field": name})
    if row is None:
        hint = "indexpilot discover --verbose lists the columns"
        raise UsageError(f'table {size.name.short} has no column "{name}"', hint=hint, code="unknown_column")
    statistics = read_statistics(session, {row.relation: size.name.name}).get((row.relation, name))
    return TableField(size.name, name, size.row_count, row, statistics)


def _sample(session: Session, field: TableField) -> str:
    value = _value(session, field) if field.facts.comparable else None
    if value is None:
        return Select("*", field.table, "WHERE", field.quoted, "IS NOT NULL")
    kind = QualifiedName(field.facts.type_schema, field.facts.type_name)
    contained = field.facts.category in ("A", "R") or field.facts.type_name == "jsonb"
    return Select(
        "*", field.table, "WHERE", field.quoted, "@>" if contained else "=", f"{quote_literal(value)}::{kind}"
    )


def _value(session: Session, field: TableField) -> str | None:
    """A value of the field as text: a common one, one from the middle of the others, or that of some row."""
    known = field.statistics
    if known is not None and known.most_common_vals:
        return known.most_common_vals[0]
    if known is not None and known.histogram_bounds:
        return known.histogram_bounds[len(known.histogram_bounds) // 2]
    if known is not None and known.null_frac == 1:
        return None
    # Not "the first that is not NULL": where hardly any row has a value, that would read the whole table.
    some = Select(field.quoted, field.table, f"LIMIT {_LOOKED_AT}")
    one = Select(f"{field.quoted}::text", f"({some}) AS looked_at", "WHERE", field.quoted, "IS NOT NULL LIMIT 1")
    try:
        with session.transaction():  # a savepoint: the pool's transaction goes on after an error in it
            found: str | None = session.value(one)
    except AnsweredError:
        return None  # rows the role may not read, a materialized view that was never filled
    return found
