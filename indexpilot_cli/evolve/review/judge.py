"""From locks, work and real sizes to a verdict: who waits, and whether for long.

A statement blocks for long when it works on something big while its transaction holds a lock that others need,
whichever statement of the transaction took that lock. https://www.postgresql.org/docs/current/explicit-locking.html

Four times the data took two to six times as long when it was measured, so a range of seconds spans a factor of six.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    Lock,
    MigrationObservation,
    Relation,
    RunState,
    SqlError,
    StatementObservation,
    Work,
    WorkKind,
)
from indexpilot_cli.core.units import seconds
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeAnswer, ProbeKind
from indexpilot_cli.evolve.review.values import Blocked, Duration, Impact, Queue, Rates, StatementVerdict
from indexpilot_cli.sql.ddl.action import Act, Migration, MigrationStatement

_BEHIND = "behind a failure"
_LONG = (Impact.LONG_BLOCKS_READS, Impact.LONG_BLOCKS_WRITES)
_SLOW_MS = 1000.0  # a statement that takes longer than this on empty tables would hold its locks for that long
_VERBS = {
    WorkKind.REWRITE: "rewrites",
    WorkKind.BUILD_INDEX: "builds an index on",
    WorkKind.VERIFY: "checks every row of",
    WorkKind.VALIDATE_FOREIGN_KEY: "validates a foreign key of",
    WorkKind.SCAN: "reads",
    WorkKind.MODIFY: "changes rows of",
    WorkKind.REFRESH: "refreshes",
}


@dataclass(frozen=True)
class Bench:
    """What the judge looks at beside the observation: sizes, how fast the server works, and who waits already.

    Work on a relation of fewer than ``long_rows`` rows is never called long.
    """

    sizes: RelationSizes
    rates: Rates = field(default_factory=Rates)
    long_rows: int = 5_000
    queues: Mapping[QualifiedName, tuple[Queue, ...]] = field(default_factory=dict)

    def is_big(self, work: Work) -> bool:
        """Whether the work takes long; what the migration made itself is empty, what nobody knows is big."""
        known = bool(self.sizes.catalog.tables)
        return work.relation.existed and (not known or self.sizes.rows(work.relation) >= self.long_rows)

    def duration(self, work: Work) -> Duration | None:
        """How long the work takes; None for work on nothing."""
        rows, size = self.sizes.rows(work.relation), self.sizes.bytes(work.relation)
        if rows <= 0 and size <= 0:
            return None
        seconds = max(expected(work.kind, rows, size, self.rates), _LEAST)
        return Duration(seconds * LOW, seconds * HIGH, self.rates.basis)

    def waiting(self, tables: Sequence[Blocked]) -> tuple[Queue, ...]:
        """Open transactions in front of the locks on these tables."""
        found: list[Queue] = []
        for blocked in tables:
            found += self.queues.get(blocked.table, ())
        return tuple(found)


def judge(
    observation: MigrationObservation, bench: Bench, probes: Sequence[ProbeAnswer] = ()
) -> tuple[StatementVerdict, ...]:
    """One verdict for each statement of the observation, in its order."""
    return tuple(_judge(statement, bench, probes) for statement in observation.statements)


def worst(verdicts: Sequence[StatementVerdict]) -> Impact:
    """The verdict of a whole migration: its worst statement's."""
    return max((v.impact for v in verdicts), key=lambda impact: impact.rank, default=Impact.NO_BLOCK)


def total(verdicts: Sequence[StatementVerdict]) -> Duration | None:
    """How long the work of all statements takes; None when none of them works on anything big."""
    return _sum([v.duration for v in verdicts if v.duration is not None])


def _judge(seen: StatementObservation, bench: Bench, probes: Sequence[ProbeAnswer]) -> StatementVerdict:
    if seen.state is RunState.SKIPPED:
        return StatementVerdict(Impact.NO_BLOCK, why="not reached: the migration has failed before")
    if seen.state is RunState.FAILED and seen.error is not None:
        return StatementVerdict(Impact.FAILS, error=seen.error, why=seen.error.message)
    behind = seen.state is RunState.BEHIND
    if behind and seen.error is not None:
        return StatementVerdict(Impact.FAILS, error=seen.error, why=f"{_BEHIND}: {seen.error.message}", certain=False)
    harmless = _effect(seen, bench)
    found = next((a for a in probes if a.probe.statement == seen.number and a.found), None)
    if found is None:
        return replace(harmless, why=f"{_BEHIND}: {harmless.why}") if behind else harmless
    error = SqlError(found.probe.sqlstate, found.probe.question)
    return StatementVerdict(
        Impact.FAILS,
        harmless.blocked,
        harmless.work,
        harmless.duration,
        harmless.queue,
        error,
        f"the data: {found.probe.question}",
        certain=found.source == "data" and not behind,
    )


def _effect(seen: StatementObservation, bench: Bench) -> StatementVerdict:
    big = tuple(w for w in seen.work if bench.is_big(w))
    slow = _slow(seen, bench)
    held = blocked_tables(seen.held, bench.sizes)
    # Work done before or beside the statement's own locks still stands under those the transaction had already.
    beside = not slow and all(work.online for work in big)
    under = blocked_tables(_held_before(seen), bench.sizes) if beside else held
    impact = _impact(under, held, long=bool(big or slow))
    blocked = under if impact in _LONG else held
    at_work = big or (seen.work if impact is Impact.BRIEF_LOCK else ())
    return StatementVerdict(
        impact,
        blocked,
        tuple(_clause(w) for w in at_work),
        _time(at_work, bench, seen.milliseconds if slow else 0.0),
        bench.waiting(blocked),
        why=_why(impact, blocked, big, slow),
        certain=seen.state is RunState.RAN,
    )


def _slow(seen: StatementObservation, bench: Bench) -> str:
    """What took the statement long although all tables are empty, as a clause; empty when nothing did."""
    if (seen.rows or 0) >= bench.long_rows:
        return f"makes {seen.rows:,} rows"
    return "works for more than a second on empty tables" if seen.milliseconds >= _SLOW_MS else ""


def _held_before(seen: StatementObservation) -> tuple[Lock, ...]:
    taken = set(seen.locks)
    return tuple(lock for lock in seen.held if lock not in taken)


def _impact(under: Sequence[Blocked], held: Sequence[Blocked], *, long: bool) -> Impact:
    if long and any(b.reads for b in under):
        return Impact.LONG_BLOCKS_READS
    if long and under:
        return Impact.LONG_BLOCKS_WRITES
    if long:
        return Impact.LONG_ONLINE
    return Impact.BRIEF_LOCK if held else Impact.NO_BLOCK


def blocked_tables(held: Sequence[Lock], sizes: RelationSizes) -> tuple[Blocked, ...]:
    """Relations that existed before and that others cannot read or write under these locks, worst first.

    An ACCESS EXCLUSIVE lock on an index counts for its table: no query on it can be planned.
    """
    strongest: dict[QualifiedName, Lock] = {}
    for lock in held:
        if not (lock.relation.existed and lock.mode.blocks_writes and _somebody_minds(lock)):
            continue
        name = lock.relation.table or lock.relation.name
        if name not in strongest or strongest[name].mode.strength < lock.mode.strength:
            strongest[name] = lock
    found = [
        Blocked(n, k.mode, k.mode.blocks_reads, True, sizes.bytes(k.relation), sizes.rows(k.relation))
        for n, k in strongest.items()
    ]
    return tuple(sorted(found, key=lambda b: (-b.mode.strength, -b.bytes, str(b.table))))


def _somebody_minds(lock: Lock) -> bool:
    """Whether the lock keeps an ordinary statement waiting."""
    # SHARE UPDATE EXCLUSIVE and the like on an index conflict with no statement that reads or writes its table's rows.
    if lock.relation.kind in ("i", "I"):
        return lock.mode.blocks_reads
    # Nothing but another REFRESH writes a materialized view.
    return lock.mode.blocks_reads or lock.relation.kind != "m"


def _clause(work: Work) -> str:
    index = f" ({work.index})" if work.index else ""
    verb = "rebuilds an index of" if work.kind is WorkKind.BUILD_INDEX and work.rebuilt else _VERBS[work.kind]
    return f"{verb} {work.relation.table or work.relation.name}{index}"


def _time(work: Sequence[Work], bench: Bench, milliseconds: float) -> Duration | None:
    parts = [d for d in map(bench.duration, work) if d is not None]
    if milliseconds:
        parts.append(Duration(milliseconds / 1000, milliseconds / 1000, "measured on the clone"))
    return _sum(parts)


def _sum(parts: Sequence[Duration]) -> Duration | None:
    if not parts:
        return None
    return Duration(sum(p.low for p in parts), sum(p.high for p in parts), parts[0].basis)


def _why(impact: Impact, blocked: Sequence[Blocked], big: Sequence[Work], slow: str) -> str:
    doing = ", ".join(dict.fromkeys(_clause(w) for w in big)) or slow
    if impact is Impact.NO_BLOCK:
        return "takes no lock that anybody waits for"
    if impact is Impact.LONG_ONLINE:
        return f"{doing}, and nobody has to wait for it"
    first = blocked[0]
    who = "reads and writes wait" if first.reads else "writes wait"
    lock = f"{first.mode.value} on {first.table}"
    return f"{doing} under {lock}: {who}" if doing else f"{lock} for a moment: {who}"


GUESSED_ROW = 100  # bytes of a row where nobody ever counted the rows


@dataclass(frozen=True)
class RelationSizes:
    """Rows and bytes of real relations by name; a partitioned table or an inheritance parent counts its children.

    A relation that the catalog does not know has no rows: the migration made it.
    """

    catalog: Catalog

    def rows(self, relation: Relation) -> float:
        """Rows a walk over the relation reads; for an index those of its table."""
        return sum(_rows(table) for table in self._members(relation))

    def bytes(self, relation: Relation) -> int:
        """Bytes of the heap (for an index: of its table's heap)."""
        return sum(table.size_bytes for table in self._members(relation))

    def _members(self, relation: Relation) -> tuple[Table, ...]:
        own = self.catalog.table(relation.table or relation.name) if relation.existed else None
        if own is None:
            return ()
        return family(self.catalog, own) if own.kind == "p" else (own,)


def family(catalog: Catalog, table: Table) -> tuple[Table, ...]:
    """The table with its partitions and children of any depth, nearest first."""
    members = [table]
    for member in members:
        members += catalog.children_of(member.name)
    return tuple(members)


def _rows(table: Table) -> float:
    """Estimated rows, at least one a page: what was counted before a load, or is bloat now, is walked over too."""
    if table.tuples > 0 or not table.pages:
        return max(table.rows, float(table.pages))
    return table.size_bytes / GUESSED_ROW


LOW, HIGH = 0.45, 2.6
_LEAST = 0.001  # seconds: no work on a table is faster


def expected(kind: WorkKind, rows: float, size: float, rates: Rates) -> float:
    """Seconds in the middle of the range. A build reads the heap and sorts its rows; a rewrite reads and writes it.

    Indexes rebuilt by a rewrite are work of their own.
    """
    scan = size / rates.scan
    if kind is WorkKind.REWRITE:
        return scan + size / rates.rewrite * 0.5 + rows / rates.write * 0.05
    if kind is WorkKind.BUILD_INDEX:
        return scan + rows / rates.sort
    if kind is WorkKind.VALIDATE_FOREIGN_KEY:
        return scan + rows / rates.join
    if kind is WorkKind.MODIFY:
        return scan + rows / rates.write
    if kind is WorkKind.REFRESH:
        return scan + size / rates.rewrite
    return scan


# https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-NAMES-VALUES
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "": 1e-3}
_VALUE = re.compile(r"\s*'?\s*([\d.]+)\s*(us|ms|s|min|h|d|)\s*'?\s*")
_LOCAL = re.compile(r"\s*set\s+local\b", re.IGNORECASE)


def late_answers(migration: Migration, verdicts: Sequence[StatementVerdict]) -> tuple[ProbeAnswer, ...]:
    """For statements that take longer than statement_timeout: surely, or perhaps (then nobody knows)."""
    found = []
    limits = _limits(migration.statements)
    for statement, limit, verdict in zip(migration.statements, limits, verdicts, strict=True):
        if limit and verdict.duration and verdict.impact is not Impact.FAILS and verdict.duration.high > limit:
            found.append(_late(statement, limit, verdict.duration))
    return tuple(found)


def _late(statement: MigrationStatement, limit: float, duration: Duration) -> ProbeAnswer:
    words = f"its work takes longer than statement_timeout ({seconds(limit)})"
    probe = Probe(statement.number, ProbeKind.EXISTS, "57014", QualifiedName("", ""), words, None)
    expected = f"{seconds(duration.low)} to {seconds(duration.high)} are expected"
    sure = duration.low > limit
    return ProbeAnswer(probe, True if sure else None, "statistics" if sure else "none", expected)


def _limits(statements: Sequence[MigrationStatement]) -> Iterator[float]:
    """Seconds that hold for each statement, 0 for no limit."""
    session = local = 0.0
    within = False
    for statement in statements:
        yield local if within else session
        for action in statement.actions:
            if action.kind in (Act.COMMIT, Act.ROLLBACK) and not action.nested:
                within = False
            value = dict(action.parameters).get("statement_timeout") if action.kind is Act.SET else None
            if value is None:
                continue
            if _LOCAL.match(statement.sql):
                local, within = _seconds(value), True
            else:
                session, within = _seconds(value), False


def _seconds(value: str) -> float:
    match = _VALUE.fullmatch(value)
    return float(match[1]) * _UNITS[match[2]] if match else 0.0
