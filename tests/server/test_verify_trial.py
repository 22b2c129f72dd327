"""Statements really run and measured."""

import psycopg
import pytest

from indexpilot_cli.apply.verify.trial import TrialStatement, is_read, measure
from indexpilot_cli.core.command import Silent
from indexpilot_cli.db.session import open_session
from tests.waiting import LIMIT


@pytest.fixture
def table(connection):
    connection.execute(
        "create table t as select n as id, n % 1000 as k, repeat('x', 50) as pad from generate_series(1, 60000) n"
    )
    connection.execute("vacuum analyze t")
    return connection


def measured(dsn, *statements, limit_ms=1000 * LIMIT, rounds=2, **options):
    with open_session(dsn, statement_timeout_ms=int(limit_ms), **options) as session:
        asked = [TrialStatement(f"q{n}", text) for n, text in enumerate(statements)]
        return measure(session, asked, Silent(), limit_ms=limit_ms, rounds=rounds)


def test_runs_have_processor_time_and_blocks(database, table):
    found = measured(database, "set_config_is_not_read", "select count(*) from t where k = 5", "select 1")
    assert found[0].failed
    assert len(found[1].runs) == 2
    assert all(run.cpu_ms is not None and run.cpu_ms > 0 for run in found[1].runs)
    heap = table.execute("select pg_relation_size('t') / 8192").fetchone()[0]
    assert {run.blocks for run in found[1].runs} == {heap}
    table.execute("create index on t (k)")
    assert measured(database, "select count(*) from t where k = 5")[0].runs[0].blocks < heap / 2


def test_writes_are_refused_and_slow_ones_stopped(database, table):
    table.execute("create sequence s")
    found = measured(database, "with d as (delete from t returning 1) select * from d", "select nextval('s')")
    assert ["read-only" in (m.failed or "") for m in found] == [True, True]
    (slow,) = measured(database, "select pg_sleep(300)", limit_ms=500)
    assert (slow.over, slow.limit_ms) == (True, 500)
    assert table.execute("select count(*) from t").fetchone()[0] == 60000


def test_percent_signs_and_two_statements(database, table):
    found = measured(database, "select count(*) from t where pad like 'x%'", "select 1; delete from t")
    assert found[0].runs
    assert found[1].failed
    assert is_read(" /* c */ (select 1)")
    assert not is_read("delete from t")


def test_without_the_right_there_is_elapsed_time(database, table, pg):
    role = "plain_" + psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    table.execute(f"create role {role} login password 'x'")
    table.execute(f"grant select on t to {role}")
    try:
        dsn = psycopg.conninfo.make_conninfo(database, user=role, password="x")
        run = measured(dsn, "select count(*) from t")[0].runs[0]
        assert run.cpu_ms is None
        assert run.elapsed_ms > 0
    finally:
        table.execute(f"drop owned by {role}")
        table.execute(f"drop role {role}")


def test_parallel_workers_hide_processor_time(database, table):
    table.execute("alter table t set (parallel_workers = 2)")
    eager = "-c min_parallel_table_scan_size=0 -c parallel_setup_cost=0 -c parallel_tuple_cost=0"
    dsn = psycopg.conninfo.make_conninfo(database, options=eager)
    assert measured(dsn, "select count(*) from t")[0].runs[0].cpu_ms is None


def test_our_statements_stay_out_of_the_servers_log(database, table):
    with open_session(database) as session:
        measure(session, [TrialStatement("q", "select 1")], Silent(), limit_ms=1000 * LIMIT, rounds=1)
        assert session.value("select current_setting('log_min_messages')") == "panic"
