"""The same workload gives the same candidates in the same order, whatever order Python's sets have."""

import os
import subprocess
import sys

from indexpilot_cli.advise.candidates import propose
from tests.unit.advise.candidates.builders import catalog, column, eq, join, rng, sort, stats, table, template, use

NAMES = [f"c{n}" for n in range(8)]
WIDE = table("wide", column("id", "bigint"), *(column(n, statistics=stats(500.0 * k)) for k, n in enumerate(NAMES, 1)))
OTHER = table("other", *(column(n) for n in NAMES))


def proposed():
    """Candidates and rejections of joins, alternatives, sorts and groups over the columns of one table, as text."""
    templates = []
    for place, name in enumerate(NAMES):
        next_ = NAMES[(place + 1) % len(NAMES)]
        joins = tuple(join(n, "other", n) for n in NAMES[place : place + 3])
        either = tuple(eq(n, conjunctive=False) for n in (name, next_))
        uses = (
            use("wide", *joins, eq(next_), rng(NAMES[place - 1]), columns=NAMES[place : place + 4]),
            use("wide", *either, eq("c0"), columns=(name, next_)),
            use("wide", eq(next_), order_by=sort(name, "id"), limited=True, group_by=sort(next_)),
        )
        templates += [template(u, label=f"q-{place}{n}") for n, u in enumerate(uses)]
    found = propose(templates, catalog(WIDE, OTHER))
    made = [(c.definition, c.kind, sorted(c.templates), c.reasons) for c in found.candidates]
    return repr((made, [(r.subject, r.reason, r.by, sorted(r.templates)) for r in found.rejections]))


def test_the_order_of_sets_changes_nothing():
    command = [sys.executable, "-c", f"from {__name__} import proposed; print(proposed())"]
    runs = [
        subprocess.Popen(command, env=os.environ | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE) for seed in "012"
    ]
    assert len({run.communicate()[0] for run in runs}) == 1
    assert not any(run.returncode for run in runs)
