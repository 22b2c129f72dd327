"""Somebody else has looked at the plan, and the plan is still the one they looked at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from indexpilot_cli.core.plan import Plan
from indexpilot_cli.errors import AnsweredError
from indexpilot_cli.guards.context import Guard, GuardContext, Verdict
from indexpilot_cli.log import plans
from indexpilot_cli.log.plans import Approval


def plan_digest(plan: Plan) -> str:
    """Sixteen hex digits of what the plan would run, and on which schema."""
    facts = [plan.id, plan.schema_digest, sorted([r.id, r.name, r.ddl, r.undo] for r in plan.recommendations)]
    facts += [[[r.id, str(x.definition.table), x.name] for x in r.replaces] for r in plan.recommendations if r.replaces]
    # Plans that name no table to analyze keep the digest they were approved by.
    facts += [sorted(map(str, plan.analyze))] if plan.analyze else []
    more = [*(v.sql for v in plan.vacuum), *(s.ddl for s in plan.told_planner)]
    facts += [sorted(more)] if more else []
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def judge(required: bool, plan: Plan | None, found: Sequence[Approval] | None) -> Verdict:
    """Whether the plan as it is now was approved. ``found`` None: approvals cannot be read."""
    origin = "--require-approval"
    if not required:
        return Verdict("approval", True, "no approval is asked for", origin)
    if plan is None:
        return Verdict("approval", False, "only a whole plan can be approved, and these indexes belong to none", origin)
    command = f"indexpilot plan approve {plan.id}"
    if found is None:
        return Verdict("approval", False, "approvals cannot be read", "plan_approvals")
    fitting = [a for a in found if a.plan_id == plan.id and a.digest == plan_digest(plan)]
    if fitting:
        last = max(fitting, key=lambda a: a.approved_at)
        text = f"{plan.id} was approved by {last.approved_by} on {last.approved_at:%Y-%m-%d %H:%M} UTC"
        return Verdict("approval", True, text, "plan_approvals")
    if any(a.plan_id == plan.id for a in found):
        return Verdict("approval", False, f"{plan.id} has changed since it was approved; {command}", "plan_approvals")
    return Verdict("approval", False, f"{plan.id} is not approved; {command}", "plan_approvals")


def read(context: GuardContext) -> tuple[Approval, ...] | None:
    """The plan's approvals; none where none is asked for, None where they cannot be read, which is no approval."""
    request = context.request
    if request.plan is None or not request.require_approval:
        return ()
    try:
        # A refused SELECT (42501) is no approval; a lost connection is no answer at all and ends the command.
        return plans.approvals_of(context.session, request.plan.id, schema=request.connection.metadata_schema)
    except AnsweredError:
        return None


def _ask(context: GuardContext) -> tuple[Verdict, ...]:
    return (judge(context.request.require_approval, context.request.plan, read(context)),)


GUARD = Guard("approval", 16, _ask, each_index=False)
