"""The default criterion against none: what the indexes it leaves out would have saved, really built and measured.

    python -m tests.benchmarks.thresholds WORKLOAD [--scale 1] [--share 0.5] [--rounds 3] [--risks]

WORKLOAD is tpch, helpdesk or films, generated and loaded into a local server and removed afterwards. Every statement
is measured without indexes and with the set of each way of asking (levels of risk, thresholds off), all of these in
turns, since the pace of a shared machine changes by half from one minute to the next; the number is the processor time
of the server's own process (/proc), the least of the turns, because others on the machine only ever make it more.
Statements that write run in a transaction that is rolled back. Those that did not end within ``--patience`` seconds
without indexes are left out and named. Ratios hold within one run only.
"""

import argparse
import contextlib
import dataclasses
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import psycopg

from indexpilot_cli.advise import pipeline
from indexpilot_cli.advise.safe import RiskLevel
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.command import Connection, PlannerRequest, Silent
from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.workload.fold import fold
from tests.benchmarks import generated, tpch_database
from tests.benchmarks.generated import Call
from tests.benchmarks.selection import table
from tests.benchmarks.tpch_database import heap_bytes

WORSE = 1.2  # a statement this much slower than without indexes is told
QUICK = 1.0  # milliseconds below which a ratio says nothing
OFF = {"min_benefit": 0.0}


def tpch_calls(_scale):
    return tuple(Call(f"Q{n}", text, 1.0, False) for n, text in tpch_database.statements().items())


WORKLOADS = {
    "tpch": (tpch_database.load, tpch_calls),
    **{n: (partial(generated.make, n), partial(generated.statements, n)) for n in ("helpdesk", "films")},
}


@dataclass(frozen=True)
class Measured:
    """A set of indexes built: planner cost and processor milliseconds of each statement, bytes, what it took."""

    title: str
    costs: tuple
    times: tuple
    predicted: int = 0
    built: int = 0
    plan: object = None
    seconds: float = 0.0


class Database:
    """A loaded database and its statements."""

    def __init__(self, dsn, calls, rounds, patience=600):
        self.dsn, self.calls, self.rounds, self.patience = dsn, calls, rounds, patience

    def first(self):
        """Measured without indexes; statements that did not end are left out from now on."""
        times = self._times()
        endless = [c.name for c, ms in zip(self.calls, times, strict=True) if ms == float("inf")]
        print(f"left out, since they did not end within {self.patience} s: {', '.join(endless) or 'none'}", flush=True)
        ended = [(c, ms) for c, ms in zip(self.calls, times, strict=True) if ms < float("inf")]
        self.calls, times = zip(*ended, strict=True)
        return Measured("without", tuple(self._costs()), times)

    def measure(self, title, **more):
        costs = tuple(self._costs())
        return Measured(title, costs, tuple(self._times()), **more)

    def _costs(self):
        with psycopg.connect(self.dsn) as server:
            for call in self.calls:
                plan = server.execute(f"explain (format json) {call.sql}").fetchone()[0][0]["Plan"]
                yield plan["Total Cost"]

    def _times(self):
        """Least milliseconds of processor time per statement, all of them in turns."""
        least = [float("inf")] * len(self.calls)
        with psycopg.connect(self.dsn, prepare_threshold=None) as server:
            server.execute(f"set statement_timeout = '{self.patience}s'")
            server.commit()
            spent = Path(f"/proc/{server.info.backend_pid}/schedstat")
            for turn in range(self.rounds + 1):
                for place, call in enumerate(self.calls):
                    if turn and least[place] == float("inf"):
                        continue
                    repeats = 1 if turn == 0 or least[place] > 20 else 4
                    took = _run(server, spent, call.sql, repeats)
                    least[place] = min(least[place], took) if turn else took
        return least

    def plan(self, observed, budget, risk, time_model="off", **changed):
        """The tool's plan at this level of risk, with these limits changed."""
        connection = Connection(self.dsn)
        request = RecommendRequest(
            connection, planner=PlannerRequest(), budget_bytes=budget, risk=risk, time_model=time_model
        )

        asked = pipeline.limits_of

        def limits_of(*given):
            found = asked(*given)
            known = {f.name for f in dataclasses.fields(found)}
            return dataclasses.replace(found, **{n: v for n, v in changed.items() if n in known})

        begun = time.monotonic()
        with open_source(SourceRequest(connection), Silent()) as source:
            self.catalog = source.catalog
            folded = fold([Workload(SourceKind.LOG, observed)], source.catalog)
            with (
                open_estimator(source, request.planner, Silent()) as estimator,
                mock.patch.object(pipeline, "limits_of", limits_of),
            ):
                plan = pipeline.make_plan(source, folded, estimator, request, Silent())
        return plan, time.monotonic() - begun

    def told(self, plan, call):
        """The kinds of risk that the plan tells of this statement."""
        folded = fold([Workload(SourceKind.LOG, (ObservedStatement(call.sql),))], self.catalog)
        ids = {t.id for t in folded.templates}
        return sorted({k.code for r in plan.recommendations for k in r.risks if k.templates & ids})

    def build(self, plan):
        """Build the plan; bytes of the new indexes."""
        before = self._index_bytes()
        self._execute(r.ddl.replace("CONCURRENTLY ", "") for r in plan.recommendations)
        self._execute(["vacuum analyze"])
        return self._index_bytes() - before

    def drop(self, plan):
        self._execute(r.undo.replace("CONCURRENTLY ", "") for r in plan.recommendations)

    def _execute(self, statements):
        with psycopg.connect(self.dsn, autocommit=True) as server:
            for statement in statements:
                server.execute(statement)

    def _index_bytes(self):
        question = "select coalesce(sum(pg_relation_size(indexrelid)), 0)::int8 from pg_stat_user_indexes"
        with psycopg.connect(self.dsn) as server:
            return server.execute(question).fetchone()[0]


def _run(server, spent, text, repeats):
    """Milliseconds of the backend's processor time per execution, infinite where it was cut short; rolled back."""
    before = int(spent.read_text().split()[0])
    try:
        for _ in range(repeats):
            server.execute(text).rownumber  # noqa: B018 - fetched by then
    except psycopg.errors.QueryCanceled:
        server.rollback()
        return float("inf")
    after = int(spent.read_text().split()[0])
    server.rollback()
    return (after - before) / 1e6 / repeats


def observed(calls, times):
    return tuple(
        ObservedStatement(c.sql, c.calls, ms * c.calls, rows=c.calls if c.write else None)
        for c, ms in zip(calls, times, strict=True)
    )


@contextlib.contextmanager
def database(name, scale, rounds, patience=600):
    """The loaded database of that workload, or of the folder at that path, on a server of its own."""
    make, calls = WORKLOADS.get(name) or (partial(generated.make, name), partial(generated.statements, name))
    settings = {**tpch_database.SETTINGS, "autovacuum": "off"}
    with LocalServer(tpch_database.with_hypopg(), new_home(), settings) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("create database loaded")
            admin.execute("alter database loaded set max_parallel_workers_per_gather = 0")
        make(server.dsn("loaded"), scale)
        yield Database(server.dsn("loaded"), calls(scale), rounds, patience)


def run(name, scale, share, risks, *measuring):
    with database(name, scale, *measuring) as data:
        heap = heap_bytes(data.dsn)
        budget = None if share is None else int(share * heap)
        print(f"{name} at scale {scale:g}: tables {heap / 2**20:.0f} MB, {len(data.calls)} statements,", end=" ")
        print("no budget" if share is None else f"budget {share:.0%} of the tables", flush=True)
        before = data.first()
        seen = observed(data.calls, before.times)
        found = [before]
        default = RecommendRequest().risk
        others = [(f"--risk {level}", level, {}) for level in RiskLevel if risks and level != default]
        for title, risk, changed in (("defaults", default, {}), *others, ("thresholds off", default, OFF)):
            plan, seconds = data.plan(seen, budget, risk, **changed)
            predicted = sum(r.size_bytes for r in plan.recommendations)
            found.append(Measured(title, (), before.times, predicted, plan=plan, seconds=seconds))
        before, *found = in_turns(data, found)
        print("\n".join(report(data.calls, before, found, heap)))
        print("\n".join(slower(data, before, found)))


def in_turns(data, sets):
    """Each set (without a plan: nothing) built and measured, one after the other and again: the least of the turns."""
    turns, data.rounds = data.rounds, 1
    found = [dataclasses.replace(each, times=(float("inf"),) * len(data.calls)) for each in sets]
    for place in list(range(len(sets))) * turns:
        each = found[place]
        built = data.build(each.plan) if each.plan is not None else 0
        now = data.measure(each.title)
        least = tuple(map(min, each.times, now.times))
        found[place] = dataclasses.replace(each, costs=now.costs, times=least, built=built)
        if each.plan is not None:
            data.drop(each.plan)
    return found


def weighed(calls, values):
    return sum(c.calls * v for c, v in zip(calls, values, strict=True))


def report(calls, before, found, heap):
    heading = ("", "cost", "CPU", "indexes", "built MB", "predicted MB", "of tables", "gap", "seconds", "EXPLAINs")
    rows = [heading]
    for each in found:
        plan = each.plan
        gap = plan.bound.gap if plan.bound is not None else None
        rows.append(
            (
                each.title,
                f"{weighed(calls, each.costs) / weighed(calls, before.costs):.3f}",
                f"{weighed(calls, each.times) / weighed(calls, before.times):.3f}",
                str(len(plan.recommendations)),
                f"{each.built / 2**20:.1f}",
                f"{each.predicted / 2**20:.1f}",
                f"{each.built / heap:.1%}",
                "-" if gap is None else f"{gap:.2%}",
                f"{each.seconds:.0f}",
                str(plan.calls),
            )
        )
    yield from table(rows)


def slower(data, before, found):
    """The statements that became slower, and what risks were told of them."""
    for each in found:
        for place, call in enumerate(data.calls):
            was, now = before.times[place], each.times[place]
            if was > QUICK and now > WORSE * was:
                cost, told = each.costs[place] / before.costs[place], ", ".join(data.told(each.plan, call))
                times = f"{was:.2f} -> {now:.2f} ms ({now / was:.2f}x)"
                yield f"{each.title}: {call.name} {times}, cost {cost:.2f}x, told: {told or 'nothing'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--scale", type=float, default=1.0, help="of the generated rows")
    parser.add_argument("--share", type=float, help="budget as a share of the tables' bytes; none without")
    parser.add_argument("--rounds", type=int, default=3, help="turns of measured runs of every statement")
    parser.add_argument("--risks", action="store_true", help="measure the other levels of --risk too")
    parser.add_argument("--patience", type=int, default=600, help="seconds a statement may take")
    options = parser.parse_args()
    run(options.workload, options.scale, options.share, options.risks, options.rounds, options.patience)


if __name__ == "__main__":
    main()
