"""What each algorithm decides, and whether that was right: both plans are really built and measured.

    python -m tests.benchmarks.algorithms.cases [NAME ...] [--rounds 8]

NAME is an algorithm, or ``drawn`` for those by lot; all by default. A case is a database and a workload; the plan with
the algorithm and the one without are built in turns, and the workload's statements are measured by the processor time
of the server's own process (the least of the rounds; what they write is rolled back). Better is 5 % less time (and 0.1
ms per call, which is what the clock tells apart), or a tenth less index storage in the same time. Numbers hold within
one run only.
"""

import argparse
import contextlib
import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import psycopg

from indexpilot_cli.advise.pipeline import advise_on, prepared, types_from
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.algorithms import registry
from indexpilot_cli.core.command import Connection, PlannerRequest, Silent
from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.sql.parser.text import split
from indexpilot_cli.workload.fold import fold
from tests.benchmarks.generated import Call
from tests.benchmarks.selection import table
from tests.benchmarks.thresholds import Database, Measured
from tests.server.requesting import Place
from tests.servers import binaries

INDEX_BYTES = "select coalesce(sum(pg_relation_size(indexrelid)), 0)::int8 from pg_stat_user_indexes"
HEADING = ("algorithm", "case", "verdict", "ms on", "ms off", "MB on", "MB off")
FASTER = 0.95
NOISE = 0.1  # milliseconds per call below which a difference is one of the clock
SMALLER = 0.9


@dataclass(frozen=True)
class Case:
    """A designed case: ``setup`` makes the tables (their statistics too), ``workload`` are (statement, calls).

    ``growth`` are two statements: what happens to the tables once the plan is built, and what takes it back.
    ``others`` are algorithms that are on beside the one in question, ``changed`` are other fields of the request.
    ``times`` are milliseconds per call of each statement; where they are not given they are measured without indexes,
    as a server would count them (one where there are parameters). ``asked`` is what is measured in the place of the
    workload: statements with the values that its parameters really come with, or many brief ones at once.
    """

    name: str
    algorithm: str
    setup: str
    workload: Sequence[tuple[str, float]]
    others: Sequence[str] = ()
    growth: tuple[str, ...] = ()
    changed: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    times: Sequence[float] | None = None
    asked: Sequence[tuple[str, float]] = ()

    @property
    def calls(self):
        """What is measured."""
        return self.asked or self.workload


@dataclass(frozen=True)
class Verdict:
    """What came of a case: both plans, measured; ``word`` is better, worse, even or no decision."""

    case: Case
    on: Measured
    off: Measured
    word: str


def cases_of(names):
    """The cases that the experiments of these algorithms bring, and those in files of these names."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        module = importlib.import_module(f"{__package__}.{path.stem}")
        found = getattr(module, "CASES", ())
        yield from (case for case in found if not names or {path.stem, case.algorithm} & {*names})


def features(case, *, on):
    """Every algorithm off but those of the case."""
    request = RecommendRequest()
    wanted = {*case.others, case.algorithm} if on else set(case.others)
    off = registry.without(request.features, [a.name for a in registry.ALGORITHMS if a.name not in wanted])
    for name in sorted(wanted):
        off = registry.switched(off, name, on=True)
    return off


def planned(dsn, case, *, on):
    """The plan for the case's workload."""
    (plan,) = planned_each(dsn, case, [features(case, on=on)])
    return plan


def planned_each(dsn, case, each):
    """The plans for the case's workload with each of these features, by one twin."""
    request = replace(RecommendRequest(Connection(dsn), planner=PlannerRequest("twin")), **case.changed)
    times = case.times or [1.0] * len(case.workload)
    observed = tuple(
        ObservedStatement(text, calls, calls * ms) for (text, calls), ms in zip(case.workload, times, strict=True)
    )
    with (
        open_source(SourceRequest(request.connection), Silent()) as source,
        open_estimator(source, request.planner, Silent()) as estimator,
    ):
        folded = fold([Workload(SourceKind.LOG, observed)], source.catalog)
        folded = prepared(folded, source.catalog, types_from(estimator))
        for some in each:
            yield advise_on(source, folded, estimator, replace(request, features=some), Silent())


def content(plan):
    """What a plan would do."""
    return {*(r.ddl for r in plan.recommendations), *(s.ddl for s in plan.statistics), *map(str, plan.analyze)}


@contextlib.contextmanager
def built(dsn, plan, growth=()):
    """The database as the plan leaves it and the growth makes it, for the length of the block; index bytes added.

    Statistics stay as they are but where the plan makes them, or an index has an expression: then apply analyzes too.
    """
    made = [s.ddl for s in plan.statistics]
    made += [r.ddl.replace("CONCURRENTLY ", "") for r in plan.recommendations]
    computed = {r.definition.table for r in plan.recommendations if any(k.expression for k in r.definition.keys)}
    made += [f"ANALYZE {name}" for name in {*plan.analyze, *computed}]
    undone = [r.undo.replace("CONCURRENTLY ", "") for r in plan.recommendations]
    undone += [s.undo for s in plan.statistics]
    with psycopg.connect(dsn, autocommit=True) as server:
        before = server.execute(INDEX_BYTES).fetchone()[0]
        for statement in (*made, *growth[:1]):
            server.execute(statement)
        added = server.execute(INDEX_BYTES).fetchone()[0] - before
        yield added
        for statement in (*undone, *growth[1:]):
            server.execute(statement)


def measured(dsn, case, plan, rounds):
    """The workload's statements under the plan."""
    calls = tuple(Call(text[:40], text, number, False) for text, number in case.calls)
    try:
        with built(dsn, plan, case.growth) as size:
            return Database(dsn, calls, rounds).measure(case.name, built=size, plan=plan)
    except psycopg.errors.ProgramLimitExceeded:  # a row that an index of the plan cannot hold
        return Measured(case.name, (), (math.inf,) * len(calls), plan=plan)


def spent(case, found):
    """Milliseconds of the whole workload."""
    return sum(ms * calls for ms, (_, calls) in zip(found.times, case.calls, strict=True))


def timed(dsn, case):
    """The case with what each of its statements takes now."""
    calls = tuple(Call(text[:40], text, number, False) for text, number in case.workload)
    if case.times or any("$" in call.sql for call in calls):
        return case
    return replace(case, times=Database(dsn, calls, 2).measure(case.name).times)


def verdict(dsn, case, rounds):
    """Both plans of a case, and which was the better one."""
    case = timed(dsn, case)
    return judged(dsn, case, [*planned_each(dsn, case, [features(case, on=on) for on in (True, False)])], rounds)


def judged(dsn, case, plans, rounds):
    """Which of two plans, with the algorithm and without, was the better one."""
    if content(plans[0]) == content(plans[1]):
        same = Measured(case.name, (), (), plan=plans[0])
        return Verdict(case, same, same, "no decision")
    on, off = measured_twice(dsn, case, plans, rounds)
    return Verdict(case, on, off, word(case, on, off))


def measured_twice(dsn, case, plans, rounds):
    """Both plans, the least of two turns each: the one that comes first would pay for a cold cache."""
    turns = (0, 1, 0, 1)
    if plans[0].analyze:  # its new statistics stay: the other plan is to be measured without them
        turns = (1, 1, 0, 0)
    found = {0: [], 1: []}
    for turn in turns:
        found[turn].append(measured(dsn, case, plans[turn], rounds))
    return [replace(a, times=tuple(map(min, a.times, b.times))) for a, b in found.values()]


def word(case, on, off):
    """Better, worse or even; a change of time counts before one of storage."""
    on_ms, off_ms = spent(case, on), spent(case, off)
    noise = NOISE * sum(calls for _, calls in case.calls)
    if abs(on_ms - off_ms) >= max((1 - FASTER) * max(on_ms, off_ms), noise):
        return "better" if on_ms < off_ms else "worse"
    if on.built < SMALLER * off.built:
        return "better"
    return "worse" if off.built < SMALLER * on.built else "even"


def row(found):
    """A line of the table."""
    head = (found.case.algorithm, found.case.name, found.word)
    if found.word == "no decision":
        return (*head, *[""] * 4)
    on, off = (f"{spent(found.case, m):.2f}" for m in (found.on, found.off))
    return (*head, on, off, f"{found.on.built / 1e6:.2f}", f"{found.off.built / 1e6:.2f}")


@contextlib.contextmanager
def case_database(server, number, case):
    """A database of the case's own."""
    name = f"case_{number}"
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    dsn = server.dsn(name)
    place = Place(dsn)
    for piece in split(case.setup):  # in sessions of their own: counters are written when one ends
        place.alone()
        place.sql(piece.text)
    try:
        yield dsn
    finally:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=8)
    chosen = parser.parse_args()
    rows = []
    with LocalServer(binaries(), new_home(), {"fsync": "off", "autovacuum": "off"}) as server:
        for number, case in enumerate(cases_of(chosen.names)):
            with case_database(server, number, case) as dsn:
                rows.append(row(verdict(dsn, case, chosen.rounds)))
                print(*rows[-1], sep=" | ", flush=True)
    print(*table([HEADING, *rows]), sep="\n")


if __name__ == "__main__":
    main()
