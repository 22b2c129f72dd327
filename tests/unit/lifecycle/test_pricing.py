"""Drops priced by a planner that is told what each statement costs without which indexes."""

from dataclasses import replace

import pytest

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.workload import Plannable, QueryTemplate, Scenario, StatementKind
from indexpilot_cli.lifecycle.pricing import DropPrices, is_priced, priced, statements_of, touched
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFacts,
    LifecycleFinding,
    LifecycleSeverity,
    LifecycleState,
    parts_by_whole,
)
from tests.unit.advise.candidates.builders import column, index, name, table

INDEXES = ("one", "two", "three")
LINES = table("lines", column("a"), indexes=[index(i, "lines", "a") for i in INDEXES])
TREE = {"Node Type": "Seq Scan", "Relation Name": "lines", "Total Cost": 90.0, "Startup Cost": 0.0, "Plan Rows": 1}


class Planner:
    """Costs by statement: a function of the names that are hidden."""

    name = "fake"

    def __init__(self, costs):
        self.costs = costs

    def plan(self, questions):
        return [self._answer(q) for q in questions]

    def _answer(self, question):
        hidden = frozenset(n.name for n in question.hidden)
        cost = self.costs[question.statement.sql](hidden)
        used = frozenset(name(i) for i in INDEXES if i not in hidden)
        return PlannedStatement(cost, existing=used, tree=TREE if question.keep_tree else None)


def offer(label, state=LifecycleState.UNUSED):
    return LifecycleFinding(
        state, LifecycleSeverity.WARNING, LifecycleAction.DROP, LINES.name, name(label), ddl="DROP", undo="CREATE"
    )


def run(costs, *offers, limit=1.1, tables=(LINES,)):
    """The findings by index; all statements read the first table."""
    catalog = Catalog(150000, "shop", tables)
    facts = LifecycleFacts(catalog, None, parts=parts_by_whole(catalog))
    read = (tables[0].name,)
    templates = [
        QueryTemplate(t, "", t, StatementKind.SELECT, 1, None, read, (), (Scenario(Plannable(t), 1.0, "x"),))
        for t in costs
    ]
    planner = Planner(costs)
    statements = statements_of(templates, touched(offers, facts), planner, Silent())
    found = priced(offers, DropPrices(facts, planner, statements, limit))
    return {f.index.name: f for f in found}


def test_a_drop_that_makes_nothing_dearer_stays_an_offer_and_says_so():
    found = run({"q-1": lambda _: 10.0}, offer("one"), offer("two"))
    assert {f.action.value for f in found.values()} == {"drop"}
    assert found["one"].evidence[-1].text == "of 1 recorded statement on its table none gets dearer without it"
    assert found["one"].slower == ()


def test_one_that_makes_a_statement_too_dear_is_reported_with_what_is_used_instead():
    found = run({"q-1": lambda hidden: 90.0 if "one" in hidden else 10.0}, offer("one"), offer("two"))
    assert (found["one"].action, found["one"].ddl, found["one"].undo) == ("report", None, None)
    (slower,) = found["one"].slower
    assert (slower.template, slower.factor, slower.before, slower.after) == ("q-1", 9.0, 10.0, 90.0)
    assert slower.instead == "Seq Scan on lines"
    assert found["two"].action == "drop"


@pytest.mark.parametrize(("limit", "action"), [(1.1, "report"), (1.5, "drop")])
def test_the_limit_decides_and_what_is_below_it_is_told(limit, action):
    found = run({"q-1": lambda hidden: 13.0 if "one" in hidden else 10.0}, offer("one"), limit=limit)["one"]
    assert found.action == action
    assert [s.factor for s in found.slower] == [1.3]


def test_indexes_that_stand_in_for_one_another_are_not_all_dropped():
    costs = {"q-1": lambda hidden: 90.0 if {"one", "two"} <= hidden else 10.0}
    found = run(costs, offer("one"), offer("two"), offer("three"))
    assert sorted(f.action.value for f in found.values()) == ["drop", "drop", "report"]
    assert found["three"].action == "drop"
    (kept,) = (f for f in found.values() if f.action == "report")
    assert "once the others offered here are gone" in kept.evidence[-1].text


def test_so_are_those_of_a_partition_that_a_statement_on_the_whole_table_reads():
    whole = replace(LINES, name=name("whole"), indexes=(), kind="p")
    part = replace(LINES, parent=whole.name, is_partition=True)
    costs = {"q-1": lambda hidden: 90.0 if {"one", "two"} <= hidden else 10.0}
    found = run(costs, offer("one"), offer("two"), tables=(whole, part))
    assert sorted(f.action.value for f in found.values()) == ["drop", "report"]


def test_of_three_that_stand_in_for_one_another_one_stays():
    costs = {"q-1": lambda hidden: 90.0 if len(hidden) == 3 else 10.0}
    found = run(costs, *map(offer, INDEXES))
    assert sorted(f.action.value for f in found.values()) == ["drop", "drop", "report"]


def test_invalid_indexes_serve_no_plan_and_are_not_priced():
    assert not is_priced(offer("one", LifecycleState.INVALID))
    assert run({"q-1": lambda _: 10.0}, offer("one", LifecycleState.INVALID))["one"].evidence == ()
