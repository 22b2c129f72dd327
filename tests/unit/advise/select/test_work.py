"""How often the selection looks at what it knows, counted: thousands of cases must not be walked for each index."""

from indexpilot_cli.advise.assemble import Advice, Priceable, _Concerned
from indexpilot_cli.advise.costing import Case, Pool, Pricer
from indexpilot_cli.advise.masks import DENSE, members
from indexpilot_cli.advise.select.known import KnownCosts
from indexpilot_cli.advise.select.problem import Choice, Selection
from indexpilot_cli.advise.select.tree import CaseTree
from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.plan import Bound, TemplateEffect
from indexpilot_cli.core.workload import FoldedWorkload, Plannable, SourceKind
from indexpilot_cli.methods.writes import WriteCost, WriteModel
from tests.unit.advise.select.model_planner import ModelPlanner, candidate, index, template, way

COUNT = 40


class _Counting(Pricer):
    """Counts how many answers are looked up."""

    looks = 0

    def known(self, case, mask):
        self.looks += 1
        return super().known(case, mask)

    def lower(self, case, mask, seen=0):
        self.looks += 1
        return super().lower(case, mask, seen)


def many():
    """As many cases as indexes, each case with an index of its own."""
    pool = [index(f"c{n}") for n in range(COUNT)]
    ways = {f"q{n}": [way(100), way(10 + n, pool[n])] for n in range(COUNT)}
    cases = [Case(n, Plannable(name), 1.0, "as_written", 1 << n) for n, name in enumerate(ways)]
    return _Counting(cases, Pool([candidate(d) for d in pool]), ModelPlanner(ways))


def test_a_neighbour_is_looked_up_by_what_differs():
    pricer = many()
    everything = (1 << COUNT) - 1
    pricer.ask([(case, mask) for case in range(COUNT) for mask in (0, everything)])
    costs = KnownCosts(pricer)
    assert costs.of(everything) == [10.0 + n for n in range(COUNT)]
    pricer.looks = 0
    assert costs.of(everything & ~0b100)[:4] == [10.0, 11.0, 100.0, 13.0]
    assert costs.of(everything & ~0b1000)[:4] == [10.0, 11.0, 12.0, 100.0]
    assert pricer.looks == 3
    costs.forget()
    assert costs.of(everything & ~0b1000)[3] == 100.0
    assert pricer.looks == 3 + COUNT


def test_what_is_not_known_of_one_case_is_not_known_of_the_selection():
    pricer = many()
    pricer.ask([(case, 0) for case in range(COUNT)])
    costs = KnownCosts(pricer)
    assert costs.of(0) == [100.0] * COUNT
    assert costs.of(0b1) is None
    pricer.ask([(0, 0b1)])
    assert costs.of(0b1) == [10.0] + [100.0] * (COUNT - 1)


def test_a_tree_that_nothing_happened_to_is_not_walked_again():
    pricer = many()
    tree = CaseTree(0, pricer)
    first = tree.options()
    pricer.looks = 0
    assert tree.options() is first
    assert pricer.looks == 0
    pricer.ask([(0, 0b1)])
    assert tree.options()[0].cost == 10.0


def test_members_of_dense_masks():
    mask = sum(1 << n for n in range(0, 4 * DENSE, 3))
    assert list(members(mask)) == list(range(0, 4 * DENSE, 3))


def test_an_index_is_assessed_by_its_own_templates_and_plans():
    mine, other = index("a"), index("b")
    plans = {
        (f"q{n}", "as_written"): PlannedStatement(1.0, hypothetical=frozenset({d})) for n, d in enumerate((mine, other))
    }
    selection = Selection((), (), Bound(1.0, None, None), 1.0, 1.0, 1.0, "cost", 0.0, 0, (), plans)
    kept = FoldedWorkload(tuple(template(f"q{n}") for n in range(COUNT)), (), SourceKind.SQL)
    advice = Advice(kept, kept, Priceable((), {}, ()), WriteModel(), selection, 0.0)
    effects = (TemplateEffect("q7", 2.0, 1.0, 0.5), TemplateEffect("q0", 2.0, 1.0, 0.5))
    concerned = _Concerned(advice).of(Choice(candidate(mine), 0, 0.5, 0.5, effects, WriteCost(), 1, 1))
    assert [t.id for t in concerned.kept.templates] == ["q0", "q7"]
    assert list(concerned.selection.plans) == [("q0", "as_written")]
