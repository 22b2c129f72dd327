"""What is measured, as families of series by the conventions of Prometheus: base units, counters that only grow.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from indexpilot_cli.lifecycle.values import LifecycleState
from indexpilot_cli.log.redact import scrub_text

_MOST_WORDS = 100  # series of one metric whose label comes from rows of the log, which hosts write too
OTHER = "other"
# Guards whose no means "not so fast": the others say no to the change itself, or to the hour.
THROTTLES = ("rate", "cpu", "replication", "write_performance")
_INDEX = ("schema", "table", "index")
_UP = "Whether the database answered."


class MetricKind(StrEnum):
    """Gauges go up and down, counters only up."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """One metric: its series are the label values, in the order of ``labels``, with a number each."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    series: tuple[tuple[tuple[str, ...], float], ...] = ()


@dataclass(frozen=True, slots=True)
class MeasuredIndex:
    """An index with its size in bytes, and its scans, entries read and rows fetched since the server's counters began.

    ``table_rows`` None: never vacuumed nor analyzed; ``last_scan`` None: none, or a server before version 16.
    """

    schema: str
    table: str
    index: str
    bytes: int
    scans: int
    entries: int
    fetched: int = 0
    table_bytes: int = 0
    table_rows: int | None = None
    last_scan: datetime | None = None
    method: str = "btree"
    valid: bool = True
    unique: bool = False
    primary: bool = False

    @property
    def labels(self) -> tuple[str, str, str]:
        """Its three names."""
        return (self.schema, self.table, self.index)


@dataclass(frozen=True, slots=True)
class LoggedActivity:
    """Rows of the log of one type, command and outcome; ``operation``: they are steps of a change.

    ``type`` is empty for idle runs of a timer, which are counted and have no rows.
    """

    type: str
    command: str
    outcome: str | None
    operation: bool
    number: int
    last: datetime


@dataclass(frozen=True, slots=True)
class LogFigures:
    """What our own tables say; ``findings`` are those of the last whole run of ``lifecycle``, by state."""

    activity: tuple[LoggedActivity, ...] = ()
    refusals: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    findings: Mapping[str, int] | None = None
    findings_at: datetime | None = None
    open_operations: int = 0


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """What the server says. ``indexes`` are the largest, of ``count`` with ``bytes`` in all.

    ``builds`` are counted by phase ("hidden" where the role may not see it); ``latency`` is seconds.
    """

    version: str
    in_recovery: bool
    latency: float
    indexes: tuple[MeasuredIndex, ...] = ()
    count: int = 0
    bytes: int = 0
    invalid: int = 0
    builds: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    blocked: int = 0
    log: LogFigures | None = None


@dataclass(frozen=True, slots=True)
class MeasuredPlace:
    """Which database, and the server as it was asked for: labels of every series, for several may share a file."""

    server: str
    database: str


def down(place: MeasuredPlace, version: str) -> tuple[MetricFamily, ...]:
    """What is to be told of a database that does not answer."""
    found = (_gauge("indexpilot_up", _UP, 0.0), _info(version))
    return tuple(_published(family, place) for family in found)


def families(figures: ServerFigures, place: MeasuredPlace, version: str, most: int) -> tuple[MetricFamily, ...]:
    """Every metric, of at most ``most`` series in all: the smallest indexes are counted together where there are more.

    ``version`` is ours.
    """
    fixed = [
        _gauge("indexpilot_up", _UP, 1.0),
        _info(version),
        MetricFamily(
            "indexpilot_server_info",
            MetricKind.GAUGE,
            "The server; 1 always.",
            ("version", "role"),
            (((figures.version, "standby" if figures.in_recovery else "primary"), 1.0),),
        ),
        _gauge("indexpilot_database_latency_seconds", "Time until a trivial question was answered.", figures.latency),
        *_building(figures),
        *(_logged(figures.log) if figures.log is not None else ()),
    ]
    used = sum(len(f.series) for f in fixed)
    return tuple(_published(family, place) for family in (*fixed, *_indexes(figures, max(0, most - used))))


def _published(family: MetricFamily, place: MeasuredPlace) -> MetricFamily:
    """The family with its place, and label values that carry nothing like a secret; what looks the same then is one."""
    found: dict[tuple[str, ...], float] = {}
    for values, number in family.series:
        key = tuple(map(scrub_text, (place.server, place.database, *values)))
        found[key] = found.get(key, 0.0) + number
    return replace(family, labels=("server", "database", *family.labels), series=tuple(found.items()))


def _info(version: str) -> MetricFamily:
    text = "The program that measured; 1 always."
    return MetricFamily("indexpilot_build_info", MetricKind.GAUGE, text, ("version",), (((version,), 1.0),))


def _gauge(name: str, text: str, value: float) -> MetricFamily:
    return MetricFamily(name, MetricKind.GAUGE, text, (), (((), float(value)),))


def _by(name: str, kind: MetricKind, text: str, label: str, counts: Mapping[str, int]) -> MetricFamily:
    most = dict(Counter(counts).most_common(_MOST_WORDS))
    rest = sum(counts.values()) - sum(most.values())
    series = [((key,), float(number)) for key, number in sorted(most.items())]
    return MetricFamily(name, kind, text, (label,), (*series, *([((OTHER,), float(rest))] if rest else [])))


def _building(figures: ServerFigures) -> Iterator[MetricFamily]:
    yield _by(
        "indexpilot_index_builds", MetricKind.GAUGE, "Index builds running on the server.", "phase", figures.builds
    )
    yield _gauge("indexpilot_index_builds_blocked", "Running index builds that wait for others.", figures.blocked)
    yield _gauge("indexpilot_invalid_indexes", "Indexes that no query may use.", figures.invalid)


def _logged(log: LogFigures) -> Iterator[MetricFamily]:
    counter = MetricKind.COUNTER
    types: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for row in filter(lambda row: row.type, log.activity):
        types[row.type] += row.number
        failed[row.type] += row.number if row.outcome == "failed" else 0
    yield _by("indexpilot_mutations_total", counter, "Rows of the mutation log.", "type", types)
    yield _by("indexpilot_mutations_failed_total", counter, "Rows of failures in the mutation log.", "type", failed)
    yield _by("indexpilot_refusals_total", counter, "Changes that a guard refused.", "guard", log.refusals)
    throttles = {guard: log.refusals.get(guard, 0) for guard in THROTTLES}
    yield _by("indexpilot_throttles_total", counter, "Changes put off to spare the server.", "guard", throttles)
    yield from _runs(log.activity)
    yield _gauge("indexpilot_open_operations", "Changes that a run left open.", log.open_operations)
    if log.findings is not None and log.findings_at is not None:
        found = {state.value: log.findings.get(state.value, 0) for state in LifecycleState}
        text = "Findings of the last run of lifecycle that looked at everything."
        yield _by("indexpilot_findings", MetricKind.GAUGE, text, "state", found)
        text = "When that run was."
        yield _gauge("indexpilot_findings_timestamp_seconds", text, log.findings_at.timestamp())


def _runs(activity: Sequence[LoggedActivity]) -> Iterator[MetricFamily]:
    numbers: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], float] = {}
    known = dict.fromkeys(r.command for r in sorted(activity, key=lambda r: r.last, reverse=True) if r.command)
    shown = set(list(known)[:_MOST_WORDS])
    for row in activity:
        if row.command and row.outcome and not row.operation:
            key = (row.command if row.command in shown else OTHER, row.outcome)
            numbers[key] += row.number
            last[key] = max(last.get(key, 0.0), row.last.timestamp())
    labels = ("command", "outcome")
    runs = tuple((key, float(numbers[key])) for key in sorted(numbers))
    yield MetricFamily("indexpilot_runs_total", MetricKind.COUNTER, "Runs of our commands.", labels, runs)
    ends = tuple((key, last[key]) for key in sorted(last))
    text = "When a command last ended so."
    yield MetricFamily("indexpilot_last_run_timestamp_seconds", MetricKind.GAUGE, text, labels, ends)


def _indexes(figures: ServerFigures, room: int) -> Iterator[MetricFamily]:
    """The largest indexes as far as there is room, and how many more there are: the cap hides nothing silently."""
    gauge, counter = MetricKind.GAUGE, MetricKind.COUNTER
    shown = figures.indexes[: max(0, room - 4) // 3]
    yield _gauge("indexpilot_indexes", "Indexes of the database.", figures.count)
    yield _gauge("indexpilot_indexes_size_bytes", "Size of all indexes together.", figures.bytes)
    more = figures.count - len(shown)
    yield _gauge("indexpilot_indexes_not_shown", "Indexes without series of their own: the smallest.", more)
    rest = figures.bytes - sum(i.bytes for i in shown)
    yield _gauge("indexpilot_indexes_not_shown_size_bytes", "Size of the indexes without series of their own.", rest)
    yield _each("indexpilot_index_size_bytes", gauge, "Size of an index.", shown, (i.bytes for i in shown))
    text = "Scans of an index since the server's counters began."
    yield _each("indexpilot_index_scans_total", counter, text, shown, (i.scans for i in shown))
    text = "Entries read from an index since the server's counters began."
    yield _each("indexpilot_index_entries_read_total", counter, text, shown, (i.entries for i in shown))


def _each(
    name: str, kind: MetricKind, text: str, shown: Sequence[MeasuredIndex], values: Iterable[int]
) -> MetricFamily:
    series = tuple((i.labels, float(value)) for i, value in zip(shown, values, strict=True))
    return MetricFamily(name, kind, text, _INDEX, series)
