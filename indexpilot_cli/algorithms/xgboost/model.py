"""The model of measured benefit: what it goes by, what it predicts and where it abstains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from indexpilot_cli.core.catalog import Table
from indexpilot_cli.core.index import BRIN, BTREE, GIN, GIST, HASH, IndexDefinition

if TYPE_CHECKING:
    import numpy as np

HALF_TRUST = 60  # changes at which the model gets half of the weight it may get
PLANNER_RATIO = "planner_log_ratio"
_METHODS = (BTREE, HASH, GIN, GIST, BRIN)
FEATURES = (
    PLANNER_RATIO,
    "log_cost_before",
    "log_cost_after",
    "log_table_pages",
    "log_pages_by_buffers",
    "correlation",
    "log_rows_per_key",
    "log_row_bytes",
    "keys",
    "included",
    "partial",
    "expression",
    *_METHODS,
)


class BenefitKind(StrEnum):
    """What predicts times: the planner's ratio as it is, a line through it, or the line and trees."""

    PLANNER = "planner"
    LINE = "log_linear"
    TREES = "xgboost"


def change_features(
    definition: IndexDefinition, facts: Mapping[str, float], cost_before: float, cost_after: float
) -> dict[str, float]:
    """What is known of one index and one template before it is built; what is unknown is left out."""
    found: dict[str, float] = {**dict.fromkeys(_METHODS, 0.0), definition.method: 1.0, **facts}
    found |= {
        "keys": float(len(definition.keys)),
        "included": float(len(definition.include)),
        "partial": float(definition.predicate is not None),
        "expression": float(any(key.expression is not None for key in definition.keys)),
    }
    if cost_before > 0 and cost_after > 0:
        costs = (math.log(cost_before), math.log(cost_after))
        found |= {PLANNER_RATIO: costs[1] - costs[0], "log_cost_before": costs[0], "log_cost_after": costs[1]}
    return found


def table_facts(definition: IndexDefinition, table: Table | None, settings: Mapping[str, str]) -> dict[str, float]:
    """Those of the features that come from the table, its statistics and the server's memory."""
    if table is None:
        return {}
    pages, rows = max(table.pages, 1), max(table.rows, 1.0)
    found = {"log_table_pages": math.log(pages), "log_row_bytes": math.log(max(table.size_bytes, 1) / rows)}
    buffers = settings.get("shared_buffers", "")  # in pages
    if buffers.isdigit() and int(buffers):
        found["log_pages_by_buffers"] = math.log(pages / int(buffers))
    columns = [table.column(key.column) if key.column is not None else None for key in definition.keys]
    lead = columns[0].statistics if columns[0] is not None else None
    if lead is not None and lead.correlation is not None:
        found["correlation"] = abs(lead.correlation)
    known = [c.statistics.distinct(rows) for c in columns if c is not None and c.statistics is not None]
    if known:
        found["log_rows_per_key"] = math.log(rows / min(rows, math.prod(known)))
    return found


@dataclass(frozen=True, slots=True)
class PredictedChange:
    """The log of time after by time before that is expected, and between what it lies in 80 of 100 changes."""

    log_ratio: float
    low: float
    high: float

    def towards(self, other: float, share: float) -> PredictedChange:
        """Moved by that share of the way to another log of the ratio."""
        moved = ((1 - share) * value + share * other for value in (self.log_ratio, self.low, self.high))
        return PredictedChange(*moved)


@dataclass(frozen=True, slots=True)
class BenefitModel:
    """A model that passed its gate. ``booster`` is XGBoost's own JSON ('' for the line alone).

    ``low`` and ``high`` are the ranges of the features it was trained on; ``half_width`` of its 80 % intervals.
    """

    kind: BenefitKind
    intercept: float
    slope: float
    half_width: float
    changes: int
    low: Mapping[str, float] = field(default_factory=dict)
    high: Mapping[str, float] = field(default_factory=dict)
    booster: str = ""

    def trust(self, weight: float) -> float:
        """The share that the model has against the planner: at most ``weight``, less with few changes."""
        return weight * self.changes / (self.changes + HALF_TRUST)

    def blended(self, changes: Sequence[Mapping[str, float]], weight: float) -> list[PredictedChange | None]:
        """What it and the planner together expect of each change; None where it abstains."""
        trust = self.trust(weight)
        pairs = zip(changes, self.predict(changes), strict=True)
        return [None if p is None else p.towards(change[PLANNER_RATIO], 1 - trust) for change, p in pairs]

    def predict(self, changes: Sequence[Mapping[str, float]]) -> list[PredictedChange | None]:
        """What it expects of each change; None where it abstains, outside of what it was trained on."""
        inside = [change for change in changes if self._covers(change)]
        trees = self._trees(inside)
        found = iter(trees)
        return [self._predicted(c, next(found)) if self._covers(c) else None for c in changes]

    def _covers(self, features: Mapping[str, float]) -> bool:
        asked = self.low if self.kind is BenefitKind.TREES else (PLANNER_RATIO,)
        return all(name in features and self.low[name] <= features[name] <= self.high[name] for name in asked)

    def _trees(self, changes: Sequence[Mapping[str, float]]) -> list[float]:
        if not self.booster or not changes:
            return [0.0] * len(changes)
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(self.booster, "utf-8"))
        found = booster.predict(xgboost.DMatrix(matrix(changes), base_margin=[0.0] * len(changes)), output_margin=True)
        return [float(value) for value in found]

    def _predicted(self, features: Mapping[str, float], trees: float) -> PredictedChange:
        middle = self.intercept + self.slope * features[PLANNER_RATIO] + trees
        return PredictedChange(middle, middle - self.half_width, middle + self.half_width)


def matrix(changes: Sequence[Mapping[str, float]]) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.array([[change.get(name, math.nan) for name in FEATURES] for change in changes])


def to_parameters(model: BenefitModel) -> dict[str, Any]:
    """The model as JSON, to be kept; no code is in it, and none is run when it is read."""
    return asdict(model)


def from_parameters(parameters: Mapping[str, Any]) -> BenefitModel:
    """The model that was kept. Raises KeyError, TypeError or ValueError for what is none."""
    return BenefitModel(**{**parameters, "kind": BenefitKind(parameters["kind"])})
