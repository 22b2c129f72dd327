"""D1, D26, D27 and the functions about fields and indexes, as a host application calls them."""

import logging
import math
from contextlib import contextmanager
from decimal import Decimal
from functools import partial

import psycopg
import pytest

from indexpilot_cli import host
from indexpilot_cli.errors import PrerequisiteError, UsageError
from indexpilot_cli.host import place as host_place
from indexpilot_cli.log import explains
from tests.server.requesting import BY_CUSTOMER, filled
from tests.servers import new_database

ORDERS = """
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, doc jsonb, note text,
    place int4range, untold json);
INSERT INTO orders SELECT i, i % 5000, CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END, jsonb_build_object('k', i % 9),
    CASE WHEN i % 4 = 0 THEN md5(i::text) END, int4range(i, i + 3), '{}' FROM generate_series(1, 20000) i;
CREATE SCHEMA "Odd.Schema";
CREATE TABLE "Odd.Schema"."Order ""All"" Lines" ("Select" int);
INSERT INTO "Odd.Schema"."Order ""All"" Lines" SELECT i % 10 FROM generate_series(1, 100) i;
CREATE TABLE fresh (a int);
CREATE TABLE parts (day date NOT NULL, n int) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO parts SELECT date '2026-01-01' + i % 30, i % 6 FROM generate_series(1, 600) i;
ANALYZE orders; ANALYZE parts; ANALYZE "Odd.Schema"."Order ""All"" Lines"
"""


@contextmanager
def hosted(dsn):
    """The pool of this process, open on that database."""
    host.init_connection_pool(dsn, 1, 4)
    try:
        yield
    finally:
        host.close_connection_pool()


@pytest.fixture(scope="module")
def shop(pg):
    with filled(pg, *ORDERS.split(";\n")) as found:
        yield found


@pytest.fixture
def settled(own_places, shop, monkeypatch):
    """The shop, planned by whatever answers soonest there, with nothing that would hold a build up."""
    monkeypatch.setenv("INDEXPILOT_ADVISOR_WHAT_IF", shop.planner.what_if)
    monkeypatch.setenv("INDEXPILOT_ADVISOR_WORKERS", "1")
    for part in ("RATE_LIMITER", "CPU_THROTTLE"):
        monkeypatch.setenv(f"INDEXPILOT_PRODUCTION_SAFEGUARDS_{part}_ENABLED", "false")
    with hosted(shop.dsn):
        yield shop


@pytest.mark.parametrize(
    ("build", "queries", "each", "should", "confidence", "word"),
    [
        (10.0, 1000, 0.1, True, 0.9, "more than"),
        (1000.0, 10, 0.1, False, 0.999, "not more than"),
        (10.0, 0, 0.1, False, 1.0, "no queries"),
        (0.0, 0, 0.0, False, 1.0, "no queries"),
        (100.0, 1000, 0.1, False, 0.0, "not more than"),
        (0.0, 5, 0.0, False, 0.0, "not more than"),
        (0.0, 5, 1.0, True, 1.0, "more than"),
        (Decimal("10"), 1000, Decimal("0.1"), True, 0.9, "more than"),
        (1.0, 1e300, 1e300, True, 1.0, "more than"),
        (math.inf, 10, 1.0, False, 0.0, "build cost"),
        (1.0, math.inf, 1.0, False, 0.0, "number of queries"),
        (1.0, 10**400, 1.0, False, 0.0, "number of queries"),
        (1.0, 10, math.inf, False, 0.0, "cost per query"),
        (1.0, math.inf, 0.0, False, 0.0, "number of queries"),
        (math.nan, 10, 1.0, False, 0.0, "build cost"),
        (1.0, math.nan, 1.0, False, 0.0, "number of queries"),
        (1.0, 10, math.nan, False, 0.0, "cost per query"),
        (-1.0, 10, 1.0, False, 0.0, "build cost"),
        (1.0, -10, -1.0, False, 0.0, "number of queries"),
        (1.0, None, 1.0, False, 0.0, "number of queries"),
        ("x", 10, 1.0, False, 0.0, "build cost"),
    ],
)
def test_d1_truth_table(build, queries, each, should, confidence, word):
    decided, how_sure, reason = host.should_create_index(build, queries, each)
    assert decided is should and how_sure == pytest.approx(confidence) and word in reason


def test_d1_the_estimates_are_of_one_unit(settled, monkeypatch):
    """A handful of scans do not pay for an index, a thousand do: as the planner prices both."""
    build = host.estimate_build_cost("orders", "customer_id")
    each = host.estimate_query_cost_without_index("orders", "customer_id")
    assert host.should_create_index(build, 1000, each)[0] and not host.should_create_index(build, 1, each)[0]
    scan = settled.sql("EXPLAIN (FORMAT JSON) SELECT * FROM orders")[0][0][0]["Plan"]["Total Cost"]
    assert scan <= each < 2 * scan < build
    monkeypatch.setenv("INDEXPILOT_ADVISOR_WHAT_IF", "twin")  # HypoPG hides only from 1.4 on
    # An index that is there is hidden: the primary key's own queries would cost a few pages with it.
    assert host.estimate_query_cost_without_index("orders", "id") >= scan
    assert host.estimate_query_cost_without_index("orders", "id", "SELECT * FROM orders WHERE id = $1") >= scan
    assert host.estimate_build_cost("orders", "note") > 0 < host.estimate_build_cost("parts", "n", "hash")


def test_d2_recorded_statements_are_priced_before_a_sample(settled):
    if not settled.sql("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'"):
        pytest.skip("no pg_stat_statements on this server")
    settled.sql("CREATE EXTENSION pg_stat_statements")
    try:
        settled.sql("SELECT pg_stat_statements_reset()")
        for number in range(3):
            settled.sql(f"SELECT id FROM orders WHERE customer_id = {number} ORDER BY note")
        cost = host.estimate_query_cost_without_index("orders", "customer_id")
        assert settled.last()[2] == {"queries": "pg_stat_statements", "planned": 1, "failed": 0, "cost": cost}
        host.estimate_query_cost_without_index("orders", "note")
        assert settled.last()[2]["queries"] == "sample"  # it only sorts by that field
    finally:
        settled.sql("DROP EXTENSION pg_stat_statements")


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: host.estimate_build_cost("orders", "custmer_id"), "unknown_column"),
        (lambda: host.estimate_build_cost("x; DROP TABLE orders", "id"), "unknown_table"),
        (lambda: host.estimate_build_cost("orders", "untold"), "no_method"),
        (lambda: host.estimate_build_cost("orders", "status", "no; such"), "no_method"),
        (
            lambda: host.estimate_query_cost_without_index("orders", "id", "SELECT 1; DROP TABLE orders"),
            "not_plannable",
        ),
        (lambda: host.estimate_query_cost_without_index("orders", "id", "DROP TABLE orders"), "not_plannable"),
        (lambda: host.get_sample_query_for_field("orders", "a\0b"), "bad_name"),
        (lambda: host.create_smart_index("orders", "nothing", queries=[BY_CUSTOMER]), "unknown_column"),
        (lambda: host.analyze_and_create_indexes(source="x'; --"), "bad_source"),
    ],
)
def test_d1_what_is_not_there_is_said(settled, call, code):
    with pytest.raises(UsageError) as refused:
        call()
    assert refused.value.code == code
    assert settled.sql("SELECT count(*) FROM orders") == [(20000,)]


def test_d5_selectivity_comes_from_statistics(settled):
    status = host.get_field_selectivity("orders", "status")
    assert (status["n_distinct"], status["row_count"], status["null_frac"]) == (2, 20000, 0)
    assert [v for v, _ in status["most_common"]] == ["done", "open"]
    assert status["most_common"][0][1] == pytest.approx(0.98, abs=0.01)
    assert status["average_share"] == 0.5 and status["selectivity"] == 2 / 20000
    assert host.get_field_selectivity("orders", "id")["selectivity"] == 1.0
    assert host.get_field_selectivity("orders", "note")["null_frac"] == pytest.approx(0.75, abs=0.02)
    assert host.get_field_selectivity("public.parts", "n")["n_distinct"] == 6
    odd = host.get_field_selectivity('"Odd.Schema"."Order ""All"" Lines"', "Select")
    assert (odd["schema_name"], odd["table_name"], odd["n_distinct"]) == ("Odd.Schema", 'Order "All" Lines', 10)
    untold = host.get_field_selectivity("orders", "untold")
    assert untold["n_distinct"] is None and untold["average_share"] is None
    assert host.get_field_selectivity("fresh", "a") is None


KINDS = {
    "jsonb": "'{\"a\": \"it''s\"}'",
    "json": "'{}'",
    "int[]": "ARRAY[1, 2]",
    "text[]": "ARRAY['a,b', 'c\"d', 'e\\f']",
    "uuid": "'00000000-0000-0000-0000-000000000001'",
    "mood": "'so \"so\"'",
    "mood[]": "ARRAY['sad']::mood[]",
    "int4range": "'[1,5)'",
    "float8range": "'[1,5)'",
    "pair": "ROW(1, 'it''s, \"q\"'::text)::pair",
    "pair[]": "ARRAY[ROW(1, 'x'::text)::pair]",
    "unequal": "ROW(1, '{}'::json)::unequal",
    "unequal[]": "ARRAY[ROW(1, '{}'::json)::unequal]",
    "email": "'a@b.c'",
    "numbers": "ARRAY[1]",
    "couple": "ROW(1, 'x'::text)::pair",
    **dict.fromkeys(("point", "box", "circle", "xml"), None),
    "tsvector": "'hello world'",
    "tsquery": "'a & b'",
    "bytea": "'\\xdead'",
    "bit(3)": "B'101'",
    "varbit": "B'1'",
    "inet": "'10.0.0.1'",
    "macaddr": "'08:00:2b:01:02:03'",
    "interval": "'1 day'",
    "timestamptz": "now()",
    "numeric(10,2)": "1.5",
    "char(5)": "'ab'",
    "varchar(9)": "'100%s'",
    '"char"': "'z'",
    "boolean": "true",
    "float8": "'NaN'",
    "money": "5",
    "xid": "'7'",
    "pg_lsn": "'0/16'",
    "oid": "5",
    "regclass": "'pg_class'",
    "int2vector": "'1 2'",
    "text": "NULL",
    '"Odd ""T"" Types"."Kind"': "'x''y'",
}
TYPES = """
CREATE TYPE mood AS ENUM ('so "so"', 'sad');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE unequal AS (a int, b json);
CREATE DOMAIN email AS text CHECK (value ~ '@');
CREATE DOMAIN numbers AS int[];
CREATE DOMAIN couple AS pair;
CREATE TYPE float8range AS RANGE (subtype = float8);
CREATE SCHEMA "Odd ""T"" Types";
CREATE TYPE "Odd ""T"" Types"."Kind" AS ENUM ('x''y')
"""
_NO_EQUALITY = {"point": "point(1, 2)", "box": "'((0,0),(1,1))'", "circle": "'((0,0),1)'", "xml": "'<a/>'"}


def test_d27_samples_run_on_every_type(pg):
    """On values of a table never analyzed, on common values and on histograms; the names need quotes too."""
    values = {kind: value or _NO_EQUALITY[kind] for kind, value in KINDS.items()}
    table = '"My ""Odd"" Table"'
    columns = ", ".join(f'"c {number} %s" {kind}' for number, kind in enumerate(values))
    with new_database(pg) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        for statement in (*TYPES.split(";\n"), f"CREATE TABLE {table} ({columns})"):
            connection.execute(statement)
        connection.execute(f"INSERT INTO {table} SELECT {', '.join(values.values())} FROM generate_series(1, 20)")
        with hosted(dsn):
            for _ in ("never analyzed", "analyzed"):
                sample = partial(host.get_sample_query_for_field, 'My "Odd" Table')
                asked = {kind: sample(f"c {number} %s") for number, kind in enumerate(values)}
                found = {kind: connection.execute(query.encode()).rowcount for kind, query in asked.items()}
                assert found == dict.fromkeys(values, 20) | {"text": 0}
                by_null = {kind for kind, query in asked.items() if query.endswith("IS NOT NULL")}
                assert by_null == {"json", "unequal", "unequal[]", "text", *_NO_EQUALITY}
                connection.execute(f"ANALYZE {table}")


def test_d27_a_typical_value_of_a_unique_column(settled):
    query = host.get_sample_query_for_field("public.orders", "id")
    assert [(found,) for found, *_ in settled.sql(query)] == settled.sql(query.replace("*", "id"))
    assert host.get_sample_query_for_field("fresh", "a").endswith("WHERE a IS NOT NULL")
    settled.sql("CREATE MATERIALIZED VIEW public.unfilled AS SELECT id FROM orders WITH NO DATA")
    assert (
        host.get_sample_query_for_field("public.unfilled", "id") == "SELECT * FROM public.unfilled WHERE id IS NOT NULL"
    )


def test_d26_coverage_is_that_of_the_statements(settled, caplog):
    connection = host_place.connection()
    settled.sql("TRUNCATE indexpilot.explain_statistics")
    assert host.get_explain_usage_stats()["coverage_pct"] is None
    assert host.log_explain_coverage_warning() is False
    host.estimate_query_cost_without_index("orders", "status")
    explains.add(connection, "recommend", 6, 3)
    usage = host.get_explain_usage_stats()
    assert (usage["planned"], usage["failed"], usage["coverage_pct"], usage["meets_target"]) == (7, 3, 70.0, True)
    assert host.log_explain_coverage_warning() is False
    explains.add(connection, "recommend", 0, 1)
    with caplog.at_level(logging.WARNING):
        assert host.log_explain_coverage_warning() is True
    assert "7 of 11 statements: 63.6 %" in caplog.text
    assert host.get_explain_usage_stats()["origins"]["recommend"] == {"planned": 6, "failed": 4}
    settled.sql("UPDATE indexpilot.explain_statistics SET day = day - 40")
    assert host.get_explain_usage_stats()["statements"] == 0 and host.get_explain_usage_stats(60)["statements"] == 11


def test_d26_recommend_counts_what_it_planned_and_what_it_could_not(settled):
    settled.sql("TRUNCATE indexpilot.explain_statistics")
    bad = "SELECT id FROM orders WHERE no_such_function(status) = 1"
    host.analyze_and_create_indexes(queries=[BY_CUSTOMER, bad])
    usage = host.get_explain_usage_stats()
    assert usage["origins"] == {"recommend": {"planned": 1, "failed": 1}} and usage["coverage_pct"] == 50.0


def test_d21_advice_is_a_dry_run_until_it_is_not(settled):
    before = settled.sql("SELECT indexname FROM pg_indexes")
    dry = host.analyze_and_create_indexes(queries=[BY_CUSTOMER])
    assert (dry["status"], dry["dry_run"], [m["outcome"] for m in dry["mutations"]]) == ("findings", True, ["planned"])
    assert dry["verdicts"] and [r["summary"] for r in dry["recommendations"]] == ["orders (customer_id)"]
    assert settled.sql("SELECT indexname FROM pg_indexes") == before
    done = host.analyze_and_create_indexes(queries=[BY_CUSTOMER], dry_run=False, tables=["orders"])
    try:
        assert (done["status"], [m["outcome"] for m in done["mutations"]]) == ("ok", ["done"]), done
        created = [kind for kind, _, _ in settled.log() if kind == "CREATE_INDEX"]
        assert created and settled.sql("SELECT to_regclass('orders_customer_id_ip_idx') IS NOT NULL") == [(True,)]
        again = host.analyze_and_create_indexes(queries=[BY_CUSTOMER], dry_run=False)
        assert (again["status"], again["recommendations"], again["mutations"]) == ("ok", [], [])
    finally:
        settled.sql("DROP INDEX orders_customer_id_ip_idx")


def test_d6_the_index_of_a_field_or_why_there_is_none(settled):
    many = [BY_CUSTOMER, "SELECT id FROM orders WHERE status = 'done'"]
    found = host.create_smart_index("orders", "customer_id", queries=many)
    assert found["index"]["summary"] == "orders (customer_id)" and found["status"] == "findings" and found["reason"]
    refused = host.create_smart_index("orders", "status", queries=many, dry_run=False)
    assert (refused["index"], refused["status"], refused["mutations"]) == (None, "skipped", [])
    assert "status" in refused["reason"]
    unasked = host.create_smart_index("orders", "place", queries=many)
    assert unasked["reason"] == "no statement of the workload would use an index on it"
    loud = "SELECT id FROM orders WHERE upper(note) = 'X'"
    built = host.create_smart_index("public.orders", "note", queries=[loud], dry_run=False)
    try:
        assert (built["status"], [m["outcome"] for m in built["mutations"]]) == ("ok", ["done"])
        assert settled.sql("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%(upper(note))%'") == [(1,)]
    finally:
        for (index,) in settled.sql("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%upper(note)%'"):
            settled.sql(f"DROP INDEX {index}")


def test_d22_a_guard_says_no_and_building_needs_our_tables(settled, monkeypatch, pg):
    monkeypatch.setenv("INDEXPILOT_PRODUCTION_SAFEGUARDS_MAINTENANCE_WINDOW_ENABLED", "true")
    monkeypatch.setenv("INDEXPILOT_PRODUCTION_SAFEGUARDS_MAINTENANCE_WINDOW_DAYS_OF_WEEK", str(_another_day(settled)))
    refused = host.create_smart_index("orders", "customer_id", queries=[BY_CUSTOMER], dry_run=False)
    assert (refused["status"], refused["skipped"]) == ("refused", "window")
    assert settled.sql("SELECT to_regclass('orders_customer_id_ip_idx')") == [(None,)]
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in ORDERS.split(";\n")[:2]:
                connection.execute(statement)
            connection.execute("ANALYZE")
            if settled.planner.what_if == "hypopg":
                connection.execute("CREATE EXTENSION hypopg")
        with hosted(dsn):
            dry = host.analyze_and_create_indexes(queries=[BY_CUSTOMER])
            assert (dry["status"], dry["verdicts"], len(dry["recommendations"])) == ("findings", [], 1)
            with pytest.raises(PrerequisiteError):
                host.analyze_and_create_indexes(queries=[BY_CUSTOMER], dry_run=False)
            with pytest.raises(PrerequisiteError):
                host.get_explain_usage_stats()


def _another_day(shop):
    """A day of the week, 0 is Monday, that is neither today nor next to it."""
    ((today,),) = shop.sql("SELECT extract(isodow FROM now() AT TIME ZONE 'UTC')::int - 1")
    return (today + 3) % 7
