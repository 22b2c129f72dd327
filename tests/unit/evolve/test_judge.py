"""Verdicts: who waits and whether for long, from locks, work and real sizes."""

from __future__ import annotations

import pytest

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    Lock,
    LockMode,
    MigrationObservation,
    Relation,
    RunState,
    SqlError,
    StatementObservation,
    Work,
    WorkKind,
)
from indexpilot_cli.evolve.review.judge import Bench, RelationSizes, judge, total, worst
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeAnswer, ProbeKind
from indexpilot_cli.evolve.review.values import Duration, Impact, Queue

BIG = QualifiedName("public", "big")
SMALL = QualifiedName("public", "small")
PARENT = QualifiedName("public", "parent")
PART = QualifiedName("public", "part")
CATALOG = Catalog(
    160000,
    "db",
    (
        Table(BIG, "r", (), pages=10_000, tuples=1_000_000),
        Table(SMALL, "r", (), pages=1, tuples=20),
        Table(PARENT, "p", ()),
        Table(PART, "r", (), pages=5_000, tuples=500_000, parent=PARENT, is_partition=True),
    ),
)
BENCH = Bench(RelationSizes(CATALOG))


def rel(name, **kw):
    return Relation(name, **kw)


def seen(*, held=(), work=(), number=0, state=RunState.RAN, **kw):
    locks = tuple(Lock(r, m) for r, m in held)
    return StatementObservation(number, state, 0, locks, locks, tuple(work), **kw)


def verdict(statement, bench=BENCH, probes=()):
    return judge(MigrationObservation("f.sql", "clone/16", (statement,)), bench, probes)[0]


@pytest.mark.parametrize(
    ("mode", "work", "expected"),
    [
        (LockMode.ACCESS_EXCLUSIVE, WorkKind.REWRITE, Impact.LONG_BLOCKS_READS),
        (LockMode.ACCESS_EXCLUSIVE, WorkKind.VERIFY, Impact.LONG_BLOCKS_READS),
        (LockMode.SHARE, WorkKind.BUILD_INDEX, Impact.LONG_BLOCKS_WRITES),
        (LockMode.SHARE_ROW_EXCLUSIVE, WorkKind.VALIDATE_FOREIGN_KEY, Impact.LONG_BLOCKS_WRITES),
        (LockMode.SHARE_UPDATE_EXCLUSIVE, WorkKind.VERIFY, Impact.LONG_ONLINE),
        (LockMode.ROW_EXCLUSIVE, WorkKind.MODIFY, Impact.LONG_ONLINE),
    ],
)
def test_lock_times_work_on_a_big_table(mode, work, expected):
    assert verdict(seen(held=[(rel(BIG), mode)], work=[Work(work, rel(BIG))])).impact is expected


def test_the_same_work_on_a_small_table_is_brief():
    found = verdict(seen(held=[(rel(SMALL), LockMode.ACCESS_EXCLUSIVE)], work=[Work(WorkKind.REWRITE, rel(SMALL))]))
    assert found.impact is Impact.BRIEF_LOCK


def test_a_lock_without_work_is_brief_and_no_lock_is_none():
    assert verdict(seen(held=[(rel(BIG), LockMode.ACCESS_EXCLUSIVE)])).impact is Impact.BRIEF_LOCK
    assert verdict(seen(held=[(rel(BIG), LockMode.SHARE_UPDATE_EXCLUSIVE)])).impact is Impact.NO_BLOCK


def test_a_lock_of_an_earlier_statement_counts_while_another_table_is_worked_on():
    found = verdict(
        seen(
            held=[(rel(SMALL), LockMode.ACCESS_EXCLUSIVE), (rel(BIG), LockMode.ROW_EXCLUSIVE)],
            work=[Work(WorkKind.MODIFY, rel(BIG))],
        )
    )
    assert found.impact is Impact.LONG_BLOCKS_READS
    assert [b.table for b in found.blocked] == [SMALL]


def test_what_the_migration_made_itself_blocks_nobody():
    new = rel(QualifiedName("public", "new"), existed=False)
    found = verdict(seen(held=[(new, LockMode.ACCESS_EXCLUSIVE)], work=[Work(WorkKind.BUILD_INDEX, new, "i")]))
    assert found.impact is Impact.NO_BLOCK


def test_partitions_make_their_parent_big():
    found = verdict(
        seen(held=[(rel(PARENT, kind="p"), LockMode.SHARE)], work=[Work(WorkKind.BUILD_INDEX, rel(PARENT))])
    )
    assert found.impact is Impact.LONG_BLOCKS_WRITES


def test_an_exclusive_lock_on_an_index_stops_reads_of_its_table():
    index = rel(QualifiedName("public", "big_i"), kind="i", table=BIG)
    work = [Work(WorkKind.BUILD_INDEX, rel(BIG), "big_i", rebuilt=True)]
    found = verdict(seen(held=[(rel(BIG), LockMode.SHARE), (index, LockMode.ACCESS_EXCLUSIVE)], work=work))
    assert found.impact is Impact.LONG_BLOCKS_READS


def test_online_work_blocks_nobody():
    work = [Work(WorkKind.BUILD_INDEX, rel(BIG), "i", online=True)]
    assert verdict(seen(held=[(rel(BIG), LockMode.ACCESS_EXCLUSIVE)], work=work)).impact is Impact.LONG_ONLINE


def test_online_work_under_a_lock_of_an_earlier_statement_blocks():
    lock = Lock(rel(SMALL), LockMode.ACCESS_EXCLUSIVE)
    own = Lock(rel(BIG), LockMode.ACCESS_EXCLUSIVE)
    work = (Work(WorkKind.MODIFY, rel(BIG), online=True),)
    found = verdict(StatementObservation(0, RunState.RAN, 0, (own,), (lock, own), work))
    assert (found.impact, [b.table for b in found.blocked]) == (Impact.LONG_BLOCKS_READS, [SMALL])


def test_rows_made_out_of_nothing_take_their_time():
    locked = [(rel(SMALL), LockMode.ACCESS_EXCLUSIVE)]
    assert verdict(seen(held=locked, rows=200_000)).impact is Impact.LONG_BLOCKS_READS
    assert verdict(seen(held=locked, rows=20)).impact is Impact.BRIEF_LOCK
    assert verdict(seen(rows=200_000)).impact is Impact.LONG_ONLINE


def test_a_refresh_beside_reads_is_online():
    view = QualifiedName("public", "mv")
    bench = Bench(RelationSizes(Catalog(160000, "db", (Table(view, "m", (), pages=900, tuples=90_000),))))
    work = [Work(WorkKind.REFRESH, rel(view, kind="m"))]
    concurrent = verdict(seen(held=[(rel(view, kind="m"), LockMode.EXCLUSIVE)], work=work), bench)
    plain = verdict(seen(held=[(rel(view, kind="m"), LockMode.ACCESS_EXCLUSIVE)], work=work), bench)
    assert (concurrent.impact, plain.impact) == (Impact.LONG_ONLINE, Impact.LONG_BLOCKS_READS)


def test_a_statement_slow_on_empty_tables_holds_its_lock_as_long():
    found = verdict(seen(held=[(rel(SMALL), LockMode.ACCESS_EXCLUSIVE)], milliseconds=5_000))
    assert found.impact is Impact.LONG_BLOCKS_READS
    assert found.duration.low == 5.0


def test_without_any_catalog_a_table_counts_as_big_and_a_new_one_does_not():
    bench = Bench(RelationSizes(Catalog(160000, "", ())))
    build = seen(held=[(rel(BIG), LockMode.SHARE)], work=[Work(WorkKind.BUILD_INDEX, rel(BIG), "i")])
    assert verdict(build, bench).impact is Impact.LONG_BLOCKS_WRITES
    new = rel(QualifiedName("public", "new"), existed=False)
    made = seen(held=[(rel(BIG), LockMode.SHARE)], work=[Work(WorkKind.BUILD_INDEX, new, "i")])
    assert verdict(made, bench).impact is Impact.BRIEF_LOCK


def test_never_analyzed_tables_are_measured_by_their_file():
    table = Table(BIG, "r", (), pages=10_000, tuples=-1)
    bench = Bench(RelationSizes(Catalog(160000, "db", (table,))))
    work = [Work(WorkKind.REWRITE, rel(BIG))]
    assert verdict(seen(held=[(rel(BIG), LockMode.ACCESS_EXCLUSIVE)], work=work), bench).impact.rank == 4


def test_a_table_counted_before_it_was_filled_is_big_all_the_same():
    stale = Table(BIG, "r", (), pages=8_000, tuples=10)
    sizes = RelationSizes(Catalog(160000, "db", (stale,)))
    assert sizes.rows(rel(BIG)) == 8_000
    assert RelationSizes(Catalog(160000, "db", (Table(BIG, "r", (), pages=0, tuples=0),))).rows(rel(BIG)) == 0


def test_errors_and_probes_fail_and_keep_what_blocks():
    failed = verdict(seen(state=RunState.FAILED, error=SqlError("42P01", "no such table")))
    assert (failed.impact, failed.error.sqlstate) == (Impact.FAILS, "42P01")
    probe = Probe(0, ProbeKind.NULLS, "23502", BIG, "big.x holds nulls", "SELECT 1")
    work = [Work(WorkKind.VERIFY, rel(BIG))]
    statement = seen(held=[(rel(BIG), LockMode.ACCESS_EXCLUSIVE)], work=work)
    found = verdict(statement, probes=[ProbeAnswer(probe, True)])
    assert (found.impact, found.error.sqlstate, found.blocked[0].table) == (Impact.FAILS, "23502", BIG)
    assert verdict(statement, probes=[ProbeAnswer(probe, False)]).impact is Impact.LONG_BLOCKS_READS
    assert verdict(statement, probes=[ProbeAnswer(probe, None)]).impact is Impact.LONG_BLOCKS_READS


def test_who_waits_already_stands_in_the_verdict():
    queue = Queue(BIG, 7, "app", "psql", 60.0)
    bench = Bench(RelationSizes(CATALOG), queues={BIG: (queue,)})
    assert verdict(seen(held=[(rel(BIG), LockMode.ACCESS_EXCLUSIVE)]), bench).queue == (queue,)


def test_a_migration_is_as_bad_as_its_worst_statement_and_takes_the_sum():
    lock = [(rel(BIG), LockMode.ACCESS_EXCLUSIVE)]
    long = seen(held=lock, work=[Work(WorkKind.REWRITE, rel(BIG))])
    verdicts = judge(MigrationObservation("f", "m", (seen(held=lock), long, long)), BENCH)
    assert worst(verdicts) is Impact.LONG_BLOCKS_READS
    once = BENCH.duration(long.work[0])
    assert total(verdicts) == Duration(2 * once.low, 2 * once.high, "default")
    assert worst(()) is Impact.NO_BLOCK and total(()) is None
