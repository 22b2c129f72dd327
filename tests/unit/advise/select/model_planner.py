"""A planner of a few numbers: every statement knows its plans, and the cheapest possible one wins."""

import itertools
import random
from dataclasses import dataclass

from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.index import Candidate, IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable, QueryTemplate, Scenario, StatementKind


def table(number=0):
    return QualifiedName("public", f"t{number}")


def index(*columns, on=0, **kinds):
    return IndexDefinition(table(on), tuple(IndexKey(c) for c in columns), **kinds)


def candidate(definition, *templates):
    return Candidate(definition, "equality", frozenset(templates))


def template(name, calls=1.0, total_ms=None, tables=(0,), scenarios=None, kind=StatementKind.SELECT, uses=()):
    """A template whose statement is its own name; scenarios are (suffix, share)."""
    classes = scenarios or (("", 1.0),)
    return QueryTemplate(
        name,
        name,
        name,
        kind,
        calls,
        total_ms,
        tuple(table(t) for t in tables),
        uses,
        tuple(Scenario(Plannable(name + suffix), share, suffix or "as_written") for suffix, share in classes),
    )


@dataclass(frozen=True)
class Way:
    """A plan that needs all of ``indexes``, of which it shows ``shown`` alone where that is given. A ``trap`` is taken
    whenever it is possible, whatever it costs.
    """

    indexes: frozenset
    cost: float
    trap: bool = False
    shown: frozenset | None = None


class ModelPlanner:
    """``ways``: statement text -> plans; one of them needs no index. Statements in ``broken`` cannot be planned."""

    def __init__(self, ways, broken=(), refused=()):
        self.ways, self.broken, self.refused = ways, set(broken), set(refused)
        self.calls = 0
        self.batches = []

    name = "model"

    def plan(self, questions):
        self.calls += len(questions)
        self.batches.append(len(questions))
        return tuple(self._one(q) for q in questions)

    def _one(self, question):
        if question.statement.sql in self.broken:
            return PlannedStatement(float("nan"), error="cannot be planned")
        possible = [w for w in self.ways[question.statement.sql] if w.indexes <= question.indexes]
        traps = [w for w in possible if w.trap]
        best = min(traps or possible, key=lambda w: (w.cost, len(w.indexes)))
        return PlannedStatement(best.cost, hypothetical=best.indexes if best.shown is None else best.shown)

    def refuses(self, definition):
        return "not today" if definition in self.refused else None

    def set_size(self, definition, pages, tuples, height=None):
        raise AssertionError("the selection sets no sizes")

    def size(self, definition):
        return 1000


def way(cost, *indexes, trap=False):
    return Way(frozenset(indexes), cost, trap)


def random_instance(seed, indexes=8, statements=6, leads=None):
    """Random candidates over two tables with sizes, and statements whose plans need up to three of them.

    ``leads`` is the number of leading keys per table, as many as there are candidates by default.
    """
    rng = random.Random(seed)
    pool = [index(f"c{n // 2 % (leads or indexes)}", f"d{n}", on=n % 2) for n in range(indexes)]
    ways = {}
    for n in range(statements):
        base = rng.uniform(50, 1000)
        plans = [way(base)]
        for _ in range(rng.randrange(1, 6)):
            needed = rng.sample(pool, rng.randrange(1, 4))
            plans.append(way(base * rng.uniform(0.05, 1.1), *needed))
        ways[f"q-{n}"] = plans
    sizes = {d: rng.randrange(1, 40) for d in pool}
    calls = {name: rng.choice([1.0, 3.0, 10.0]) for name in ways}
    return pool, ways, sizes, calls


def workload_cost(ways, calls, chosen):
    return sum(calls[q] * min(w.cost for w in plans if w.indexes <= chosen) for q, plans in ways.items())


def brute_force(pool, ways, calls, allowed, extra=lambda chosen: 0.0):
    """The least objective of all allowed subsets of the pool."""
    subsets = (frozenset(s) for n in range(len(pool) + 1) for s in itertools.combinations(pool, n))
    return min(workload_cost(ways, calls, s) + extra(s) for s in subsets if allowed(s))


def brute_force_within(pool, ways, calls, sizes, budget):
    """The same for a storage budget, on bit masks."""
    bit = {definition: 1 << n for n, definition in enumerate(pool)}
    plans = [
        (calls[name], sorted((w.cost, sum(bit[d] for d in w.indexes)) for w in known)) for name, known in ways.items()
    ]
    best = float("inf")
    for mask in range(1 << len(pool)):
        if sum(sizes[d] for d in pool if mask & bit[d]) <= budget:
            best = min(best, sum(c * next(cost for cost, need in p if not need & ~mask) for c, p in plans))
    return best
