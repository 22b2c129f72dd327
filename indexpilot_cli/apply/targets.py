"""What the user means by a plan, a file, an id, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from indexpilot_cli.advise import planfile
from indexpilot_cli.advise.plan_document import read_plan
from indexpilot_cli.apply.approve import kept_plan
from indexpilot_cli.core.candidate import Rejection
from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.log import plans


@dataclass(frozen=True, slots=True)
class Chosen:
    """A plan and those of its recommendations that are to be built. ``named``: by their own ids."""

    plan: Plan
    recommendations: tuple[Recommendation, ...]
    named: bool = False


def choose(session: Session, targets: Sequence[str], schema: str) -> tuple[Chosen, ...]:
    """The plans and recommendations of the targets, in their order, each recommendation once; none: the latest plan.

    Raises UsageError for an unknown id, an unreadable file, or when there is no plan.
    """
    found = [_one(session, target, schema) for target in targets] or [_latest(session, schema)]
    return tuple(_without_repeats(found))


def _one(session: Session, target: str, schema: str) -> Chosen:
    if Path(target).suffix or "/" in target or Path(target).is_file():
        plan = read_plan(Path(target))
        return Chosen(plan, plan.recommendations)
    if target[:2].upper() == "R-":
        return _recommendation(session, target, schema)
    plan = kept_plan(session, target, schema)
    return Chosen(plan, plan.recommendations)


def _recommendation(session: Session, identifier: str, schema: str) -> Chosen:
    try:
        advice = plans.find_recommendation(session, identifier, schema=schema)
        plan, found = advice.plan, advice.recommendation or advice.rejection
    except UsageError as error:
        kept = planfile.find_advice(identifier)
        if kept is None or error.code != "unknown_id":
            raise
        plan, found = kept
    if not isinstance(found, Recommendation):
        raise _rejected(identifier, found)
    return Chosen(plan, (found,), named=True)


def _rejected(identifier: str, found: Rejection | None) -> UsageError:
    why = f"{found.reason}: {found.detail}" if found is not None else None
    return UsageError(
        f"{identifier} was not recommended", detail=why, hint=f"indexpilot explain {identifier}", code="rejected"
    )


def _latest(session: Session, schema: str) -> Chosen:
    plan = next(iter(plans.latest(session, 1, schema=schema)), None) or next(planfile.kept_plans(), None)
    if plan is None:
        raise UsageError("there is no plan yet", hint="indexpilot recommend", code="no_plan")
    return Chosen(plan, plan.recommendations)


def _without_repeats(found: Sequence[Chosen]) -> Iterator[Chosen]:
    seen: set[str] = set()
    for chosen in found:
        new = tuple(r for r in chosen.recommendations if r.id not in seen)
        seen |= {r.id for r in new}
        if new or not chosen.recommendations:
            yield replace(chosen, recommendations=new)
