"""Constants fitted to measured times: recovered where there is evidence, refused where there is none."""

import random
from dataclasses import astuple, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.time_model.fit import CONSTANTS, TimedPlan, TimeModel, fit, fitted
from indexpilot_cli.algorithms.time_model.pricing import TimedEstimator, TimePricing, timed, timed_plans
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.estimator import CostEstimator, CostFactors, PlannedStatement, WhatIf
from indexpilot_cli.core.index import Candidate, IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Effect
from indexpilot_cli.core.samples import NoSamples
from indexpilot_cli.core.workload import Plannable, QueryTemplate, Scenario, StatementKind
from indexpilot_cli.settings.features import FeatureSettings

TABLE = QualifiedName("public", "orders")
INDEX = IndexDefinition(TABLE, (IndexKey("status"),))
CACHED = TimeModel(
    (0.002, 0.0002, 0.004, 0.004, 0.004), 0.004, 0.1
)  # a page at random costs a twentieth of what is set
AS_GIVEN = TimeModel((0.004,) * 5, 0.004)


def plans(count, model, noise=0.05, seed=1):
    """Half of them read tables, half indexes; their times follow the model but for noise."""
    drawn = random.Random(seed)
    for number in range(count):
        rows = 10 ** drawn.uniform(1, 5)
        read = (rows / drawn.choice((5, 50, 200)), 0.0, rows * 0.01, 0.0, rows * 0.0025 * drawn.choice((1, 2, 5)))
        fetched = (0.0, rows * 0.4 * drawn.uniform(0.1, 1), rows * 0.001, rows * 0.0005, rows * 0.00025 + 0.3)
        plan = TimedPlan(f"q-{number}", 1.0, drawn.choice((read, fetched)))
        yield replace(plan, ms=model.ms(plan) * drawn.lognormvariate(0, noise))


def relative(model):
    return [rate / model.factor for rate in model.rates]


def test_constants_that_made_the_times_are_recovered():
    found = fit(list(plans(60, CACHED)))
    assert found.model is not None and found.gain > 0.3 and 0 < found.low <= found.gain <= found.high
    assert found.model.rates[0] == pytest.approx(CACHED.rates[0], rel=0.3)
    assert found.model.rates[1] == pytest.approx(CACHED.rates[1], rel=0.3)
    assert found.model.floor == pytest.approx(CACHED.floor, rel=0.3)


def test_a_tenth_of_far_outliers_moves_them_little():
    known = list(plans(80, CACHED))
    odd = [replace(p, ms=p.ms * 20) if n % 10 == 0 else p for n, p in enumerate(known)]
    assert fitted(odd).rates[1] == pytest.approx(fitted(known).rates[1], rel=0.5)


def test_too_few_templates_are_refused_however_many_plans_they_have():
    few = list(plans(19, CACHED))
    found = fit(few * 10)
    assert (found.model, found.templates, found.gain) == (None, 19, None) and "20 are needed" in found.why


def test_where_cost_is_time_already_nothing_is_fitted():
    found = fit(list(plans(60, AS_GIVEN, noise=0.3)))
    assert found.model is None and "is needed" in found.why


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_without_error_and_with_nothing_but_error_the_gate_stays_shut(noise):
    assert fit(list(plans(40, AS_GIVEN, noise=noise))).model is None


def test_plans_of_one_template_are_not_more_evidence():
    known = list(plans(30, CACHED))
    again = fitted([plan for plan in known for _ in range(5)])
    assert relative(again) == pytest.approx(relative(fitted(known)), rel=0.01)


def test_a_constant_that_no_plan_tells_of_stays_as_it_is_given():
    model = fitted([replace(p, parts=(p.parts[0], 0.0, *p.parts[2:])) for p in plans(60, CACHED) if p.parts[0]])
    assert model.rates[1] == pytest.approx(model.factor, rel=0.01)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.floats(0.001, 1e6), st.tuples(*[st.floats(0, 1e6)] * 5), st.floats(0.01, 1e6)),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_the_times_no_plan_takes_less_than_nothing(rows):
    model = fitted([TimedPlan(f"q-{n}", ms, parts, other) for n, (ms, parts, other) in enumerate(rows)])
    assert min(model.rates) >= 0 and model.floor >= 0 and model.factor > 0


class Linear(CostEstimator):
    """A planner whose plans have known parts; ``turns`` names a constant at whose change of 1 % a plan turns."""

    name, version = "linear/1", "1"

    def __init__(self, parts, turns=None):
        self.parts, self.turns, self.asked = parts, turns or {}, 0

    @property
    def calls(self):
        return self.asked

    def plan(self, questions):
        self.asked += len(questions)
        return tuple(map(self._answer, questions))

    def _answer(self, question):
        factors = question.factors or CostFactors()
        parts = self.parts.get((question.statement.sql, bool(question.indexes)))
        if parts is None:
            return PlannedStatement(float("nan"), error="no plan")
        each = [f - 1 for f in astuple(factors)[:5]]
        turned = (
            abs(each[CONSTANTS.index(self.turns[question.statement.sql])])
            if question.statement.sql in self.turns
            else 0
        )
        cost = sum(p * (1 + f) for p, f in zip(parts, each, strict=True)) * factors.scale
        tree = {"Total Cost": cost, "Plans": [{"Total Cost": cost / 2}]} if question.keep_tree else None
        return PlannedStatement(cost, hypothetical=question.indexes, shape=f"{turned >= 0.01}", tree=tree)

    def refuses(self, definition):
        return None

    def set_size(self, definition, pages, tuples, height=None):
        raise AssertionError

    def size(self, definition):
        return 8192


def template(number, ms=1.0, **more):
    sql = f"select {number}"
    known = QueryTemplate(f"q-{number}", str(number), sql, StatementKind.SELECT, 10, 10 * ms, (TABLE,), ())
    return replace(known, scenarios=(Scenario(Plannable(sql), 1.0, "sample"),), **more)


def workload(count, model):
    """Templates with times by the model, and a planner that knows their plans; with the index each reads at random."""
    known = list(plans(count, model, noise=0.02))
    parts = {(f"select {n}", False): plan.parts for n, plan in enumerate(known)}
    return tuple(template(n, plan.ms) for n, plan in enumerate(known)), parts


def study(templates, estimator):
    return Study(Catalog(0, "", ()), templates, FeatureSettings(), NoSamples(), estimator, None)


def test_parts_are_what_the_cost_changes_by():
    templates, parts = workload(5, CACHED)
    found = list(timed_plans(Linear(parts), templates))
    assert [plan.template for plan in found] == [t.id for t in templates]
    for plan, template_ in zip(found, templates, strict=True):
        assert plan.parts == pytest.approx(parts[template_.text, False], rel=1e-6) and plan.ms == template_.mean_ms
        assert plan.other == pytest.approx(0, abs=1e-6)


def test_a_plan_that_turns_is_asked_with_a_smaller_step_and_one_without_is_left_out():
    templates, parts = workload(3, CACHED)
    known = {key: value for key, value in parts.items() if key[0] != "select 2"}
    planner = Linear(known, {"select 1": "cpu_tuple_cost"})
    found = list(timed_plans(planner, templates))
    assert [plan.template for plan in found] == ["q-0", "q-1"]
    assert found[1].parts == pytest.approx(parts["select 1", False], rel=1e-6)


def test_writes_and_what_has_no_whole_time_are_not_fitted_to():
    odd = {"cancelled": {"cancelled": 1.0}, "assumed": {"assumed": True}, "unplanned": {"scenarios": ()}}
    others = [replace(template(n), **more) for n, more in enumerate((*odd.values(), {"total_ms": None}), start=10)]
    write = replace(template(20), kind=StatementKind.UPDATE)
    assert timed((template(1), *others, write)) == (template(1),)


def test_times_come_in_units_of_cost():
    parts = {("select 1", False): (10.0, 400.0, 1.0, 1.0, 1.0)}
    priced = TimedEstimator(Linear(parts), CACHED)
    ask = WhatIf(Plannable("select 1"), keep_tree=True)
    answer, lost = priced.plan([ask, WhatIf(Plannable("select 2"))])
    ms = CACHED.ms(TimedPlan("", 1.0, parts["select 1", False]))
    assert answer.total_cost * CACHED.factor == pytest.approx(ms, rel=1e-6)
    assert answer.tree["Total Cost"] == pytest.approx(answer.total_cost)
    assert answer.tree["Plans"][0]["Total Cost"] == pytest.approx(answer.total_cost / 2)
    assert lost.error == "no plan" and priced.each == 2


def test_a_plan_that_changes_with_every_step_keeps_its_cost():
    planner = Linear({("select 1", False): (10.0, 400.0, 1.0, 1.0, 1.0)})
    planner._answer = lambda q: PlannedStatement(413.0 * q.factors.scale, shape=str(q.factors))
    (answer,) = TimedEstimator(planner, AS_GIVEN).plan([WhatIf(Plannable("select 1"))])
    assert answer.total_cost == pytest.approx(413.0)


def test_without_times_nothing_is_asked():
    planner = Linear({})
    found = TimePricing().reprice(study((replace(template(1), total_ms=None),), planner), ())
    assert found.value is planner and planner.calls == 0 and "0 templates with times" in found.findings[0].decision


def test_too_few_templates_are_told_without_asking():
    templates, parts = workload(19, CACHED)
    planner = Linear(parts)
    found = TimePricing().reprice(study(templates, planner), ())
    assert found.value is planner and planner.calls == 0
    assert found.findings[0].effect is Effect.REPORT_ONLY and "19 templates" in found.findings[0].decision


def test_below_the_gate_the_planner_stays_and_the_report_says_so():
    templates, parts = workload(40, AS_GIVEN)
    planner = Linear(parts)
    found = TimePricing().reprice(study(templates, planner), ())
    assert found.value is planner and found.findings[0].effect is Effect.REPORT_ONLY
    assert found.findings[0].statements == planner.calls > 0


def test_an_index_that_gains_in_cost_alone_is_told_apart():
    templates, parts = workload(60, CACHED)
    # Pages at random, which are in memory, saved for rows one by one, which take their time.
    parts["select 60", False] = (0.0, 4000.0, 0.0, 0.0, 40.0)
    parts["select 60", True] = (0.0, 0.0, 0.0, 0.0, 500.0)
    mine = template(60, CACHED.ms(TimedPlan("", 1.0, parts["select 60", False])))
    found = TimePricing().reprice(study((*templates, mine), Linear(parts)), (Candidate(INDEX, "equality"),))
    assert isinstance(found.value, TimedEstimator)
    told = {f.kind: f for f in found.findings}
    assert told["fit"].effect is Effect.REPRICED and "random_page_cost" in told["fit"].evidence[-1].text
    assert told["cost_and_time"].effect is Effect.HELD and told["cost_and_time"].definition == INDEX
