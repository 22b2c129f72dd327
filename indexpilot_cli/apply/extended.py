"""Extended statistics and statistics targets of a plan: made and set, and taken back by ``rollback``."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.mutation import Event, MutationReport, MutationType, OperationKind, OperationState
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsTarget
from indexpilot_cli.db.extended import StatisticsFacts, find_extended, statistics_target
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import OutcomeUnknownError, RefusedError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.build import CatalogVerdict
from indexpilot_cli.execute.context import RunContext, take_lock
from indexpilot_cli.execute.events import report_of_event
from indexpilot_cli.execute.extended import is_ours, is_target, make, open_statistics, target_of
from indexpilot_cli.execute.reconcile import mark_taken_back
from indexpilot_cli.execute.watch import Ended, retried
from indexpilot_cli.sql.normal import tells_all

_RECONCILE = "indexpilot doctor --reconcile"


def planned(wanted: ExtendedStatistics | StatisticsTarget) -> MutationReport:
    """The report of statistics to be made, or of a target to be set: what takes that back is known when it is set."""
    return MutationReport(
        "planned",
        OperationKind.STATISTICS if isinstance(wanted, ExtendedStatistics) else OperationKind.STATISTICS_TARGET,
        wanted.table,
        wanted.name.name,
        wanted.ddl,
        wanted.undo if isinstance(wanted, ExtendedStatistics) else "",
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
        details = {"kind": OperationKind.STATISTICS.value, "rollback_sql": wanted.undo, "plan": plan}
        event = _intent(ctx, session, wanted, _Asked(op_id, there[0], details))
        ended = retried(ctx, session, lambda: make(session, wanted, op_id), event.index.short)
        return _settled(ctx, session, event, ended)


def _taken(wanted: ExtendedStatistics, found: StatisticsFacts) -> MutationReport:
    if tells_all(found.made, wanted):
        return replace(planned(wanted), outcome="already_done")
    why = f"statistics {wanted.name.short} are others: {found.made.text}"
    return replace(planned(wanted), outcome="conflict", error_code="name_taken", error=why)


@dataclass(frozen=True, slots=True)
class _Asked:
    """An operation on the table ``relid``: its kind, the statement that takes it back, its plan."""

    op_id: str
    relid: int
    details: Mapping[str, Any]


def _intent(ctx: RunContext, session: Session, wanted: ExtendedStatistics | StatisticsTarget, asked: _Asked) -> Event:
    pid, started = build.backend(session)
    details = {
        **asked.details,
        "statistics": to_json(wanted),
        "sql": wanted.ddl,
        "command": ctx.record.command,
        "actor": ctx.record.actor,
        "version": ctx.record.version,
    }
    event = Event(
        op_id=asked.op_id,
        type=MutationType.LIFECYCLE_RUN,
        state=OperationState.INTENT,
        table=wanted.table,
        index=wanted.name,
        relid=asked.relid,
        actor=ctx.record.actor or None,
        definition_sql=wanted.ddl,
        undo_sql=asked.details["rollback_sql"],
        backend_pid=pid,
        backend_start=started,
        details={key: value for key, value in details.items() if value is not None},
    )
    return ctx.write(event)


def _settled(ctx: RunContext, session: Session, event: Event, ended: Ended) -> MutationReport:
    """How it stands by the catalog: a lost connection may have committed."""
    if ended.lost or session.closed:
        raise OutcomeUnknownError(f"what became of {event.index} is not known", hint=_RECONCILE)
    facts: dict[str, Any] = {"milliseconds": ended.seconds * 1000, "started_at": event.created_at}
    if open_statistics(session, event) is not CatalogVerdict.VALID:
        return _failed(ctx, event, ended, facts)
    made = None if is_target(event) else find_extended(session, event.index)
    details = dict(event.details) | ({"oid": made.oid} if made is not None else {})
    return report_of_event(
        ctx.write(events.follow(event, OperationState.VALID, details=details), done=True), "done", **facts
    )


def _failed(ctx: RunContext, event: Event, ended: Ended, facts: dict[str, Any]) -> MutationReport:
    why, code = ended.why or "nothing came of it", ended.code or "not_there"
    closed = ctx.write(events.follow(event, OperationState.FAILED_CLEAN, sqlstate=ended.sqlstate, error=why))
    return report_of_event(closed, "failed", error=why, error_code=code, notes=ended.in_the_way, **facts)


def set_target(ctx: RunContext, wanted: StatisticsTarget, plan: str | None) -> MutationReport:
    """Set it where it is not that high already; what was set before is kept for ``rollback``. A failure is a result.

    Raises RefusedError when another run holds the table, OutcomeUnknownError.
    """
    op_id = str(uuid.uuid4())
    with closing(ctx.builder(op_id)) as session:  # its end gives the lock back
        there = build.relation_kind(session, wanted.table)
        if there is not None:
            take_lock(ctx, session, there[0], wanted.table.short)
        before = statistics_target(session, there[0], wanted.column) if there is not None else None
        if there is None or before is None:
            why = "the table is gone" if there is None else "the column is gone"
            return replace(planned(wanted), outcome="failed", error_code="stale_plan", error=why)
        if before[1] >= wanted.target:
            return replace(planned(wanted), outcome="already_done")
        undo = replace(wanted, target=before[0])
        details = {"kind": OperationKind.STATISTICS_TARGET.value, "rollback_sql": undo.ddl, "plan": plan}
        event = _intent(ctx, session, wanted, _Asked(op_id, there[0], details | {"before": before[0]}))
        return _set(ctx, session, event)


def reset_target(ctx: RunContext, event: Event) -> MutationReport:
    """Set what was set before the operation; the next ANALYZE heeds it. Set so already is as good.

    Raises RefusedError when another run holds the table or somebody has set something else, OutcomeUnknownError.
    """
    wanted = target_of(event)
    before = replace(wanted, target=int(event.details["before"]))
    op_id = str(uuid.uuid4())
    with closing(ctx.builder(op_id)) as session:  # its end gives the lock back
        take_lock(ctx, session, event.relid, event.table.short)
        there = statistics_target(session, event.relid, wanted.column)
        if there is not None and there[0] not in (wanted.target, before.target):
            text = f"the statistics target of {wanted.name.short} is not what we set"
            raise RefusedError(text, detail=f"it is {there[0]}", code="not_ours")
        details = {"statistics": to_json(before), "before": wanted.target}
        first = _drop_intent(ctx, session, event, op_id, OperationKind.STATISTICS_TARGET, details)
        done = _set(ctx, session, first)
    if done.outcome == "done":
        mark_taken_back(ctx, event.op_id, by=op_id)
    return done


def _set(ctx: RunContext, session: Session, event: Event) -> MutationReport:
    """Run the statement of the operation; how it stands is read from the catalog."""
    assert event.definition_sql is not None  # its intent has it
    return _settled(ctx, session, event, retried(ctx, session, event.definition_sql, event.index.short))


def drop_extended(ctx: RunContext, event: Event) -> MutationReport:
    """Take back what the operation made; gone already is as good.

    Raises RefusedError when another run holds the table or what has the name is not ours, OutcomeUnknownError.
    """
    if is_target(event):
        return reset_target(ctx, event)
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


def _drop_intent(
    ctx: RunContext,
    session: Session,
    event: Event,
    op_id: str,
    kind: OperationKind = OperationKind.DROP_STATISTICS,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Event:
    pid, started = build.backend(session)
    details = dict(event.details) | {
        **more,
        "kind": kind.value,
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
