"""Which indexes recommend may drop, from hand-made facts: by structure, by silence, by scans that are accounted for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from indexpilot_cli.core.index import DropChoice
from indexpilot_cli.core.workload import FoldedWorkload, SourceKind
from indexpilot_cli.lifecycle.spare import spare_indexes
from indexpilot_cli.lifecycle.values import IndexUsage
from tests.unit.lifecycle.test_findings import KEY, LINES, NOW, facts, have

LONG = NOW - timedelta(days=40)
WEEK = FoldedWorkload((), (), SourceKind.STATEMENTS, since=NOW - timedelta(days=7), until=NOW)


def of(*indexes, **more):
    """Facts of one table with the indexes, numbered from 1."""
    numbered = tuple(replace(one, oid=number) for number, one in enumerate(indexes, 1))
    return facts(replace(LINES, indexes=numbered), **more)


def spare(found, choice=DropChoice.PROVEN):
    return {s.name.name: s for s in spare_indexes(found, choice)}


@pytest.mark.parametrize(
    "held",
    [
        have("a", unique=True),
        replace(have("a"), primary=True),
        replace(have("a"), constraint="x"),
        replace(have("a"), replica_identity=True),
        replace(have("a"), referenced=True),
        have("a", valid=False),
        have("a", ready=False),
    ],
)
def test_what_something_needs_never_goes(held):
    assert spare(of(held, have("a, b", "wide"))).keys() <= {"wide"}


def test_another_one_does_its_work():
    found = spare(of(have("a", "one"), have("a, b", "wide"), have("b", "other")))
    assert {n: (s.free, s.by and s.by.name) for n, s in found.items()} == {
        "one": (False, "wide"),
        "wide": (False, None),
        "other": (False, None),
    }
    assert found["one"].ddl == "DROP INDEX CONCURRENTLY public.one"


@pytest.mark.parametrize(
    ("usage", "more", "free"),
    [
        (IndexUsage(0, LONG), {}, True),
        (IndexUsage(0, NOW - timedelta(days=3)), {}, False),
        (IndexUsage(7), {}, False),
        (IndexUsage(0, LONG), {"untold": 1}, False),
        (IndexUsage(0, LONG), {"keys": (KEY,)}, False),
    ],
)
def test_only_a_long_silence_everywhere_frees_it(usage, more, free):
    found = of(have("a, b", "one"), usage={1: usage}, counters_since=LONG, **more)
    assert spare(found)["one"].free is free


@pytest.mark.parametrize(
    ("usage", "more", "scans"),
    [
        (IndexUsage(400), {}, pytest.approx(70.0)),  # 400 in 40 days are 70 in the week of the workload
        (IndexUsage(400, elsewhere=1), {}, None),
        (IndexUsage(400), {"untold": 1}, None),
        (IndexUsage(400), {"counters_since": None}, None),
        (IndexUsage(400), {"counters_since": NOW - timedelta(days=3)}, None),
        (IndexUsage(400), {"workload": replace(WEEK, since=None)}, None),
        (IndexUsage(400), {"keys": (KEY,)}, None),
    ],
)
def test_scans_that_the_workload_must_account_for(usage, more, scans):
    told = {"counters_since": LONG, "workload": WEEK} | more
    found = of(have("a, b", "one"), usage={1: usage}, **told)
    weighed = spare(found, DropChoice.ALL)["one"]
    assert (weighed.scans, weighed.free) == (scans, scans is not None)
    assert spare(found)["one"].free is False
