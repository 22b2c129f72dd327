"""Extended statistics of a plan: made, and taken back by ``rollback``."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import replace
from typing import Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.mutation import Event, MutationReport, MutationType, OperationKind, OperationState
from indexpilot_cli.core.statistics import ExtendedStatistics
from indexpilot_cli.db.extended import StatisticsFacts, find_extended
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import OutcomeUnknownError, RefusedError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.context import RunContext, take_lock
from indexpilot_cli.execute.events import report_of_event
from indexpilot_cli.execute.extended import is_ours, make
from indexpilot_cli.execute.reconcile import mark_taken_back
from indexpilot_cli.execute.watch import Ended, retried
from indexpilot_cli.sql.normal import tells_all

_RECONCILE = "indexpilot doctor --reconcile"


def planned(wanted: ExtendedStatistics) -> MutationReport:
    """The report of statistics that are to be made."""
    return MutationReport(
        "planned",
        OperationKind.STATISTICS,
        wanted.table,
        wanted.name.name,
        wanted.ddl,
        wanted.undo,
        summary=wanted.text,
    )


def create_extended(ctx: RunContext, wanted: ExtendedStatistics, plan: str | None) -> MutationReport:
    """Make them, where none serve already. A failure is a result.

    Raises RefusedError when another run holds the table, OutcomeUnknownError.
    """
    op_id = str(uuid.uuid4())
    with closing(ctx.builder(op_id)) as session:  # its end gives the lock back
        there = build.relation_kind(session, wanted.table)
        if there is None:
            return replace(planned(wanted), outcome="failed", error_code="stale_plan", error="the table is gone")
        take_lock(ctx, session, there[0], wanted.table.short)
        found = find_extended(session, wanted.name)
        if found is not None:
            return _taken(wanted, found)
        event = _intent(ctx, session, wanted, op_id, there[0], plan)
        ended = retried(ctx, session, lambda: make(session, wanted, op_id), event.index.short)
        return _settled(ctx, session, event, ended)


def _taken(wanted: ExtendedStatistics, found: StatisticsFacts) -> MutationReport:
    if tells_all(found.made, wanted):
        return replace(planned(wanted), outcome="already_done")
    why = f"statistics {wanted.name.short} are others: {found.made.text}"
    return replace(planned(wanted), outcome="conflict", error_code="name_taken", error=why)


def _intent(
    ctx: RunContext, session: Session, wanted: ExtendedStatistics, op_id: str, relid: int, plan: str | None
) -> Event:
    pid, started = build.backend(session)
    details = {
        "kind": OperationKind.STATISTICS.value,
        "statistics": to_json(wanted),
        "sql": wanted.ddl,
        "rollback_sql": wanted.undo,
        "plan": plan,
        "command": ctx.record.command,
        "actor": ctx.record.actor,
        "version": ctx.record.version,
    }
    event = Event(
        op_id=op_id,
        type=MutationType.LIFECYCLE_RUN,
        state=OperationState.INTENT,
        table=wanted.table,
        index=wanted.name,
        relid=relid,
        actor=ctx.record.actor or None,
        definition_sql=wanted.ddl,
        undo_sql=wanted.undo,
        backend_pid=pid,
        backend_start=started,
        details={key: value for key, value in details.items() if value is not None},
    )
    return ctx.write(event)


def _settled(ctx: RunContext, session: Session, event: Event, ended: Ended) -> MutationReport:
    """How it stands by the catalog: a lost connection may have committed."""
    if ended.lost or session.closed:
        raise OutcomeUnknownError(f"what became of {event.index} is not known", hint=_RECONCILE)
    found = find_extended(session, event.index)
    facts: dict[str, Any] = {"milliseconds": ended.seconds * 1000, "started_at": event.created_at}
    if found is not None and is_ours(found, event):
        details = dict(event.details) | {"oid": found.oid}
        closed = ctx.write(events.follow(event, OperationState.VALID, details=details), done=True)
        return report_of_event(closed, "done", **facts)
    return _failed(ctx, event, ended, facts)


def _failed(ctx: RunContext, event: Event, ended: Ended, facts: dict[str, Any]) -> MutationReport:
    why, code = ended.why or "nothing came of it", ended.code or "not_there"
    closed = ctx.write(events.follow(event, OperationState.FAILED_CLEAN, sqlstate=ended.sqlstate, error=why))
    return report_of_event(closed, "failed", error=why, error_code=code, notes=ended.in_the_way, **facts)


def drop_extended(ctx: RunContext, event: Event) -> MutationReport:
    """Take back what the operation made; gone already is as good.

    Raises RefusedError when another run holds the table or what has the name is not ours, OutcomeUnknownError.
    """
    assert event.undo_sql is not None  # its intent has it
    op_id = str(uuid.uuid4())
    with closing(ctx.builder(op_id)) as session:  # its end gives the lock back
        take_lock(ctx, session, event.relid, event.table.short)
        found = find_extended(session, event.index)
        if found is not None and not is_ours(found, event):
            text = f"statistics {event.index} are not what we made"
            raise RefusedError(text, detail=found.made.text, code="not_ours")
        first = _drop_intent(ctx, session, event, op_id)
        ended = retried(ctx, session, event.undo_sql, event.index.short) if found is not None else Ended()
        if ended.lost or session.closed:
            raise OutcomeUnknownError(f"whether {event.index} is gone is not known", hint=_RECONCILE)
        if find_extended(session, event.index) is not None:
            facts = {"milliseconds": ended.seconds * 1000, "started_at": first.created_at}
            return _failed(ctx, first, ended, facts)
        closed = ctx.write(events.follow(first, OperationState.VALID), done=True)
        mark_taken_back(ctx, event.op_id, by=op_id)
        return report_of_event(
            closed, "done" if found is not None else "already_done", milliseconds=ended.seconds * 1000
        )


def _drop_intent(ctx: RunContext, session: Session, event: Event, op_id: str) -> Event:
    pid, started = build.backend(session)
    details = dict(event.details) | {
        "kind": OperationKind.DROP_STATISTICS.value,
        "reverts": event.op_id,
        "sql": event.undo_sql,
        "rollback_sql": event.definition_sql,
        "command": ctx.record.command,
        "actor": ctx.record.actor,
    }
    row = replace(
        event,
        op_id=op_id,
        type=MutationType.ROLLBACK_INDEX,
        state=OperationState.INTENT,
        actor=ctx.record.actor or None,
        definition_sql=event.undo_sql,
        undo_sql=event.definition_sql,
        backend_pid=pid,
        backend_start=started,
        details=details,
        id=None,
        created_at=None,
    )
    return ctx.write(row)
