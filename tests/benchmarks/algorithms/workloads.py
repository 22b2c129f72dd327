"""The algorithms on whole workloads: what all of them together change, and what each does where the others are on.

    python -m tests.benchmarks.algorithms.workloads [tpch | helpdesk | films | FOLDER ...] [--scale 0.1]

FOLDER holds somebody else's database as ``helpdesk`` holds ours: schema.sql, rows.sql and statements.sql, each
statement below ``-- CALLS NAME``. For each workload: processor time of ``recommend``, EXPLAINs, and the time of the
statements with the chosen set, all on and all off; then each algorithm left out in turn, with both sets built and
measured where they differ.
"""

import argparse
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.algorithms import registry
from tests.benchmarks import thresholds
from tests.benchmarks.algorithms import cases
from tests.benchmarks.algorithms.cases import Case
from tests.benchmarks.selection import table


@dataclass(frozen=True)
class Run:
    """A way of asking: its plan, own processor seconds and elapsed ones, milliseconds of the workload with its set."""

    title: str
    plan: object
    cpu: float
    elapsed: float
    ms: float = 0.0
    built: int = 0


def defaults():
    features = RecommendRequest().features
    return tuple(a.name for a in registry.ALGORITHMS if registry.is_enabled(a, features))


def asked(title, dsn, case, *, on):
    cpu, begun = time.process_time(), time.monotonic()
    plan = cases.planned(dsn, case, on=on)
    return Run(title, plan, time.process_time() - cpu, time.monotonic() - begun)


def together(data, case, rounds):
    """All of them off, and all on; the first is asked first, so that a cold twin is not the other's."""
    cases.planned(data.dsn, replace(case, others=defaults()), on=False)
    ways = (("all off", ()), ("all on", defaults()))
    runs = [asked(title, data.dsn, replace(case, others=others), on=False) for title, others in ways]
    sets = cases.measured_twice(data.dsn, case, [run.plan for run in runs], rounds)
    for run, found in zip(runs, sets, strict=True):
        yield replace(run, ms=cases.spent(case, found), built=found.built)


def one_by_one(data, case, rounds):
    """Each that is on by default, left out; each that is off, added."""
    names = [a.name for a in registry.ALGORITHMS]
    each = [with_these(defaults())]
    each += [with_these(set(defaults()) ^ {name}) for name in names]
    everything, *others = cases.planned_each(data.dsn, case, each)
    for name, other in zip(names, others, strict=True):
        pair = [everything, other] if name in defaults() else [other, everything]
        yield cases.judged(data.dsn, replace(case, algorithm=name), pair, rounds)


def with_these(names):
    """The features with these algorithms on and no others."""
    return cases.features(Case("", "", "", (), others=tuple(names)), on=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workloads", nargs="*")
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    for name in chosen.workloads or thresholds.WORKLOADS:
        with thresholds.database(name, chosen.scale, chosen.rounds) as data:
            before = data.measure("without")
            workload = tuple((call.sql, call.calls) for call in data.calls)
            case = Case(Path(name).name, "", "", workload, times=before.times)
            rows = [("", "indexes", "MB", "EXPLAINs", "own CPU s", "elapsed s", "workload ms")]
            rows.append(("without", "", "", "", "", "", f"{cases.spent(case, before):.0f}"))
            for run in together(data, case, chosen.rounds):
                plan = run.plan
                figures = (f"{run.built / 1e6:.1f}", str(plan.calls), f"{run.cpu:.1f}", f"{run.elapsed:.1f}")
                rows.append((run.title, str(len(plan.recommendations)), *figures, f"{run.ms:.0f}"))
            print(f"\n{case.name} at scale {chosen.scale:g}", *table(rows), sep="\n", flush=True)
            found = [cases.row(v) for v in one_by_one(data, case, chosen.rounds)]
            print(*table([cases.HEADING, *found]), sep="\n", flush=True)


if __name__ == "__main__":
    main()
