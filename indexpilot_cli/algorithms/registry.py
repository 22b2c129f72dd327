"""The algorithms in the order in which they are asked."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from indexpilot_cli.algorithms.alex import Alex
from indexpilot_cli.algorithms.base import Algorithm
from indexpilot_cli.algorithms.bx_tree import BxTree
from indexpilot_cli.algorithms.cert.cert import Cert
from indexpilot_cli.algorithms.constraint_optimizer import ConstraintOptimizer
from indexpilot_cli.algorithms.cortex import Cortex
from indexpilot_cli.algorithms.fractal_tree import FractalTree
from indexpilot_cli.algorithms.idistance import IDistance
from indexpilot_cli.algorithms.pgm_index import PgmIndex
from indexpilot_cli.algorithms.predictive_indexing import PredictiveIndexing
from indexpilot_cli.algorithms.qpg.qpg import Qpg
from indexpilot_cli.algorithms.radix_string_spline import RadixStringSpline
from indexpilot_cli.algorithms.xgboost.xgboost import Xgboost
from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.features import FeatureSettings

ALGORITHMS: tuple[Algorithm, ...] = (
    Cert(),
    Cortex(),
    Qpg(),
    PgmIndex(),
    RadixStringSpline(),
    IDistance(),
    Alex(),
    BxTree(),
    PredictiveIndexing(),
    Xgboost(),
    FractalTree(),
    ConstraintOptimizer(),
)


def is_enabled(algorithm: Algorithm, features: FeatureSettings) -> bool:
    """Whether ``features.<name>.enabled`` is on."""
    return bool(getattr(features, algorithm.name).enabled)


def enabled(features: FeatureSettings) -> tuple[Algorithm, ...]:
    """Those that are asked."""
    return tuple(a for a in ALGORITHMS if is_enabled(a, features))


def without(features: FeatureSettings, names: Sequence[str]) -> FeatureSettings:
    """The settings with these algorithms off. Raises UsageError with the nearest name for one that is none."""
    check(names)
    for name in names:
        features = switched(features, name, on=False)
    return features


def check(names: Sequence[str]) -> None:
    """Raises UsageError with the nearest name for one that is no algorithm."""
    known = [a.name for a in ALGORITHMS]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"one of: {', '.join(known)}"
            raise UsageError(f'no algorithm "{name}"', hint=hint, code="unknown_algorithm")


def switched(features: FeatureSettings, name: str, *, on: bool) -> FeatureSettings:
    """The settings with this algorithm on or off."""
    return replace(features, **{name: replace(getattr(features, name), enabled=on)})
