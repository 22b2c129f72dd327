"""A migration by rules: what it does where nothing can be run, and what of all that was seen is worth reading."""

from __future__ import annotations

from indexpilot_cli.evolve.review.offline.observe import judge_by_rules, observe_by_rules
from indexpilot_cli.evolve.review.rules.findings import findings

__all__ = ["findings", "judge_by_rules", "observe_by_rules"]
