"""How faithfully a planner pretends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TwinDifference:
    """A template the twin plans differently; ``error`` is |twin - server| / server of the total cost."""

    template: str
    server_cost: float
    twin_cost: float
    error: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How the twin's plans compare with the server's. Errors are relative differences of total cost."""

    estimator: str
    compared: int
    identical: int
    median_error: float
    p90_error: float
    max_error: float
    not_compared: int = 0
    differences: tuple[TwinDifference, ...] = ()
