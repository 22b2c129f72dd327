"""``discover``: what is there, how big it is and how busy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain

from indexpilot_cli.core.catalog import Activity, Index, Table
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress, TableFilter, next_line
from indexpilot_cli.core.index import RedundantIndex
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.methods.existing import redundant_indexes
from indexpilot_cli.snapshot.source import Source, SourceRequest, open_source, wanted_tables

Redundant = Mapping[QualifiedName, RedundantIndex]
_KINDS = {"r": "table", "p": "partitioned", "m": "materialized view", "f": "foreign table"}


@dataclass(frozen=True, slots=True)
class DiscoverRequest(CommandRequest):
    """``sort`` is size, writes, reads or name; ``save`` records the columns in the genome catalog."""

    snapshot: str | None = None
    filter: TableFilter = field(default_factory=TableFilter)
    min_size_bytes: int = 0
    sort: str = "size"
    save: bool = False


@dataclass(frozen=True, slots=True)
class IndexReport:
    """An index as ``discover`` lists it. ``scans`` None: not known (snapshot without activity)."""

    name: QualifiedName
    definition: str
    bytes: int
    scans: int | None = None
    valid: bool = True
    kind: str = "index"  # primary, unique, constraint, index
    redundant: RedundantIndex | None = None


@dataclass(frozen=True, slots=True)
class TableReport:
    """A table as ``discover`` lists it. Rates are per second since the statistics began; None: unknown.

    ``kind`` is table, partitioned, partition, materialized view or foreign table; ``rows`` None: never analyzed.
    """

    name: QualifiedName
    rows: float | None
    bytes: int
    index_bytes: int
    indexes: tuple[IndexReport, ...] = ()
    reads_per_s: float | None = None
    writes_per_s: float | None = None
    analyzed: datetime | None = None
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class DiscoverResult:
    """Tables in the order asked for. ``hidden`` counts those the filters left out; ``now`` is the server's clock.

    ``saved_fields`` is the number of columns recorded, None when nothing was to be saved.
    """

    tables: tuple[TableReport, ...]
    stats_since: datetime | None = None
    now: datetime | None = None
    hidden: int = 0
    saved_fields: int | None = None


def run(request: DiscoverRequest, progress: Progress) -> Outcome[DiscoverResult]:
    """Tables with sizes, rates, indexes and the age of their statistics."""
    with (
        bookkeeping(request.connection, MutationType.DISCOVER, request.record, offline=bool(request.snapshot)) as note,
        open_source(SourceRequest(request.connection, request.snapshot), progress) as source,
    ):
        result = _report(source, request)
        if request.save:
            result = _saved(request, source, result)
        note.details(tables=len(result.tables), hidden=result.hidden)
    warnings = (*_warnings(source, result), *note.warnings)
    return Outcome("discover", result, server=source.server, warnings=warnings, next=tuple(_next(request, source)))


def _next(request: DiscoverRequest, source: Source) -> Iterator[str]:
    """What is done with the tables; nothing where there are none, and without statements what tells how to get them."""
    if source.catalog.tables and source.records_statements:
        yield next_line("analyze", request.snapshot)
    elif source.catalog.tables and source.session is not None:
        yield "indexpilot doctor"


def _report(source: Source, request: DiscoverRequest) -> DiscoverResult:
    wanted = wanted_tables(source.catalog, request.filter)
    now = source.catalog.taken_at or datetime.now(UTC)
    since = source.catalog.statistics_since
    needless = {r.name: r for r in redundant_indexes(source.catalog.tables)}
    shown = [_table(t, needless, since, now) for t in wanted if t.size_bytes >= request.min_size_bytes]
    return DiscoverResult(
        tuple(sorted(shown, key=_order(request.sort))),
        stats_since=since,
        now=now,
        hidden=len(source.catalog.tables) - len(shown),
    )


def _table(table: Table, redundant: Redundant, since: datetime | None, now: datetime) -> TableReport:
    indexes = tuple(_index(index, redundant.get(index.name)) for index in table.indexes)
    reads, writes = _rates(table.activity, table.activity.since or since, now)
    return TableReport(
        table.name,
        # reltuples is -1 until the first VACUUM or ANALYZE (from 14 on).
        # https://www.postgresql.org/docs/current/catalog-pg-class.html
        None if table.tuples < 0 else table.tuples,
        table.size_bytes,
        sum(i.bytes for i in indexes),
        indexes,
        reads,
        writes,
        table.activity.last_analyze,
        "partition" if table.is_partition else _KINDS.get(table.kind, table.kind),
    )


def _rates(activity: Activity, since: datetime | None, now: datetime) -> tuple[float | None, float | None]:
    # stats_reset is NULL where nobody has reset, and was so after a crash, which zeroes the counters: then there is no
    # span to divide by.
    if since is None or now <= since:
        return None, None
    seconds = (now - since).total_seconds()
    reads = activity.seq_scans + activity.index_scans
    writes = activity.inserts + activity.updates + activity.deletes
    return reads / seconds, writes / seconds


def _index(index: Index, redundant: RedundantIndex | None) -> IndexReport:
    kind = "primary" if index.primary else {"u": "unique", "x": "constraint"}.get(index.constraint or "", "index")
    if kind == "index" and index.definition.unique:  # a unique index need not be a constraint's
        kind = "unique"
    return IndexReport(index.name, index.ddl, index.size_bytes, index.scans, index.valid, kind, redundant)


def _order(sort: str) -> Callable[[TableReport], tuple[float, QualifiedName]]:
    measures: dict[str, Callable[[TableReport], float]] = {
        "size": lambda t: -t.bytes,
        "writes": lambda t: -(t.writes_per_s or 0.0),
        "reads": lambda t: -(t.reads_per_s or 0.0),
        "name": lambda _: 0,
    }
    measure = measures[sort]
    return lambda t: (measure(t), t.name)


def _warnings(source: Source, result: DiscoverResult) -> tuple[Warn, ...]:
    never = [t.name for t in result.tables if t.rows is None and t.bytes > 0 and t.kind != "foreign table"]
    unreadable = [t.name for t in source.catalog.tables if not t.readable]
    invalid = [i for i in chain.from_iterable(t.indexes for t in result.tables) if not i.valid]
    return (
        *(Warn("stats_missing", str(n), f"never analyzed: run ANALYZE {n};") for n in never),
        *(Warn("not_readable", str(n), "no SELECT privilege: the planner twin cannot use it") for n in unreadable),
        *(Warn("index_invalid", str(i.name), "invalid: no query uses it, every write maintains it") for i in invalid),
    )


def _saved(request: DiscoverRequest, source: Source, result: DiscoverResult) -> DiscoverResult:
    from indexpilot_cli.genome.sync import save_fields

    tables = {t.name for t in result.tables}
    fields = save_fields(request.connection, [t for t in source.catalog.tables if t.name in tables])
    return replace(result, saved_fields=fields)
