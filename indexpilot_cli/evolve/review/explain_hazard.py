"""``explain L01``: what a kind of hazard is. Asks no server."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from indexpilot_cli.advise.values import ExplainResult
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.hazard import Hazard
from indexpilot_cli.errors import UsageError

_ID = re.compile(r"[A-Za-z]{1,3}[0-9]{1,3}\Z")


def hazards() -> Mapping[str, Hazard]:
    """Every kind of hazard by its id."""
    from indexpilot_cli.evolve.review.hazards import HAZARDS

    return HAZARDS


def is_hazard(subject: str) -> bool:
    """Whether the text is meant to be a hazard: its id, what looks like one, or its name."""
    return _ID.match(subject) is not None or subject.lower() in _names()


def explain_hazard(subject: str) -> Outcome[ExplainResult]:
    """The hazard with that id or name. Raises UsageError for an unknown one, with the nearest."""
    known = hazards()
    word = subject.strip()
    found = known.get(word.upper()) or known.get(_names().get(word.lower(), ""))
    if found is None:
        close = difflib.get_close_matches(word.upper(), known, n=1, cutoff=0.5)
        meant = f", did you mean {close[0]}?" if close else ""
        hint = f"indexpilot explain {close[0] if close else next(iter(known))}"
        raise UsageError(f"no hazard {subject!r}{meant}", hint=hint, code="unknown_id")
    return Outcome(
        "explain", ExplainResult("hazard", found.id, found.title, sql=found.safe_example or None, hazard=found)
    )


def _names() -> Mapping[str, str]:
    return {hazard.name: key for key, hazard in hazards().items()}
