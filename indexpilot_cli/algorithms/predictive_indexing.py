"""Predictive indexing: forecasts of what the workload will ask, and what indexes like this one really did before.

Arulraj, Xian, Ma and Pavlo, "Predictive Indexing", https://arxiv.org/abs/1901.07064. Checked: in the paper a tuner acts
before the workload shifts, on Holt-Winters forecasts of each index's utility, with indexes that are of use while they
are half built. PostgreSQL has no such scan, so nothing of that is here.

Used here: the forecast of each template's calls (`forecasting.py`) from our own daily snapshots weighs it; an index
that is idle is kept where a longer period explains it; and what building like indexes was measured to save, by the log
of earlier builds, takes its place beside the planner's expectation. Cannot tell: what happens for the first time, and
statements that pg_stat_statements has discarded.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, stdev

from indexpilot_cli.algorithms.base import Algorithm, ChosenIndex, Found, PresentChoice, Study
from indexpilot_cli.algorithms.forecasting import NoForecast, SeriesForecast, forecast
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import IndexDefinition, Reason
from indexpilot_cli.core.measured import ChangeOutcome, DailyCalls
from indexpilot_cli.core.plan import AlgorithmFinding, Effect, TemplateEffect
from indexpilot_cli.core.units import count
from indexpilot_cli.core.workload import QueryTemplate

HORIZON = 30  # days
DIFFERENT = 0.2  # of the weight, from which a forecast changes it
FINGERPRINT = 16  # characters that snapshots know of a template's fingerprint
LEAST_OUTCOMES = 8
HALF_TRUST = 5  # outcomes at which they get half of the weight that they may get
GOOD = 0.05  # the share of time saved from which an outcome is good
MERGED = 2  # days between uses that are one spell
MONTH = 31
LATE = 1.25  # of the longest distance between two spells, up to which the next one may still come


@dataclass(frozen=True, slots=True)
class IdleSpell:
    """Whether a longer period explains that something is idle now; ``why`` says it in a clause."""

    protected: bool
    why: str = ""


def explained(uses: Sequence[float]) -> IdleSpell:
    """Of numbers a day, the last of which is today's: whether the idle days at their end are no more than the distance
    from one spell of use to the next, as far as two were seen. After one spell nothing is known until a month is over.
    """
    days = [n for n, use in enumerate(uses) if use > 0]
    if not days:
        return IdleSpell(False)
    idle = len(uses) - 1 - days[-1]
    gaps = [later - before for before, later in pairwise(days) if later - before > MERGED]
    if gaps:
        period = max(gaps)
        why = f"used about every {period} days, and idle for {idle}"
        return IdleSpell(True, why) if idle <= period * LATE else IdleSpell(False)
    if idle < MONTH and days[-1] - days[0] < MONTH:
        return IdleSpell(True, f"unknown: observed only {idle} of {MONTH} days since it was used")
    return IdleSpell(False)


@dataclass(frozen=True, slots=True)
class LikeOutcomes:
    """What indexes like one were measured to save: shares of time, ``mean`` with its 80 % interval.

    ``like`` says in words how they are like it.
    """

    like: str
    count: int
    good: int
    mean: float
    low: float
    high: float

    def trust(self, weight: float) -> float:
        """The share that they have against the planner: at most ``weight``, less with few."""
        return weight * self.count / (self.count + HALF_TRUST)

    def expected(self, planned: float, weight: float) -> float:
        """The share of time that the planner's and theirs together let expect to be saved."""
        trust = self.trust(weight)
        return (1 - trust) * planned + trust * min(self.mean, 1.0)

    def speaks_against(self, planned: float, weight: float) -> bool:
        """Whether they, and the planner's word shrunk by them, let expect no gain."""
        return self.high < GOOD and self.expected(planned, weight) < GOOD

    @property
    def text(self) -> str:
        """A clause with the numbers."""
        span = f"{self.low:.0%} to {self.high:.0%}"
        return f"{self.count} measured outcomes of {self.like} saved {self.mean:.0%} of the time on average ({span})"


def like_outcomes(definition: IndexDefinition, outcomes: Sequence[ChangeOutcome]) -> LikeOutcomes | None:
    """Of the nearest kind of which there are enough: the same index, or another that begins with the same key."""
    same = [o for o in outcomes if o.definition == definition]
    if len(same) >= LEAST_OUTCOMES:
        return _summed("this index", same)
    first = definition.keys[0]
    near = [o for o in outcomes if o.definition.table == definition.table and o.definition.keys[0].text == first.text]
    words = f"indexes of {definition.table.short} that begin with {first.text}"
    return _summed(words, near) if len(near) >= LEAST_OUTCOMES else None


def _summed(like: str, outcomes: Sequence[ChangeOutcome]) -> LikeOutcomes:
    # One that made a statement ten times slower must not outweigh a dozen that helped.
    gains = [max(o.gain, -1.0) for o in outcomes]
    half = _Z80 * stdev(gains) / math.sqrt(len(gains))
    mean = fmean(gains)
    return LikeOutcomes(like, len(gains), sum(g >= GOOD for g in gains), mean, mean - half, mean + half)


_Z80 = 1.2816  # two-sided 80 %


class PredictiveIndexing(Algorithm):
    """Weighs templates by forecasts, and holds indexes whose like were measured to be of no use."""

    name = "predictive_indexing"
    title = "Predictive Indexing: forecasts of calls, and measured outcomes of like indexes"
    source = "Arulraj et al., Predictive Indexing, https://arxiv.org/abs/1901.07064"
    learns = True

    def weigh(self, study: Study) -> Found[tuple[QueryTemplate, ...]]:
        """Templates with the calls that the coming month will see of them for each that the recorded days saw."""
        known = study.learned.calls
        # Templates that snapshots cannot tell apart are left as they are.
        shared = Counter(t.fingerprint[:FINGERPRINT] for t in study.templates)
        found: list[QueryTemplate] = []
        findings: list[AlgorithmFinding] = []
        for template in study.templates:
            series = known.get(template.fingerprint[:FINGERPRINT])
            told = None
            if series is not None and shared[template.fingerprint[:FINGERPRINT]] == 1:
                told = _weighed(template, series, study.features.predictive_indexing.weight)
            found.append(template if told is None else told[0])
            findings += [] if told is None else [told[1]]
        return Found(tuple(found), tuple(findings))

    def judge(self, study: Study, choice: PresentChoice) -> Found[Mapping[IndexDefinition, str]]:
        """Indexes of which outcomes of like ones let expect no gain."""
        settings = study.features.predictive_indexing
        held: dict[IndexDefinition, str] = {}
        findings: list[AlgorithmFinding] = []
        for chosen in choice.indexes if settings.use_historical_data else ():
            like = like_outcomes(chosen.candidate.definition, study.learned.outcomes)
            planned = planned_gain(chosen.effects)
            if like is not None and like.speaks_against(planned, settings.weight):
                held[chosen.candidate.definition] = f"hold: {like.text}; try it with  apply --verify replay"
                findings.append(_held(chosen, like, planned, settings.weight))
        return Found(held, tuple(findings))


def planned_gain(effects: Sequence[TemplateEffect]) -> float:
    """The share of the cost of the templates that an index serves which the planner expects to be saved."""
    before = sum(e.weight * e.before for e in effects)
    return 1 - sum(e.weight * e.after for e in effects) / before if before > 0 else 0.0


def _weighed(
    template: QueryTemplate, series: DailyCalls, weight: float
) -> tuple[QueryTemplate, AlgorithmFinding] | None:
    seen = fmean(series.calls) if series.calls else 0.0
    found = forecast(series.calls, series.first, HORIZON) if seen > 0 else NoForecast("no calls")
    if isinstance(found, NoForecast):
        return None
    # Its lower quantile: an index is built for what will be there in four of five cases.
    factor = 1 + weight * (found.low / HORIZON / seen - 1)
    if abs(factor - 1) < DIFFERENT:
        return None
    changed = replace(
        template,
        calls=template.calls * factor,
        total_ms=None if template.total_ms is None else template.total_ms * factor,
        variance=None if template.variance is None else template.variance * factor,
        blocks=None if template.blocks is None else template.blocks * factor,
    )
    return changed, _forecast_finding(template, found, seen, factor)


def _forecast_finding(template: QueryTemplate, found: SeriesForecast, seen: float, factor: float) -> AlgorithmFinding:
    expected = (
        f"{count(found.total / HORIZON)} calls a day in the coming {HORIZON} days, {count(seen)} in those recorded"
    )
    return AlgorithmFinding(
        PredictiveIndexing.name,
        "forecast",
        template.id,
        Effect.REPRICED,
        f"weighs {factor:.2f} times as much",
        (Reason("forecast", expected, "snapshots"), Reason("backtest", found.text, "snapshots")),
        f"{count(found.low / HORIZON)} to {count(found.high / HORIZON)} calls a day in 60 of 100 cases",
        "what happens for the first time, and calls that pg_stat_statements discarded",
    )


def _held(chosen: ChosenIndex, like: LikeOutcomes, planned: float, weight: float) -> AlgorithmFinding:
    left = f"the planner's gain of {planned:.0%} shrinks to {like.expected(planned, weight):.0%}"
    return AlgorithmFinding(
        PredictiveIndexing.name,
        "history",
        summary(chosen.candidate.definition),
        Effect.HELD,
        "not built before a trial",
        (Reason("outcomes", like.text, "log"), Reason("shrunk", left, "model")),
        f"{like.low:.0%} to {like.high:.0%} saved, 80 % interval",
        "whether this index differs from those in what made them useless",
        definition=chosen.candidate.definition,
    )
