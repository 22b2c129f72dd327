"""``plan approve``: somebody looked at a plan, and apply may ask for that."""

from __future__ import annotations

from indexpilot_cli.advise import planfile
from indexpilot_cli.apply.values import ApproveRequest, ApproveResult
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.guards.approval import plan_digest
from indexpilot_cli.log import approvals, migrations, plans
from indexpilot_cli.log.approvals import Approval
from indexpilot_cli.log.bookkeeping import bookkeeping, writer


def approve_plan(request: ApproveRequest, progress: Progress) -> Outcome[ApproveResult]:
    """The plan's approval, made now unless the plan as it is was approved by the same person before.

    Raises UsageError for an unknown plan, PrerequisiteError before ``init``, RefusedError on a standby.
    """
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.SYSTEM_CONFIG_CHANGE, request.record) as note:
        note.details(action="approve_plan", reason=request.reason)
        progress.stage("reading the plan")
        with writer(request.connection) as session:
            server = look(session, metadata_schema=schema).server
            migrations.require(session, schema)
            plan = kept_plan(session, request.plan, schema)
            before = approvals.of_plan(session, plan.id, schema=schema)
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
    after = (f"indexpilot apply {plan.id}",)
    return Outcome("plan_approve", result, status=status, server=server, warnings=note.warnings, next=after)


def kept_plan(session: Session, typed: str, schema: str) -> Plan:
    """The plan of that id (or beginning) in the metadata schema, else among this user's files.

    Raises UsageError with the nearest ids.
    """
    try:
        return plans.load(session, typed, schema=schema)
    except UsageError as error:
        if error.code != "unknown_id":
            raise
        found = planfile.find_plan(typed)
        if found is None:
            raise
        return found


def _add(session: Session, plan: Plan, name: str, request: ApproveRequest) -> Approval:
    schema = request.connection.metadata_schema
    return approvals.add(session, plan.id, plan_digest(plan), name, request.reason, schema=schema)
