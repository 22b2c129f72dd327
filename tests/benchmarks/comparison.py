"""Our selection against those of public papers (``peers.py``) on one planner, and the best of them really built.

    python -m tests.benchmarks.comparison WORKLOAD [--scale 0.3] [--shares 0.1 0.25 0.5 1] [--most 20000] [--width 2]

WORKLOAD is one of ``thresholds.py``. All see the same statements and calls, without times, and the same planner with
the same sizes of indexes (the twin); statements that write count by what finding their rows costs. Peers choose B-trees
of plain columns, at most ``--width``; ours what ``recommend`` chooses with its defaults and that budget. "cost" is the
planner's with the set, relative to without, asked anew for every set; "built" what the server says of its own indexes
(ours and the peer's of the least cost). Seconds of a peer are those of its questions, also where an earlier run asked
them.
"""

import argparse
from dataclasses import dataclass, replace
from types import SimpleNamespace

from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Connection, PlannerRequest, Silent
from indexpilot_cli.core.ddl import create_index, drop_index
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import ObservedStatement, Plannable, SourceKind, Workload
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.workload.fold import fold
from tests.benchmarks import peers
from tests.benchmarks.peers import Costs, Query
from tests.benchmarks.selection import table
from tests.benchmarks.thresholds import WORKLOADS, database, weighed
from tests.benchmarks.tpch_database import heap_bytes

PEERS = {"Extend": peers.extend, "DB2Advis": peers.db2advis, "Relaxation": peers.relaxation, "DTA": peers.dta}


@dataclass(frozen=True)
class Chosen:
    """A set with what it took; ``plan`` is ours, None of a peer."""

    title: str
    share: float
    indexes: frozenset
    calls: int
    seconds: float
    plan: object = None
    cost: float = 0.0
    bytes: int = 0

    @property
    def buildable(self):
        """What ``Database.build`` takes."""
        if self.plan is not None:
            return self.plan
        named = [(d, f"peer_{number}") for number, d in enumerate(sorted(self.indexes, key=str))]
        return SimpleNamespace(
            recommendations=[
                SimpleNamespace(ddl=create_index(d, name), undo=drop_index(QualifiedName(d.table.schema, name)))
                for d, name in named
            ]
        )


class Peers:
    """The peers' view of a database: its statements and a planner."""

    def __init__(self, data, source, estimator, width):
        self.estimator, self.width, self.known = estimator, width, {}
        self.lookup, self.told = Sizes(source.catalog), set()
        self.queries = [q for call in data.calls if (q := self._query(call, source.catalog)) is not None]

    def _query(self, call, catalog):
        folded = fold([Workload(SourceKind.SQL, (ObservedStatement(call.sql),))], catalog)
        uses = [use for template in folded.templates for use in template.uses]
        columns = frozenset((use.table, c) for use in uses for c in _columns(use))
        query = Query(Plannable(call.sql), columns, call.calls)
        (plan,) = self.estimator.plan([WhatIf(query.statement)])
        return query if plan.ok else None

    def size(self, definition):
        if definition not in self.told:
            self.told.add(definition)
            self.lookup.tell(self.estimator, (definition,))
        return self.lookup.of(definition).bytes

    def choose(self, title, budget, share, most):
        costs = Costs(self.queries, self.estimator, self.size, self.known, most)
        indexes = frozenset(PEERS[title](costs, budget, self.width))
        return Chosen(title, share, indexes, len(costs.asked), sum(costs.asked.values()))

    def priced(self, chosen, before):
        """Its cost with everything of the set in sight, and its bytes."""
        costs = Costs(self.queries, self.estimator, self.size)
        plans = costs.plans([(n, chosen.indexes) for n in range(len(self.queries))])
        cost = sum(q.calls * p.total_cost for q, p in zip(self.queries, plans, strict=True))
        return replace(chosen, cost=cost / before, bytes=costs.size(chosen.indexes))


def _columns(use):
    """Columns of a relation that the statement names."""
    keys = (*use.order_by, *use.group_by, *use.distinct)
    named = {each.column for each in (*use.atoms, *keys) if each.column is not None}
    return named | use.tested | (frozenset() if use.whole_row else use.columns)


def ours(data, share, budget):
    seen = tuple(ObservedStatement(c.sql, c.calls, rows=c.calls if c.write else None) for c in data.calls)
    plan, seconds = data.plan(seen, budget, RecommendRequest().risk)
    indexes = frozenset(r.definition for r in plan.recommendations)
    return Chosen("ours", share, indexes, plan.calls, seconds, plan)


def selected(data, view, share, budget, most):
    """Every set at this budget, priced by one planner."""
    before = Costs(view.queries, view.estimator, view.size, view.known).of(())
    found = [*(view.choose(title, budget, share, most) for title in PEERS), ours(data, share, budget)]
    return [view.priced(each, before) for each in found]


def measured(data, sets):
    """The set with its indexes built: what it was measured as."""
    for each in sets:
        built = data.build(each.buildable)
        yield each, data.measure(each.title, built=built)
        data.drop(each.buildable)


def best_and_ours(sets):
    """Of the peers only the best."""
    return (min((s for s in sets if s.plan is None), key=lambda s: s.cost), *(s for s in sets if s.plan is not None))


HEADING = ("", "budget", "cost", "MB", "indexes", "gap", "EXPLAINs", "seconds", "built: cost", "CPU", "MB", "of budget")


def rows(data, before, sets, built, budget):
    for each in sets:
        bound = each.plan.bound if each.plan is not None else None
        chosen = (
            each.title,
            f"{each.share:.0%}",
            f"{each.cost:.4f}",
            f"{each.bytes / 2**20:.1f}",
            str(len(each.indexes)),
            "" if bound is None or bound.gap is None else f"{bound.gap:.1%}",
            str(each.calls),
            f"{each.seconds:.0f}",
        )
        found = built.get(each.title)
        if found is None:
            yield (*chosen, "", "", "", "")
            continue
        cost, times = (weighed(data.calls, v) / weighed(data.calls, b) for v, b in zip(
            (found.costs, found.times), (before.costs, before.times), strict=True))  # fmt: skip
        yield (*chosen, f"{cost:.4f}", f"{times:.4f}", f"{found.built / 2**20:.1f}", f"{found.built / budget:.0%}")


def run(name, scale, shares, most, width, *measuring):
    with database(name, scale, *measuring) as data:
        heap, silent = heap_bytes(data.dsn), Silent()
        print(f"{name} at scale {scale:g}: tables {heap / 2**20:.0f} MB, {len(data.calls)} statements", flush=True)
        before = data.first()
        with (
            open_source(SourceRequest(Connection(data.dsn)), silent) as source,
            open_estimator(source, PlannerRequest(), silent) as estimator,
        ):
            view = Peers(data, source, estimator, width)
            for share in shares:
                budget = int(share * heap)
                sets = selected(data, view, share, budget, most)
                built = {each.title: found for each, found in measured(data, best_and_ours(sets))}
                print("\n".join(table([HEADING, *rows(data, before, sets, built, budget)])), flush=True)
        again = data.measure("without, again")
        print(f"without indexes at the end against the beginning: "
              f"{weighed(data.calls, again.times) / weighed(data.calls, before.times):.3f}")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--scale", type=float, default=0.3, help="of the generated rows")
    parser.add_argument("--shares", type=float, nargs="+", default=(0.1, 0.25, 0.5, 1.0), help="budgets, of the tables")
    parser.add_argument("--rounds", type=int, default=2, help="measured runs of every statement")
    parser.add_argument("--most", type=int, default=20_000, help="EXPLAINs of one peer at one budget")
    parser.add_argument("--width", type=int, default=2, help="columns of a peer's index")
    parser.add_argument("--patience", type=int, default=600, help="seconds a statement may take")
    options = parser.parse_args()
    run(
        options.workload,
        options.scale,
        options.shares,
        options.most,
        options.width,
        options.rounds,
        options.patience,
    )


if __name__ == "__main__":
    main()
