"""The model of measured benefit: its gate, what it never does, and where it abstains.

``outcomes.json`` are 140 changes that tests.benchmarks.algorithms.outcomes really built and measured (six schemas of
about 60,000 rows, PostgreSQL 15).
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.algorithms.base import ChosenIndex, PresentChoice, Study
from indexpilot_cli.algorithms.xgboost.model import (
    PLANNER_RATIO,
    BenefitKind,
    BenefitModel,
    change_features,
    from_parameters,
    to_parameters,
)
from indexpilot_cli.algorithms.xgboost.training import features_of, train
from indexpilot_cli.algorithms.xgboost.xgboost import Xgboost
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.codec import from_json
from indexpilot_cli.core.index import Candidate, IndexDefinition, IndexKey
from indexpilot_cli.core.measured import ChangeOutcome, Learned
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import TemplateEffect
from indexpilot_cli.core.samples import NoSamples
from indexpilot_cli.settings.features import FeatureSettings

INDEX = IndexDefinition(QualifiedName("public", "orders"), (IndexKey("status"),))


@pytest.fixture(scope="module")
def measured():
    found = json.loads((Path(__file__).parent / "outcomes.json").read_text())
    return tuple(from_json(ChangeOutcome, one) for one in found)


@pytest.fixture(scope="module")
def training(measured):
    return train(measured)


def test_measured_outcomes_pass_the_gate(training, measured):
    assert (training.changes, training.verdict) == (len(measured), BenefitKind.TREES)
    errors = {line.kind: line.error for line in training.lines}
    assert errors[BenefitKind.TREES] < 0.9 * errors[BenefitKind.LINE] < errors[BenefitKind.PLANNER]
    (trees,) = (line for line in training.lines if line.kind is BenefitKind.TREES)
    assert trees.low > 0 and 0.7 <= trees.covered <= 0.9


def test_the_same_outcomes_give_the_same_model(training, measured):
    assert train(measured) == training


def test_too_few_are_refused_with_what_is_missing(measured):
    assert train(measured[:20]).why == "off, because 20 measured changes are known, 60 are needed"
    few = tuple(replace(o, template=f"q-{n % 14}") for n, o in enumerate(measured))
    assert (train(few).model, train(few).why) == (None, "off, because they are of 14 templates, 15 are needed")
    assert train(()).model is None


def test_outcomes_without_what_the_planner_said_are_no_labels(measured):
    assert train([replace(o, cost_before=None) for o in measured]).changes == 0


def test_where_a_line_is_as_good_the_line_is_used(measured):
    straight = [replace(o, before=1.0, after=math.exp(0.4 * o.planner_log_ratio + 0.1)) for o in measured]
    found = train(straight)
    assert (found.verdict, found.model.booster) == (BenefitKind.LINE, "")
    assert found.model.slope == pytest.approx(0.4, abs=0.01)


def test_where_the_planner_is_right_nothing_is_used(measured):
    right = [replace(o, before=1.0, after=math.exp(o.planner_log_ratio)) for o in measured]
    assert train(right).model is None
    assert train(right).why.startswith("off, because it predicts no better")


def test_a_larger_gain_of_the_planner_is_never_a_smaller_one(training, measured):
    model = training.model
    for outcome in measured[:30]:
        low, high = model.low[PLANNER_RATIO], model.high[PLANNER_RATIO]
        steps = [{**features_of(outcome), PLANNER_RATIO: low + (high - low) * n / 9} for n in range(10)]
        found = [p.log_ratio for p in model.predict(steps) if p is not None]
        assert found == sorted(found)


def test_outside_of_what_it_saw_it_abstains(training, measured):
    features = next(f for f in map(features_of, measured) if training.model.predict([f])[0] is not None)
    strange = ({**features, "log_table_pages": 40.0}, {**features, "gin": 1.0}, {"keys": 1.0})
    assert training.model.predict(strange) == [None] * 3


def test_a_model_comes_back_from_json(training, measured):
    again = from_parameters(json.loads(json.dumps(to_parameters(training.model))))
    asked = [features_of(o) for o in measured]
    assert again == training.model and again.predict(asked) == training.model.predict(asked)
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_parameters({"kind": "pickle"})


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(1, 10_000))
def test_its_share_is_never_more_than_the_weight(weight, changes):
    trust = BenefitModel(BenefitKind.LINE, 0, 1, 0.1, changes).trust(weight)
    assert 0 <= trust <= weight


def held(model, weight, *effects):
    features = replace(FeatureSettings(), xgboost=replace(FeatureSettings().xgboost, enabled=True, weight=weight))
    study = Study(
        Catalog(0, "", ()), (), features, NoSamples(), None, None, learned=Learned(model=to_parameters(model))
    )
    return Xgboost().judge(study, PresentChoice((ChosenIndex(Candidate(INDEX, "equality"), 0.1, effects),), {}))


def line(slope, intercept, low=-3.0, high=0.0):
    return BenefitModel(BenefitKind.LINE, intercept, slope, 0.2, 600, {PLANNER_RATIO: low}, {PLANNER_RATIO: high})


def test_f5_it_holds_what_is_expected_to_gain_nothing_and_says_why():
    marginal, clear = TemplateEffect("q-1", 100, 90, 0.5), TemplateEffect("q-2", 100, 30, 0.5)
    found = held(line(0.5, 0.2), 1.0, marginal)
    assert list(found.value) == [INDEX] and found.value[INDEX].startswith("needs trial")
    assert [(f.algorithm, f.effect, f.definition) for f in found.findings] == [("xgboost", "held", INDEX)]
    assert not held(line(0.5, 0.2), 1.0, clear).value
    assert not held(line(0.5, 0.2), 0.0, marginal).value  # no weight, no word
    assert not held(line(0.5, 0.2, high=-1.0), 1.0, marginal).value  # outside of what it saw


def test_features_hold_only_what_is_known():
    assert PLANNER_RATIO not in change_features(INDEX, {}, 0, 0)
    assert change_features(INDEX, {}, 100, 50)[PLANNER_RATIO] == pytest.approx(math.log(0.5))
