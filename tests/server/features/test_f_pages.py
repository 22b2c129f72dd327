"""F3, F6, F11: what algorithms make of the pages they read, on tables where it decides."""

from dataclasses import replace

import pytest

from indexpilot_cli import host
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Effect
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.features import BxTreeSettings, CortexSettings, FeatureSettings, PgmIndexSettings
from tests.server.requesting import TWIN, filled, queries

ROWS = 25_000
KEYS = {
    '"Far ""Keys"""': f"CASE WHEN n % 200 = 0 THEN (n::bigint * 7919 % {ROWS})::int ELSE n END",
    "loaders": f"n % 3 * {ROWS // 3} + n / 3",
    "scattered": f"(n::bigint * 7919 % {ROWS})::int",
    "serial": "n",
}
TABLES = "".join(
    f"""CREATE TABLE {name} (k int, pad text);
INSERT INTO {name} SELECT {key}, repeat('x', 420) FROM generate_series(0, {ROWS - 1}) n;
"""
    for name, key in KEYS.items()
)
TABLES += """CREATE TABLE "Events" (at timestamptz, late timestamptz, pad text);
INSERT INTO "Events" SELECT timestamptz '2026-01-01' + n * interval '1 minute',
    timestamptz '2026-01-01' + (n * 7919 % 9000) * interval '1 minute', repeat('x', 420)
FROM generate_series(1, 9000) n;
CREATE TABLE prices (since timestamptz, until timestamptz, pad text);
INSERT INTO prices SELECT timestamptz '2026-01-01' + n * interval '1 minute', timestamptz '2026-01-01'
    + n * interval '1 minute' + CASE WHEN n % 500 = 0 THEN interval '9 days' ELSE interval '20 minutes' END,
    repeat('x', 300) FROM generate_series(1, 12000) n;
CREATE TABLE tariffs AS SELECT * FROM prices;
"""
TABLES += """CREATE TABLE "Places" (id int, zip text, city text, street int, pad text);
INSERT INTO "Places" SELECT n, 'z' || n * 7919 % 200, 'c' || n * 7919 % 200 / 4, n * 31 % 997 % 40, repeat('x', 60)
FROM generate_series(1, 20000) n;
CREATE TABLE apart (LIKE "Places");
INSERT INTO apart SELECT id, 'z' || n % 200, 'c' || n / 200 % 50, street, pad
FROM (SELECT *, id * 7919 % 10007 AS n FROM "Places") s;
CREATE TABLE devices (id int, device int, model text, pad text);
INSERT INTO devices SELECT n, n * 7919 % 4000, 'model ' || repeat(md5((n * 7919 % 4000 / 2)::text), 2), repeat('x', 60)
FROM generate_series(1, 16000) n;
"""
BUDGET = 200_000  # bytes: less than a B-tree takes
SMALL = PgmIndexSettings(min_rows=10_000)


@pytest.fixture(scope="module")
def keyed(pg):
    with filled(pg, *TABLES.split(";\n"), "ANALYZE") as found:
        yield found


def advised(place, table, features, last=12250):
    """The plan within the budget for a range of the table's keys, a hundredth of them unless said otherwise."""
    wanted = queries(f"SELECT count(pad) FROM {table} WHERE k BETWEEN 12000 AND {last}")
    more = {"workload": wanted, "planner": place.planner, "features": features, "budget_bytes": BUDGET}
    return place.ask(RecommendRequest, **more).result


@pytest.mark.parametrize(
    ("table", "without", "judged", "effect"),
    [
        ('"Far ""Keys"""', ["brin"], ["brin int4_minmax_multi_ops"], Effect.RETYPED),
        ("loaders", [], ["brin int4_minmax_multi_ops"], Effect.ADDED),
        ("scattered", [], [], None),
    ],
)
def test_f6_brin_goes_by_the_pages_it_would_read(keyed, own_places, table, without, judged, effect):
    def chosen(plan):
        found = [r.definition for r in plan.recommendations]
        return [f"{d.method} {d.keys[0].operator_class or ''}".rstrip() for d in found]

    off = advised(keyed, table, FeatureSettings(pgm_index=replace(SMALL, enabled=False)))
    on = advised(keyed, table, FeatureSettings(pgm_index=SMALL))
    assert chosen(off) == without and not off.findings
    assert chosen(on) == judged
    assert {f.effect for f in on.findings} == ({effect, Effect.REPRICED} if effect else set())
    assert all(f.algorithm == "pgm_index" and 0 < f.pages <= 300 for f in on.findings)


@pytest.mark.parametrize(("last", "size"), [(12050, "8"), (20_000, "32")])
def test_f6_what_is_proposed_by_the_order_stays_where_smaller_ranges_spare_little(keyed, own_places, last, size):
    (found,) = advised(keyed, "serial", FeatureSettings(pgm_index=SMALL), last).recommendations
    assert found.definition.method == "brin" and dict(found.definition.options) == {"pages_per_range": size}


def test_f6_the_keys_of_the_settings_decide(keyed, own_places):
    fewer = FeatureSettings(pgm_index=replace(SMALL, min_rows=ROWS + 1))
    assert not advised(keyed, "loaders", fewer).findings
    most = FeatureSettings(pgm_index=replace(SMALL, min_suitability=0.9999))
    removed = advised(keyed, '"Far ""Keys"""', most)
    assert not removed.recommendations and [f.effect for f in removed.findings] == [Effect.REMOVED]
    assert "low_selectivity" in {r.reason for r in removed.rejections}
    wide = FeatureSettings(pgm_index=replace(SMALL, pages=480))
    (found,) = (f for f in advised(keyed, "loaders", wide).findings if f.effect is Effect.ADDED)
    assert found.pages <= 480


def places(place, table, features):
    wanted = queries(f"SELECT * FROM {table} WHERE city = 'c7' AND zip = 'z29' AND street = 3")
    return place.ask(RecommendRequest, workload=wanted, planner=place.planner, features=features).result


WITHOUT_CORTEX = FeatureSettings(cortex=CortexSettings(enabled=False))
CORTEX = FeatureSettings(cortex=CortexSettings(enabled=True))


def test_f3_a_key_that_another_decides_is_left_out_where_that_spares_much(keyed, own_places):
    def keys(features):
        model = "'model ' || repeat(md5('3'), 2)"
        model = keyed.sql(f"SELECT {model}")[0][0]
        wanted = queries(f"SELECT * FROM devices WHERE device = 7 AND model = '{model}'")
        plan = keyed.ask(RecommendRequest, workload=wanted, planner=keyed.planner, features=features).result
        return [r.definition.columns for r in plan.recommendations], plan

    (off, _), (on, plan) = keys(WITHOUT_CORTEX), keys(CORTEX)
    assert (off, on) == ([("device", "model")], [("device",)])
    assert [f.effect for f in plan.findings if f.algorithm == "cortex"] == [Effect.RETYPED]
    assert "correlated" in {r.reason for r in plan.rejections}


def test_f3_the_planner_gets_statistics_of_columns_that_depend(keyed, own_places):
    on, off = places(keyed, '"Places"', CORTEX), places(keyed, '"Places"', WITHOUT_CORTEX)
    assert [r.ddl for r in on.recommendations] == [r.ddl for r in off.recommendations]  # equal keys share one copy
    ((made,), (found,)) = on.statistics, [f for f in on.findings if f.statistics]
    assert made.columns == ("zip", "city") and found.algorithm == "cortex" and on.analyze == (made.table,)
    assert not off.statistics


def test_f3_columns_that_do_not_depend_are_left_alone(keyed, own_places):
    on, off = places(keyed, "apart", CORTEX), places(keyed, "apart", WITHOUT_CORTEX)
    assert [r.ddl for r in on.recommendations] == [r.ddl for r in off.recommendations]
    assert on.recommendations and not on.findings and not on.statistics


def test_f3_statistics_that_are_there_are_not_made_again(keyed, own_places):
    keyed.sql('CREATE STATISTICS here (dependencies) ON zip, city FROM "Places"')
    keyed.sql('ANALYZE "Places"')
    try:
        assert not places(keyed, '"Places"', CORTEX).statistics
    finally:
        keyed.sql("DROP STATISTICS here")
        keyed.sql('ANALYZE "Places"')


DAY = "BETWEEN '2026-01-03' AND '2026-01-03 12:00'"


def _by_time(place, features, column="at"):
    wanted = queries(f'SELECT count(pad) FROM "Events" WHERE {column} {DAY}')
    more = {"workload": wanted, "planner": place.planner, "features": features, "budget_bytes": 100_000}
    return place.ask(RecommendRequest, **more).result


def test_f11_times_in_the_order_of_the_rows_get_brin(keyed, own_places):
    (chosen,) = _by_time(keyed, FeatureSettings()).recommendations
    assert (chosen.definition.method, chosen.definition.columns) == ("brin", ("at",))
    assert not _by_time(keyed, FeatureSettings(bx_tree=BxTreeSettings(enabled=False))).recommendations
    assert not _by_time(keyed, FeatureSettings(), "late").recommendations


@pytest.mark.parametrize(
    "key", [{"min_table_size": 2**30}, {"min_temporal_queries": 1000.0}, {"min_suitability_score": 0.9999}]
)
def test_f11_the_keys_of_the_settings_decide(keyed, own_places, key):
    assert not _by_time(keyed, FeatureSettings(bx_tree=BxTreeSettings(**key))).recommendations


def test_f11_an_interval_that_holds_a_moment_is_better_written_as_a_range(keyed, own_places):
    def rewrites(features):
        wanted = queries("SELECT pad FROM prices WHERE since <= '2026-01-05' AND until > '2026-01-05'")
        return keyed.ask(RecommendRequest, workload=wanted, planner=TWIN, features=features).result.rewrites

    priced = []

    def ruled(index, *changes):
        for change in changes:
            keyed.sql(change)
        (found,) = rewrites(FeatureSettings())
        assert index in found.index and found.cost_after < 0.9 * found.cost_before
        priced.append(found.cost_after)
        return found.rule

    # One of 500 rows lasts nine days, the others 20 minutes.
    assert ruled("IS NOT TRUE", "ALTER TABLE prices ADD CHECK (until <= since + interval '216 hours') NOT VALID") == (
        "mostly_bounded_interval"
    )
    assert priced[0] < 50, "with the statistics that the form asks for; 234 without"
    assert (
        ruled(
            "(since)",
            "DELETE FROM prices WHERE until > since + interval '1 hour'",
            "ALTER TABLE prices ADD CHECK (until - since <= interval '20 minutes')",
        )
        == "bounded_interval"
    )
    assert (
        ruled(
            "USING gist",
            "ALTER TABLE prices DROP CONSTRAINT prices_check1",
            "UPDATE prices SET until = since + random() * interval '9 days'",
            "ANALYZE prices",
        )
        == "interval"
    )
    assert not rewrites(FeatureSettings(bx_tree=BxTreeSettings(enabled=False)))


class _Older:
    """A session that says it is of version 13, where no scan goes by a range of addresses."""

    version = 130000

    def __init__(self, session):
        self.transaction, self.rows = session.transaction, session.rows


def test_f6_ranges_are_whole_pages_on_every_version(keyed):
    with open_session(keyed.dsn) as session:
        catalog = read_catalog(session)
        asked = (QualifiedName("public", "loaders"), ("k", "pad"), 16, 3)
        found = PageSamples(session, catalog, {}).ranges(*asked)
        assert found == PageSamples(_Older(session), catalog, {}).ranges(*asked)
        where = "SELECT array_agg(k) FROM loaders WHERE (ctid::text::point)[0] BETWEEN %s AND %s"
        for whole in found["k"]:
            for place, unit in enumerate(whole.units):
                first = whole.first + 8 * place
                assert sorted(unit) == sorted(session.value(where, (first, first + 7)))
    assert set(found) == {"k"} and len(found["k"]) == 3


@pytest.fixture
def hosted(keyed, own_places, monkeypatch):
    monkeypatch.setenv("INDEXPILOT_FEATURES_PGM_INDEX_MIN_ROWS", "10000")
    keyed.sql("CREATE INDEX IF NOT EXISTS loaders_k ON loaders (k)")
    keyed.sql("VACUUM ANALYZE loaders")
    host.init_connection_pool(keyed.dsn, 1, 4)
    try:
        yield keyed
    finally:
        host.close_connection_pool()
        keyed.sql("DROP INDEX loaders_k")


def test_f6_a_host_asks_for_the_regularity_of_keys(hosted):
    found = host.analyze_pgm_index_suitability("loaders", "k")
    assert found.suitable and found.read_share < 0.1 and found.correlation < 0.5
    assert found.least_segments <= found.most_segments and found.segment_bytes < found.btree_bytes
    scattered = host.analyze_pgm_index_suitability("public.scattered", "k")
    assert not scattered.suitable and scattered.read_share > 0.9 and scattered.least_segments is None
    assert "no index begins with it" in scattered.reason
    cost = host.estimate_pgm_index_cost("loaders", "k", 0.001)
    assert "minmax_multi" in cost.ddl and cost.pages < cost.heap_pages / 10
    assert host.estimate_pgm_index_cost("loaders", "pad") is None
    with pytest.raises(UsageError):
        host.estimate_pgm_index_cost("loaders", "k", 2.0)


def test_f3_a_host_asks_for_columns_that_follow_from_others(hosted, monkeypatch):
    assert host.enhance_composite_detection('"Places"', ["city", "zip"]).dropped == (), "off unless it is asked for"
    monkeypatch.setenv("INDEXPILOT_FEATURES_CORTEX_ENABLED", "true")
    pairs = {(p.by, p.field) for p in host.find_correlated_columns('"Places"')}
    assert ("zip", "city") in pairs and ("city", "zip") not in pairs
    advice = host.enhance_composite_detection('"Places"', ["city", "zip", "street"])
    assert (advice.fields, advice.dropped) == (("zip", "street"), ("city",))
    assert advice.statistics_ddl.startswith("CREATE STATISTICS")
    apart = host.enhance_composite_detection("apart", ["city", "zip"])
    assert apart.dropped == () and apart.statistics_ddl is None


def test_f11_a_host_asks_for_a_time_field(hosted):
    queries_ = [f'SELECT count(pad) FROM "Events" WHERE at {DAY}']
    strategy = host.should_use_bx_tree_strategy('"Events"', "at", queries_)
    assert strategy.use and strategy.correlation > 0.9 and [p.pattern for p in strategy.patterns] == ["window"]
    found = host.get_bx_tree_index_recommendation('"Events"', "at", queries_)
    assert found.method == "brin" and "brin" in found.ddl and found.condition is None
    assert host.get_bx_tree_index_recommendation('"Events"', "at").method == "brin"
    assert host.get_bx_tree_index_recommendation('"Events"', "late") is None
    held = ["SELECT pad FROM tariffs WHERE since <= '2026-01-05' AND until > '2026-01-05'"]
    (pattern,) = host.detect_temporal_pattern("tariffs", held)
    assert (pattern.pattern, pattern.field, pattern.until) == ("validity", "since", "until")
    stabbed = host.get_bx_tree_index_recommendation("tariffs", "since", held)
    assert stabbed.method == "gist" and "@>" in stabbed.condition
    # Two in a thousand last longer than the rest: the start with two bounds, and these in an index of their own.
    assert [(o.method, "IS NOT TRUE" in o.ddl) for o in stabbed.others] == [("btree", True), ("btree", False)]
    assert stabbed.others[0].condition == stabbed.others[1].condition and "UNION ALL" in stabbed.others[0].condition
    assert "of the rows" in stabbed.others[0].reason
    assert sum(o.size_bytes for o in stabbed.others) < stabbed.size_bytes
