"""Closing what an earlier run left open, by what the catalog says. First step of every command that changes indexes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace

from indexpilot_cli.core.command import Connection, Progress, Record
from indexpilot_cli.core.mutation import Event, IndexFacts, MutationReport, MutationType, OperationKind, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db import locks
from indexpilot_cli.db.extended import find_extended
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, RefusedError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.build import OPEN, STANDING, CatalogVerdict, open_operation, tag, tagged
from indexpilot_cli.execute.context import RunContext, open_context, take_lock
from indexpilot_cli.execute.events import report_of_event
from indexpilot_cli.execute.extended import is_drop, is_statistics, open_statistics
from indexpilot_cli.execute.reindex import is_reindex, known_before, leftovers, subject
from indexpilot_cli.execute.signals import listening
from indexpilot_cli.execute.standing import follow_catalog, oids_of
from indexpilot_cli.execute.steps import clean
from indexpilot_cli.guards.bypass import STOPPING, require_on
from indexpilot_cli.log import intents, versions
from indexpilot_cli.settings.sections import BypassSettings

_TEXT = {
    CatalogVerdict.LEAVE: "somebody still works on the table",
    CatalogVerdict.VALID: "finished although its run did not say so",
    CatalogVerdict.CLEAN: "an invalid index was left behind",
    CatalogVerdict.ABSENT: "nothing was left behind",
    CatalogVerdict.CONFLICT: "another index has the name now; it is left alone",
    CatalogVerdict.FINISH: "the drop stopped half-way",
    CatalogVerdict.UNFINISHED: "not all partitions have their index yet",
}
_FIX = {
    CatalogVerdict.LEAVE: "wait, then look again",
    CatalogVerdict.CONFLICT: "indexpilot recommend",
    CatalogVerdict.UNFINISHED: "indexpilot apply continues, indexpilot rollback removes what is there",
}


@dataclass(frozen=True, slots=True)
class Pending:
    """An operation nobody closed: its newest row, what the catalog says of it, and what would settle it."""

    event: Event
    verdict: CatalogVerdict
    found: IndexFacts | None

    @property
    def text(self) -> str:
        """What happened, in a clause."""
        return _TEXT[self.verdict]

    @property
    def fix(self) -> str:
        """What to do, as a command or a clause."""
        return _FIX.get(self.verdict, "indexpilot doctor --reconcile")


def pending(session: Session, schema: str) -> tuple[Pending, ...]:
    """Open operations as they stand; nothing is changed, a read-only session will do."""
    return pending_of(session, intents.latest(session, schema=schema))


def pending_of(session: Session, latest: Iterable[Event]) -> tuple[Pending, ...]:
    """The same where the newest event of every operation was read already."""
    return tuple(_pending(session, event) for event in latest if event.state in OPEN)


def reconcile(ctx: RunContext) -> tuple[MutationReport, ...]:
    """Settle every open operation: its row is closed, our remnants are removed.

    The log first follows what others did to indexes of ours. What still runs, what is not ours any more and what needs
    the rest of its plan is reported and left.
    """
    reports = list(follow_catalog(ctx))
    for event in intents.latest(ctx.log, schema=ctx.schema):
        if event.state in OPEN:
            ctx.progress.say(f"an earlier run left {event.index} open")
            reports.append(_settle(ctx, event))
    return tuple(reports)


def settle_open(
    connection: Connection, record: Record, bypass: BypassSettings, progress: Progress
) -> tuple[MutationReport, ...]:
    """Settle every open operation in sessions of its own, where no switch is off that stops changes.

    Raises PrerequisiteError before ``init``, OutcomeUnknownError when the log cannot be written, RefusedError (code
    bypassed) when a switch is off: remnants of builds would be dropped.
    """
    progress.stage("settling what was left open")
    require_on(bypass, "settling", STOPPING)
    with listening() as stop, open_context(connection, record, progress, stop) as ctx:
        require_on(bypass, "settling", STOPPING, ctx.log, connection.metadata_schema)
        return reconcile(ctx)


def close_whole(ctx: RunContext, session: Session, index_event: Event, found: IndexFacts) -> Event:
    """The closing row of an index that has become valid by its last attachment."""
    # A run that was killed right after CREATE left the index without its tag and the log without its oid; rollback
    # would take it for somebody else's.
    if "restore" not in index_event.details and tagged(found.comment) != index_event.op_id:
        _adorn(ctx, session, index_event)
    details = dict(index_event.details) | {"oid": found.oid}
    closed = ctx.write(
        events.follow(index_event, OperationState.VALID, definition_sql=found.ddl, details=details), done=True
    )
    with suppress(IndexPilotError):
        versions.add_version(ctx.log, closed, schema=ctx.schema)
    return closed


def _pending(session: Session, event: Event) -> Pending:
    if is_statistics(event):
        busy = locks.holder(session, event.relid) is not None
        return Pending(event, CatalogVerdict.LEAVE if busy else open_statistics(session, event), None)
    event, found = _now(session, event)
    busy = locks.holder(session, event.relid) is not None
    return Pending(event, open_operation(event, found, same=_same(event, found), busy=busy), found)


def _now(session: Session, event: Event) -> tuple[Event, IndexFacts | None]:
    """The operation under the name its index has by now, and the index: by its oid where the log knows it, by our
    comment, else by the name it was to have.
    """
    if is_reindex(event):
        return event, subject(session, event)
    oid = event.details.get("oid")
    found = build.find_index_by_oid(session, oid) if isinstance(oid, int) else None
    if found is None:
        found = next((i for i in build.indexes_of(session, event.relid) if tagged(i.comment) == event.op_id), None)
    if found is None or found.relid != event.relid:
        return event, build.find_index(session, event.index)
    return replace(event, index=found.name, table=found.table), found


def _same(event: Event, found: IndexFacts | None) -> bool:
    """Whether the index is the operation's: on its table and of its structure, or the very text once seen."""
    if found is None or found.relid != event.relid:
        return False
    if event.definition_sql == found.ddl and event.details.get("oid") == found.oid:
        return True
    return build.has_structure(found, event.relid, events.structure(event))


def _settle(ctx: RunContext, event: Event) -> MutationReport:
    with closing(ctx.builder(event.op_id)) as session:  # its end gives the lock back
        try:
            # After SIGKILL of the client the server may build on: while that backend lives, what looks left over may
            # become valid.
            take_lock(ctx, session, event.relid, event.table.short)
        except RefusedError as error:
            return report_of_event(
                event, "skipped", notes=tuple(t for t in (_TEXT[CatalogVerdict.LEAVE], error.detail) if t)
            )
        return _settle_locked(ctx, session, event)


def _settle_locked(ctx: RunContext, session: Session, event: Event) -> MutationReport:
    newest = intents.operations(ctx.log, intents.Which(op_ids=(event.op_id,)), schema=ctx.schema)[0][-1]
    if newest.state not in OPEN:  # its own run closed it while we waited for the lock
        return report_of_event(newest, "skipped", notes=("closed meanwhile",))
    if is_statistics(event):
        return _settle_statistics(ctx, session, newest)
    if is_reindex(event):
        for remnant in leftovers(session, event.index, event.relid, known_before(event)):
            clean(ctx, session, remnant)
    event, found = _now(session, event)
    verdict = open_operation(event, found, same=_same(event, found), busy=False)
    if verdict in (CatalogVerdict.CLEAN, CatalogVerdict.FINISH) and found is not None:
        found = clean(ctx, session, found).found
        again = open_operation(event, found, same=_same(event, found), busy=False)
        verdict = CatalogVerdict.ABSENT if verdict is CatalogVerdict.CLEAN and found is None else again
    if verdict is CatalogVerdict.UNFINISHED and found is not None:
        known = event.index == newest.index and event.details.get("oid") == found.oid
        event = event if known else _identified(ctx, session, event, found)
    return _close(ctx, session, event, verdict, found)


def _settle_statistics(ctx: RunContext, session: Session, event: Event) -> MutationReport:
    """Made or dropped in one transaction: there is nothing to clean."""
    verdict = open_statistics(session, event)
    notes = (f"left open by an earlier run: {_TEXT[verdict]}",)
    if verdict is not CatalogVerdict.VALID:
        state = OperationState.CONFLICT if verdict is CatalogVerdict.CONFLICT else OperationState.FAILED_CLEAN
        closed = ctx.write(events.follow(event, state, error=notes[0]))
        return report_of_event(closed, "conflict" if state is OperationState.CONFLICT else "failed", notes=notes)
    if is_drop(event):
        closed = ctx.write(events.follow(event, OperationState.VALID))
        mark_taken_back(ctx, str(closed.details["reverts"]), by=closed.op_id)
        return report_of_event(closed, "done", notes=notes)
    found = find_extended(session, event.index)
    details = dict(event.details) | ({"oid": found.oid} if found is not None else {})
    return report_of_event(ctx.write(events.follow(event, OperationState.VALID, details=details)), "done", notes=notes)


def _close(
    ctx: RunContext, session: Session, event: Event, verdict: CatalogVerdict, found: IndexFacts | None
) -> MutationReport:
    notes = (f"left open by an earlier run: {_TEXT[verdict]}",)
    if verdict in (CatalogVerdict.LEAVE, CatalogVerdict.UNFINISHED):
        return report_of_event(event, "skipped", notes=notes)
    if verdict in (CatalogVerdict.CLEAN, CatalogVerdict.FINISH):
        return _leftover(ctx, event, notes)
    if verdict is CatalogVerdict.VALID:
        return _close_valid(ctx, session, event, found, notes)
    state = OperationState.CONFLICT if verdict is CatalogVerdict.CONFLICT else OperationState.FAILED_CLEAN
    closed = ctx.write(events.follow(event, state, error=notes[0]))
    return report_of_event(closed, "conflict" if state is OperationState.CONFLICT else "failed", notes=notes)


def _identified(ctx: RunContext, session: Session, event: Event, found: IndexFacts) -> Event:
    """The operation with its index's oid and name: a run killed right after CREATE did not write the one."""
    _adorn(ctx, session, event)
    details = dict(event.details) | {"oid": found.oid}
    return ctx.write(events.follow(event, OperationState.STARTED, definition_sql=found.ddl, details=details))


def _leftover(ctx: RunContext, event: Event, notes: tuple[str, ...]) -> MutationReport:
    if event.state is not OperationState.FAILED_LEFTOVER:
        error = "the invalid index could not be removed"
        event = ctx.write(events.follow(event, OperationState.FAILED_LEFTOVER, error=error, leftover=str(event.index)))
    return report_of_event(event, "leftover", notes=notes)


def _close_valid(
    ctx: RunContext, session: Session, event: Event, found: IndexFacts | None, notes: tuple[str, ...]
) -> MutationReport:
    if event.kind is OperationKind.DROP:
        return _close_drop(ctx, event, notes)
    assert found is not None
    if event.kind is OperationKind.CREATE:
        _adorn(ctx, session, event)
    details = dict(event.details) | {"oid": found.oid}
    closed = ctx.write(events.follow(event, OperationState.VALID, definition_sql=found.ddl, details=details))
    with suppress(IndexPilotError):
        if event.kind is not OperationKind.ATTACH:
            versions.add_version(ctx.log, closed, anew=is_reindex(event), schema=ctx.schema)
    return report_of_event(closed, "done", size_bytes=found.bytes, notes=notes)


def _adorn(ctx: RunContext, session: Session, event: Event) -> None:
    """What the run that was cut short would have given the index: its tag, or what it had before it was dropped."""
    build.set_lock_timeout(session, ctx.limits.lock)
    kept, dropped_by = event.details.get("restore"), event.details.get("reverts")
    with suppress(IndexPilotError):
        if isinstance(kept, Mapping):
            build.restore(session, event.index, event.table, kept)
        else:
            build.comment_on(session, event.index, tag(event.op_id))
    if isinstance(dropped_by, str):
        mark_taken_back(ctx, dropped_by, by=event.op_id)


def mark_taken_back(ctx: RunContext, op_id: str, *, by: str) -> None:
    """The row that says of an operation that another one took it back: what it dropped is there, what it made gone."""
    for group in intents.operations(ctx.log, intents.Which(op_ids=(op_id,)), schema=ctx.schema):
        if group[-1].state is not OperationState.REVERTED:
            details = dict(group[-1].details) | {"reverted_by": by}
            row = events.follow(group[-1], OperationState.REVERTED, type=MutationType.ROLLBACK_INDEX, details=details)
            ctx.write(row, done=True)


def _close_drop(ctx: RunContext, event: Event, notes: tuple[str, ...]) -> MutationReport:
    closed = ctx.write(events.follow(event, OperationState.VALID))
    mark_reverted(ctx, closed)
    return report_of_event(closed, "done", notes=notes)


def mark_reverted(ctx: RunContext, drop: Event) -> None:
    """The rows that say of the operation a drop took back, and of those made for it, that they no longer stand."""
    with suppress(IndexPilotError):
        versions.retire_version(ctx.log, drop.index, schema=ctx.schema)
    taken_back = drop.details.get("reverts")
    if not isinstance(taken_back, str):
        _mark_ended(ctx, drop)
        return
    whole = intents.operations(ctx.log, intents.Which(op_ids=(taken_back,)), schema=ctx.schema)
    gone = [p for p in parts_of(ctx, taken_back) if build.find_index(ctx.look, p.index) is None]
    for event in (*(group[-1] for group in whole), *gone):
        if event.state is not OperationState.REVERTED:
            details = dict(event.details) | {"reverted_by": drop.op_id}
            ctx.write(events.follow(event, OperationState.REVERTED, type=drop.type, details=details), done=True)


def _mark_ended(ctx: RunContext, drop: Event) -> None:
    """The rows that say of the operations that built what was dropped, where they are ours: they no longer stand."""
    gone = set(oids_of(drop))
    for event in intents.latest(ctx.log, schema=ctx.schema):
        if event.state in STANDING and event.op_id != drop.op_id and event.details.get("oid") in gone:
            details = dict(event.details) | {"reverted_by": drop.op_id}
            ctx.write(events.follow(event, OperationState.REVERTED, type=drop.type, details=details), done=True)


def builds_of(ctx: RunContext, index: QualifiedName) -> list[Event]:
    """The newest rows of what built the index; an earlier one of that name may have been dropped, which stands too."""
    latest = intents.latest(ctx.log, schema=ctx.schema)
    return [e for e in latest if e.index == index and e.kind is OperationKind.CREATE]


def newest_build(ctx: RunContext, index: QualifiedName, states: Collection[OperationState]) -> Event | None:
    """The last of those that are in one of these states."""
    return max((e for e in builds_of(ctx, index) if e.state in states), key=lambda e: e.id or 0, default=None)


def replaced_by(rows: Iterable[Event], builds: Collection[str]) -> tuple[Event, ...]:
    """Of newest rows those of drops in whose place an index of these operations stands, and that are not taken back."""
    return tuple(e for e in rows if e.details.get("replaced_by") in builds and e.state in STANDING | OPEN)


def parts_of(ctx: RunContext, op_id: str) -> tuple[Event, ...]:
    """The newest rows of the operations that were made for this one and still stand or are open, from the top down."""
    alive = [e for e in intents.latest(ctx.log, schema=ctx.schema) if e.state in STANDING | OPEN]
    found: list[Event] = []
    level = {op_id}
    while level:
        below = [e for e in alive if e.details.get("part_of") in level and "reverts" not in e.details]
        found += below
        level = {e.op_id for e in below}
    return tuple(found)
