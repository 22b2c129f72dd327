"""A statement that ends its backend, or the whole server of the twin, costs that statement and nothing else."""

import os
import signal

import psycopg
import pytest

from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.planner.twin.planner import open_twin
from indexpilot_cli.planner.twin.pool import CRASHED
from indexpilot_cli.planner.twin.worker import Worker
from tests.server.twinning import snapshot_of

EVENTS = QualifiedName("sales", "events")
KIND = IndexDefinition(EVENTS, (IndexKey("kind"), IndexKey("level")))
DEADLY = "SELECT 'deadly', * FROM sales.events WHERE kind = 3"
OTHERS = [f"SELECT * FROM sales.events WHERE kind = {n} AND level = 2" for n in range(6)]


def killing(name):
    """That method of a worker, which kills its backend from outside first when the statement is among those asked."""
    plans = getattr(Worker, name)

    def killed(worker, asked, **options):
        if DEADLY in str(asked):
            os.kill(worker._planner.backend_pid, signal.SIGKILL)
        return plans(worker, asked, **options)

    return killed


@pytest.fixture(params=["_locked", "explain"])
def deadly(request, monkeypatch):
    """A planner that ends while it plans one statement, alone or with others: at its first plan, or the next."""
    for name in {"_locked": ("_locked",), "explain": ("explain", "explain_all")}[request.param]:
        monkeypatch.setattr(Worker, name, killing(name))
    return request.param


def test_a_crash_costs_its_statement_only(twin_snapshot, twin_place, twin, deadly, monkeypatch):
    monkeypatch.setattr("indexpilot_cli.planner.twin.pool._PER_WORKER", 2)
    texts = [*OTHERS[:3], DEADLY, *OTHERS[3:]]
    questions = [WhatIf(Plannable(text), indexes) for indexes in (frozenset(), frozenset({KIND})) for text in texts]
    with open_twin(twin_snapshot, cache_dir=twin_place, workers=2) as mortal:
        assert mortal.size(KIND) > 0
        answers = mortal.plan(questions)
        bare, indexed = (a.error for q, a in zip(questions, answers, strict=True) if q.statement.sql == DEADLY)
        assert (bare, indexed) == (CRASHED if deadly == "_locked" else None, CRASHED)
        survivors = [q for q, a in zip(questions, answers, strict=True) if a.ok]
        assert len(survivors) == len(questions) - (2 if bare else 1)
        assert [a for a in answers if a.ok] == list(twin.plan(survivors))
        # It is known by now: asking again ends no server.
        pids = [worker._planner.backend_pid for worker in mortal._pool.workers]
        assert mortal.plan([WhatIf(Plannable(DEADLY), frozenset({KIND}))])[0].error == CRASHED
        assert [worker._planner.backend_pid for worker in mortal._pool.workers] == pids


def test_a_statement_that_ends_its_session_costs_itself_only(database, connection, twin_cache):
    connection.execute("CREATE TABLE t (a int PRIMARY KEY)")
    connection.execute(
        "CREATE FUNCTION ending(int) RETURNS int IMMUTABLE LANGUAGE sql AS"
        " 'SELECT $1 FROM pg_terminate_backend(pg_backend_pid())'"
    )
    questions = [WhatIf(Plannable(f"SELECT * FROM t WHERE a = {value}")) for value in ("1", "ending(1)", "2")]
    with open_twin(snapshot_of(database), cache_dir=twin_cache, workers=1) as twin:
        assert [answer.ok for answer in twin.plan(questions)] == [True, False, True]
        with pytest.raises(StatementError):
            twin.parameter_types("SELECT * FROM t WHERE a = $1 AND b = 1")
        assert twin.parameter_types("SELECT * FROM t WHERE a = $1") == ("integer",)


def test_a_server_that_is_gone_is_started_again(twin_snapshot, twin_cache, twin):
    question = WhatIf(Plannable(OTHERS[0]), frozenset({KIND}))
    with open_twin(twin_snapshot, cache_dir=twin_cache, workers=1) as opened:
        server = opened._cluster.server
        server.stop("immediate")
        assert opened.plan([question]) == twin.plan([question])


@pytest.fixture
def places(database, connection):
    """A table of points, analyzed, where PostGIS is installed."""
    try:
        connection.execute("CREATE EXTENSION postgis")
    except psycopg.errors.Error:
        pytest.skip("no PostGIS")
    connection.execute("CREATE TABLE places (id int PRIMARY KEY, at geometry(Point, 4326), spot geography)")
    connection.execute(
        "INSERT INTO places SELECT i, ST_SetSRID(ST_MakePoint(i % 180, i % 90), 4326),"
        " ST_SetSRID(ST_MakePoint(i % 180, i % 90), 4326)::geography FROM generate_series(1, 5000) i"
    )
    connection.execute("CREATE INDEX places_at ON places USING gist (at)")
    connection.execute("CREATE INDEX places_around ON places USING gist ((ST_Buffer(at, 1)))")
    connection.execute("ANALYZE places")
    return database


BOX = "ST_MakeEnvelope(0, 0, 3, 3, 4326)"
SPATIAL = [
    f"SELECT * FROM places WHERE at && {BOX}",
    f"SELECT * FROM places WHERE ST_Buffer(at, 1) && {BOX}",
    f"SELECT * FROM places WHERE ST_DWithin(spot, {BOX}::geography, 1000)",
    f"SELECT * FROM places WHERE at = {BOX}",
]


def test_statistics_of_a_type_of_its_own_are_copied_whole(places, connection, twin_cache):
    with open_twin(snapshot_of(places), cache_dir=twin_cache, workers=1) as twin:
        assert [n for n in twin.not_modelled if n.kind == "STATISTICS"] == []
        for text, answer in zip(SPATIAL, twin.plan([WhatIf(Plannable(t)) for t in SPATIAL]), strict=True):
            (plan,) = connection.execute(f"EXPLAIN (FORMAT JSON) {text}").fetchone()[0]
            assert answer.total_cost == pytest.approx(plan["Plan"]["Total Cost"], rel=1e-3), text


def test_or_not_at_all(places, connection, twin_cache):
    connection.execute("DROP ROLE IF EXISTS ordinary; CREATE ROLE ordinary LOGIN")
    connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO ordinary")
    snapshot = snapshot_of(f"{places} user=ordinary")
    with open_twin(snapshot, cache_dir=twin_cache, workers=1) as twin:
        assert all(answer.ok for answer in twin.plan([WhatIf(Plannable(text)) for text in SPATIAL]))
        told = {n.name for n in twin.not_modelled if n.kind == "STATISTICS"}
        assert told == {"public.places.at", "public.places.spot"}
