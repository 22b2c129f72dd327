"""Training the model of measured benefit, and its gate: cross-validation over templates against planner and line."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from indexpilot_cli.algorithms.xgboost.model import (
    FEATURES,
    PLANNER_RATIO,
    BenefitKind,
    BenefitModel,
    change_features,
    matrix,
)
from indexpilot_cli.core.codec import Amount, Portion
from indexpilot_cli.core.measured import ChangeOutcome

LEAST_CHANGES = 60
LEAST_TEMPLATES = 15
LEAST_GAIN = 0.1  # by which its error must be smaller
LEAF = 5  # changes behind every leaf
COVERAGE = 0.8
FOLDS = 5
RESAMPLES = 1000
_SEED = 20230


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """How one way to predict did on templates that it was not trained on."""

    kind: BenefitKind
    error: Annotated[Amount, "mean absolute error of the log of time after by time before"]
    less: Annotated[float, "share by which that is smaller than the planner's"] = 0.0
    low: Annotated[float, "lower end of its 95 % interval over resampled templates"] = 0.0
    high: Annotated[float, "upper end of it"] = 0.0
    covered: Annotated[Portion | None, "share of changes inside the 80 % interval; null: it has none"] = None


@dataclass(frozen=True, slots=True)
class BenefitTraining:
    """What came of training. ``model`` is None where the planner's ratio stays; ``why`` says why in a clause."""

    changes: int
    templates: int
    lines: tuple[CrossValidated, ...] = ()
    model: BenefitModel | None = None
    why: str = ""

    @property
    def verdict(self) -> BenefitKind:
        """What is used."""
        return BenefitKind.PLANNER if self.model is None else self.model.kind


@dataclass(frozen=True, slots=True)
class _Rows:
    """Changes with their features. ``x`` is the planner's log ratio, ``y`` the measured one, ``group`` the template."""

    features: tuple[Mapping[str, float], ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    group: tuple[str, ...]

    def of(self, places: Sequence[int]) -> _Rows:
        return _Rows(
            tuple(self.features[n] for n in places),
            tuple(self.x[n] for n in places),
            tuple(self.y[n] for n in places),
            tuple(self.group[n] for n in places),
        )


def features_of(outcome: ChangeOutcome) -> dict[str, float]:
    """What was known of the change before it was built."""
    return change_features(outcome.definition, outcome.facts, outcome.cost_before or 0.0, outcome.cost_after or 0.0)


def train(outcomes: Sequence[ChangeOutcome]) -> BenefitTraining:
    """Cross-validate over templates, keep what is proven to be better than the planner's ratio, and say why."""
    usable = [o for o in outcomes if o.planner_log_ratio is not None and o.before > 0 and o.after > 0]
    features = tuple(map(features_of, usable))
    rows = _Rows(
        features,
        tuple(one[PLANNER_RATIO] for one in features),
        tuple(o.log_ratio for o in usable),
        tuple(o.template for o in usable),
    )
    found = BenefitTraining(len(usable), len(set(rows.group)))
    missing = _missing(found)
    if missing:
        return BenefitTraining(found.changes, found.templates, why=f"off, because {missing}")
    fold = _folds(rows)
    predicted = _cross_validated(rows, fold)
    lines = tuple(_line(kind, predicted, rows, fold) for kind in BenefitKind)
    kind, why = _gate(lines, predicted, rows)
    model = None if kind is BenefitKind.PLANNER else _model(kind, rows, predicted[kind])
    return BenefitTraining(found.changes, found.templates, lines, model, why)


def _missing(found: BenefitTraining) -> str:
    if found.changes < LEAST_CHANGES:
        return f"{found.changes} measured changes are known, {LEAST_CHANGES} are needed"
    if found.templates < LEAST_TEMPLATES:
        return f"they are of {found.templates} templates, {LEAST_TEMPLATES} are needed"
    return ""


def _gate(
    lines: Sequence[CrossValidated], predicted: Mapping[BenefitKind, Sequence[float]], rows: _Rows
) -> tuple[BenefitKind, str]:
    """The kind to use. Trees must beat the line as well as the planner; the line the planner."""
    by_kind = {line.kind: line for line in lines}
    line, trees = by_kind[BenefitKind.LINE], by_kind[BenefitKind.TREES]
    less, low, _ = _improvement(predicted[BenefitKind.LINE], predicted[BenefitKind.TREES], rows)
    if _passes(trees.less, trees.low) and _passes(less, low):
        return (
            BenefitKind.TREES,
            f"its error is {trees.less:.0%} less than the planner's and {less:.0%} than the line's",
        )
    short = (
        f"trees: {trees.less:+.0%} of error against the planner, {less:+.0%} against the line, {LEAST_GAIN:.0%} needed"
    )
    if _passes(line.less, line.low):
        return BenefitKind.LINE, f"a line through the planner's ratio is as good as trees ({line.less:.0%} less error)"
    return BenefitKind.PLANNER, f"off, because it predicts no better than the planner's ratio by enough ({short})"


def _passes(less: float, low: float) -> bool:
    return less >= LEAST_GAIN and low > 0


def _folds(rows: _Rows) -> list[int]:
    """The fold of each row: that of its template."""
    groups = sorted(set(rows.group))
    random.Random(_SEED).shuffle(groups)
    fold = {group: number % FOLDS for number, group in enumerate(groups)}
    return [fold[group] for group in rows.group]


def _cross_validated(rows: _Rows, fold: Sequence[int]) -> dict[BenefitKind, list[float]]:
    """Predictions for each row by models that have not seen its template."""
    found = {kind: [0.0] * len(rows.y) for kind in BenefitKind}
    found[BenefitKind.PLANNER] = list(rows.x)
    for number in range(FOLDS):
        out = [n for n, where in enumerate(fold) if where == number]
        seen, unseen = rows.of([n for n, where in enumerate(fold) if where != number]), rows.of(out)
        line = _fit_line(seen)
        for place, x, more in zip(out, unseen.x, _boosted(seen, line, unseen), strict=True):
            found[BenefitKind.LINE][place] = line[0] + line[1] * x
            found[BenefitKind.TREES][place] = line[0] + line[1] * x + more
    return found


def _fit_line(rows: _Rows) -> tuple[float, float]:
    """Intercept and slope of least squares; a slope below zero would turn the planner's advice round, and is zero."""
    middle_x, middle_y = sum(rows.x) / len(rows.x), sum(rows.y) / len(rows.y)
    spread = sum((x - middle_x) ** 2 for x in rows.x)
    common = sum((x - middle_x) * (y - middle_y) for x, y in zip(rows.x, rows.y, strict=True))
    slope = max(0.0, common / spread) if spread > 0 else 0.0
    return middle_y - slope * middle_x, slope


def _boosted(seen: _Rows, line: tuple[float, float], unseen: _Rows) -> list[float]:
    import xgboost

    booster = _fit_trees(seen, line)
    data = xgboost.DMatrix(matrix(unseen.features), base_margin=[0.0] * len(unseen.y))
    return [float(value) for value in booster.predict(data, output_margin=True)]


def _fit_trees(rows: _Rows, line: tuple[float, float]) -> Any:
    """Trees on what the line leaves; with one thread, for the same data must give the same model."""
    import xgboost

    margin = [line[0] + line[1] * x for x in rows.x]
    data = xgboost.DMatrix(matrix(rows.features), label=list(rows.y), base_margin=margin)
    # Of squared loss each change weighs one in a leaf, so the least weight is the least number of changes.
    return xgboost.train(
        {
            "objective": "reg:squarederror",
            "max_depth": 3,
            "eta": 0.08,
            "min_child_weight": LEAF,
            "lambda": 3.0,
            "monotone_constraints": "(" + ",".join("1" if name == PLANNER_RATIO else "0" for name in FEATURES) + ")",
            "seed": _SEED,
            "nthread": 1,
            "tree_method": "exact",
        },
        data,
        num_boost_round=80,
    )


def _line(
    kind: BenefitKind, predicted: Mapping[BenefitKind, Sequence[float]], rows: _Rows, fold: Sequence[int]
) -> CrossValidated:
    errors = _errors(predicted[kind], rows)
    error = sum(errors) / len(errors)
    if kind is BenefitKind.PLANNER:
        return CrossValidated(kind, error)
    less, low, high = _improvement(predicted[BenefitKind.PLANNER], predicted[kind], rows)
    return CrossValidated(kind, error, less, low, high, _covered(errors, fold))


def _covered(errors: Sequence[float], fold: Sequence[int]) -> float:
    """The share of changes inside an interval that is as wide as the errors of other folds make it."""
    inside = 0
    for number in range(FOLDS):
        width = _half_width([e for e, where in zip(errors, fold, strict=True) if where != number])
        inside += sum(e <= width for e, where in zip(errors, fold, strict=True) if where == number)
    return inside / len(errors)


def _errors(predicted: Sequence[float], rows: _Rows) -> list[float]:
    return [abs(y - p) for y, p in zip(rows.y, predicted, strict=True)]


def _half_width(errors: Sequence[float]) -> float:
    """Of a split-conformal interval: the error that 80 of 100 others stay below."""
    rank = min(len(errors), math.ceil((len(errors) + 1) * COVERAGE))
    return sorted(errors)[rank - 1]


def _improvement(base: Sequence[float], other: Sequence[float], rows: _Rows) -> tuple[float, float, float]:
    """The share by which the other's mean error is smaller, and its 95 % interval over resampled templates."""
    by_group: dict[str, list[float]] = {}
    for group, old, new in zip(rows.group, _errors(base, rows), _errors(other, rows), strict=True):
        sums = by_group.setdefault(group, [0.0, 0.0])
        sums[0] += old
        sums[1] += new
    groups = [by_group[name] for name in sorted(by_group)]
    draw = random.Random(_SEED)
    shares = sorted(_less(draw.choices(groups, k=len(groups))) for _ in range(RESAMPLES))
    return _less(groups), shares[int(0.025 * RESAMPLES)], shares[int(0.975 * RESAMPLES) - 1]


def _less(groups: Sequence[Sequence[float]]) -> float:
    old, new = sum(g[0] for g in groups), sum(g[1] for g in groups)
    return 1 - new / old if old > 0 else 0.0


def _model(kind: BenefitKind, rows: _Rows, predicted: Sequence[float]) -> BenefitModel:
    line = _fit_line(rows)
    known = {name: [f[name] for f in rows.features if name in f] for name in FEATURES}
    # A feature that some changes lack says nothing of ranges.
    whole = {name: values for name, values in known.items() if len(values) == len(rows.y)}
    booster = ""
    if kind is BenefitKind.TREES:
        booster = _fit_trees(rows, line).save_raw("json").decode()
    return BenefitModel(
        kind,
        *line,
        _half_width(_errors(predicted, rows)),
        len(rows.y),
        {name: min(values) for name, values in whole.items()},
        {name: max(values) for name, values in whole.items()},
        booster,
    )
