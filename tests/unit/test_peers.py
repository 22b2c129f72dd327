"""The yardsticks of the benchmarks choose what a planner of one rule says is best, within budget and questions."""

import pytest

from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from tests.benchmarks import peers
from tests.benchmarks.peers import Costs, Query, index

T = QualifiedName("public", "t")
CONDITIONS = {"ab": (("a", "b"), 100.0), "a": (("a",), 10.0), "c": (("c",), 50.0)}  # columns tested, calls
ALGORITHMS = (peers.extend, peers.db2advis, peers.relaxation, peers.dta)


class Planner:
    """1,000 without an index, a tenth for every tested column that the best index begins with."""

    def __init__(self):
        self.questions = []

    def plan(self, asked):
        self.questions += asked
        return tuple(self._plan(q) for q in asked)

    def _plan(self, asked):
        columns, _ = CONDITIONS[asked.statement.sql]
        served = {i: sum(1 for _ in _leading(i, columns)) for i in sorted(asked.indexes, key=lambda i: i.columns)}
        best = max(served, key=lambda i: (served[i], -len(i.columns)), default=None)
        used = frozenset({best}) if best is not None and served[best] else frozenset()
        return PlannedStatement(1000.0 * 0.1 ** (served[best] if used else 0), hypothetical=used)


def _leading(definition, columns):
    for column in definition.columns:
        if column not in columns:
            return
        yield column


def costs(most=None):
    columns = {n: frozenset((T, c) for c in CONDITIONS[n][0]) for n in CONDITIONS}
    queries = [Query(Plannable(n), columns[n], CONDITIONS[n][1]) for n in CONDITIONS]
    return Costs(queries, Planner(), lambda i: 10 * len(i.columns), most=most)


@pytest.mark.parametrize("choose", ALGORITHMS)
def test_everything_that_helps_where_it_fits(choose):
    asked = costs()
    chosen = set(choose(asked, 30, 2))
    assert index(T, ("c",)) in chosen
    assert chosen & {index(T, ("a", "b")), index(T, ("b", "a"))}
    assert len(asked.estimator.questions) == len(set(asked.estimator.questions)) == len(asked.asked)


@pytest.mark.parametrize("choose", ALGORITHMS)
def test_a_small_budget_goes_to_what_saves_most_of_what_the_algorithm_looks_at(choose):
    # Of the statement with two conditions db2advis knows only the index on both, which is too large.
    wanted = "c" if choose is peers.db2advis else "ab"
    (chosen,) = choose(costs(), 10, 2)
    assert chosen.columns[0] in wanted


@pytest.mark.parametrize("choose", ALGORITHMS)
def test_a_run_keeps_to_its_questions_and_its_budget(choose):
    asked = costs(most=8)
    assert asked.size(choose(asked, 20, 2)) <= 20
    assert len(asked.asked) <= 8


def test_what_another_run_asked_is_counted_and_not_asked_again():
    first = costs()
    before = first.of([index(T, ("a",))])
    second = Costs(first.queries, first.estimator, first.sizes, first.known)
    asked = len(first.estimator.questions)
    assert second.of([index(T, ("a",))]) == before
    assert len(first.estimator.questions) == asked
    assert len(second.asked) == len(CONDITIONS)
