"""What hypothetical indexes cost the twin, counted."""

from collections import Counter

import pytest

from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.planner.twin.worker import Worker
from indexpilot_cli.snapshot.capture import capture

TABLES, COLUMNS = 6, "abcd"


@pytest.fixture
def twin(database, connection, twin_cache):
    for n in range(TABLES):
        connection.execute(f"CREATE TABLE t{n} (a int, b int, c int, d int)")
        connection.execute(f"INSERT INTO t{n} SELECT i, i % 100, i, i FROM generate_series(1, 5000) i")
    connection.execute("ANALYZE")
    with open_session(database) as session:
        snapshot = capture(session, read_catalog(session), conninfo=database)
    with open_twin(snapshot, cache_dir=twin_cache, workers=1) as twin:
        yield twin


def on(table, *keys):
    return IndexDefinition(QualifiedName("public", f"t{table}"), tuple(keys))


def each(tables):
    return [on(n, IndexKey(column)) for n in tables for column in COLUMNS]


def test_the_indexes_of_a_table_are_made_together(twin, monkeypatch):
    builds, asked = [], Worker.build

    def build(worker, wanted):
        builds.append([one.definition for one in wanted])
        asked(worker, wanted)

    monkeypatch.setattr(Worker, "build", build)
    twin.prepare(each(range(TABLES)))
    assert sorted(map(len, builds)) == [len(COLUMNS)] * TABLES


def test_one_that_is_refused_is_found_and_the_others_are_made(twin):
    wrong = on(0, IndexKey(expression="random()"))
    definitions = [*each([0])[:3], wrong, *each([0])[3:]]
    twin.prepare(definitions)
    assert [d for d in definitions if twin.refuses(d) is not None] == [wrong]
    assert twin.size(wrong) == 0
    assert all(twin.size(d) > 0 for d in definitions if d != wrong)


def test_a_question_looks_at_its_own_indexes_only(twin, monkeypatch):
    def hashed(value):
        """How often definitions are hashed for one question that was not asked before."""
        counts, inherited = Counter(), IndexDefinition.__hash__
        question = WhatIf(Plannable(f"SELECT * FROM t0 WHERE a = {value}"), frozenset(each([0])))

        def counted(definition):
            counts["hash"] += 1
            return inherited(definition)

        with monkeypatch.context() as patch:
            patch.setattr(IndexDefinition, "__hash__", counted)
            twin.plan([question])
        return counts["hash"]

    twin.prepare(each([0]))
    hashed(0)
    few = hashed(1)
    twin.prepare(each(range(1, TABLES)))
    assert hashed(2) == few
