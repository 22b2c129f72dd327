"""The latest plans, kept as files for this user, so that ``explain R-…`` works without any table in the database."""

from __future__ import annotations

import difflib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from indexpilot_cli.core.candidate import Rejection
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.directories import state_directory
from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.errors import UsageError

KEPT = 20  # plans


def plans_directory() -> Path:
    """Where plans are kept, made when missing."""
    directory = state_directory() / "plans"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def keep(plan: Plan) -> Path:
    """Write the plan beside the others (readable by this user only) and drop the oldest beyond ``KEPT``."""
    directory = plans_directory()
    path = directory / f"{plan.id}.json"
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".plan-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(to_json(plan), file, ensure_ascii=False)
    Path(temporary).replace(path)
    for old in _newest_first()[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def kept_plans() -> Iterator[Plan]:
    """Kept plans, newest first; files that do not read as a plan are passed over."""
    for path in _newest_first():
        try:
            yield from_json(Plan, json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue


def find_advice(identifier: str) -> tuple[Plan, Recommendation | Rejection] | None:
    """The newest plan that speaks of the id (a full ``R-…``), and what it says."""
    for plan in kept_plans():
        advice = advice_in(plan, identifier)
        if advice is not None:
            return plan, advice
    return None


def advice_in(plan: Plan, identifier: str) -> Recommendation | Rejection | None:
    """What the plan says of the id."""
    advice: tuple[Recommendation | Rejection, ...] = (*plan.recommendations, *plan.rejections)
    return next((a for a in advice if a.id == identifier), None)


def find_plan(identifier: str) -> Plan | None:
    """The kept plan of that id."""
    return next((plan for plan in kept_plans() if plan.id == identifier), None)


def unknown_id(identifier: str) -> UsageError:
    """The error for an id nobody knows, with the nearest known one."""
    known: set[str] = set()
    for plan in kept_plans():
        known |= {plan.id, *(r.id for r in plan.recommendations), *(r.id for r in plan.rejections if r.id)}
    close = difflib.get_close_matches(identifier, sorted(known), n=1)
    hint = f"did you mean {close[0]}?" if close else "indexpilot recommend prints ids"
    return UsageError(f"unknown id {identifier}", hint=hint, code="unknown_id")


def _newest_first() -> list[Path]:
    return sorted(plans_directory().glob("P-*.json"), key=lambda p: p.stat().st_mtime, reverse=True)
