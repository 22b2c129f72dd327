"""``lifecycle query-stats``: recorded statistics past their age go, by parts or in batches, and new parts are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from indexpilot_cli.core.codec import UNPUBLISHED, Amount, Count
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.locks import retrying
from indexpilot_cli.db.queries import Composed, Identifier, composed
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError
from indexpilot_cli.lifecycle import partitions
from indexpilot_cli.lifecycle.partitions import PartitionPeriod, StatisticsOwner, StatisticsPart
from indexpilot_cli.log.bookkeeping import Note, bookkeeping
from indexpilot_cli.log.metadata import checked_schema
from indexpilot_cli.snapshot.source import open_metadata

_BATCH = 10_000
_LONGEST_DAYS = 36_500  # no server has recorded longer, and dates end
_TRIES = 5
_CHECK_VIOLATED = "23514"
OpenSession = Callable[[], AbstractContextManager[Session]]


class StatisticsAction(StrEnum):
    """What is done to the table."""

    CONVERT = "convert"
    DROP = "drop"
    DELETE = "delete"
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class StatisticsStep:
    """One step.

    ``part`` is the table it is about, ``rows`` how many go (or went), ``sql`` what runs.

    ``last`` is the greatest key of those that go in batches.
    """

    action: StatisticsAction
    part: str
    text: str
    rows: Annotated[Count | None, "that go; null: none do"] = None
    sql: Annotated[tuple[str, ...], "what runs; empty where batches are deleted"] = ()
    last: Annotated[int | None, UNPUBLISHED] = None


@dataclass(frozen=True, slots=True)
class StatisticsRequest(CommandRequest):
    """``keep_days`` None: nothing is too old. ``partition_by`` none, day, week or month; ``convert``: a table that is
    not partitioned yet becomes it. ``write`` False only shows what would be done.
    """

    keep_days: float | None = None
    partition_by: str = "none"
    convert: bool = True
    write: bool = False


@dataclass(frozen=True, slots=True)
class StatisticsResult:
    """Recorded statistics, and how they are kept in bounds.

    The parts (the table itself when it has none), the steps, and whether they were carried out.
    """

    partitioned: bool
    parts: tuple[StatisticsPart, ...]
    keep_days: Annotated[Amount | None, "null: for ever"]
    steps: tuple[StatisticsStep, ...]
    written: Annotated[bool, "false: nothing was changed"]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatisticsTable:
    """The table as it is. ``dependents`` are objects that would stay behind with the first part.

    ``guarded``: a run that was to partition it ended between its two steps.
    """

    schema: str
    partitioned: bool
    guarded: bool
    owner: StatisticsOwner
    dependents: tuple[str, ...]
    parts: tuple[StatisticsPart, ...]
    now: datetime


def run(request: StatisticsRequest, progress: Progress) -> Outcome[StatisticsResult]:
    """The steps, carried out with ``write``.

    Raises PrerequisiteError before ``init``, RefusedError when something of the host depends on the table or the locks
    were not free in time.
    """
    kind = MutationType.BULK_UPDATE if request.write else MutationType.DISCOVER
    schema = checked_schema(request.connection.metadata_schema)
    with bookkeeping(request.connection, kind, request.record) as note:
        note.table("query_stats", schema)
        progress.stage("looking at the recorded statistics")
        with open_metadata(request.connection, write=request.write) as (session, server):
            table = look_at_table(session, schema)
            steps = tuple(_steps(session, table, request))
            if request.write:
                steps = tuple(_carried_out(session, table, request, steps, progress))
        _noted(note, request, steps)
    result = StatisticsResult(
        table.partitioned, table.parts, request.keep_days, steps, request.write, tuple(_notes(table, request))
    )
    waiting = bool(steps) and not request.write
    after = (_command(request),) if waiting else ()
    status = "findings" if waiting else "ok" if steps else "skipped"
    return Outcome("lifecycle_query_stats", result, status, 0, server, note.warnings, after)


def _command(request: StatisticsRequest) -> str:
    keep = "" if request.keep_days is None else f" --keep {request.keep_days:g}"
    parts = "" if request.partition_by == "none" else f" --partition-by {request.partition_by}"
    return f"indexpilot lifecycle query-stats{keep}{parts} --write"


def look_at_table(session: Session, schema: str) -> StatisticsTable:
    """The table, its parts and the server's clock. Raises PrerequisiteError where it is not."""
    row = session.one("lifecycle/stats_table", {"schema": schema})
    if row is None:
        raise PrerequisiteError("there is no table of recorded statistics", hint="indexpilot init --upgrade")
    grants = session.rows("lifecycle/stats_grants", {"schema": schema})
    listed = tuple((g.privilege, g.grantee, g.grantable) for g in grants)
    owner = StatisticsOwner(row.owner, row.role, row.sequence, tuple(row.indexes), listed)
    parts = tuple(StatisticsPart(*part) for part in session.rows("lifecycle/stats_parts", {"schema": schema}))
    return StatisticsTable(schema, row.partitioned, row.guarded, owner, tuple(row.dependents), parts, row.now)


def prune(open_session: OpenSession, keep_days: float, schema: str) -> int:
    """Delete what is older; gives how many rows. Whole parts are dropped, the rest goes in batches, each by itself.

    Raises ValueError for a negative number of days.
    """
    if not keep_days >= 0:
        raise ValueError("keep_days must not be negative")
    with open_session() as session:
        table = look_at_table(session, schema)
        cutoff = _cutoff(table, keep_days)
        steps = tuple(_removals(session, table, cutoff, exact=True))
    return sum(step.rows or 0 for step in _removed(open_session, schema, cutoff, steps))


def _steps(session: Session, table: StatisticsTable, request: StatisticsRequest) -> Iterator[StatisticsStep]:
    if request.keep_days is not None:
        yield from _removals(session, table, _cutoff(table, request.keep_days))
    if table.partitioned:
        yield from _additions(session, table, _period(table, request))
    elif request.partition_by != "none" and request.convert:
        period = PartitionPeriod(request.partition_by)
        end = partitions.first_end(period, table.now)
        statements = (*partitions.guard_statements(table.schema, end), *_swap(table, end))
        text = f"becomes the first part of a table partitioned by {period}, for rows before {end:%Y-%m-%d}"
        yield StatisticsStep(StatisticsAction.CONVERT, "query_stats", text, None, _texts(statements))


def _cutoff(table: StatisticsTable, keep_days: float) -> datetime:
    return table.now - timedelta(days=min(keep_days, _LONGEST_DAYS))


def _period(table: StatisticsTable, request: StatisticsRequest) -> PartitionPeriod:
    """As asked; a table that is partitioned stays so where nothing is."""
    asked = request.partition_by
    return partitions.period_of(table.parts) if asked == "none" else PartitionPeriod(asked)


def _removals(
    session: Session, table: StatisticsTable, cutoff: datetime, *, exact: bool = False
) -> Iterator[StatisticsStep]:
    """Not ``exact``: of a part whose rows will all be too old one day nothing is deleted before that."""
    for part in table.parts:
        if part.expired(cutoff):
            rows = _old(session, table.schema, part.name, cutoff)[0]
            sql = (partitions.drop_statement(table.schema, part.name),)
            yield StatisticsStep(StatisticsAction.DROP, part.name, "all its rows are too old", rows, _texts(sql))
        elif part.mixed(cutoff) or (exact and part.since is not None and part.since < cutoff):
            rows, last = _old(session, table.schema, part.name, cutoff)
            if rows:
                text = f"rows before {cutoff.astimezone(UTC):%Y-%m-%d %H:%M}Z, in batches of {_BATCH:,}"
                yield StatisticsStep(StatisticsAction.DELETE, part.name, text, rows, last=last)


def _additions(session: Session, table: StatisticsTable, period: PartitionPeriod) -> Iterator[StatisticsStep]:
    fallback = next((part.name for part in table.parts if part.fallback), None)
    stray = None
    if fallback is not None:
        end = {"end": partitions.horizon(period, table.now)}
        stray = session.value(_question(session, "lifecycle/stats_stray", table.schema, fallback), end)
    for since, until in partitions.missing(table.parts, period, table.now, stray):
        text = f"for rows from {since:%Y-%m-%d} to {until:%Y-%m-%d}"
        statements = partitions.part_statements(table.schema, since, until, table.owner)
        name = partitions.part_name(since)
        yield StatisticsStep(StatisticsAction.CREATE, name, text, None, _texts(statements))


def _carried_out(
    session: Session,
    table: StatisticsTable,
    request: StatisticsRequest,
    steps: Sequence[StatisticsStep],
    progress: Progress,
) -> Iterator[StatisticsStep]:
    """The steps with what came of them, and the parts that a converted table needs."""
    progress.stage("maintaining the recorded statistics")
    if table.guarded:  # one day it would refuse rows
        _locked(session, [partitions.release_statement(table.schema)])
    if request.keep_days is not None:
        yield from _removed(lambda: nullcontext(session), table.schema, _cutoff(table, request.keep_days), steps)
    for step in steps:
        if step.action is StatisticsAction.CONVERT:
            _convert(session, table, PartitionPeriod(request.partition_by))
            yield step
            made = look_at_table(session, table.schema)
            yield from _created(session, tuple(_additions(session, made, PartitionPeriod(request.partition_by))))
    yield from _created(session, steps)


def _created(session: Session, steps: Sequence[StatisticsStep]) -> Iterator[StatisticsStep]:
    for step in steps:
        if step.action is StatisticsAction.CREATE:
            _locked(session, step.sql)
            yield step


def _removed(
    open_session: OpenSession, schema: str, cutoff: datetime, steps: Sequence[StatisticsStep]
) -> Iterator[StatisticsStep]:
    for step in steps:
        if step.action is StatisticsAction.DROP:
            with open_session() as session:
                _locked(session, step.sql)
            yield step
        elif step.action is StatisticsAction.DELETE:
            yield replace(step, rows=sum(_batches(open_session, schema, step, cutoff)))


def _batches(open_session: OpenSession, schema: str, step: StatisticsStep, cutoff: datetime) -> Iterator[int]:
    """How many rows each batch deleted. By the key, as a batch need not pass what the ones before it left dead."""
    after, last = -1, step.last
    while last is not None and after < last:
        values = {"after": after, "last": last, "cutoff": cutoff, "most": _BATCH}
        with open_session() as session:
            (done,) = session.rows(_question(session, "lifecycle/stats_prune", schema, step.part), values)
        yield done.rows
        after = last if done.last is None else done.last


def _old(session: Session, schema: str, part: str, cutoff: datetime) -> tuple[int, int | None]:
    """How many rows of the part are older, and the greatest key of them."""
    (found,) = session.rows(_question(session, "lifecycle/stats_old", schema, part), {"cutoff": cutoff})
    return found.rows, found.last


def _convert(session: Session, table: StatisticsTable, period: PartitionPeriod) -> None:
    """Raises RefusedError where something depends on the table, or rows have no time or one of the future."""
    if table.dependents:
        raise RefusedError(
            "query_stats cannot be partitioned: something of yours depends on it",
            detail=", ".join(table.dependents),
            hint="drop it, run this again, and make it anew",
            code="depended_on",
        )
    end = partitions.first_end(period, table.now)
    add, validate = partitions.guard_statements(table.schema, end)
    _locked(session, [add])
    try:
        session.execute(validate)
        _locked(session, tuple(_swap(table, end)))
    except BaseException as error:  # Ctrl-C too: the constraint would refuse rows from its time on
        _locked(session, [partitions.release_statement(table.schema)])
        if isinstance(error, IndexPilotError) and sqlstate(error) == _CHECK_VIOLATED:
            raise RefusedError(
                f"query_stats has rows without a time, or of one after {end:%Y-%m-%d}",
                hint="give them one, or delete them",
                code="odd_times",
            ) from error
        raise


def _swap(table: StatisticsTable, end: datetime) -> Iterator[Composed]:
    return partitions.swap_statements(table.schema, end, table.owner)


def _locked(session: Session, statements: Sequence[Composed | str]) -> None:
    """All in one transaction, tried again while somebody holds the table: its wait for the lock is short."""

    def once() -> None:
        with session.transaction():
            for statement in statements:
                session.execute(statement)

    retrying(once, tries=_TRIES, pause=0.5)


def _texts(statements: Sequence[Composed] | Iterator[Composed]) -> tuple[str, ...]:
    return tuple(statement.as_string() for statement in statements)


def _question(session: Session, name: str, schema: str, part: str) -> Composed:
    names = {"schema": Identifier(schema.replace("%", "%%")), "part": Identifier(part)}
    return composed(name, session.version, **names)


def _notes(table: StatisticsTable, request: StatisticsRequest) -> Iterator[str]:
    if not table.partitioned and request.partition_by != "none" and not request.convert:
        yield "query_stats is not partitioned yet: indexpilot lifecycle query-stats --write"
    if table.partitioned and request.partition_by == "none":
        yield f"query_stats stays partitioned by {partitions.period_of(table.parts)}"


def _noted(note: Note, request: StatisticsRequest, steps: Sequence[StatisticsStep]) -> None:
    if not steps:
        note.idle = "nothing_to_do"
    if request.write and any(step.action is StatisticsAction.CONVERT for step in steps):
        note.type(MutationType.DATA_MIGRATION)
    note.details(
        deleted=sum(step.rows or 0 for step in steps),
        steps=[f"{step.action} {step.part}" for step in steps],
        keep_days=request.keep_days,
        written=request.write,
    )
