"""The plan's tables are as they were when it was made."""

from __future__ import annotations

from indexpilot_cli.core.plan import Plan, schema_digest
from indexpilot_cli.guards.context import Guard, GuardContext, Verdict


def judge(plan: Plan | None, digest_now: str | None) -> Verdict:
    """Whether columns and types are the same. ``digest_now`` None: not looked at."""
    origin = "columns and types of the plan's tables"
    if plan is None or digest_now is None:
        return Verdict("plan_fresh", True, "no plan's schema to compare with", origin)
    if not plan.schema_digest and plan.digested:
        text = f"{plan.id} does not say what its tables looked like; indexpilot recommend"
        return Verdict("plan_fresh", False, text, origin)
    if plan.schema_digest != digest_now:
        text = f"the tables of {plan.id} have changed since {plan.created_at:%Y-%m-%d %H:%M} UTC; indexpilot recommend"
        return Verdict("plan_fresh", False, text, origin)
    return Verdict("plan_fresh", True, f"the tables of {plan.id} are as they were", origin)


def _ask(context: GuardContext) -> tuple[Verdict, ...]:
    plan, catalog, digest = context.request.plan, context.request.catalog, None
    if plan is not None and catalog is not None:
        digest = schema_digest(catalog, plan.digested)
    return (judge(plan, digest),)


GUARD = Guard("plan_fresh", 17, _ask, each_index=False)
