"""Indexes that no query may use: each is told for what it is, and the commands that are offered work."""

import threading

import psycopg
import pytest

from indexpilot_cli.admin.doctor_checks import index_checks
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.partitioned import build_sql, looks_again, unfinished
from tests.server.applying import definition, keep_plan, look, outcomes, run_apply
from tests.server.test_apply_faults import SNAPSHOT, holding, seen

pytestmark = pytest.mark.rows(200)

SHARD = QualifiedName("public", "shard")
TREE = """
CREATE TABLE shard (region text NOT NULL, k int, v text) PARTITION BY LIST (region);
CREATE TABLE shard_eu PARTITION OF shard FOR VALUES IN ('eu');
CREATE TABLE shard_us PARTITION OF shard FOR VALUES IN ('us');
CREATE TABLE shard_x PARTITION OF shard DEFAULT PARTITION BY LIST (region);
CREATE TABLE shard_x1 PARTITION OF shard_x DEFAULT;
INSERT INTO shard SELECT CASE WHEN g % 3 = 0 THEN 'us' ELSE 'eu' END, g % 200, 'v' FROM generate_series(1, 2000) g;
CREATE INDEX shard_us_k ON shard_us (k);
CREATE INDEX shard_k ON ONLY shard (k);
ALTER INDEX shard_k ATTACH PARTITION shard_us_k;
"""


def script(dsn, text):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = public")  # the role's own schema is that of the log
        for statement in text.split(";"):
            if statement.strip():
                connection.execute(statement)


def catalog(dsn):
    with open_session(dsn) as session:
        return read_catalog(session)


def told(dsn):
    """What is said of each index that cannot be used, by its first word."""
    return {c.text.split()[0].rstrip(":"): c for c in index_checks(catalog(dsn)) if c.state != "ok"}


@pytest.fixture
def sharded(shop):
    script(shop, TREE)
    return shop


def test_a_parent_that_waits_for_parts_names_them_and_the_commands_complete_it(sharded):
    check = told(sharded)["shard_k"]
    assert check.text == "shard_k is not valid yet: shard_eu, shard_x, shard_x1 have no usable part of it"
    assert "DROP" not in check.fix and "CREATE INDEX CONCURRENTLY" in check.fix
    script(sharded, check.fix)
    assert told(sharded) == {} and look(sharded).indexes["shard_k"]
    assert len(look(sharded).indexes) == 5


def test_a_key_that_waits_for_parts_is_completed_by_the_commands(shop):
    script(
        shop,
        "CREATE TABLE part (id int NOT NULL, v text) PARTITION BY RANGE (id);"
        " CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (9);"
        " ALTER TABLE ONLY part ADD CONSTRAINT part_key UNIQUE (id)",
    )
    script(shop, told(shop)["part_key"].fix)
    assert told(shop) == {} and look(shop).indexes["part_key"]


def test_a_part_whose_build_failed_is_built_again_in_place(sharded):
    script(sharded, told(sharded)["shard_k"].fix)
    with psycopg.connect(sharded, autocommit=True) as connection:
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('public.shard_k'::regclass,"
                           " 'public.shard_us_k'::regclass)")  # fmt: skip
    checks = told(sharded)
    assert set(checks) == {"shard_k", "shard_us_k"} and "shard_us has no usable part" in checks["shard_k"].text
    assert checks["shard_k"].fix == "REINDEX INDEX CONCURRENTLY public.shard_us_k;"
    script(sharded, checks["shard_k"].fix)
    (check,) = told(sharded).values()
    assert check.text.startswith("shard_k is not valid although every partition has its part")
    assert ("ATTACH" in check.fix and "DROP" not in check.fix) == looks_again(catalog(sharded).version)
    script(sharded, check.fix)
    assert told(sharded) == {} and look(sharded).indexes["shard_k"] and len(look(sharded).indexes) == 5


def test_apply_goes_on_with_a_parent_whose_part_was_built_again_by_hand(sharded):
    script(sharded, told(sharded)["shard_k"].fix)
    with psycopg.connect(sharded, autocommit=True) as connection:
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('public.shard_k'::regclass,"
                           " 'public.shard_us_k'::regclass)")  # fmt: skip
    plan = keep_plan(sharded, definition("k", table=SHARD))
    refused = run_apply(sharded, plan.id)
    (report,) = refused.result.mutations
    (command,) = [note.partition("REINDEX")[2] for note in report.notes if "REINDEX" in note]
    script(sharded, f"REINDEX{command}")
    done = run_apply(sharded, plan.id)
    assert outcomes(done) == (["done"] if looks_again(catalog(sharded).version) else ["failed"]), done
    assert look(sharded).invalid == [] or not looks_again(catalog(sharded).version)


def test_advice_and_apply_complete_it_instead_of_building_a_second_tree(sharded):
    wanted = definition("k", table=SHARD)
    found = catalog(sharded)
    assert unfinished(wanted, found).name.name == "shard_k"
    text = build_sql(wanted, "shard_k", found)
    assert "CREATE INDEX shard_k " not in text and "shard_us" not in text
    assert "ALTER INDEX public.shard_k ATTACH PARTITION public.shard_eu_k_ip_idx" in text
    plan = keep_plan(sharded, wanted)
    done = run_apply(sharded, plan.id)
    assert (done.exit_code, outcomes(done), done.result.mutations[0].index) == (0, ["done"], "shard_k"), done
    world = look(sharded)
    assert world.invalid == []
    assert sorted(world.indexes) == [
        "shard_eu_k_ip_idx",
        "shard_k",
        "shard_us_k",
        "shard_x1_k_ip_idx",
        "shard_x_k_ip_idx",
    ]
    assert outcomes(run_apply(sharded, plan.id)) == ["already_done"]


def test_each_kind_of_unusable_index_has_its_own_sentence(shop):
    script(
        shop,
        "CREATE TABLE t (a int, b int, c int);"
        " CREATE UNIQUE INDEX t_ready ON t (a); CREATE UNIQUE INDEX t_not_ready ON t (b);"
        " CREATE INDEX t_plain ON t (c); CREATE INDEX t_plain_ccnew ON t (c);"
        " UPDATE pg_index SET indisvalid = false WHERE indrelid = 't'::regclass;"
        " UPDATE pg_index SET indisready = false WHERE indexrelid = 't_not_ready'::regclass",
    )
    checks = told(shop)
    assert {name: (c.state, c.text) for name, c in checks.items()} == {
        "t_ready": ("error", "t_ready is invalid and UNIQUE: it still refuses application inserts"),
        "t_not_ready": ("warning", "t_not_ready: no write maintains it, no query uses it"),
        "t_plain": ("warning", "t_plain: every write maintains it, no query uses it"),
        "t_plain_ccnew": (
            "warning",
            "t_plain_ccnew is what a REINDEX CONCURRENTLY that failed left behind: every write maintains it",
        ),
    }
    for check in checks.values():
        script(shop, check.fix)
    assert told(shop) == {}


def test_an_index_that_somebody_builds_at_this_moment_is_not_to_be_dropped(shop):
    def build():
        with psycopg.connect(shop, autocommit=True) as connection:
            connection.execute("CREATE INDEX CONCURRENTLY orders_now ON orders (note)")

    builder = threading.Thread(target=build)
    with holding(shop, *SNAPSHOT):
        builder.start()
        seen(shop, "SELECT count(*) > 0 FROM pg_stat_progress_create_index WHERE index_relid <> 0")
        check = told(shop)["orders_now"]
    builder.join()
    assert check.text.startswith("orders_now is being built by pid ") and check.fix == "wait until it is built"
    assert told(shop) == {}
