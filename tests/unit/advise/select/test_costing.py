"""What one answer of the planner says about other questions."""

from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.advise.allowance import Allowance
from indexpilot_cli.advise.costing import (
    Case,
    Pool,
    Pricer,
    cases_of,
    leads,
    relevance,
    stand_ins,
    unit_of,
    weight_of,
)
from indexpilot_cli.advise.masks import members
from indexpilot_cli.advise.select.tree import CaseTree
from indexpilot_cli.core.workload import Atom, AtomKind, Plannable, RelationUse, SortKey
from tests.unit.advise.select.model_planner import ModelPlanner, candidate, index, random_instance, table, template, way


def pricer(pool, ways, **allowance):
    every = (1 << len(pool)) - 1
    cases = [Case(n, Plannable(name), 1.0, "as_written", every) for n, name in enumerate(ways)]
    planner = ModelPlanner(ways)
    return Pricer(cases, Pool([candidate(d) for d in pool]), planner, Allowance(**allowance)), planner


def test_members():
    assert list(members(0b101001)) == [0, 3, 5]


def test_an_answer_holds_for_every_set_between_used_and_available():
    pool = [index(c) for c in "abc"]
    priced, planner = pricer(pool, {"q": [way(100), way(10, pool[0])]})
    assert priced.ask([(0, 0b111)])
    assert priced.known(0, 0b011).cost == 10
    assert priced.known(0, 0b110) is None
    assert priced.ask([(0, 0b001), (0, 0b101), (0, 0b111)])
    assert planner.calls == 1
    assert priced.ask([(0, 0b001)], literal=True)
    assert planner.calls == 2


def test_bounds():
    pool = [index(c) for c in "ab"]
    priced, _ = pricer(pool, {"q": [way(100), way(40, pool[0]), way(5, *pool)]})
    priced.ask([(0, 0), (0, 0b11)])
    assert (priced.lower(0, 0b01), priced.upper(0, 0b01)) == (5, 100)


def test_the_allowance_cuts_a_batch_short():
    priced, planner = pricer([index("a")], {f"q{n}": [way(1)] for n in range(9)}, calls=4)
    assert not priced.ask([(n, 0) for n in range(9)])
    assert planner.calls == 4
    assert priced.left() == 0


def test_a_statement_that_cannot_be_planned_is_an_error_of_its_own():
    cases = [Case(0, Plannable("bad"), 1.0, "", 1), Case(1, Plannable("good"), 1.0, "", 1)]
    planner = ModelPlanner({"good": [way(3)]}, broken=["bad"])
    priced = Pricer(cases, Pool([candidate(index("a"))]), planner)
    priced.ask([(0, 0), (1, 0)])
    assert priced.errors == {0: "cannot be planned"}
    rest = priced.narrowed([1])
    assert rest.known(0, 0).cost == 3
    assert rest.calls == 2


@given(st.integers(0, 10_000), st.lists(st.integers(0, 255), max_size=12))
@settings(max_examples=60, deadline=None)
def test_tree_bounds_every_selection_from_below_and_the_asked_ones_exactly(seed, selections):
    pool, ways, _, _ = random_instance(seed, indexes=8, statements=1)
    priced, planner = pricer(pool, ways)
    groups = (0b00001111, 0b00110000, 0b11000000) if seed % 2 else ()
    tree = CaseTree(0, priced, groups)
    for selection in selections:
        while (question := tree.question(selection)) is not None:
            priced.ask([(0, question)])
        assert tree.cheapest(selection).exact
    for selection in range(256):
        true = min(w.cost for w in ways["q-0"] if w.indexes <= {pool[n] for n in members(selection)})
        leaf = tree.cheapest(selection)
        assert leaf.bound <= true + 1e-9
        assert not leaf.exact or leaf.bound == true
        assert sum(leaf.holds(selection) for leaf in tree.leaves) == 1
    assert planner.calls <= 8 * len(selections) + 1


def use(**fields):
    return RelationUse(table(), "t", **fields)


def test_relevance_is_by_leading_key_over_the_whole_pool():
    pool = Pool([candidate(d) for d in (index("a"), index("b", "a"), index("z"), index("a", on=1))])
    asked = template("q", uses=(use(atoms=(Atom(AtomKind.EQUAL, "=", "a"),), columns=frozenset({"a", "b"})),))
    by_table = {table(): [0, 1, 2], table(1): [3]}
    assert relevance(asked, pool, by_table) == 0b0011
    starred = template("q", uses=(use(whole_row=True, order_by=(SortKey("z"),)),))
    assert relevance(starred, pool, by_table) == 0b0100
    assert relevance(template("q"), pool, by_table) == 0b0111


def test_own_candidates_are_always_relevant():
    pool = Pool([candidate(index("z"), "q")])
    assert cases_of([template("q", uses=(use(columns=frozenset({"a"})),))], pool)[0].relevant == 1


def test_groups_and_stand_ins():
    pool = Pool(
        [candidate(d) for d in (index("a"), index("a", "b"), index("a", include=("c",)), index("a", method="hash"))]
    )
    assert leads(pool) == (0b0111, 0b1000)
    assert stand_ins(pool) == (0b0111, 0b0010, 0b0100, 0b1000)


def test_units_and_weights():
    timed, untimed = template("q", calls=4, total_ms=200.0), template("r", calls=4)
    assert unit_of([timed]) == "ms"
    assert unit_of([timed, untimed]) == "cost"
    assert weight_of(timed, 50.0, "ms") == 4.0
    assert weight_of(timed, 50.0, "cost") == 4.0
    assert weight_of(template("s", calls=4, total_ms=800.0), 50.0, "ms") == 16.0
