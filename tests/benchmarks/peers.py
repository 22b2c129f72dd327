"""Public ways of choosing indexes, written anew from their papers as yardsticks, over one planner that pretends.

- ``extend``: Schlosser, Kossmann, Boissier, "Efficient Scalable Multi-Attribute Index Selection Using Recursive
  Strategies", ICDE 2019. From nothing, in every step either add an index of one column or append a column to a chosen
  one, whichever buys most cost per byte, until no step fits and improves the cost by ``STEP``.
- ``db2advis``: Valentin, Zuliani, Zilio, Lohman, Skelley, "DB2 Advisor", ICDE 2000. Every statement is planned with
  all of its candidates; an index is credited with what each statement that uses it saves, and with that of a shorter
  one that it begins with; the best per byte fill the budget; random exchanges follow, here 100 with a fixed seed.
- ``relaxation``: Bruno, Chaudhuri, "Automatic Physical Database Tuning: A Relaxation-based Approach", SIGMOD 2005. From
  everything that some statement's best plan uses, cut keys, merge, split or remove, always what costs least per byte
  won, until it fits.
- ``dta``: the greedy choice of Chaudhuri, Narasayya, "An Efficient, Cost-Driven Index Selection Tool", VLDB 1997,
  and of "Anytime Algorithm of Database Tuning Advisor" (2020): from what best plans use and its merged pairs, whatever
  lowers the cost most and fits, started from nothing and from each of the candidates while questions are left.

None of them is the product that its paper is about, which has changed since. All choose B-trees of plain columns. As in
the public comparison (Kossmann et al., PVLDB 13(11), 2020) a question is the plan of a statement with those indexes of
a set that lie on its columns, and is asked once; a run that has asked ``most`` of them stops with what it has.
"""

import itertools
import random
import time
from dataclasses import dataclass

from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.workload import Plannable

EXCHANGES = 100
STEP = 1.003


@dataclass(frozen=True)
class Query:
    """A statement, the columns (as (table, column)) that occur in it, and how often it is called."""

    statement: Plannable
    columns: frozenset
    calls: float = 1.0


class OutOfQuestions(Exception):
    """The run has asked all that it may."""


class Costs:
    """Costs of the workload with sets of indexes; ``asked`` are this run's questions, each with its seconds.

    ``known`` outlives the run: what another one has asked is not asked again, but counts.
    """

    def __init__(self, queries, estimator, sizes, known=None, most=None):
        self.queries, self.estimator, self.sizes = queries, estimator, sizes
        self.known = {} if known is None else known
        self.most, self.asked = most, {}

    def size(self, indexes):
        return sum(self.sizes(i) for i in indexes)

    def of(self, indexes):
        """The workload's cost with these indexes."""
        plans = self.plans([(n, self._relevant(n, indexes)) for n in range(len(self.queries))])
        return sum(q.calls * p.total_cost for q, p in zip(self.queries, plans, strict=True))

    def plans(self, questions):
        """Plans of statements, by number, with sets of indexes."""
        new = [q for q in dict.fromkeys(questions) if q not in self.asked]
        if self.most is not None and len(self.asked) + len(new) > self.most:
            raise OutOfQuestions
        unknown = [q for q in new if q not in self.known]
        self.known.update((q, self._ask(*q)) for q in unknown)
        self.asked.update((q, self.known[q][1]) for q in new)
        return [self.known[q][0] for q in questions]

    def _ask(self, number, indexes):
        begun = time.perf_counter()
        for each in indexes:
            self.sizes(each)  # which tells the planner that has not heard of it
        (plan,) = self.estimator.plan([WhatIf(self.queries[number].statement, indexes)])
        return plan, time.perf_counter() - begun

    def _relevant(self, number, indexes):
        columns = self.queries[number].columns
        return frozenset(i for i in indexes if any((i.table, c) in columns for c in i.columns))

    def used(self, width):
        """For every statement what its best plan uses of all indexes over its columns, and what that saves."""
        everything = [frozenset(_over(q.columns, width)) for q in self.queries]
        plain = self.plans([(n, frozenset()) for n in range(len(everything))])
        rich = self.plans(list(enumerate(everything)))
        for query, before, after in zip(self.queries, plain, rich, strict=True):
            yield after.hypothetical, query.calls * (before.total_cost - after.total_cost)


def _over(columns, width):
    for table in sorted({t for t, _ in columns}):
        names = sorted(c for t, c in columns if t == table)
        for size in range(1, width + 1):
            yield from (index(table, keys) for keys in itertools.permutations(names, size))


def index(table, columns):
    return IndexDefinition(table, tuple(map(IndexKey, columns)))


def _sorted(indexes):
    return sorted(indexes, key=lambda i: (i.table, i.columns))


def extend(costs, budget, width):
    singles = [index(table, (column,)) for table, column in sorted({c for q in costs.queries for c in q.columns})]
    chosen, current = [], costs.of([])
    while True:
        try:
            found = max(_steps(costs, budget, chosen, current, _longer(chosen, singles, width)), default=None)
        except OutOfQuestions:
            return chosen
        if found is None:
            return chosen
        _, _, current, chosen = found


def _steps(costs, budget, chosen, current, steps):
    """Worth per byte of every step that fits and improves enough; of two as good the first."""
    for place, (combination, replaced) in enumerate(steps):
        if costs.size(combination) <= budget:
            cost = costs.of(combination)
            if cost * STEP < current:
                bytes_ = max(1, costs.sizes(combination[-1]) - costs.size(replaced))
                yield (current - cost) / bytes_, -place, cost, combination


def _longer(chosen, singles, width):
    """Every combination one step away, the new index last, with what it replaces."""
    for single in singles:
        if single not in chosen:
            yield [*chosen, single], ()
    for single, (place, one) in itertools.product(singles, enumerate(chosen)):
        if one.table == single.table and len(one.keys) < width and single.columns[0] not in one.columns:
            longer = index(one.table, one.columns + single.columns)
            if longer not in chosen:
                yield [*chosen[:place], *chosen[place + 1 :], longer], (one,)


def db2advis(costs, budget, width):
    credit = {}
    for indexes, saved in costs.used(width):
        for each in indexes:
            credit[each] = credit.get(each, 0.0) + saved
    ranked = _combined(costs, credit)
    chosen = _filled(costs, ranked, budget)
    return _exchanged(costs, chosen, ranked, budget)


def _by_worth(costs, credit):
    return sorted(_sorted(credit), key=lambda i: -credit[i] / costs.sizes(i))


def _combined(costs, credit):
    """Best per byte first; an index that another of more worth begins with has given its credit to that."""
    left = _by_worth(costs, credit)
    for better, worse in itertools.combinations(left, 2):
        begins = better.table == worse.table and better.columns[: len(worse.columns)] == worse.columns
        if begins and better in credit and worse in credit:
            credit[better] += credit.pop(worse)
    return _by_worth(costs, credit)


def _filled(costs, ranked, budget, chosen=()):
    chosen = list(chosen)
    for each in ranked:
        if each not in chosen and costs.size(chosen) + costs.sizes(each) <= budget:
            chosen.append(each)
    return chosen


def _exchanged(costs, chosen, ranked, budget):
    generator, best = random.Random(7), costs.of(chosen)
    for _ in range(EXCHANGES):
        others = [i for i in ranked if i not in chosen]
        count = min(generator.randint(1, 4), len(chosen), len(others))
        if not count:
            break
        kept = [i for i in chosen if i not in generator.sample(chosen, count)]
        varied = _filled(costs, generator.sample(others, count), budget, kept)
        try:
            cost = costs.of(varied)
        except OutOfQuestions:
            break
        if cost < best:
            chosen, best = varied, cost
    return chosen


def relaxation(costs, budget, width):
    chosen = frozenset(i for indexes, _ in costs.used(width) for i in indexes)
    cost = costs.of(chosen)
    while costs.size(chosen) > budget:
        over = costs.size(chosen) - budget
        try:
            found = [(_penalty(costs, cost, chosen, each, over), each) for each in _relaxed(costs, chosen, width)]
        except OutOfQuestions:
            return _cheapest_left_out(costs, chosen, budget)
        _, chosen = min(found, key=lambda pair: pair[0])
        cost = costs.of(chosen)
    return chosen


def _cheapest_left_out(costs, chosen, budget):
    """Without questions left: the largest go first."""
    ordered = sorted(_sorted(chosen), key=costs.sizes)
    return _filled(costs, ordered, budget)


def _penalty(costs, cost, chosen, relaxed, over):
    """What a byte won costs; bytes beyond those needed count only where the cost falls too."""
    saved, more = costs.size(chosen) - costs.size(relaxed), costs.of(relaxed) - cost
    return more * saved if more < 0 else more / min(saved, over)


def _relaxed(costs, chosen, width):
    """Every smaller set one step away, each once."""
    steps = [
        *(((one,), ()) for one in _sorted(chosen)),
        *(
            ((one,), (index(one.table, one.columns[:n]),))
            for one in _sorted(chosen)
            for n in range(1, len(one.columns))
        ),
    ]
    for one, other in itertools.permutations(_sorted(chosen), 2):
        if one.table == other.table:
            steps.append(((one, other), (merged(one, other, width),)))
            steps += [((one, other), parts) for parts in _split(one, other)]
    sets = dict.fromkeys(chosen - set(gone) | set(new) for gone, new in steps)
    return [s for s in sets if costs.size(s) < costs.size(chosen)]


def merged(one, other, width):
    """The columns of one and then those of the other, as far as the width goes."""
    return index(one.table, tuple(dict.fromkeys((*one.columns, *other.columns)))[:width])


def _split(one, other):
    common = tuple(c for c in one.columns if c in other.columns)
    if common:
        rests = (tuple(c for c in each.columns if c not in common) for each in (one, other))
        yield (index(one.table, common), *(index(one.table, rest) for rest in rests if rest))


def dta(costs, budget, width):
    candidates = {i for indexes, _ in costs.used(width) for i in indexes}
    pairs = [(a, b) for a, b in itertools.permutations(_sorted(candidates), 2) if a.table == b.table]
    candidates = _sorted(candidates | {merged(a, b, width) for a, b in pairs})
    best, least = [], costs.of([])
    for seed in ([], *([i] for i in candidates)):
        chosen, cost, ended = _greedy(costs, seed, candidates, budget)
        if cost < least:
            best, least = chosen, cost
        if ended:
            break
    return best


def _greedy(costs, chosen, candidates, budget):
    """The set, its cost, and whether questions ran out before it was complete."""
    chosen, least = list(chosen), float("inf")
    try:
        least = costs.of(chosen) if costs.size(chosen) <= budget else float("inf")
        while least < float("inf"):
            room = budget - costs.size(chosen)
            fits = [i for i in candidates if i not in chosen and costs.sizes(i) <= room]
            cost, best = min(((costs.of([*chosen, i]), n) for n, i in enumerate(fits)), default=(least, None))
            if cost >= least:
                break
            chosen, least = [*chosen, fits[best]], cost
    except OutOfQuestions:
        return chosen, least, True
    return chosen, least, False
