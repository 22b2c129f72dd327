"""Extended statistics found from evidence, VACUUM and ANALYZE: as findings, as steps of a plan, taken back, killed."""

import dataclasses
import os
import signal
import uuid
from datetime import timedelta

import psycopg
import pytest

from indexpilot_cli.apply.extended import create_extended, drop_extended, set_target
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsKind, StatisticsTarget
from indexpilot_cli.db.session import open_session
from indexpilot_cli.execute.build import skipped_table
from indexpilot_cli.execute.context import open_context
from indexpilot_cli.execute.reconcile import pending, reconcile
from indexpilot_cli.execute.signals import Stop
from indexpilot_cli.lifecycle import lifecycle
from indexpilot_cli.lifecycle.values import LifecycleRequest
from indexpilot_cli.log import intents
from tests.server.applying import outcomes, run_apply, run_rollback, sql
from tests.server.requesting import queries
from tests.server.test_apply_kill import child

pytestmark = [pytest.mark.rows(100), pytest.mark.usefixtures("own_places")]
TABLES = """
CREATE SCHEMA "Odd place";
CREATE TABLE "Odd place"."Sites" (id int PRIMARY KEY, "Zip" int, "City's" text, alone int, other int, shop int,
    kind int) WITH (autovacuum_enabled = off);
INSERT INTO "Odd place"."Sites" SELECT g, g * 7 % 180, 'c''' || g * 7 % 180 / 9, g * 7919 % 97, g * 31 % 89,
    g / 10 % 300, g / 10 % 300 % 40 FROM generate_series(1, 40000) g;
-- So that ANALYZE reads all rows: what it happened to sample is not what is tested.
ALTER TABLE "Odd place"."Sites" ALTER id SET STATISTICS 200;
"""
ANALYZE = 'ANALYZE "Odd place"."Sites"'  # by a session of its own: what others did is counted before it
SITES = QualifiedName("Odd place", "Sites")
STATEMENTS = (
    """SELECT id FROM "Odd place"."Sites" WHERE "Zip" = 7 AND "City's" = 'c''0' AND alone = 5""",
    """SELECT count(*) FROM "Odd place"."Sites" WHERE alone = 7 AND other = 8""",
    """SELECT shop, kind, count(*) FROM "Odd place"."Sites" GROUP BY shop, kind""",
    """SELECT count(*) FROM "Odd place"."Sites" WHERE id = 7 AND shop = 8""",
)


def find(dsn, *statements, states=("statistics_missing",), **asked):
    facts = {"connection": Connection(dsn), "record": Record("tester", "1", "lifecycle"), "min_age": timedelta(days=30)}
    request = LifecycleRequest(**facts | asked, states=states, workload=queries(*statements or STATEMENTS))
    return lifecycle.run(request, Silent()).result


def expected(dsn, text):
    return sql(dsn, f"EXPLAIN (FORMAT JSON) {text}")[0][0][0]["Plan"]["Plan Rows"]


def test_columns_that_depend_get_statistics_that_mend_the_estimate_and_others_do_not(shop):
    sql(shop, TABLES)
    sql(shop, ANALYZE)
    found = find(shop, plan=True)
    made = {f.about: f for f in found.findings}
    assert {about: f.statistics.kinds for about, f in made.items()} == {
        "City's Zip": (StatisticsKind.DEPENDENCIES,),
        "kind shop": (StatisticsKind.NDISTINCT,),
    }
    assert found.notes == ()
    pair = made["City's Zip"]
    assert [r.code for r in pair.evidence] == ["estimate", "together", "why", "effect"]
    assert "20 times too few" in pair.evidence[0].text
    assert pair.evidence[2].text == "one decides the other in 100% of the rows"
    assert pair.ddl.startswith(
        'CREATE STATISTICS "Odd place"."Sites_City\'s_Zip_stat" (dependencies) ON "City\'s", "Zip"'
    )
    before = expected(shop, STATEMENTS[0].rpartition(" AND ")[0]), expected(shop, STATEMENTS[2])
    done = run_apply(shop, found.plan)
    assert (done.exit_code, outcomes(done)) == (0, ["done"] * 3)
    after = expected(shop, STATEMENTS[0].rpartition(" AND ")[0]), expected(shop, STATEMENTS[2])
    assert (before[0] < 30, 150 < after[0] < 350) == (True, True)
    assert (before[1] > 1000, 250 < after[1] < 350) == (True, True)
    assert find(shop, plan=True).findings == ()
    again = run_apply(shop, found.plan)
    assert outcomes(again) == ["already_done", "already_done", "done"]
    undone = run_rollback(shop, found.plan)
    assert (undone.exit_code, outcomes(undone)) == (0, ["done", "done"]), undone.result
    assert sql(shop, "SELECT count(*) FROM pg_statistic_ext") == [(0,)]
    assert outcomes(run_rollback(shop, found.plan)) == ["already_done", "already_done"]


def test_what_is_there_by_structure_is_not_offered_and_what_is_empty_is_to_be_analyzed(shop):
    sql(shop, TABLES)
    sql(shop, ANALYZE)
    sql(shop, """CREATE STATISTICS of_mine ON "Zip", alone, "City's" FROM "Odd place"."Sites" """)
    (empty, _) = sorted(find(shop).findings, key=lambda f: f.about)
    assert (empty.action, empty.ddl, empty.undo) == ("analyze", 'ANALYZE "Odd place"."Sites";', None)
    sql(shop, ANALYZE)
    assert [f.about for f in find(shop).findings] == ["kind shop"]


def test_without_the_right_to_the_rows_it_is_not_enough_evidence(shop):
    sql(shop, TABLES)
    sql(shop, ANALYZE)
    sql(shop, 'ALTER TABLE "Odd place"."Sites" ENABLE ROW LEVEL SECURITY')
    role = f"r_{uuid.uuid4().hex[:10]}"
    sql(shop, f'CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA "Odd place" TO {role}')
    sql(shop, f'GRANT SELECT ON "Odd place"."Sites" TO {role}')
    try:
        found = find(psycopg.conninfo.make_conninfo(shop, user=role), record=Record(enabled=False))
    finally:
        sql(shop, f"DROP OWNED BY {role}")
        sql(shop, f"DROP ROLE {role}")
    # Of a table with policies the statistics are hidden as well, so that nothing is known of any column.
    assert found.findings == ()


WANTED = ExtendedStatistics(QualifiedName("public", "o_stat"), QualifiedName("public", "orders"), ("status", "note"),
                            (StatisticsKind.MCV,))  # fmt: skip


def dies_before(state, dsn, work):
    """A process of its own that works on a context and dies just before a row with that state would be written."""

    def until_then():
        append = intents.append

        def dying(session, event, **more):
            if event.state == state:
                os.kill(os.getpid(), signal.SIGKILL)
            return append(session, event, **more)

        intents.append = dying
        with open_context(Connection(dsn), Record("tester", "1", "apply"), Silent(), Stop()) as ctx:
            work(ctx)

    with child(until_then) as pid:
        _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)


def test_killed_between_its_rows_the_next_run_says_how_it_stands(shop):
    def there():
        with open_session(shop) as session:
            return sql(shop, "SELECT count(*) FROM pg_statistic_ext")[0][0], len(pending(session, "indexpilot"))

    def settled():
        with open_context(Connection(shop), Record("tester", "1", "apply"), Silent(), Stop()) as ctx:
            return [r.outcome for r in reconcile(ctx)]

    def dropped(ctx):
        drop_extended(ctx, intents.latest(ctx.log)[0])

    dies_before("INTENT", shop, lambda ctx: create_extended(ctx, WANTED, None))
    assert there() == (0, 0)
    dies_before("VALID", shop, lambda ctx: create_extended(ctx, WANTED, None))
    assert (there(), settled(), there()) == ((1, 1), ["done"], (1, 0))
    dies_before("VALID", shop, dropped)
    assert (there(), settled(), there()) == ((0, 1), ["done"], (0, 0))
    states = sql(shop, "SELECT array_agg(state ORDER BY id) FROM indexpilot.mutation_log WHERE index_name = 'o_stat'")
    assert states == [(["INTENT", "VALID", "INTENT", "VALID", "REVERTED"],)]
    with open_context(Connection(shop), Record("tester", "1", "apply"), Silent(), Stop()) as ctx:
        assert create_extended(ctx, WANTED, None).outcome == "done"
        assert create_extended(ctx, WANTED, None).outcome == "already_done"
        sql(shop, "DROP STATISTICS o_stat; CREATE STATISTICS public.o_stat ON id, note FROM orders")
        taken = create_extended(ctx, WANTED, None)
        assert (taken.outcome, taken.error_code) == ("conflict", "name_taken")
    (refused,) = run_rollback(shop, last=True).result.mutations
    assert (refused.outcome, refused.error_code) == ("skipped", "not_ours")


LONGER = StatisticsTarget(QualifiedName("public", "orders"), "note", 700)


def test_a_statistics_target_killed_between_its_rows_is_settled_by_the_catalog(shop):
    asked = "SELECT coalesce(attstattarget, -1) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = %s"

    def settled():
        with open_context(Connection(shop), Record("tester", "1", "apply"), Silent(), Stop()) as ctx:
            found = [r.outcome for r in reconcile(ctx)]
        with psycopg.connect(shop) as connection:
            return found, connection.execute(asked, ["note"]).fetchone()[0]

    dies_before("VALID", shop, lambda ctx: set_target(ctx, LONGER, None))
    assert settled() == (["done"], 700)
    dies_before("VALID", shop, lambda ctx: drop_extended(ctx, intents.latest(ctx.log)[0]))
    assert settled() == (["done"], -1)
    states = sql(
        shop, "SELECT array_agg(state ORDER BY id) FROM indexpilot.mutation_log WHERE index_name = 'orders.note'"
    )
    assert states == [(["INTENT", "VALID", "INTENT", "VALID", "REVERTED"],)]
    with open_context(Connection(shop), Record("tester", "1", "apply"), Silent(), Stop()) as ctx:
        gone = set_target(ctx, dataclasses.replace(LONGER, column="gone"), None)
        assert (gone.outcome, gone.error) == ("failed", "the column is gone")
        assert set_target(ctx, dataclasses.replace(LONGER, target=100), None).outcome == "already_done"


def test_a_table_full_of_dead_rows_is_vacuumed_by_a_plan_or_has_failed(shop):
    sql(shop, "CREATE TABLE public.full_up (id int, t text) WITH (autovacuum_enabled = off)")
    sql(shop, "INSERT INTO full_up SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g")
    sql(shop, "ANALYZE full_up")
    sql(shop, "DELETE FROM full_up WHERE id % 2 = 0")
    found = find(shop, states=("bloated",), plan=True)
    (full,) = found.findings
    assert (full.action, full.table.name, full.ddl) == ("vacuum", "full_up", "VACUUM (ANALYZE) public.full_up;")
    assert full.evidence[0].text == "10,000 rows are dead beside 20,000, and no vacuum came by yet"
    role = f"r_{uuid.uuid4().hex[:10]}"
    sql(shop, f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA indexpilot TO {role}")
    sql(shop, f"GRANT ALL ON ALL TABLES IN SCHEMA indexpilot TO {role}")
    sql(shop, f"GRANT ALL ON ALL SEQUENCES IN SCHEMA indexpilot TO {role}; GRANT SELECT ON public.full_up TO {role}")
    try:
        refused = run_apply(psycopg.conninfo.make_conninfo(shop, user=role), found.plan, force=True)
        (failed,) = refused.result.mutations
        assert (refused.exit_code, failed.outcome, failed.error_code) == (7, "failed", "vacuum_skipped")
        with open_session(psycopg.conninfo.make_conninfo(shop, user=role), read_only=False) as session:
            session.execute("VACUUM (ANALYZE) public.full_up")
            assert "full_up" in skipped_table(session, vacuum=True)
    finally:
        sql(shop, f"DROP OWNED BY {role}")
        sql(shop, f"DROP ROLE {role}")
    with psycopg.connect(shop) as other:
        other.execute("LOCK TABLE full_up IN SHARE UPDATE EXCLUSIVE MODE")
        (busy,) = run_apply(shop, found.plan, lock_timeout=0.1, retries=0, force=True).result.mutations
        assert (busy.outcome, "lock timeout" in busy.error) == ("failed", True)
    done = run_apply(shop, found.plan)
    assert (done.exit_code, outcomes(done), [m.kind for m in done.result.mutations]) == (0, ["done"], ["vacuum"])
    assert sql(shop, "SELECT pg_stat_get_dead_tuples('full_up'::regclass)") == [(0,)]
    assert find(shop, states=("bloated",)).findings == ()


# Looks of the ten days before the newest one, the index as much smaller each day, rebuilt once on the way.
HISTORY = """
INSERT INTO indexpilot.counter_snapshots (kind, taken_at, stats_since, server_started, counters)
SELECT kind, taken_at - n * interval '1 day', stats_since, server_started, jsonb_set(counters, '{pages}',
    (SELECT jsonb_agg(CASE WHEN n > 10 THEN 900 ELSE greatest(p::int - n * 3, 1) END)
     FROM jsonb_array_elements_text(counters -> 'pages') p))
FROM (SELECT * FROM indexpilot.counter_snapshots ORDER BY id DESC LIMIT 1) s, generate_series(1, 15) n
"""


def test_the_kept_looks_foretell_when_an_index_will_be_bloated(shop):
    sql(shop, "INSERT INTO orders SELECT g, g, 'done', md5(g::text), now() FROM generate_series(1000, 40000) g")
    sql(shop, "VACUUM ANALYZE orders")
    first = find(shop, states=("bloated",))
    assert (first.growth.looks, first.growth.enough) == (1, False)
    sql(shop, HISTORY)
    second = find(shop, states=("bloated",))
    (grown,) = second.growth.growing
    assert (grown.index.name, grown.looks, second.growth.looks) == ("orders_pkey", 12, 17)
    assert grown.bytes_per_day == pytest.approx(3 * 8192, rel=0.05)
    assert grown.earliest <= grown.crosses
    assert (grown.crosses - second.now).days in range(12, 22)
    sql(shop, "DELETE FROM orders WHERE id % 2 = 0")
    sql(shop, "REINDEX INDEX orders_pkey")
    assert find(shop, states=("bloated",)).growth.growing == ()
