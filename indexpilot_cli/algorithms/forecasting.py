"""How often something will happen in the coming days, from how often it did, judged by what such forecasts were worth.

Four models: the same day of the last season (seasonal naive); Holt-Winters, additive with a damped trend on log1p
(Winters 1960, https://doi.org/10.1287/mnsc.6.3.324); means by the day's class (weekday or weekend, turn of the month);
Croston's for what happens rarely, with the correction of Syntetos and Boylan 2005
(https://doi.org/10.1016/j.ijforecast.2004.10.001). The one with the least error over rolling origins is used where it
is at least a tenth better than the naive one. Intervals are split-conformal: quantiles of its errors there. Where each
of the last three days lies outside of them on one side, the level has changed and the forecast follows.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[Any]]

WEEK = 7
ENOUGH_BETTER = 0.9  # of the naive model's error, below which another is used
TURN_DAYS = 2  # the last days of a month, and its first
ORIGINS = 12
CHANGED = 3  # days on one side outside of the interval, which happen by chance twice in a thousand
_DAMPING = 0.9
_GRID = tuple(product((0.05, 0.2, 0.5), (0.0, 0.05), (0.05, 0.3)))  # of level, trend, season


@dataclass(frozen=True, slots=True)
class SeriesForecast:
    """Expected numbers a day from the day after the last one.

    ``low`` and ``high`` are the 20 % and 80 % quantiles of their sum, ``spread`` factors between which a single day
    lies in 80 of 100 cases (on numbers plus one). ``backtest`` has each model's error by the naive one's, least first.
    """

    model: str
    days: tuple[float, ...]
    low: float
    high: float
    spread: tuple[float, float]
    backtest: tuple[tuple[str, float], ...]
    origins: int

    @property
    def total(self) -> float:
        """The expected sum."""
        return sum(self.days)

    @property
    def text(self) -> str:
        """The backtest as a clause."""
        errors = ", ".join(f"{name} {error:.2f}" for name, error in self.backtest)
        return f"{self.model} by {self.origins} rolling origins (error by the naive one's: {errors})"


@dataclass(frozen=True, slots=True)
class NoForecast:
    """Why nothing can be said, in a clause."""

    why: str


def forecast(values: Sequence[float], first: date, horizon: int) -> SeriesForecast | NoForecast:
    """The coming ``horizon`` days after a number for each day from ``first`` on."""
    import numpy as np

    if len(values) < 2 * WEEK:
        return NoForecast(f"no forecast: {len(values)} days are known, two weeks are needed")
    history = np.asarray(values, dtype=float)
    classes = day_classes(first, len(values) + horizon)
    past = _backtest(history, classes)
    naive = _error(past[_NAIVE], history)
    errors = sorted((_error(found, history) / naive if naive > 0 else 1.0, name) for name, found in past.items())
    best = errors[0][1] if errors[0][0] < ENOUGH_BETTER else _NAIVE
    totals, steps = _log_errors(past[best], history)
    bounds = (_conformal(steps, 0.1), _conformal(steps, 0.9))
    # What was before a change counts as if it had been at the level of today.
    begun, factor = _change(best, history, classes, bounds)
    level = np.where(np.arange(len(history)) < begun, factor, 1.0)
    days = np.maximum(_MODELS[best](history * level, classes, horizon), 0.0)
    total = float(days.sum())
    low, high = _shifted(total, np.quantile(totals, 0.2)), _shifted(total, np.quantile(totals, 0.8))
    spread = (math.exp(bounds[0]), math.exp(bounds[1]))
    backtest = tuple((name, error) for error, name in errors)
    return SeriesForecast(best, tuple(map(float, days)), low, high, spread, backtest, len(past[best]))


def _change(name: str, history: Numbers, classes: Sequence[int], bounds: tuple[float, float]) -> tuple[int, float]:
    """The day of the last week on which the level changed, and by what factor; 0 and 1 unless all days since say so."""
    import numpy as np

    for days in range(WEEK, CHANGED - 1, -1):
        expected = np.maximum(_MODELS[name](history[:-days], classes, days), 0.0)
        errors = np.log1p(history[-days:]) - np.log1p(expected)
        if errors.min() > bounds[1] or errors.max() < bounds[0]:
            return len(history) - days, math.exp(np.median(errors))
    return 0, 1.0


def day_classes(first: date, count: int) -> tuple[int, ...]:
    """Of each day from ``first`` on: 0 weekday, 1 weekend, 2 turn of the month."""
    return tuple(_day_class(first + timedelta(days=n)) for n in range(count))


def _day_class(day: date) -> int:
    last = calendar.monthrange(day.year, day.month)[1]
    if day.day > last - TURN_DAYS or day.day == 1:
        return 2
    return 1 if day.weekday() >= 5 else 0


Model = Callable[["Numbers", Sequence[int], int], "Numbers"]
_Past = dict[int, "Numbers"]  # by origin what was forecast from there


def _backtest(history: Numbers, classes: Sequence[int]) -> dict[str, _Past]:
    """By model and origin the forecasts of a week, made from what was known then."""
    last = len(history) - WEEK
    stride = max(1, (last - WEEK) // ORIGINS)
    origins = list(range(last, WEEK - 1, -stride))[:ORIGINS]
    return {
        name: {o: _made(model, history[:o], classes, len(history) - o) for o in origins}
        for name, model in _MODELS.items()
    }


def _made(model: Model, known: Numbers, classes: Sequence[int], left: int) -> Numbers:
    import numpy as np

    return np.maximum(model(known, classes, min(WEEK, left)), 0.0)


def _error(past: _Past, history: Numbers) -> float:
    """Mean absolute error over all origins."""
    found = [abs(history[o : o + len(made)] - made).mean() for o, made in past.items()]
    return float(sum(found) / len(found))


def _log_errors(past: _Past, history: Numbers) -> tuple[Numbers, Numbers]:
    """Of the weeks' sums, and of single days: log of what was by what was forecast, each plus one."""
    import numpy as np

    real = {o: history[o : o + len(made)] for o, made in past.items()}
    totals = [math.log1p(real[o].sum()) - math.log1p(made.sum()) for o, made in past.items()]
    steps = [np.log1p(real[o]) - np.log1p(made) for o, made in past.items()]
    return np.array(totals), np.concatenate(steps)


def _conformal(errors: Numbers, level: float) -> float:
    """The quantile that a new error stays on the right side of with that probability, for so few errors."""
    import numpy as np

    n = len(errors)
    rank = math.ceil((n + 1) * level) if level > 0.5 else math.floor((n + 1) * level)
    return float(np.sort(errors)[min(max(rank, 1), n) - 1])


def _shifted(total: float, by: float) -> float:
    return max(0.0, (1 + total) * math.exp(by) - 1)


# -- the models: the coming days from the known ones


def _naive(history: Numbers, _: Sequence[int], horizon: int) -> Numbers:
    import numpy as np

    season = history[-WEEK:]
    return np.resize(season, horizon)


def _by_class(history: Numbers, classes: Sequence[int], horizon: int) -> Numbers:
    """Means of the days of the same class; of the turn of a month only where two were seen, of others the last four
    weeks count, so that what grows or fell is followed.
    """
    import numpy as np

    n = len(history)
    known = np.asarray(classes[:n])
    turns = sum(a != 2 and b == 2 for a, b in pairwise((0, *classes[:n])))
    recent = np.arange(n) >= n - 4 * WEEK
    means = [_mean(history[(known == kind) & recent], history[recent].mean()) for kind in (0, 1)]
    means.append(_mean(history[known == 2], means[0]) if turns >= 2 else means[0])
    return np.array([means[kind] for kind in classes[n : n + horizon]])


def _mean(some: Numbers, otherwise: float) -> float:
    return float(some.mean()) if len(some) else float(otherwise)


def _croston(history: Numbers, _: Sequence[int], horizon: int, smoothing: float = 0.1) -> Numbers:
    """One rate: the smoothed size by the smoothed distance between days with anything."""
    import numpy as np

    at = np.flatnonzero(history > 0)
    if len(at) == 0:
        return np.zeros(horizon)
    size, gap = float(history[at[0]]), float(at[0] + 1)
    for before, now in pairwise(at):
        size += smoothing * (history[now] - size)
        gap += smoothing * (now - before - gap)
    return np.full(horizon, (1 - smoothing / 2) * size / gap)


def _holt_winters(history: Numbers, _: Sequence[int], horizon: int) -> Numbers:
    """All smoothings of the grid at once; that with the least error one day ahead is used."""
    import numpy as np

    y = np.log1p(history)
    a, b, c = (np.array(part) for part in zip(*_GRID, strict=True))
    level = np.full(len(a), y[:WEEK].mean())
    trend = np.zeros(len(a))
    season = np.tile(y[:WEEK] - y[:WEEK].mean(), (len(a), 1))
    squares, ratio = np.zeros(len(a)), np.zeros(len(a))
    for n in range(WEEK, len(y)):
        base, place = level + _DAMPING * trend, n % WEEK
        expected = base + season[:, place]
        squares += (y[n] - expected) ** 2
        ratio += np.expm1(expected)
        new = a * (y[n] - season[:, place]) + (1 - a) * base
        trend = b * (new - level) + (1 - b) * _DAMPING * trend
        season[:, place] = c * (y[n] - new) + (1 - c) * season[:, place]
        level = new
    best = int(squares.argmin())
    damped = np.cumsum(_DAMPING ** np.arange(1, horizon + 1))
    places = (len(y) + np.arange(horizon)) % WEEK
    # The mean of logs is not the log of means: what the fit missed of the sum is made good.
    bias = history[WEEK:].sum() / ratio[best] if ratio[best] > 0 else 1.0
    logs: Numbers = level[best] + damped * trend[best] + season[best, places]
    return np.expm1(logs) * float(min(max(bias, 0.5), 2.0))


_NAIVE = "seasonal naive"
_MODELS: dict[str, Model] = {
    _NAIVE: _naive,
    "Holt-Winters": _holt_winters,
    "day classes": _by_class,
    "Croston": _croston,
}
