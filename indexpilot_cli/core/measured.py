"""What built indexes really did: one measured change of one template, with what was known before it was built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from indexpilot_cli.core.index import IndexDefinition

BENEFIT_MODEL = "index_benefit"
RISK_MODEL = "interceptor_risk"
LEAST_MS = 0.001  # a time below cannot be told from none


@dataclass(frozen=True, slots=True)
class DailyCalls:
    """How often a statement was called on each day from ``first`` on, by our snapshots; the last day is yesterday's."""

    first: date
    calls: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Learned:
    """What earlier runs left to learn from: measured changes, calls a day by the statement's fingerprint, and the
    parameters of the model of benefits (None: none was kept).
    """

    outcomes: tuple[ChangeOutcome, ...] = ()
    calls: Mapping[str, DailyCalls] = field(default_factory=lambda: MappingProxyType({}))
    model: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """One template before and after one index was built: milliseconds per call, already scaled by the controls.

    ``cost_before`` and ``cost_after`` are the planner's costs of then (None: not recorded), ``facts`` numbers that were
    known of the table before the build, by name. ``calls`` were measured on each side; ``how`` is statistics or replay.
    """

    template: str
    definition: IndexDefinition
    before: float
    after: float
    calls: tuple[float, float] = (0.0, 0.0)
    cost_before: float | None = None
    cost_after: float | None = None
    facts: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    how: str = ""
    at: datetime | None = None
    mutation: int | None = None

    @property
    def log_ratio(self) -> float:
        """Log of time after by time before: negative where the template became faster."""
        return math.log(max(self.after, LEAST_MS) / max(self.before, LEAST_MS))

    @property
    def planner_log_ratio(self) -> float | None:
        """The same of the planner's costs, None where they were not recorded."""
        if not self.cost_before or not self.cost_after or min(self.cost_before, self.cost_after) <= 0:
            return None
        return math.log(self.cost_after / self.cost_before)

    @property
    def gain(self) -> float:
        """The share of its time that the template saved; negative where it became slower."""
        return 1 - math.exp(self.log_ratio)
