"""Plans priced by constants fitted to measured times: what a server says under other constants, and what is chosen."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise.pipeline import make_plan, prepared
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.algorithms.time_model.fit import TimeModel
from indexpilot_cli.algorithms.time_model.pricing import timed_plans
from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.estimator import CostFactors, WhatIf
from indexpilot_cli.core.plan import Effect
from indexpilot_cli.core.workload import ObservedStatement, PlanMode, Plannable, SourceKind, Workload
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.workload.fold import fold
from tests.server.requesting import filled

COLUMNS = [f"c{n}" for n in range(16)]
# Eight rows to a page, in no order: a value of one row in eight is on two pages of three.
TABLES = f"""
CREATE TABLE "Odd One" (id int PRIMARY KEY, k int, target int, {" int, ".join(COLUMNS)} int) WITH (fillfactor = 10);
INSERT INTO "Odd One" SELECT i, i * 7919 % 8000, i * 7907 % 8, {", ".join("i" * 16)} FROM generate_series(1, 8000) i;
CREATE INDEX ON "Odd One" (k);
ANALYZE
"""
TABLE = 'FROM "Odd One"'
WANTED = f"SELECT * {TABLE} WHERE target = 3"
READS = tuple(f"SELECT sum({c}) {TABLE} WHERE k BETWEEN {50 * n} AND {90 * n + 9}" for n, c in enumerate(COLUMNS))
SCANS = tuple(f"SELECT max({c}) {TABLE}" for c in COLUMNS[:8])
# Everything is in memory: a page costs little, one at random no more than another, and every call its overhead.
MEMORY = TimeModel((0.0005, 0.0001, 0.003, 0.003, 0.003), 0.003, 0.02)


@pytest.fixture(scope="module")
def cached(pg):
    with filled(pg, *TABLES.strip().split(";\n")) as place:
        yield place


def folded(source, statements, ms=lambda _: 1.0):
    observed = tuple(ObservedStatement(text, 10, 10 * ms(text)) for text in statements)
    return fold([Workload(SourceKind.LOG, observed)], source.catalog)


def planned(place, statements, time_model):
    """The plan where every statement takes what the model says of its present plan."""
    request = replace(RecommendRequest(place.connection, planner=place.planner), time_model=time_model)
    with open_source(SourceRequest(place.connection), Silent()) as source:
        with open_estimator(source, place.planner, Silent()) as estimator:
            templates = prepared(folded(source, statements), source.catalog, None).templates
            plans = timed_plans(estimator, templates)
            ms = {t.samples[0].text: MEMORY.ms(p) for t, p in zip(templates, plans, strict=True)}
        with open_estimator(source, place.planner, Silent()) as estimator:
            return make_plan(source, folded(source, statements, lambda text: ms[text]), estimator, request, Silent())


def structures(plan):
    return {r.summary for r in plan.recommendations}


def test_an_index_that_random_page_cost_hides_is_found_by_time(cached):
    statements = (*READS, *SCANS, WANTED)
    by_cost, by_time = (planned(cached, statements, how) for how in ("off", "auto"))
    assert not any("(target)" in text for text in structures(by_cost))
    assert any("(target)" in text for text in structures(by_time))
    fit = next(f for f in by_time.findings if f.kind == "fit")
    assert fit.effect is Effect.REPRICED and fit.statements > 0
    told = next(f for f in by_time.findings if f.kind == "cost_and_time" and "(target)" in f.object)
    assert told.effect is Effect.REPRICED and len(told.evidence) == 1


def test_with_too_few_templates_the_plan_is_that_of_planner_cost(cached):
    by_cost, by_time = (planned(cached, (*READS[:5], WANTED), how) for how in ("off", "auto"))
    assert structures(by_cost) == structures(by_time) and by_cost.cost_after == by_time.cost_after
    assert by_cost.calls == by_time.calls and any("6 templates with times" in note for note in by_time.notes)
    assert [f.effect for f in by_time.findings if f.algorithm == "time_model"] == [Effect.REPORT_ONLY]


@pytest.mark.parametrize("parameters", [0, 1])
def test_other_constants_hold_for_one_question_alone(cached, parameters):
    statement = Plannable(READS[7])
    if parameters:
        statement = Plannable(f"SELECT 1 {TABLE} WHERE k < $1", PlanMode.PREPARED, 1)
    with (
        open_source(SourceRequest(cached.connection), Silent()) as source,
        open_estimator(source, cached.planner, Silent()) as estimator,
    ):
        ask = WhatIf(statement)
        (plain,) = estimator.plan([ask])
        others = (CostFactors(scale=1000), CostFactors(cpu_operator_cost=1.01))
        large, dear = estimator.plan([replace(ask, factors=factors) for factors in others])
        (again,) = estimator.plan([WhatIf(statement, keep_tree=True)])
    assert large.total_cost == pytest.approx(1000 * plain.total_cost, rel=1e-3) and large.shape == plain.shape
    assert plain.total_cost < dear.total_cost < 1.02 * plain.total_cost
    assert again.total_cost == plain.total_cost
