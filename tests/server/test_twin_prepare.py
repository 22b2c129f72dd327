"""Many hypothetical indexes at once, on workers side by side."""

from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.snapshot.capture import capture


def test_prepared_indexes_plan_like_those_made_on_demand(database, connection, twin_cache, monkeypatch):
    for n in range(4):
        connection.execute(f"CREATE TABLE t{n} (a int, b int)")
        connection.execute(f"INSERT INTO t{n} SELECT i, i % 100 FROM generate_series(1, 20000) i")
    connection.execute("ANALYZE")
    definitions = [IndexDefinition(QualifiedName("public", f"t{n}"), (IndexKey(c),)) for n in range(4) for c in "ab"]
    wrong = IndexDefinition(QualifiedName("public", "t0"), (IndexKey(expression="random()"),))
    questions = [
        WhatIf(Plannable(f"SELECT * FROM t{n} WHERE a = {v}"), frozenset(definitions))
        for n in range(4)
        for v in range(30)
    ]
    with open_session(database) as session:
        snapshot = capture(session, read_catalog(session), conninfo=database)
    monkeypatch.setattr("indexpilot_cli.planner.twin.pool._PER_WORKER", 5)
    with open_twin(snapshot, cache_dir=twin_cache, workers=2) as twin:
        twin.prepare([*definitions, wrong])
        prepared = twin.plan(questions)
        assert twin.refuses(wrong) is not None
        assert all(twin.refuses(d) is None for d in definitions)
    with open_twin(snapshot, cache_dir=twin_cache, workers=1) as twin:
        assert twin.plan(questions) == prepared
    assert {d.columns for p in prepared for d in p.hypothetical} == {("a",)}


def test_of_equal_indexes_every_worker_takes_the_same(database, connection, twin_cache, monkeypatch):
    for name in ("t0", "t1"):
        connection.execute(f"CREATE TABLE {name} (a int, b int, c int)")
        connection.execute(f"INSERT INTO {name} SELECT i % 5000, i % 70, i % 70 FROM generate_series(1, 20000) i")
    connection.execute("ANALYZE")
    both = [IndexDefinition(QualifiedName("public", "t1"), (IndexKey("a"), IndexKey(c))) for c in "bc"]
    joined = Plannable("SELECT * FROM t0 JOIN t1 USING (a) WHERE t0.a = 7")
    # The worker of t0 plans the join and has t1's indexes only as they are asked for.
    questions = [WhatIf(joined, frozenset(definitions)) for definitions in (both[1:], both)]
    with open_session(database) as session:
        snapshot = capture(session, read_catalog(session), conninfo=database)
    monkeypatch.setattr("indexpilot_cli.planner.twin.pool._PER_WORKER", 1)
    answers = []
    for workers in (1, 2):
        with open_twin(snapshot, cache_dir=twin_cache, workers=workers) as twin:
            twin.prepare([IndexDefinition(QualifiedName("public", "t0"), (IndexKey("b"),)), *both])
            answers.append([twin.plan([question]) for question in questions])
    assert answers[0] == answers[1]
