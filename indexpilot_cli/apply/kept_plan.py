"""``plan show`` and ``plan approve``: a plan that was kept, looked at, and allowed to be built."""

from __future__ import annotations

from dataclasses import replace

from indexpilot_cli.advise import planfile
from indexpilot_cli.apply.plan import check_owner, kept_plan, latest_plan
from indexpilot_cli.apply.values import ApproveRequest, ApproveResult, PlanListRequest, PlanListResult, PlanRequest
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.db.capabilities import database_identity, look
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.guards.approval import plan_digest
from indexpilot_cli.log import metadata, plans
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.log.plans import Approval
from indexpilot_cli.snapshot.source import open_metadata, open_reader


def approve_plan(request: ApproveRequest, progress: Progress) -> Outcome[ApproveResult]:
    """The plan's approval, made now unless the plan as it is was approved by the same person before.

    Raises UsageError for an unknown plan, PrerequisiteError before ``init``, RefusedError on a standby.
    """
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.SYSTEM_CONFIG_CHANGE, request.record) as note:
        note.details(action="approve_plan", reason=request.reason)
        progress.stage("reading the plan")
        with open_metadata(request.connection, write=True) as (session, server):
            plan = kept_plan(session, request.plan, schema)
            check_owner(plan, database_identity(session))
            before = plans.approvals_of(session, plan.id, schema=schema)
            name = request.record.actor or server.user
            same = [a for a in before if a.digest == plan_digest(plan) and a.approved_by == name]
            approval = same[0] if same else _add(session, plan, name, request)
        note.details(plan=plan.id, digest=approval.digest, approved_by=name, already=bool(same))
    result = ApproveResult(
        plan.id,
        approval.digest,
        approval.approved_by,
        approval.approved_at,
        len(plan.recommendations),
        approval.reason,
        bool(same),
    )
    status = "skipped" if same else "ok"
    after = (f"indexpilot apply {plan.id}",) if plan.recommendations else ()
    return Outcome("plan_approve", result, status=status, server=server, warnings=note.warnings, next=after)


def _add(session: Session, plan: Plan, name: str, request: ApproveRequest) -> Approval:
    schema = request.connection.metadata_schema
    return plans.approve(session, plan.id, plan_digest(plan), name, request.reason, schema=schema)


def show_plan(request: PlanRequest, progress: Progress) -> Outcome[Plan]:
    """The plan as ``recommend`` gave it. One of this user's files needs no connection; where there is one, the log is
    told.

    Raises UsageError for an unknown plan or where none was ever kept.
    """
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        kept = planfile.find_plan(request.plan) if request.plan else None
        note.serverless = kept is not None
        found = Outcome("recommend", kept) if kept is not None else _read(request, progress)
        note.details(plan=found.result.id)
    return _shown(found.result, replace(found, warnings=note.warnings))


def list_plans(request: PlanListRequest, progress: Progress) -> Outcome[PlanListResult]:
    """The plans in the database with their approvals. Raises PrerequisiteError before ``init``."""
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        progress.stage("reading the plans")
        with open_metadata(request.connection) as (session, server):
            found = plans.kept(session, request.limit, schema=schema)
        note.details(plans=len(found))
    return Outcome("plans", PlanListResult(found), server=server, warnings=note.warnings)


def _read(request: PlanRequest, progress: Progress) -> Outcome[Plan]:
    progress.stage("reading the plan")
    schema = request.connection.metadata_schema
    with open_reader(request.connection) as session:
        server = look(session, metadata_schema=schema).server
        return Outcome("recommend", _plan(session, request, schema), server=server)


def _plan(session: Session, request: PlanRequest, schema: str) -> Plan:
    ready = metadata.is_ready(session, schema)
    if request.plan is not None:
        if not ready:
            raise planfile.unknown_id(request.plan)
        return kept_plan(session, request.plan, schema)
    newest = latest_plan(session, schema if ready else None)
    if newest is None:
        raise UsageError("no plan was kept yet", hint="indexpilot recommend", code="no_plan")
    return newest


def _shown(plan: Plan, outcome: Outcome[Plan]) -> Outcome[Plan]:
    found = bool(plan.recommendations)
    after = (f"indexpilot apply {plan.id} --dry-run",) if found else ()
    return Outcome("recommend", plan, "findings" if found else "ok", 0, outcome.server, outcome.warnings, after)
