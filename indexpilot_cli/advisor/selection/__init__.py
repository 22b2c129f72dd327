"""Which of the candidates to have: prices, search, proof and reasons."""

from indexpilot_cli.advisor.selection.advise import advise
from indexpilot_cli.advisor.selection.values import Choice, Limits, Selection

__all__ = ["Choice", "Limits", "Selection", "advise"]
