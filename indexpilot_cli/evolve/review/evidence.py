"""What the real database adds to a review: probes of its data, its speed, and who holds its tables now.

Speed is measured in at most a second and without writing anything: a scan and a sort are timed; everything else is
derived from them by the ratios that were measured when whole migrations ran on 2 million rows (255 MB): scan 0.15 s,
index 1.0-1.7 s, rewrite with two indexes 3.3-4.4 s, foreign key 0.45-0.52 s.
"""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import MigrationObservation
from indexpilot_cli.db.queries import SQL, Identifier, Literal
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError, IndexPilotError, UnreachableError
from indexpilot_cli.evolve.review.probes.ask import from_statistics, read_facts, run_probes
from indexpilot_cli.evolve.review.probes.probes import probes
from indexpilot_cli.evolve.review.probes.question import DataFacts, Probe, ProbeAnswer
from indexpilot_cli.evolve.review.values import Queue, Rates
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.sql.ddl.action import Migration

STRIDE = 1_000_000  # statements of several files become one run of numbers
PATIENCE = 5.0  # seconds from which an open transaction counts
_NUMBERED = re.compile(r"\bstatement (\d+)\b")


@dataclass(frozen=True, slots=True)
class DataEvidence:
    """``answers`` by the file's position; ``queues`` are open transactions in front of each table's lock.

    ``facts`` is what probes had to know of the database, None when it was not asked.
    """

    answers: Mapping[int, tuple[ProbeAnswer, ...]] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)
    queues: Mapping[QualifiedName, tuple[Queue, ...]] = field(default_factory=dict)
    not_checked: tuple[str, ...] = ()
    facts: DataFacts | None = None

    @property
    def fails(self) -> bool:
        """Whether the data makes any of the files fail."""
        return any(answer.found for answer in chain.from_iterable(self.answers.values()))


def ask_database(
    source: Source,
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    probe_seconds: float,
    progress: Progress,
) -> DataEvidence:
    """Everything read-only and bounded, all probes together by ``probe_seconds``; from a snapshot only what its
    statistics tell.
    """
    if source.session is None:
        answers = from_statistics(form_probes(migrations, observed, source.catalog))
        return DataEvidence(_by_position(answers, migrations))
    facts = read_facts(source.session)
    asked = form_probes(migrations, observed, source.catalog, facts)
    progress.stage("asking the data", len(asked))
    answers = run_probes(source.session, asked, budget_seconds=probe_seconds)
    try:
        rates, queues = calibrate(source.session), _queues_by_table(source.session, observed)
    except AnsweredError as error:
        missed = f"speed and open transactions: {error.message}"
        return DataEvidence(_by_position(answers, migrations), not_checked=(missed,), facts=facts)
    return DataEvidence(_by_position(answers, migrations), rates, queues, facts=facts)


def form_probes(
    migrations: Sequence[Migration],
    observed: Sequence[MigrationObservation],
    catalog: Catalog,
    facts: DataFacts | None = None,
) -> tuple[Probe, ...]:
    """The questions of all files together, since a file finds what the one before it left."""
    return probes(*joined(migrations, observed), catalog, facts=facts)


def joined(
    migrations: Sequence[Migration], observed: Sequence[MigrationObservation]
) -> tuple[Migration, MigrationObservation]:
    written, seen = [], []
    for position, (migration, observation) in enumerate(zip(migrations, observed, strict=True)):
        base = position * STRIDE
        written += [replace(s, number=base + s.number) for s in migration.statements]
        seen += [replace(s, number=base + s.number, transaction=base + s.transaction) for s in observation.statements]
    first = migrations[0]
    return replace(first, statements=tuple(written)), replace(observed[0], statements=tuple(seen))


def _by_position(answers: Sequence[ProbeAnswer], migrations: Sequence[Migration]) -> dict[int, tuple[ProbeAnswer, ...]]:
    found: dict[int, tuple[ProbeAnswer, ...]] = defaultdict(tuple)
    for answer in answers:
        position, number = divmod(answer.probe.statement, STRIDE)
        why_not = _with_lines(answer.probe.why_not, migrations, position)
        question = _with_lines(answer.probe.question, migrations, position)
        probe = replace(answer.probe, statement=number, question=question, why_not=why_not)
        found[position] += (replace(answer, probe=probe, note=_with_lines(answer.note, migrations, position)),)
    return found


def _with_lines(text: str, migrations: Sequence[Migration], here: int) -> str:
    """A reason with the line of a statement, and its file where that is another one, in place of its number."""

    def line(match: re.Match[str]) -> str:
        position, number = divmod(int(match[1]), STRIDE)
        if position >= len(migrations):
            return "the statement"
        migration = migrations[position]
        found = next((s.line for s in migration.statements if s.number == number), 0)
        return f"line {found}" if position == here else f"{migration.path}:{found}"

    return _NUMBERED.sub(line, text)


def _queues_by_table(
    session: Session, observed: Sequence[MigrationObservation]
) -> Mapping[QualifiedName, tuple[Queue, ...]]:
    """Open transactions in front of every lock that keeps writers away: nobody passes one that waits for them."""
    tables = set[QualifiedName]()
    for statement in chain.from_iterable(observation.statements for observation in observed):
        blocking = (lock.relation for lock in statement.held if lock.mode.blocks_writes)
        tables.update(relation.table or relation.name for relation in blocking if relation.existed)
    found: dict[QualifiedName, tuple[Queue, ...]] = defaultdict(tuple)
    for queue in queues(session, tuple(sorted(tables, key=str))):
        found[queue.table] += (queue,)
    return found


def queues(session: Session, tables: Sequence[QualifiedName], *, older_than: float = PATIENCE) -> tuple[Queue, ...]:
    """Open and prepared transactions on these tables that are at least ``older_than`` seconds old, oldest first.

    A prepared transaction has process id 0 and its identifier as application. What the role may not see of other
    sessions (their user and state) is empty; their age is then unknown and they are left out.
    """
    if not tables:
        return ()
    wanted = {"schemas": [t.schema for t in tables], "names": [t.name for t in tables]}
    known = {r.relid: QualifiedName(r.schema, r.name) for r in session.rows("review/queue_relations", wanted)}
    rows = session.rows("review/queue", {"relids": list(known)}) if known else []
    return tuple(
        Queue(known[r.relid], r.pid, r.user or "", r.application or "", r.seconds, r.state or "")
        for r in rows
        # Without pg_read_all_stats the state and age of other roles' sessions are hidden.
        # https://www.postgresql.org/docs/current/monitoring-stats.html
        if r.seconds is not None and r.seconds >= older_than
    )


SORTED_ROWS = 100_000
_SAMPLE_BYTES = 64 * 2**20  # of the table that is read
_DEFAULT = Rates()
_BOUNDS = (0.1, 10.0)  # a measured rate is believed within these factors of the usual one
_SORT_TO_BUILD = 0.35  # an index is sorted, written and logged; the sort alone is timed


def calibrate(session: Session, *, limit_ms: int = 300) -> Rates:
    """Rates of this server; ``basis`` is default when nothing could be timed. Raises UnreachableError.

    Each of the measurements is cut off after ``limit_ms``; what is cut off keeps its usual rate.
    """
    scan = _scan(session, limit_ms)
    sorting = _timed(session, limit_ms, lambda: session.value("review/rates_sort"))
    sort = None if sorting is None else SORTED_ROWS / max(sorting, 1e-4)
    if scan is None and sort is None:
        return _DEFAULT
    return Rates(
        scan=_bounded(scan, _DEFAULT.scan),
        rewrite=_DEFAULT.rewrite * _speed(scan, _DEFAULT.scan),
        sort=_bounded(sort * _SORT_TO_BUILD if sort else None, _DEFAULT.sort),
        join=_DEFAULT.join * _speed(sort, _DEFAULT.sort / _SORT_TO_BUILD),
        write=_DEFAULT.write * _speed(sort, _DEFAULT.sort / _SORT_TO_BUILD),
        basis="calibrated",
    )


def _speed(measured: float | None, usual: float) -> float:
    """How much faster than usual what is written goes: the square root, for it depends on other things too."""
    return math.sqrt(_bounded(measured, usual) / usual)


def _bounded(measured: float | None, usual: float) -> float:
    if measured is None:
        return usual
    return max(usual * _BOUNDS[0], min(usual * _BOUNDS[1], measured))


def _scan(session: Session, limit_ms: int) -> float | None:
    """Bytes of heap counted through in a second."""
    table = session.one("review/rates_table")
    if table is None:
        return None
    share = min(100.0, 100.0 * _SAMPLE_BYTES / max(table.bytes, 1))
    name = Identifier(table.schema, table.name)
    sample = SQL(" TABLESAMPLE SYSTEM ({})").format(Literal(share)) if share < 100 else SQL("")
    # SYSTEM takes whole pages, so that only the share is read; ONLY leaves partitions and children out of it.
    # https://www.postgresql.org/docs/current/sql-select.html
    question = SQL("SELECT count(*) FROM ONLY {}{}").format(name, sample)
    seconds = _timed(session, limit_ms, lambda: session.value(question))
    return None if seconds is None else table.bytes * share / 100 / max(seconds, 1e-4)


def _timed(session: Session, limit_ms: int, run: Callable[[], object]) -> float | None:
    """Seconds, None when it was cut off or refused."""
    try:
        with session.transaction(rollback=True):
            session.execute("SELECT set_config('statement_timeout', %s, true)", [str(limit_ms)])
            begun = time.perf_counter()
            run()
            return time.perf_counter() - begun
    except IndexPilotError as error:
        if isinstance(error, UnreachableError) and error.code != "timeout":
            raise
        return None
