"""Somebody else has looked at the plan, and the plan is still the one they looked at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from indexpilot_cli.core.facts import Approval
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.verdict import Verdict


def plan_digest(plan: Plan) -> str:
    """Sixteen hex digits of what the plan would run, and on which schema."""
    facts = [plan.id, plan.schema_digest, sorted([r.id, r.name, r.ddl, r.undo] for r in plan.recommendations)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def approved(required: bool, plan: Plan | None, approvals: Sequence[Approval] | None) -> Verdict:
    """Whether the plan as it is now was approved. ``approvals`` None: they cannot be read."""
    origin = "--require-approval"
    if not required:
        return Verdict("approval", True, "no approval is asked for", origin)
    if plan is None:
        return Verdict("approval", False, "only a whole plan can be approved, and these indexes belong to none", origin)
    command = f"indexpilot plan approve {plan.id}"
    if approvals is None:
        return Verdict("approval", False, "approvals cannot be read", "plan_approvals")
    fitting = [a for a in approvals if a.plan_id == plan.id and a.digest == plan_digest(plan)]
    if fitting:
        last = max(fitting, key=lambda a: a.approved_at)
        text = f"{plan.id} was approved by {last.approved_by} on {last.approved_at:%Y-%m-%d %H:%M} UTC"
        return Verdict("approval", True, text, "plan_approvals")
    if any(a.plan_id == plan.id for a in approvals):
        return Verdict("approval", False, f"{plan.id} has changed since it was approved; {command}", "plan_approvals")
    return Verdict("approval", False, f"{plan.id} is not approved; {command}", "plan_approvals")


def plan_fresh(plan: Plan | None, digest_now: str | None) -> Verdict:
    """Whether the plan's tables are as they were when it was made. ``digest_now`` None: not looked at."""
    origin = "columns and types of the plan's tables"
    if plan is None or not plan.schema_digest or digest_now is None:
        return Verdict("plan_fresh", True, "no plan's schema to compare with", origin)
    if plan.schema_digest != digest_now:
        text = f"the tables of {plan.id} have changed since {plan.created_at:%Y-%m-%d %H:%M} UTC; indexpilot recommend"
        return Verdict("plan_fresh", False, text, origin)
    return Verdict("plan_fresh", True, f"the tables of {plan.id} are as they were", origin)
