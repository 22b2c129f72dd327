"""Indexes that are there in the same choice: what goes, what stays, and what takes whose place."""

import itertools
import random

import pytest

from indexpilot_cli.advise.select import Limits, advise
from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.index import SpareIndex
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.methods.existing import stands_in
from indexpilot_cli.methods.writes import WriteCost, WriteModel
from tests.unit.advise.select.model_planner import ModelPlanner, candidate, index, table, template, way

OLD, WIDE, OTHER = index("a"), index("a", "b"), index("c")
EXACT = Limits(min_benefit=0.0, protection=None)


def named(definition):
    return QualifiedName("public", "_".join(definition.columns))


def spare(definition, *, free=False, by=None, scans=None, size=1000):
    name = named(definition)
    return SpareIndex(
        f"F-{name.name}",
        name,
        definition,
        size,
        frozenset({name}),
        frozenset({definition.table}),
        f"DROP INDEX {name}",
        f"CREATE INDEX {name.name} …",
        "redundant",
        free=free,
        by=named(by) if by is not None else None,
        scans=scans,
    )


class HidingPlanner(ModelPlanner):
    """The ways of a statement may need indexes that are there (``existing``), which can be hidden."""

    hides = True

    def __init__(self, ways, existing, **more):
        super().__init__(ways, **more)
        self.existing = {named(d): d for d in existing}

    def _one(self, question):
        there = {d for name, d in self.existing.items() if name not in question.hidden}
        possible = [w for w in self.ways[question.statement.sql] if w.indexes <= question.indexes | there]
        best = min(possible, key=lambda w: (w.cost, len(w.indexes)))
        own = frozenset(named(d) for d in best.indexes & there)
        return PlannedStatement(best.cost, hypothetical=best.indexes & question.indexes, existing=own)


def chosen(ways, new, old, limits=EXACT, writes=None, calls=None):
    planner = HidingPlanner(ways, [s.definition for s in old])
    templates = [template(name, tables=(0, 1), calls=(calls or {}).get(name, 1.0)) for name in ways]
    candidates = [candidate(d, *ways) for d in new]
    model = WriteModel({d: WriteCost(total_us=us * 10) for d, us in (writes or {}).items()})
    sizes = dict.fromkeys(new, 1000)
    return advise(templates, candidates, planner, limits, model, sizes, spare=old)


def gone(selection):
    return {d.spare.definition: d.by for d in selection.dropped}


def test_a_new_index_takes_the_place_of_the_one_whose_work_it_does():
    ways = {"q-1": [way(1000), way(100, OLD), way(101, WIDE)], "q-2": [way(1000), way(500, OLD), way(10, WIDE)]}
    selection = chosen(ways, [WIDE], [spare(OLD)], writes={OLD: 5, WIDE: 6})
    assert [c.candidate.definition for c in selection.chosen] == [WIDE]
    assert gone(selection) == {OLD: WIDE}
    assert (selection.cost_before, selection.cost_after) == (600, 111)


def test_without_a_new_index_in_its_place_it_stays():
    ways = {"q-1": [way(1000)]}
    assert gone(chosen(ways, [WIDE], [spare(OLD)], writes={OLD: 500, WIDE: 600})) == {}


def test_one_that_nothing_reads_goes_and_one_that_pays_stays():
    ways = {"q-1": [way(1000), way(100, OLD)]}
    selection = chosen(ways, [WIDE], [spare(OLD, free=True), spare(OTHER, free=True)], writes={OLD: 5, OTHER: 5})
    assert gone(selection) == {OTHER: None}


def test_one_that_costs_more_in_writes_than_it_saves_goes():
    ways = {"q-1": [way(104), way(100, OLD)]}
    selection = chosen(ways, [], [spare(OLD, free=True)], Limits(min_benefit=0.0), writes={OLD: 50})
    assert gone(selection) == {OLD: None}


def test_no_statement_gets_dearer_than_the_limit():
    ways = {"q-1": [way(106), way(100, OLD)]}
    selection = chosen(ways, [], [spare(OLD, free=True)], Limits(min_benefit=0.0), writes={OLD: 5000})
    assert gone(selection) == {}


def test_of_two_that_stand_in_for_each_other_one_stays():
    one, two = index("a"), index("a", "x")
    ways = {"q-1": [way(1000), way(100, one), way(100, two)]}
    old = [spare(one, free=True), spare(two, free=True)]
    selection = chosen(ways, [], old, Limits(min_benefit=0.0), writes={one: 5, two: 6})
    assert gone(selection) == {two: None}


def test_scans_that_the_workload_cannot_explain_keep_it():
    ways = {"q-1": [way(101), way(100, OLD)]}
    limits = Limits(min_benefit=0.0)
    read_by_others = spare(OLD, free=True, scans=50.0)
    assert gone(chosen(ways, [], [read_by_others], limits, {OLD: 500}, {"q-1": 10})) == {}
    assert gone(chosen(ways, [], [read_by_others], limits, {OLD: 500}, {"q-1": 50})) == {OLD: None}


def test_a_drop_that_counts_on_a_build_says_so():
    new = index("z")
    ways = {"q-1": [way(1000), way(100, OLD), way(50, new)]}
    selection = chosen(ways, [new], [spare(OLD, free=True)], Limits(min_benefit=0.0), writes={OLD: 5, new: 1})
    (dropped,) = selection.dropped
    assert (dropped.by, dropped.needs) == (None, (new,))


def test_a_planner_that_cannot_hide_indexes_drops_none():
    class Seeing(HidingPlanner):
        hides = False

    planner = Seeing({"q-1": [way(1000)]}, [OLD])
    selection = advise([template("q-1")], [], planner, EXACT, spare=[spare(OLD, free=True)])
    assert selection.dropped == ()


@pytest.mark.parametrize("seed", range(12))
def test_the_choice_is_the_best_of_all(seed):
    rng = random.Random(seed)
    new = [index("a", "b"), index("c"), index("d", on=1), index("a", "c")]
    old = [spare(index("a")), spare(index("c", "d"), free=True), spare(index("d", "e", on=1), free=True)]
    every = [*new, *(s.definition for s in old)]
    ways, calls = {}, {}
    for n in range(5):
        base = rng.uniform(100, 1000)
        needed = (rng.sample(every, rng.randrange(1, 3)) for _ in range(5))
        ways[f"q-{n}"] = [way(base), *(way(base * rng.uniform(0.05, 1.0), *some) for some in needed)]
        calls[f"q-{n}"] = rng.choice([1.0, 4.0])
    writes = {d: rng.uniform(0, 120) for d in every}
    selection = chosen(ways, new, old, Limits(min_benefit=0.0, protection=None, regret=0.0), writes, calls)
    kept = {c.candidate.definition for c in selection.chosen} | {s.definition for s in old} - set(gone(selection))
    assert value(kept, ways, calls, writes) == pytest.approx(best(every, new, old, ways, calls, writes), rel=1e-3)
    assert selection.bound.lower <= selection.bound.objective


def value(kept, ways, calls, writes):
    read = sum(calls[q] * min(w.cost for w in plans if w.indexes <= kept) for q, plans in ways.items())
    return read + sum(writes[d] for d in kept)


def best(every, new, old, ways, calls, writes):
    subsets = itertools.chain.from_iterable(itertools.combinations(every, n) for n in range(len(every) + 1))
    return min(value(set(s), ways, calls, writes) for s in subsets if allowed(set(s), new, old))


def allowed(kept, new, old):
    """Whether what may only be replaced stays or something does its work."""
    held = [s.definition for s in old if not s.free]
    return all(d in kept or any(n in kept and n.table == table() and stands_in(n, d) for n in new) for d in held)
