"""One operation, from its lock to its closing row: intent first, outcome from the catalog only; and the operations that
make one index of a partitioned table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from indexpilot_cli.apply.steps import Built, Task, already, is_same
from indexpilot_cli.core.mutation import (
    Event,
    IndexFacts,
    MutationReport,
    MutationType,
    Operation,
    OperationKind,
    OperationState,
)
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.locks import SHORT, attempts, worth_retrying
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError, UnreachableError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.build import OPEN, STANDING, after_build, is_usable, tag
from indexpilot_cli.execute.context import RunContext, take_lock
from indexpilot_cli.execute.events import report
from indexpilot_cli.execute.reconcile import builds_of, close_whole, newest_build
from indexpilot_cli.execute.steps import clean
from indexpilot_cli.execute.watch import STOPPED, Ended, StatementWatch, watched
from indexpilot_cli.log import versions
from indexpilot_cli.methods.partitioned import looks_again

GOOD = frozenset({"done", "already_done"})


@dataclass(frozen=True, slots=True)
class BuildManner:
    """How an operation is done: the type of its rows, where the index goes, what it gets when it is there.

    ``restore`` None: the index gets our tag. ``besides`` are oids of equal indexes that stood beside it before.
    """

    type: MutationType = MutationType.CREATE_INDEX
    tablespace: str | None = None
    restore: Callable[[Session, IndexFacts], None] | None = None
    besides: tuple[int, ...] = ()


@dataclass(slots=True)
class _Work:
    """An operation under way. ``session`` is replaced when the server took it from us."""

    ctx: RunContext
    operation: Operation
    event: Event
    session: Session
    manner: BuildManner
    notes: list[str] = field(default_factory=list)


def perform(
    ctx: RunContext, operation: Operation, context: Mapping[str, Any], manner: BuildManner | None = None
) -> Built:
    """Build (or attach) the index and close its row; a failure that left nothing behind is a result, not an error.

    Raises RefusedError when another run holds the table, the table is not the planned one any more, or the name is
    taken; OutcomeUnknownError when what happened could not be found out or recorded; UnreachableError before.
    """
    with closing(ctx.builder(operation.op_id)) as session:  # its end gives the lock back
        take_lock(ctx, session, operation.relid, operation.table.short)
        # Looked at once more under the lock: the plan's catalog is older, and another run may have built since.
        manner = manner or BuildManner()
        return already(session, operation, manner.besides) or _begin(ctx, session, operation, context, manner)


def _begin(
    ctx: RunContext, session: Session, operation: Operation, context: Mapping[str, Any], manner: BuildManner
) -> Built:
    # The intent is committed before anything happens: if we die from here on, the next run knows whom to look for.
    pid, started = build.backend(session)
    first = events.intent(operation, ctx.record, context)
    event = ctx.write(replace(first, type=manner.type, backend_pid=pid, backend_start=started))
    work = _Work(ctx, operation, event, session, manner)
    try:
        return _tries(work)
    except UnreachableError as error:
        raise _unknown(work, error.detail or error.message) from error
    finally:
        if work.session is not session:
            work.session.close()


def _tries(work: _Work) -> Built:
    # Every try has the same name. With a new one each, failures pile up as invalid indexes that writes maintain; six of
    # them made updates ten times slower when measured.
    for attempt in attempts(work.ctx.stop, work.ctx.limits.retries + 1):
        work.event = replace(work.event, attempt=attempt)
        ended = _run(work)
        found = _settled(work, ended)
        state = _judge(work, found)
        # The next try needs the name, and a UNIQUE remnant goes on refusing the application's rows (23505) although no
        # query can use it.
        if state is OperationState.FAILED_LEFTOVER:
            cleaned = clean(work.ctx, work.session, found) if found is not None else None
            found = cleaned.found if cleaned is not None else None
            state = _judge(work, found)
        if state is OperationState.VALID:
            return _finish(work, found, ended)
        if state is not OperationState.FAILED_CLEAN or not worth_retrying(ended.sqlstate):
            break
    return _close(work, state, ended, found)


def _run(work: _Work) -> Ended:
    """The statement under watch; STARTED is written as soon as the index is to be seen under way."""
    ctx, operation = work.ctx, work.operation
    pid, started = build.backend(work.session)
    work.event = replace(work.event, backend_pid=pid, backend_start=started)
    # pg_get_indexdef(), which the statement of a restored index comes from, does not name the tablespace.
    if work.manner.tablespace is not None:
        build.set_tablespace(work.session, work.manner.tablespace)
    concurrent = operation.kind is OperationKind.CREATE and not operation.only
    # A lock_timeout around CREATE INDEX CONCURRENTLY would leave an invalid index of full size behind, which every
    # write maintains; there only the first lock is watched. ATTACH and ON ONLY are undone as a whole by it.
    if not concurrent:
        build.set_lock_timeout(work.session, ctx.limits.lock)
    watch = StatementWatch(
        pid,
        operation.name,
        deadline=ctx.limits.deadline(),
        first_lock=ctx.limits.lock if concurrent else None,
        seen=lambda oid: _seen(work, oid),
    )
    return watched(ctx, work.session, operation.sql, watch)


def _seen(work: _Work, oid: int) -> None:
    with suppress(IndexPilotError):  # the look session is a help; STARTED follows at the end at the latest
        found = build.find_index_by_oid(work.ctx.look, oid)
        if found is not None and work.event.state is OperationState.INTENT:
            _started(work, found)


def _started(work: _Work, found: IndexFacts | None) -> None:
    details = dict(work.event.details) | ({"oid": found.oid} if found is not None else {})
    text = work.operation.sql if found is None else found.ddl
    begun = events.follow(work.event, OperationState.STARTED, details=details, definition_sql=text)
    with suppress(IndexPilotError):  # the intent is recorded; the closing row will say the rest
        work.event = work.ctx.write(begun)


def _settled(work: _Work, ended: Ended) -> IndexFacts | None:
    """What the catalog has now, from a new session when the old one is gone."""
    # 57P01 or no SQLSTATE at all: the server may have restarted, or go on building without us. Only the catalog tells.
    if ended.lost or work.session.closed:
        with suppress(IndexPilotError):
            _found(work, work.ctx.look)
        work.session.close()
        again = work.ctx.returned(work.operation.op_id)
        if again is None:
            raise _unknown(work, "the server went away and has not come back")
        work.session = again
        try:
            # The backend we lost keeps the table's advisory lock until it ends, so one that is not free may mean
            # that it builds on.
            take_lock(work.ctx, again, work.operation.relid, work.operation.table.short)
        except RefusedError as error:
            raise _unknown(work, f"the server may still be building: {error.detail}") from error
    try:
        return _found(work, work.session)
    except IndexPilotError as error:
        raise _unknown(work, error.message) from error


def _found(work: _Work, session: Session) -> IndexFacts | None:
    """What has the index's name now. STARTED is written with it where the build was too quick to be seen under way."""
    found = None
    try:
        found = build.find_index(session, work.operation.index)
    finally:
        if work.event.state is OperationState.INTENT:
            # With its oid it is ours under whatever name somebody gives it.
            _started(work, found if is_same(found, work.operation) else None)
    return found


def _unknown(work: _Work, why: str) -> OutcomeUnknownError:
    with suppress(IndexPilotError):
        work.ctx.write(events.follow(work.event, OperationState.UNKNOWN, error=why))
    return OutcomeUnknownError(
        f"what became of {work.operation.index} is not known", detail=why, hint="indexpilot doctor --reconcile"
    )


def _judge(work: _Work, found: IndexFacts | None) -> OperationState:
    operation = work.operation
    if operation.kind is OperationKind.ATTACH:
        attached = found is not None and found.attached == operation.parent
        return OperationState.VALID if attached else OperationState.FAILED_CLEAN
    # How the statement ended decides nothing: 55P03 has the same text whether the first lock timed out, which leaves
    # nothing behind, or a later one, which leaves an invalid index.
    return after_build(found, operation.relid, same=is_same(found, operation), only=operation.only)


def _finish(work: _Work, found: IndexFacts | None, ended: Ended) -> Built:
    assert found is not None
    if work.operation.kind is OperationKind.CREATE:
        _tag(work, found)
    details = dict(work.event.details) | {"oid": found.oid}
    closed = events.follow(work.event, OperationState.VALID, definition_sql=found.ddl, details=details)
    # An index ON ONLY its table stays invalid until the last partition's index is attached; so long it is not closed.
    if work.operation.only:
        closed = replace(closed, state=OperationState.STARTED)
    event = work.ctx.write(closed, done=True)
    if work.operation.kind is OperationKind.CREATE:
        with suppress(IndexPilotError):  # the log has it; versions are its digest
            versions.add_version(work.ctx.log, event, schema=work.ctx.schema)
    result = report(
        work.operation,
        "done",
        event=event,
        milliseconds=ended.seconds * 1000,
        size_bytes=found.bytes,
        started_at=event.created_at,
        notes=tuple(work.notes),
    )
    return Built(result, event, found)


def _tag(work: _Work, found: IndexFacts) -> None:
    # The index is of use without its comment, and the oid in the log says whose it is as well: a lock that is not free
    # in time costs a note, not the build.
    build.set_lock_timeout(work.session, work.ctx.limits.lock)
    for attempt in attempts(work.ctx.stop, SHORT, obstinate=True):
        try:
            if work.manner.restore is not None:
                work.manner.restore(work.session, found)
            else:
                build.comment_on(work.session, work.operation.index, tag(work.operation.op_id))
            return
        except IndexPilotError as error:
            # 57014: a cancel meant for the build may reach the server after it.
            if attempt == SHORT or not (worth_retrying(sqlstate(error)) or sqlstate(error) == "57014"):
                work.notes.append(f"the index did not get all that belongs to it: {error.detail or error.message}")
                return


def _close(work: _Work, state: OperationState, ended: Ended, found: IndexFacts | None) -> Built:
    why = _why(ended)
    event = events.follow(
        work.event,
        state,
        sqlstate=ended.sqlstate,
        error=why,
        leftover=str(work.operation.index) if state is OperationState.FAILED_LEFTOVER else None,
    )
    event = work.ctx.write(event, done=True)
    outcome = {OperationState.FAILED_LEFTOVER: "leftover", OperationState.CONFLICT: "conflict"}.get(state, "failed")
    notes = [*work.notes, *ended.in_the_way]
    if outcome == "leftover":
        notes.append(
            f"remove it with  DROP INDEX CONCURRENTLY {work.operation.index};  or indexpilot doctor --reconcile"
        )
    result = report(
        work.operation,
        outcome,
        event=event,
        milliseconds=ended.seconds * 1000,
        started_at=event.created_at,
        error_code=ended.code or "not_there",
        error=why,
        notes=tuple(notes),
    )
    return Built(result, event, found)


def _why(ended: Ended) -> str:
    if ended.cancelled is not None:
        reasons = {
            STOPPED: "stopped by a signal",
            "deadline": "the build reached its deadline and was cancelled",
            "lock_timeout": "the table's lock was not free in time",
        }
        return reasons[ended.cancelled]
    return ended.why or "the index is not there although the statement succeeded"


def build_whole(ctx: RunContext, task: Task, performed: Callable[[Operation], Built]) -> MutationReport:
    """The report of the index that the task is for; ends at the first operation that does not go well.

    Operations that an earlier, unfinished run has done are passed over. Raises what ``performed`` raises.
    """
    first: MutationReport | None = None
    made: int | None = None  # the number of what this run did last
    wholes: dict[str, Event] = {}
    began = time.monotonic()
    for planned in task.operations:
        whole = wholes.get(planned.part_of or "")
        operation = planned if whole is None else replace(planned, part_of=whole.op_id)
        built = performed(operation)
        first = first or built.report
        made = built.report.id if built.report.outcome == "done" else made
        unfinished = operation.only and built.event is None  # an earlier run made it
        recorded = newest_build(ctx, operation.index, OPEN | STANDING) if unfinished else None
        if recorded is not None:
            wholes[operation.op_id] = recorded
        if built.report.outcome not in GOOD:
            # A part that was refused before anything was done leaves nothing to be found under a number.
            _close_usable(ctx, task)
            did = built.report.id if built.report.id is not None else made
            begun = wholes.get(task.head.op_id)
            return _whole_failed(task, first, built.report, did if did is None or begun is None else begun.id)
    assert first is not None
    if not task.head.only:
        return first
    closed = replace(_whole_closed(ctx, task, first), milliseconds=(time.monotonic() - began) * 1000)
    # An index that somebody else began and we completed has no operation of ours to close.
    return replace(closed, outcome="done") if made is not None and closed.outcome == "already_done" else closed


def _whole_failed(task: Task, first: MutationReport, failed: MutationReport, number: int | None) -> MutationReport:
    """The report of the whole, with what stopped it; ``number`` where an earlier run began it."""
    if failed is first:
        return failed
    note = f"{failed.index}: {failed.error}; the same command again continues, rollback removes what is there"
    return replace(
        failed,
        id=number if first.id is None else first.id,
        index=task.head.name,
        table=task.head.table,
        sql=task.head.sql,
        undo_sql=task.head.undo_sql,
        summary=first.summary,
        notes=(note, *failed.notes),
    )


def _looked_at_again(ctx: RunContext, session: Session, found: IndexFacts) -> IndexFacts | None:
    """The index after one of its parts was attached once more: one that became valid later has not made it valid."""
    part = next(iter(build.parts_of_index(session, found.oid)), None)
    build.set_lock_timeout(session, ctx.limits.lock)
    with suppress(IndexPilotError):
        if part is not None:
            session.execute(f"ALTER INDEX {found.name} ATTACH PARTITION {part.name}")
    return build.find_index(session, found.name)


def _whole_closed(ctx: RunContext, task: Task, first: MutationReport) -> MutationReport:
    """Close the operations of partitioned indexes that their last attachment has made valid, innermost first."""
    closed = first
    for operation in reversed([o for o in task.operations if o.only]):
        with closing(ctx.builder(operation.op_id)) as session:
            found = build.find_index(session, operation.index)
            if found is not None and not is_usable(found) and looks_again(session.version):
                found = _looked_at_again(ctx, session, found)
                closed = replace(closed, outcome="done")
            if found is None or not is_usable(found):
                return replace(first, outcome="failed", error_code="not_valid", error="the index did not become valid")
            if operation is task.head:
                # The index of a partitioned table is a name: what there is of it lies in those of the partitions.
                closed = replace(closed, size_bytes=build.tree_bytes(session, found.oid))
            for written in _close_built(ctx, session, operation, found):
                if operation is task.head:
                    closed = replace(closed, id=written.id, outcome="done")
    return closed


def _close_usable(ctx: RunContext, task: Task) -> None:
    """Close what became valid before a later part failed: the index of a partition that has partitions itself."""
    for operation in [o for o in task.operations if o.only and o.part_of is not None]:
        with suppress(IndexPilotError), closing(ctx.builder(operation.op_id)) as session:
            found = build.find_index(session, operation.index)
            if found is not None and is_usable(found):
                _close_built(ctx, session, operation, found)


def _close_built(ctx: RunContext, session: Session, operation: Operation, found: IndexFacts) -> list[Event]:
    return [close_whole(ctx, session, e, found) for e in builds_of(ctx, operation.index) if e.state in OPEN]
