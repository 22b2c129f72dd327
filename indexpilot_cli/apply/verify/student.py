"""Student's t distribution and Welch's test from sums, in plain arithmetic.

The regularised incomplete beta function is the continued fraction of DLMF 8.17.22 (https://dlmf.nist.gov/8.17.v);
Welch's degrees of freedom are those of B. L. Welch, Biometrika 34 (1947) 28.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_TINY = 1e-300
_ENOUGH = 1e-14
_STEPS = 500


@dataclass(frozen=True, slots=True)
class Part:
    """One independent term of a difference: the variance of its mean, and the degrees of freedom behind it."""

    variance: float
    freedom: float


def chance_above(difference: float, parts: Sequence[Part]) -> float:
    """The probability of a difference this large or larger when there is none (Welch's one-sided test, 0–1)."""
    spread = sum(part.variance for part in parts)
    if spread <= 0:
        return 0.0 if difference > 0 else 1.0
    freedom = spread**2 / sum(part.variance**2 / part.freedom for part in parts if part.variance > 0)
    tail = student_tails(difference / math.sqrt(spread), freedom) / 2
    return tail if difference > 0 else 1 - tail


def student_tails(t: float, freedom: float) -> float:
    """P(|T| >= |t|) for Student's distribution of that many degrees of freedom (not necessarily whole)."""
    if t * t < freedom:  # the complement, because one minus almost one would lose a small t
        return 1 - incomplete_beta(0.5, freedom / 2, t * t / (freedom + t * t))
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for a, b > 0 and 0 <= x <= 1."""
    if x <= 0 or x >= 1:
        return float(x > 0)
    if x > (a + 1) / (a + b + 2):  # there the fraction of the mirrored function converges faster
        return 1 - incomplete_beta(b, a, 1 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) / a / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction 1 + d1/(1 + d2/(1 + ...)) by the modified Lentz method."""
    value, upper, lower = 1.0, 1.0, 0.0
    for step in range(1, _STEPS):
        term = _coefficient(a, b, x, step)
        lower = 1 / _away_from_zero(1 + term * lower)
        upper = _away_from_zero(1 + term / upper)
        value *= upper * lower
        if abs(upper * lower - 1) < _ENOUGH:
            break
    return value


def _coefficient(a: float, b: float, x: float, step: int) -> float:
    m, odd = divmod(step, 2)
    if odd:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def holm(values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted probabilities in the order given: below α they keep the family's error rate at α."""
    adjusted = [1.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = highest
    return tuple(adjusted)
