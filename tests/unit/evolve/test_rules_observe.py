"""Locks, work and transactions by rule."""

from dataclasses import replace

import pytest

from indexpilot_cli.core.observation import LockMode, RunState, StatementObservation, WorkKind
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.offline.observe import judge_by_rules
from indexpilot_cli.evolve.review.offline.state import OfflineState
from indexpilot_cli.evolve.review.values import Impact
from tests.unit.evolve.rules_shop import CATALOG, name, seen

AEL, SRE, SUE = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE_ROW_EXCLUSIVE, LockMode.SHARE_UPDATE_EXCLUSIVE


def locks(text, version=None):
    _, observation, _ = seen(text, version=version)
    return {k.relation.name.name: k.mode for k in observation.statements[-1].locks}


def work(text, version=None):
    _, observation, _ = seen(text, version=version)
    return [(w.kind, w.relation.name.name) for w in observation.statements[-1].work]


def impact(text, **more):
    return seen(text, **more)[2][-1].impact


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX i ON orders (at)", {"orders": LockMode.SHARE}),
        ("CREATE INDEX CONCURRENTLY i ON orders (at)", {"orders": SUE}),
        ("ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES people NOT VALID", {"orders": SRE, "people": SRE}),
        ("CREATE TABLE n (p int REFERENCES people)", {"people": SRE}),
        ("ALTER TABLE orders DROP CONSTRAINT orders_buyer_fkey", {"orders": AEL, "people": AEL}),
        ("ALTER TABLE orders DROP COLUMN buyer", {"orders": AEL, "people": AEL}),
        ("ALTER TABLE orders ALTER buyer SET STATISTICS 100", {"orders": SUE}),
        ("ALTER TABLE orders SET (fillfactor = 90)", {"orders": SUE}),
        ("COMMENT ON TABLE orders IS 'x'", {"orders": SUE}),
        ("CREATE TRIGGER t BEFORE INSERT ON orders EXECUTE FUNCTION f()", {"orders": SRE}),
        ("DROP TRIGGER t ON orders", {"orders": AEL}),
        ("ALTER TABLE events ATTACH PARTITION later DEFAULT", {"events": SUE, "later": AEL}),
        ("ALTER TABLE events DETACH PARTITION events_1", {"events": AEL, "events_1": AEL}),
        ("CREATE TABLE e2 PARTITION OF events DEFAULT", {"events": AEL}),
        ("REFRESH MATERIALIZED VIEW totals", {"totals": AEL}),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY totals", {"totals": LockMode.EXCLUSIVE}),
        ("LOCK TABLE orders IN SHARE MODE", {"orders": LockMode.SHARE}),
        ("DROP INDEX orders_ref_idx", {"orders": AEL, "orders_ref_idx": AEL}),
        ("REINDEX INDEX orders_ref_idx", {"orders": LockMode.SHARE, "orders_ref_idx": AEL}),
        ("SELECT 1", {}),
    ],
)
def test_locks(sql, expected):
    assert locks(sql) == expected


def test_detach_locks_the_child_less_on_13():
    assert locks("ALTER TABLE events DETACH PARTITION events_1", version=130000)["events_1"] is SUE


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER TABLE orders ALTER note SET NOT NULL", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders ALTER buyer SET NOT NULL", Impact.BRIEF_LOCK),
        ("ALTER TABLE orders ALTER id TYPE bigint", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders ALTER ref TYPE varchar(60)", Impact.BRIEF_LOCK),
        ("ALTER TABLE orders ALTER note TYPE varchar", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders ALTER mail TYPE text", Impact.BRIEF_LOCK),
        ("ALTER TABLE orders ADD c int DEFAULT 7", Impact.BRIEF_LOCK),
        ("ALTER TABLE orders ADD c uuid DEFAULT gen_random_uuid()", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders ADD c int GENERATED ALWAYS AS (id + 1) STORED", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders ADD c int GENERATED ALWAYS AS (id + 1) VIRTUAL", Impact.BRIEF_LOCK),
        ("ALTER TABLE orders ADD c bigserial", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders ADD c int CHECK (c > 0)", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders ADD c int REFERENCES people", Impact.BRIEF_LOCK),
        ("ALTER TABLE orders ADD default_to int REFERENCES people ON DELETE SET DEFAULT", Impact.BRIEF_LOCK),
        ("ALTER TABLE orders ADD c int DEFAULT 7 REFERENCES people", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders ADD CHECK (amount > 0)", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders ADD CHECK (amount > 0) NOT VALID", Impact.BRIEF_LOCK),
        ("ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES people", Impact.LONG_BLOCKS_WRITES),
        ("ALTER TABLE orders ADD UNIQUE (ref)", Impact.LONG_BLOCKS_READS),
        ("ALTER TABLE orders VALIDATE CONSTRAINT orders_buyer_fkey", Impact.LONG_ONLINE),
        ("ALTER TABLE orders DROP COLUMN at", Impact.BRIEF_LOCK),
        ("CREATE INDEX i ON orders (at)", Impact.LONG_BLOCKS_WRITES),
        ("CREATE INDEX CONCURRENTLY i ON orders (at)", Impact.LONG_ONLINE),
        ("CREATE INDEX i ON small (id)", Impact.BRIEF_LOCK),
        ("VACUUM FULL orders", Impact.LONG_BLOCKS_READS),
        ("CLUSTER orders USING orders_pkey", Impact.LONG_BLOCKS_READS),
        ("UPDATE orders SET note = ''", Impact.LONG_ONLINE),
        ("UPDATE orders SET note = '' WHERE id = 3", Impact.NO_BLOCK),
        ("UPDATE orders SET note = '' WHERE mail = 'id = 3'", Impact.LONG_ONLINE),
        ("UPDATE orders SET note = '' WHERE id = 3 OR note = ''", Impact.LONG_ONLINE),
        ("UPDATE orders SET note = '' WHERE id IN (1, 2) AND (note = '' OR note = 'x')", Impact.NO_BLOCK),
        ("INSERT INTO orders (id) VALUES (1)", Impact.NO_BLOCK),
        ("TRUNCATE orders", Impact.BRIEF_LOCK),
        ("DO $$ BEGIN ALTER TABLE orders ALTER id TYPE bigint; END $$", Impact.LONG_BLOCKS_READS),
        ("TRUNCATE people", Impact.FAILS),
        ("DROP TABLE people", Impact.FAILS),
        ("ALTER TABLE nothing ADD c int", Impact.FAILS),
        ("ALTER TABLE orders DROP COLUMN nothing", Impact.FAILS),
        ("ALTER TABLE orders ADD COLUMN ref text", Impact.FAILS),
        ("CREATE INDEX CONCURRENTLY i ON events (id)", Impact.FAILS),
        ("CREATE TABLE orders (a int)", Impact.FAILS),
        ("CREATE TABLE IF NOT EXISTS orders (a int)", Impact.NO_BLOCK),
        ("DROP TABLE IF EXISTS nothing", Impact.NO_BLOCK),
        ("ALTER TABLE orders ADD PRIMARY KEY (ref)", Impact.FAILS),
        ("SELECT count(*) FROM orders", Impact.LONG_ONLINE),
        ("SELECT * FROM orders WHERE id = 1", Impact.NO_BLOCK),
        ("ALTER TABLE orders ALTER ref TYPE varchar(40) USING ref::text", Impact.LONG_BLOCKS_READS),
    ],
)
def test_verdicts(sql, expected):
    assert impact(sql) is expected


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (note IS NOT NULL) NOT VALID;"
        "ALTER TABLE orders VALIDATE CONSTRAINT c;",
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (note IS NOT NULL AND amount > 0);",
        "ALTER TABLE orders ADD CONSTRAINT c CHECK ((amount > 0 OR amount IS NULL) AND note IS NOT NULL);",
    ],
)
def test_a_valid_check_spares_the_scan_of_set_not_null(text):
    assert impact(text + "ALTER TABLE orders ALTER note SET NOT NULL") is Impact.BRIEF_LOCK


@pytest.mark.parametrize(
    "check",
    ["note IS NOT NULL) NOT VALID", "note <> '')", "note IS NOT NULL OR amount > 0)", "footnote IS NOT NULL)"],
)
def test_a_check_that_proves_nothing(check):
    text = f"ALTER TABLE orders ADD CONSTRAINT c CHECK ({check}; ALTER TABLE orders ALTER note SET NOT NULL"
    assert impact(text) is Impact.LONG_BLOCKS_READS


def test_what_the_file_makes_nobody_waits_for():
    text = "CREATE TABLE n (a int, b int); ALTER TABLE n ALTER a TYPE bigint; CREATE INDEX ON n (b);"
    assert {v.impact for v in seen(text + "ALTER TABLE n RENAME TO m; VACUUM FULL m")[2]} == {Impact.NO_BLOCK}


def test_a_renamed_table_is_the_same_table():
    assert (
        impact("ALTER TABLE orders RENAME TO purchases; CREATE INDEX i ON purchases (at)") is Impact.LONG_BLOCKS_WRITES
    )
    assert impact("ALTER TABLE orders RENAME TO purchases; CREATE INDEX i ON orders (at)") is Impact.FAILS


def test_a_function_works_where_it_is_called():
    body = "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ ALTER TABLE orders ALTER id TYPE bigint $$;"
    verdicts = seen(body + "SELECT f()")[2]
    assert [v.impact for v in verdicts] == [Impact.NO_BLOCK, Impact.LONG_BLOCKS_READS]


def test_an_unmarked_sql_function_is_what_its_body_is():
    steady = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER TABLE orders ADD c int DEFAULT f()"
    assert impact(steady) is Impact.BRIEF_LOCK
    procedural = (
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; ALTER TABLE orders ADD c int "
    )
    assert impact(procedural + "DEFAULT f()") is Impact.LONG_BLOCKS_READS


def test_transactions_are_numbered_as_psql_runs_them():
    text = (
        "SELECT 1; BEGIN; SELECT 2; COMMIT; SELECT 3; BEGIN; SELECT 4; COMMIT AND CHAIN; SELECT 5; ROLLBACK; SELECT 6"
    )
    _, observation, _ = seen(text)
    assert [s.transaction for s in observation.statements] == [1, 2, 2, 2, 3, 4, 4, 4, 5, 5, 6]
    assert not observation.open_transaction
    assert seen("BEGIN; SELECT 1")[1].open_transaction
    assert {s.transaction for s in seen("SELECT 1; SELECT 2", one_transaction=True)[1].statements} == {1}


def test_locks_are_held_until_the_transaction_ends():
    text = "BEGIN; ALTER TABLE orders ADD x int; SELECT 1; COMMIT; SELECT 2"
    _, observation, _ = seen(text)
    held = [{k.relation.name.name for k in s.held} for s in observation.statements]
    assert held == [set(), {"orders"}, {"orders"}, set(), set()]


@pytest.mark.parametrize(
    "sql", ["CREATE INDEX CONCURRENTLY i ON orders (at)", "VACUUM orders", "REINDEX TABLE CONCURRENTLY orders"]
)
def test_what_refuses_a_transaction(sql):
    _, observation, verdicts = seen(f"BEGIN; {sql}; SELECT 1; COMMIT")
    assert [s.state for s in observation.statements] == [
        RunState.RAN,
        RunState.FAILED,
        RunState.BEHIND,
        RunState.BEHIND,
    ]
    assert observation.statements[1].error.sqlstate == "25001"
    assert verdicts[1].impact is Impact.FAILS
    assert seen(sql, one_transaction=True)[2][0].impact is Impact.FAILS
    assert seen(sql)[1].statements[0].outside_transaction


def test_a_statement_the_sandbox_refused():
    before = StatementObservation(1, RunState.NOT_RUN, 4, reason="programs are not run")
    (after,) = judge_by_rules(
        [before], read_migration("m", "COPY orders FROM PROGRAM 'x'"), OfflineState(CATALOG, 180000)
    )
    assert (after.state, after.transaction, after.reason) == (RunState.NOT_RUN, 4, "programs are not run")
    assert [k.mode for k in after.locks] == [LockMode.ROW_EXCLUSIVE]


def test_a_table_of_a_refused_statement_is_new_to_those_behind_it():
    text = "CREATE TABLE na (id int, u uuid DEFAULT newer()); CREATE INDEX ON na (u); CREATE INDEX ON orders (at)"
    before = [StatementObservation(n, RunState.NOT_RUN, n) for n in (1, 2, 3)]
    migration, state = read_migration("m", text), OfflineState(CATALOG, 180000)
    _, of_new, of_old = judge_by_rules(before, migration, state)
    assert [(k.relation.name.name, k.relation.existed) for k in of_new.locks] == [("na", False)]
    assert [(k.relation.name.name, k.relation.existed) for k in of_old.locks] == [("orders", True)]
    (again,) = judge_by_rules(before[:1], read_migration("n", "ALTER TABLE na ADD CHECK (id > 0)"), state)
    assert {k.relation.existed for k in again.locks} == {False}


def test_a_new_enum_value_cannot_be_used_before_commit():
    add = "ALTER TYPE mood ADD VALUE 'fine';"
    assert impact(f"BEGIN; {add} UPDATE small SET id = 1 WHERE mood = 'fine'") is Impact.FAILS
    assert impact(f"{add} UPDATE small SET id = 1 WHERE mood = 'fine'") is not Impact.FAILS


def test_a_view_keeps_its_columns():
    catalog = replace(CATALOG, views={name("recent"): " SELECT note FROM orders;"})
    for sql in ("ALTER TABLE orders DROP COLUMN note", "ALTER TABLE orders ALTER note TYPE varchar(9)"):
        assert impact(sql, catalog=catalog) is Impact.FAILS
        assert impact(f"DROP VIEW recent; {sql}", catalog=catalog) is not Impact.FAILS
    assert impact("ALTER TABLE orders DROP COLUMN note CASCADE", catalog=catalog) is Impact.BRIEF_LOCK
    assert impact("ALTER TABLE orders DROP COLUMN amount", catalog=catalog) is Impact.BRIEF_LOCK


def test_work_says_where_it_comes_from():
    _, observation, _ = seen("CREATE INDEX i ON orders (at)")
    (item,) = observation.statements[0].work
    assert (item.kind, item.index, item.source, item.online) == (WorkKind.BUILD_INDEX, "i", "rule", False)


def test_a_domain_is_proved_on_every_table():
    assert work("ALTER DOMAIN email ADD CHECK (value <> '')") == [(WorkKind.SCAN, "orders")]
    assert work("ALTER DOMAIN email ADD CHECK (value <> '') NOT VALID") == []


def test_without_a_catalog_tables_exist_and_count_as_big():
    _, observation, verdicts = seen("ALTER TABLE t ALTER a TYPE bigint; CREATE INDEX i ON s.u (b)", None)
    assert [s.state for s in observation.statements] == [RunState.RAN, RunState.RAN]
    assert all(k.relation.existed for s in observation.statements for k in s.locks)
    assert [v.impact for v in verdicts] == [Impact.LONG_BLOCKS_READS, Impact.LONG_BLOCKS_WRITES]
