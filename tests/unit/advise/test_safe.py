"""What --risk leaves out."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise.safe import RiskLevel, dangers, without_dangers
from indexpilot_cli.advise.select.problem import Choice, Selection
from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.plan import Bound, TemplateEffect
from indexpilot_cli.methods.writes import WriteCost
from tests.unit.advise.select.model_planner import candidate, index

PROBED, READ, OTHER = candidate(index("a")), candidate(index("b")), candidate(index("c"))
# TPC-H Q7 with lineitem (l_suppkey): half the cost by 15,000 rows one by one, and half as slow again in truth.
LOOP = {
    "Node Type": "Nested Loop",
    "Total Cost": 7600.0,
    "Plan Rows": 15_000,
    "Plans": [
        {"Node Type": "Hash Join", "Total Cost": 40.0, "Plan Rows": 80},
        {"Node Type": "Index Scan", "Total Cost": 85.0, "Plan Rows": 186},
    ],
}


def selection(chosen, benefits):
    """As the selection of these candidates would be: PROBED serves q1 by the loop, OTHER serves q2 by few rows."""
    effects = (TemplateEffect("q1", 16_000.0, 7_600.0, 0.3), TemplateEffect("q2", 9_000.0, 10.0, 0.7))
    few = {"Node Type": "Index Scan", "Total Cost": 10.0, "Plan Rows": 3}
    plans = {}
    if PROBED in chosen:
        plans["q1", ""] = PlannedStatement(7_600.0, hypothetical=frozenset({PROBED.definition}), tree=LOOP)
    if OTHER in chosen:
        plans["q2", ""] = PlannedStatement(10.0, hypothetical=frozenset({OTHER.definition}), tree=few)
    choices = tuple(Choice(c, 1, benefits[c], 0.5, effects, WriteCost(), 1, 1) for c in chosen)
    return Selection(choices, (), Bound(1, None, None), 1, 1, 1, "cost", 0, 1, effects, plans)


def chosen(level, **benefits):
    worth = {PROBED: 0.01, READ: 0.0, OTHER: 0.6} | {PROBED: benefits.get("probed", 0.01)}
    found = without_dangers((PROBED, OTHER), lambda pool: selection(pool, worth), level)
    return {c.candidate for c in found.chosen}, [(r.subject, r.reason) for r in found.rejections]


def test_rows_read_one_by_one_endanger_their_statement_only():
    (danger,) = dangers(selection((PROBED, OTHER), {PROBED: 0.1, OTHER: 0.6}))
    assert (danger.template, danger.indexes) == ("q1", frozenset({PROBED.definition}))
    assert danger.factor == pytest.approx((7_600 + 2 * 6_800) / 16_000)
    assert danger.loss == pytest.approx(0.3 * (danger.factor - 1))


def test_levels():
    assert chosen(RiskLevel.HIGH) == ({PROBED, OTHER}, [])
    assert chosen(RiskLevel.LOW, probed=0.5) == ({OTHER}, [("t0 (a)", "risk")])
    assert chosen(RiskLevel.NORMAL, probed=0.01)[0] == {OTHER}
    assert chosen(RiskLevel.NORMAL, probed=0.5) == ({PROBED, OTHER}, [])


@pytest.mark.parametrize(("percent", "kept"), [(0, 2), (49.9, 2), (50.1, 0), (100, 0)])
def test_an_index_that_saves_too_little_of_its_statements_is_rejected(percent, kept):
    worth = {PROBED: 0.01, OTHER: 0.6}  # each makes its statements cheaper by half
    found = without_dangers((PROBED, OTHER), lambda pool: selection(pool, worth), RiskLevel.HIGH, percent)
    assert len(found.chosen) == kept
    assert [r.reason for r in found.rejections] == ["too_little_benefit"] * (2 - kept)


@pytest.mark.parametrize(
    ("probes", "rows", "before", "endangered"),
    [
        (5, 5, 16_000.0, False),
        (80, 5, 16_000.0, True),  # few by the estimate of a join: 109 were expected of films' companies_1, 4,000 came
        (80, 5, 90.0, False),  # nobody waits for it
    ],
)
def test_few_rows_endanger_only_what_probes_by_a_guess(probes, rows, before, endangered):
    outer, inner = ({**LOOP["Plans"][0], "Plan Rows": probes}, {**LOOP["Plans"][1], "Plan Rows": rows})
    few = {**LOOP, "Total Cost": before * 0.475, "Plans": [outer, {**inner, "Total Cost": before * 0.42 / probes}]}
    found = selection((PROBED,), {PROBED: 0.1})
    plans = {key: replace(plan, tree=few) for key, plan in found.plans.items()}
    effects = (replace(found.effects[0], before=before, after=before * 0.475),)
    assert bool(list(dangers(replace(found, plans=plans, effects=effects)))) is endangered
