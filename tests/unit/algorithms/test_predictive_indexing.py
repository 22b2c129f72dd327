"""Decisions by forecasts and by history."""

from dataclasses import replace
from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.algorithms.base import ChosenIndex, PresentChoice, Study
from indexpilot_cli.algorithms.predictive_indexing import LEAST_OUTCOMES, PredictiveIndexing, explained, like_outcomes
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.index import Candidate, IndexDefinition, IndexKey
from indexpilot_cli.core.measured import ChangeOutcome, DailyCalls, Learned
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import TemplateEffect
from indexpilot_cli.core.samples import NoSamples
from indexpilot_cli.core.workload import QueryTemplate, StatementKind
from indexpilot_cli.settings.features import FeatureSettings
from tests.benchmarks.algorithms.predictive_indexing import worth_having

ORDERS = QualifiedName("public", "orders")
INDEX = IndexDefinition(ORDERS, (IndexKey("status"), IndexKey("day")))
MONDAY = date(2026, 1, 5)


def cost(saved, states, upkeep, build, built):
    total = 0.0
    for day, state in zip(saved, states, strict=True):
        total += (upkeep - day if state else 0.0) + (build if state and not built else 0.0)
        built = state
    return total


@given(st.lists(st.floats(0, 100), min_size=1, max_size=7), st.floats(0, 60), st.floats(0.1, 200), st.booleans())
def test_the_decision_is_the_first_of_the_best_sequence(saved, upkeep, build, built):
    costs = {s: cost(saved, s, upkeep, build, built) for s in product((True, False), repeat=len(saved))}
    best = {first: min(c for s, c in costs.items() if s[0] is first) for first in (True, False)}
    if abs(best[True] - best[False]) > 1e-6:
        assert worth_having(saved, upkeep, build, built=built) is (best[True] < best[False])


def spells(*days, until):
    return [1.0 if n in days else 0.0 for n in range(until + 1)]


def test_a_longer_period_explains_that_an_index_is_idle():
    month = explained(spells(25, 26, 56, 57, until=80))
    assert month.protected and month.why == "used about every 30 days, and idle for 23"
    assert not explained(spells(25, 26, 56, 57, until=100)).protected  # it should have come long ago
    once = explained(spells(25, 26, until=45))
    assert once.protected and once.why == "unknown: observed only 19 of 31 days since it was used"
    assert not explained(spells(25, 26, until=60)).protected
    assert not explained([0.0] * 90).protected
    assert not explained([]).protected


def outcomes(count, after, key="status"):
    definition = IndexDefinition(ORDERS, (IndexKey(key),))
    return tuple(ChangeOutcome(f"q-{n}", definition, 10.0, 10.0 * after + n % 3 / 10) for n in range(count))


def judged(known, gain=0.1, **changed):
    default = FeatureSettings()
    features = replace(default, predictive_indexing=replace(default.predictive_indexing, **changed))
    study = Study(Catalog(0, "", ()), (), features, NoSamples(), None, None, learned=Learned(known))
    effects = (TemplateEffect("q-1", 100.0, 100.0 * (1 - gain), 1.0),)
    return PredictiveIndexing().judge(study, PresentChoice((ChosenIndex(Candidate(INDEX, "range"), 0.1, effects),), {}))


def test_f4_twenty_bad_outcomes_hold_a_marginal_index_that_twenty_good_ones_let_pass():
    bad, good = outcomes(20, 1.0), outcomes(20, 0.5)
    found = judged(bad)
    assert list(found.value) == [INDEX] and "20 measured outcomes" in found.value[INDEX]
    assert [(f.effect, f.definition) for f in found.findings] == [("held", INDEX)]
    assert "shrinks to" in found.findings[0].evidence[1].text
    assert not judged(good).value
    assert not judged(bad, use_historical_data=False).value
    assert not judged(bad, weight=0.0).value
    assert not judged(bad, gain=0.9).value  # far from marginal
    assert not judged(bad[: LEAST_OUTCOMES - 1]).value
    assert not judged(outcomes(20, 1.0, key="other")).value


def test_one_disaster_does_not_outweigh_a_dozen_that_helped():
    found = like_outcomes(INDEX, (*outcomes(12, 0.5), *outcomes(1, 50.0)))
    assert found.count == 13 and found.good == 12 and found.mean > 0.3


def template(number, prefix="a" * 16, calls=1000.0):
    return QueryTemplate(f"q-{number}", prefix + "x" * number, "SELECT 1", StatementKind.SELECT, calls, 10.0, (), ())


def weighed(series, *templates, **changed):
    default = FeatureSettings()
    features = replace(default, predictive_indexing=replace(default.predictive_indexing, **changed))
    known = Learned(calls={"a" * 16: DailyCalls(MONDAY, tuple(series))})
    return PredictiveIndexing().weigh(
        Study(Catalog(0, "", ()), templates, features, NoSamples(), None, None, learned=known)
    )


def test_f4_what_is_dying_out_weighs_less_and_what_was_launched_more():
    falling, rising = [1000.0 * 0.9**n for n in range(42)], [10.0] * 28 + [900.0] * 14
    less, more = weighed(falling, template(0)), weighed(rising, template(0))
    assert less.value[0].calls < 400 and more.value[0].calls > 1500
    assert [f.effect for f in (*less.findings, *more.findings)] == ["repriced", "repriced"]
    assert "rolling origins" in less.findings[0].evidence[1].text
    assert less.value[0].total_ms == pytest.approx(less.value[0].calls / 100)


@pytest.mark.parametrize("series", [[100.0] * 42, [5.0] * 10, [0.0] * 42, []])
def test_what_goes_on_as_before_or_is_not_known_long_enough_keeps_its_weight(series):
    asked = template(0)
    assert weighed(series, asked).value == (asked,)
    assert not weighed(series, asked).findings


def test_templates_that_snapshots_cannot_tell_apart_keep_their_weight():
    pair = (template(0), template(1))
    assert weighed([1000.0 * 0.9**n for n in range(42)], *pair).value == pair
