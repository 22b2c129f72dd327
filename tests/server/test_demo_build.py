"""The demo's database at a tiny size: the same seed gives the same rows, and they are as skewed as promised."""

import uuid

import psycopg
import pytest
from psycopg import sql

from indexpilot_cli.core.command import Silent
from indexpilot_cli.db.errors import StatementError
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.simulate import traffic
from indexpilot_cli.simulate.data import LEAST_ROWS, DemoSizes, build

pytestmark = pytest.mark.server
TABLES = """
    SELECT oid::regclass::text FROM pg_class
    WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('public', 'billing')"""
ROWS = "SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {} AS t"
SIZES = DemoSizes(LEAST_ROWS)


def digest(dsn):
    with psycopg.connect(dsn) as conn:
        tables = [table for (table,) in conn.execute(TABLES).fetchall()]
        return {table: conn.execute(ROWS.format(table)).fetchone() for table in tables}


@pytest.fixture(scope="module")
def built(pg):
    """Three databases on one server: the same seed twice (on one and on three connections), another once."""
    names = {key: f"t_{uuid.uuid4().hex[:12]}" for key in ("one", "three", "other")}
    with psycopg.connect(pg.dsn, autocommit=True) as admin:
        for name in names.values():
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        build(pg.database(names["one"]), SIZES, 1, 1, Silent())
        build(pg.database(names["three"]), SIZES, 1, 3, Silent())
        build(pg.database(names["other"]), SIZES, 2, 2, Silent())
        yield {key: pg.database(name) for key, name in names.items()}
        for name in names.values():
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def value(dsn, query):
    with psycopg.connect(dsn) as conn:
        return conn.execute(query).fetchone()[0]


def test_the_seed_gives_the_rows(built):
    first = digest(built["one"])
    assert len(first) == 14
    assert first == digest(built["three"])
    assert digest(built["other"])["events"] != first["events"]


def test_tables_have_the_rows_asked_for(built):
    counts = {table.split(".")[-1]: rows for table, (rows, _) in digest(built["one"]).items()}
    counts["webhooks"] = counts.pop('"WebhookDeliveries"')
    users = counts.pop("users")
    assert counts == {table: rows for table, rows in SIZES.tables().items() if table != "users"}
    assert users == pytest.approx(SIZES.of("users"), rel=0.1)


def test_tenants_are_skewed(built):
    shares = "SELECT max(n) / avg(n) FROM (SELECT count(*) AS n FROM events GROUP BY account_id) AS s"
    assert value(built["one"], shares) > 2


def test_rows_of_a_tenant_hang_together(built):
    astray = """
        SELECT count(*)
        FROM contacts AS c
        LEFT JOIN companies AS o ON o.id = c.company_id
        LEFT JOIN deals AS d ON d.contact_id = c.id
        LEFT JOIN events AS e ON e.contact_id = c.id
        LEFT JOIN users AS u ON u.id = e.user_id
        WHERE (o.account_id <> c.account_id) OR (d.account_id <> c.account_id) OR (u.account_id <> c.account_id)"""
    assert value(built["one"], astray) == 0


def test_events_lie_in_the_order_of_time(built):
    correlation = "SELECT correlation FROM pg_stats WHERE tablename = 'events' AND attname = 'occurred_at'"
    assert value(built["one"], correlation) > 0.999


def test_foreign_keys_have_no_index_of_their_own(built):
    unindexed = """
        SELECT count(*) FROM pg_constraint AS f WHERE contype = 'f' AND NOT EXISTS (
            SELECT FROM pg_index WHERE indrelid = f.conrelid AND indkey[0] = f.conkey[1])"""
    assert value(built["one"], unindexed) >= 8


def test_every_template_runs(built):
    with Replay(built["other"]) as member:
        calls = traffic.deck(traffic.templates(), traffic.sample(member), 1, 0.001)
        assert {call.template for call in calls} == {template.name for template in traffic.templates()}
        for call in calls:
            member.run(call.sql, call.values)


def test_statistics_are_fresh(built):
    stale = "SELECT count(*) FROM pg_stat_user_tables WHERE n_mod_since_analyze > 0 OR last_vacuum IS NULL"
    assert value(built["one"], stale) == 0


def test_nothing_of_the_workshop_is_left(built):
    assert value(built["one"], "SELECT count(*) FROM pg_namespace WHERE nspname = 'demo'") == 0


def test_a_database_that_is_not_empty_is_refused(built):
    with pytest.raises(StatementError, match="refused") as problem:
        build(built["one"], SIZES, 1, 2, Silent())
    assert "already exists" in problem.value.detail
