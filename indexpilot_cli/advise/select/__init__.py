"""Which of the candidates to have: prices, search, proof and reasons."""

from indexpilot_cli.advise.select.advise import advise
from indexpilot_cli.advise.select.limits import Limits
from indexpilot_cli.advise.select.problem import Choice, Selection

__all__ = ["Choice", "Limits", "Selection", "advise"]
