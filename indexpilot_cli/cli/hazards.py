"""``explain L01``: answered before any server is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexpilot_cli.cli.session import Session


def explained_hazard(session: Session, subject: str) -> bool:
    """Print what a kind of hazard is; False when the subject is something else. Raises UsageError."""
    from indexpilot_cli.evolve.review.explain_hazard import explain_hazard, is_hazard

    if not is_hazard(subject):
        return False
    from indexpilot_cli.cli.show import show
    from indexpilot_cli.render.views.explain import view

    outcome = explain_hazard(subject)
    show(session, outcome, view(outcome.result), 0)
    return True
