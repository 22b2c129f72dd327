"""What a plan does with an index that is there: it is dropped, or rebuilt in place of itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from indexpilot_cli.apply.steps import Built, as_planned, is_same
from indexpilot_cli.apply.undo import check_needless, drop_found
from indexpilot_cli.core.mutation import Event, IndexFacts, MutationReport, MutationType, Operation, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import size
from indexpilot_cli.db.locks import attempts, worth_retrying
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.build import is_usable
from indexpilot_cli.execute.context import RunContext, take_lock
from indexpilot_cli.execute.events import report
from indexpilot_cli.execute.reindex import leftovers
from indexpilot_cli.execute.steps import clean
from indexpilot_cli.execute.watch import Ended, StatementWatch, watched
from indexpilot_cli.log import versions
from indexpilot_cli.methods.existing import stands_in


def drop_planned(ctx: RunContext, operation: Operation, context: Mapping[str, Any]) -> MutationReport:
    """Drop the index as the plan says, so that ``rollback`` can build it again exactly as it was.

    Raises RefusedError when another run holds the table, the table or the index is not the planned one any more, or
    something depends on it; OutcomeUnknownError.
    """
    with closing(ctx.builder(operation.op_id)) as session:  # its end gives the lock back
        take_lock(ctx, session, operation.relid, operation.table.short)
        found = _found(session, operation)
        if found is None:
            return report(operation, "already_done", notes=("the index was gone already",))
        check_needless(found.name, found)
        if operation.instead is not None:
            _check_replaced(session, operation, operation.instead)
        if found.builder is not None:
            raise RefusedError(f"{found.name} is being built", detail=f"pid {found.builder}", code="building")
        # A plan knows no way back from an index that no query could use: building it is not what was there.
        unusable = {"was_invalid": True} if not operation.undo_sql else {}
        first = events.intent(operation, ctx.record, {**context, **unusable})
        # Without an op_id: the drop is an operation of its own, and takes no other one back.
        event = replace(first, op_id="", type=MutationType.DROP_INDEX)
        return drop_found(ctx, session, event, found, str(context.get("reason") or ""))


def _check_replaced(session: Session, operation: Operation, instead: QualifiedName) -> None:
    """Raises RefusedError unless the other index is there and does all that the one to be dropped does."""
    new = build.find_index(session, instead)
    usable = new is not None and is_usable(new) and new.relid == operation.relid
    if not usable or new is None or new.definition is None or not stands_in(new.definition, operation.definition):
        detail = new.ddl if new is not None else "there is no index of that name"
        raise RefusedError(f"{instead} does not take its place", detail=detail, code="not_replaced")


def _found(session: Session, operation: Operation) -> IndexFacts | None:
    as_planned(session, operation)
    found = build.find_index(session, operation.index)
    if found is not None and not is_same(found, operation):
        hint = "indexpilot lifecycle --plan makes a new plan"
        raise RefusedError(f"{found.name} is another index now", detail=found.ddl, hint=hint, code="stale_plan")
    return found


def rebuild(ctx: RunContext, operation: Operation, context: Mapping[str, Any]) -> Built:
    """REINDEX CONCURRENTLY; a failure is a result, and what it left behind is removed.

    Raises RefusedError as ``drop_planned`` does, and for an index that cannot be rebuilt so; OutcomeUnknownError.
    """
    with closing(ctx.builder(operation.op_id)) as session:  # its end gives the lock back
        take_lock(ctx, session, operation.relid, operation.table.short)
        found = _found(session, operation)
        if found is None:
            raise RefusedError(f"{operation.index} is not there any more", code="stale_plan")
        _check_rebuildable(found)
        event = _intent(ctx, session, operation, found, context)
        for attempt in attempts(ctx.stop, ctx.limits.retries + 1):
            event = replace(event, attempt=attempt)
            ended = _run(ctx, session, event, operation)
            built = _settled(ctx, session, event, operation, found, ended)
            again = built.report.outcome == "failed" and worth_retrying(ended.sqlstate)
            if not again:
                break
        return _closed(ctx, built)


def _check_rebuildable(found: IndexFacts) -> None:
    """The server refuses these too (0A000), after it has taken a lock."""
    why = None
    if found.partitioned:
        why = "is of a partitioned table: each partition's index is rebuilt by itself"
    elif not is_usable(found):
        why = "is not valid: it is to be dropped, or built anew"
    elif found.dependents and found.definition is not None and not found.definition.unique:
        why = "makes an exclusion constraint, which REINDEX CONCURRENTLY does not rebuild"
    if why is not None:
        raise RefusedError(f"{found.name} {why}", code="not_rebuildable")


def _intent(
    ctx: RunContext, session: Session, operation: Operation, found: IndexFacts, context: Mapping[str, Any]
) -> Event:
    pid, started = build.backend(session)
    first = events.intent(operation, ctx.record, context)
    before = [i.oid for i in leftovers(session, operation.index, operation.relid)]
    details = dict(first.details) | {"oid": found.oid, "bytes": found.bytes, "left_before": before}
    intent = replace(first, type=MutationType.REINDEX, backend_pid=pid, backend_start=started, details=details)
    written = ctx.write(replace(intent, definition_sql=found.ddl, undo_sql=None))
    return ctx.write(events.follow(written, OperationState.STARTED))


def _run(ctx: RunContext, session: Session, event: Event, operation: Operation) -> Ended:
    # No lock_timeout: it would stop the rebuilding half-way, and what is left is an invalid index of full size.
    watch = StatementWatch(
        event.backend_pid or 0,
        f"rebuilding {operation.name}",
        deadline=ctx.limits.deadline(),
        first_lock=ctx.limits.lock,
    )
    return watched(ctx, session, operation.sql, watch)


def _settled(
    ctx: RunContext, session: Session, event: Event, operation: Operation, before: IndexFacts, ended: Ended
) -> Built:
    """How it stands by the catalog alone: the swap gives the name to an index with another oid."""
    if ended.lost or session.closed:
        text = f"what became of {operation.index} is not known"
        raise OutcomeUnknownError(text, detail=ended.why, hint="indexpilot doctor --reconcile")
    known = [int(oid) for oid in event.details.get("left_before", [])]
    for remnant in leftovers(session, operation.index, operation.relid, known):
        clean(ctx, session, remnant)
    left = leftovers(session, operation.index, operation.relid, known)
    now = build.find_index(session, operation.index)
    facts: dict[str, Any] = {"milliseconds": ended.seconds * 1000, "started_at": event.created_at}
    if now is not None and now.oid != before.oid and is_usable(now) and not left:
        details = dict(event.details) | {"oid": now.oid, "bytes_after": now.bytes}
        valid = events.follow(event, OperationState.VALID, definition_sql=now.ddl, details=details)
        note = f"{size(before.bytes)} before"
        return Built(report(operation, "done", event=event, size_bytes=now.bytes, notes=(note,), **facts), valid, now)
    why, code = ended.why or "the index is the one it was", ended.code or "not_there"
    state = OperationState.FAILED_LEFTOVER if left else OperationState.FAILED_CLEAN
    name = str(left[0].name) if left else None
    failed = events.follow(event, state, sqlstate=ended.sqlstate, error=why, leftover=name)
    outcome = "leftover" if left else "failed"
    told = report(operation, outcome, event=event, error=why, error_code=code, notes=ended.in_the_way, **facts)
    return Built(told, failed, now)


def _closed(ctx: RunContext, built: Built) -> Built:
    assert built.event is not None
    written = ctx.write(built.event, done=True)
    if built.event.state is OperationState.VALID:
        with suppress(IndexPilotError):  # the log has it; versions are its digest
            versions.add_version(ctx.log, written, anew=True, schema=ctx.schema)
    return replace(built, report=replace(built.report, id=written.id), event=written)
