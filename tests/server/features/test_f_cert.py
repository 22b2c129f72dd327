"""F1 and F2: row estimates held against counted rows, and the plans that a statement can get."""

from dataclasses import replace

import pytest

from indexpilot_cli import host
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.apply.values import ApplyRequest, RollbackRequest
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Effect
from indexpilot_cli.core.statistics import StatisticsKind
from indexpilot_cli.settings.features import CertSettings, FeatureSettings, QpgSettings
from tests.server.requesting import CALM, TWIN, change, filled, queries

# Rows of the new state lie a hundred together, so that the sample's interval is wide.
TABLES = '''
CREATE TABLE flip (id int, state text, pad text) WITH (autovacuum_enabled = off);
INSERT INTO flip SELECT g, 's' || g % 3, repeat('x', 700) FROM generate_series(1, 1000) g;
ANALYZE flip;
INSERT INTO flip SELECT g, CASE WHEN g / 100 % 100 < 7 THEN 'new' ELSE 's' || g % 3 END, repeat('x', 700)
    FROM generate_series(1, 20000) g;
CREATE SCHEMA "Odd";
CREATE TABLE "Odd"."Places" (id int, "City" text, zip text, kind text);
INSERT INTO "Odd"."Places" SELECT g, 'c' || g % 8, 'z{' || g % 8, CASE WHEN g % 2 = 0 THEN 'A' ELSE 'B' END
    FROM generate_series(1, 20000) g;
ANALYZE "Odd"."Places"'''
STALE = "SELECT pad FROM flip WHERE state = 'new'"
TOGETHER = """SELECT id FROM "Odd"."Places" WHERE "City" = 'c3' AND zip = 'z{3'"""
EXPRESSION = """SELECT id FROM "Odd"."Places" WHERE lower(kind) = 'a'"""
FLIP, PLACES = QualifiedName("public", "flip"), QualifiedName("Odd", "Places")
OFF = FeatureSettings()
ON = FeatureSettings(cert=CertSettings(enabled=True))

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.fixture(scope="module")
def place(pg):
    with filled(pg, *TABLES.split(";\n")) as found:
        yield replace(found, planner=TWIN)


def plan_of(place, *texts, features=ON):
    return place.ask(RecommendRequest, workload=queries(*texts), planner=place.planner, features=features).result


def test_f1_an_index_that_hangs_on_a_wrong_estimate_is_held_until_the_table_is_analyzed(place):
    held = plan_of(place, STALE)
    assert not held.recommendations
    assert {r.reason for r in held.rejections if r.definition is not None} == {"hold"}
    assert all("To settle it: ANALYZE public.flip" in r.detail for r in held.rejections if r.reason == "hold")
    assert held.analyze == (FLIP,)
    stale = next(f for f in held.findings if f.kind == "stale")
    assert stale.effect is Effect.REPRICED and "new" not in str(stale.evidence)
    # An estimate may be this far off: then nothing is wrong, and old statistics know nothing of the new state.
    for features in (OFF, FeatureSettings(cert=CertSettings(enabled=True, max_error_pct=1e6))):
        without = plan_of(place, STALE, features=features)
        assert not without.findings and not without.analyze
        assert {r.reason for r in without.rejections} == {"low_selectivity"}
    place.sql("ANALYZE flip")
    settled = plan_of(place, STALE)
    assert not settled.findings and not settled.analyze
    assert [r.definition.table for r in settled.recommendations] == [FLIP]


def test_statistics_that_mend_estimates_are_steps_of_the_plan(place):
    # Others have the name already.
    place.sql("""CREATE STATISTICS "Odd"."Places_City_zip_stat" (ndistinct) ON id, kind FROM "Odd"."Places\"""")
    plan = plan_of(place, TOGETHER, EXPRESSION)
    assert plan.statistics[0].name == QualifiedName("Odd", "Places_City_zip_stat2")
    assert [(s.columns, s.kinds, s.expressions) for s in plan.statistics] == [
        (("City", "zip"), (StatisticsKind.DEPENDENCIES,), ()),
        ((), (), ("lower(kind)",)),
    ]
    done = change(place, ApplyRequest, plan.id, safeguards=CALM).result.mutations
    assert [m.outcome for m in done] == ["done"] * len(done)
    # Indexes were chosen by what the planner expects with them, so they come first.
    assert [m.kind.value for m in done[:3]] == ["create_statistics", "create_statistics", "analyze"]
    assert {m.kind.value for m in done[3:]} <= {"create_index"}
    assert place.sql("SELECT count(*) FROM pg_statistic_ext") == [(3,)]
    assert not plan_of(place, TOGETHER, EXPRESSION).findings
    undone = change(place, RollbackRequest, plan.id).result.mutations
    assert {m.outcome for m in undone} == {"done"}
    assert place.sql("SELECT count(*) FROM pg_statistic_ext") == [(1,)]


LONG_TAIL = """INSERT INTO public.tail SELECT g, CASE WHEN g % 10 = 0 THEN 't' || g ELSE 'v' || g % 199 END
    FROM generate_series(1, 60000) g"""


def target_of(place):
    return place.sql("SELECT attstattarget FROM pg_attribute WHERE attname = 'code' AND attrelid = 'tail'::regclass")


def test_a_longer_list_of_common_values_is_a_step_of_the_plan_that_rollback_takes_back(place):
    place.sql("CREATE TABLE public.tail (id int, code text) WITH (autovacuum_enabled = off)")
    place.sql(LONG_TAIL)
    place.sql("ALTER TABLE public.tail ALTER code SET STATISTICS 150")
    place.sql("ANALYZE public.tail")
    codes = place.sql("""SELECT code FROM tail WHERE code LIKE 'v%' AND code <> ALL (SELECT unnest(
        most_common_vals::text::text[]) FROM pg_stats WHERE tablename = 'tail' AND attname = 'code') LIMIT 1""")
    text = f"SELECT id FROM tail WHERE code = '{codes[0][0]}'"
    plan = plan_of(place, text)
    assert [t.text for t in plan.targets] == ["tail.code: target 1000"] and not plan.statistics
    assert plan.analyze == (QualifiedName("public", "tail"),)
    assert next(f for f in plan.findings if f.targets).effect is Effect.REPRICED
    done = change(place, ApplyRequest, plan.id, safeguards=CALM).result.mutations
    assert [(m.kind.value, m.outcome) for m in done[:2]] == [("set_statistics_target", "done"), ("analyze", "done")]
    assert done[0].undo_sql == "ALTER TABLE ONLY public.tail ALTER COLUMN code SET STATISTICS 150"
    assert target_of(place) == [(1000,)] and not plan_of(place, text).findings
    again = change(place, ApplyRequest, plan.id, safeguards=CALM).result.mutations
    assert again[0].outcome == "already_done"
    undone = change(place, RollbackRequest, plan.id).result.mutations
    assert {m.outcome for m in undone} == {"done"} and target_of(place) == [(150,)]
    assert "tail.code: target 150" in {m.summary for m in undone}
    assert {m.outcome for m in change(place, RollbackRequest, plan.id).result.mutations} == {"already_done"}
    assert change(place, ApplyRequest, plan.id, safeguards=CALM).result.mutations[0].outcome == "done"
    place.sql("ALTER TABLE public.tail ALTER code SET STATISTICS 200")
    refused = [m for m in change(place, RollbackRequest, plan.id).result.mutations if m.outcome == "skipped"]
    assert [(m.kind.value, m.error_code) for m in refused] == [("set_statistics_target", "not_ours")]
    assert target_of(place) == [(200,)]


@pytest.fixture
def hosted(place):
    host.init_connection_pool(place.dsn, 1, 2)
    yield place
    host.close_connection_pool()


def test_f1_a_table_that_was_not_analyzed_is_stale_until_it_is(hosted):
    hosted.sql("CREATE TABLE public.orders AS SELECT g AS id, 's' || g % 3 AS status FROM generate_series(1, 2000) g")
    hosted.sql("ALTER TABLE public.orders SET (autovacuum_enabled = off)")
    hosted.sql("ANALYZE public.orders")
    hosted.sql("INSERT INTO public.orders SELECT g, 'new' FROM generate_series(1, 3000) g")
    found = host.validate_cardinality_with_cert("orders", "status")
    assert found.stale and found.wrong and found.error_pct > 1000 and found.cause == "stale"
    assert (found.low, found.high, found.selectivity) == (3000, 3000, 0.6)
    hosted.sql("ANALYZE public.orders")
    settled = host.validate_cardinality_with_cert("orders", "status", "new")
    assert not settled.stale and not settled.wrong and settled.cause == ""


def test_f2_a_query_s_other_plans_are_made_and_nothing_stays_switched_off(hosted):
    query = "SELECT a.id FROM flip a JOIN flip b USING (id) WHERE b.state = 's1'"
    found = host.enhance_plan_analysis(query=query)
    assert found.alternatives and all(a.ratio > 0 for a in found.alternatives)
    with host.get_connection() as connection:
        ways = "SELECT count(*) FROM pg_settings WHERE name LIKE 'enable%' AND setting <> reset_val"
        assert connection.execute(ways).fetchone() == (0,)
    crossed = host.enhance_plan_analysis(query="SELECT 1 FROM flip a, flip b LIMIT 5")
    assert "cartesian_product" in {b.kind for b in crossed.diagnosis.bottlenecks}
    assert host.identify_bottlenecks({"Node Type": "Result"}) == ()


def test_f2_values_with_plans_of_their_own_are_counted_each(place):
    place.sql("CREATE TABLE public.jobs (id int, state text, pad text)")
    place.sql(
        "INSERT INTO public.jobs SELECT g, CASE WHEN g % 100 < 90 THEN 'done' WHEN g % 100 < 99 THEN 'error'"
        " ELSE 'new' END, repeat('x', 100) FROM generate_series(1, 20000) g"
    )
    place.sql("ANALYZE public.jobs")
    text = "SELECT id, pad FROM jobs WHERE state = $1"
    plan = plan_of(place, text, features=FeatureSettings(qpg=QpgSettings(enabled=True)))
    told = [f for f in plan.findings if f.algorithm == "qpg"]
    assert {f.kind for f in told} == {"parameter_sensitive", "value_class"}
    assert "state <> 'done'" in next(f for f in told if f.kind == "value_class").definition.predicate
    assert not [f for f in plan_of(place, text, features=OFF).findings if f.algorithm == "qpg"]
