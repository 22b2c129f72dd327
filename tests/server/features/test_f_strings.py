"""F7, F8 and F10: keys, strings and nearest rows, each decision with its switch and its keys."""

from dataclasses import replace

import pytest

from indexpilot_cli import host
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.plan import Effect
from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.features import FeatureSettings
from tests.server.features.test_d import hosted
from tests.server.requesting import QUIET, TWIN, filled, queries

pytestmark = pytest.mark.server
TABLES = """
CREATE TABLE urls (id int, url text, code text, title text, body text);
ALTER TABLE urls ALTER body SET STORAGE EXTERNAL;
INSERT INTO urls SELECT i, 'https://www.example.com/catalogue/section-' || i % 50 || '/' || md5(i::text),
    substr(md5((i % 900)::text), 1, 6), 'A title of some length ' || md5((i % 15000)::text),
    CASE WHEN i % 4000 = 0 THEN repeat(md5(i::text), 100) ELSE md5(i::text) || repeat('-', 80) END
    FROM generate_series(1, 20000) i;
CREATE TABLE events (seq int, token uuid, score float8, filler text);
INSERT INTO events SELECT i, gen_random_uuid(), random() + random() + random(), repeat('x', 60)
    FROM generate_series(1, 40000) i;
CREATE TABLE places (id int, x float8, y float8, z float8, spot point, filler text);
INSERT INTO places SELECT i, x, y, z, point(x, y), repeat('x', 100) FROM (SELECT i, random() * 1000 AS x,
    random() * 1000 AS y, random() * 1000 AS z FROM generate_series(1, 30000) i OFFSET 0) rows;
SELECT pg_stat_reset();
INSERT INTO events SELECT i, gen_random_uuid(), 0.4 + random() + random() + random(), repeat('x', 60)
    FROM generate_series(40001, 52000) i;
ANALYZE
"""
BY_URL = "SELECT id FROM urls WHERE url = 'https://www.example.com/catalogue/section-7/nothing'"
BY_CODE = "SELECT id FROM urls WHERE code = 'a3f390'"
BY_TITLE = "SELECT id FROM urls WHERE title = 'A title of some length and no more'"
BY_BODY = "SELECT id FROM urls WHERE body = 'nothing'"
BY_TOKEN = "SELECT seq FROM events WHERE token = '6f1ed002-ab15-4b5c-bd5a-e3a1c5a9f1c5'"
ADDED = "INSERT INTO events (seq, token) VALUES (1, '6f1ed002-ab15-4b5c-bd5a-e3a1c5a9f1c5')"
BY_SEQ = "SELECT token FROM events WHERE seq = 4711"
BY_SCORE = "SELECT seq, token FROM events WHERE score = 1.5"
BOX = "SELECT id, filler FROM places WHERE x BETWEEN 100 AND 180 AND y BETWEEN 200 AND 290 AND z BETWEEN 0 AND 300"
NEAREST = "SELECT id, filler FROM places ORDER BY spot <-> point(500, 500) LIMIT 5"


@pytest.fixture(scope="module")
def tables(pg):
    with filled(pg, *TABLES.split(";\n")) as found:
        yield found


@pytest.fixture
def advised(own_places, tables):
    """What is recommended for the statements, with other settings of one algorithm, and what that said."""

    def advise(name, *statements, planner=tables.planner, **keys):
        features = FeatureSettings()
        features = replace(features, **{name: replace(getattr(features, name), **keys)})
        asked = {"workload": queries(*statements), "planner": planner, "features": features, "record": QUIET}
        plan = tables.ask(RecommendRequest, **asked).result
        found = {f.effect for f in plan.findings if f.algorithm == name}
        return {summary(r.definition) for r in plan.recommendations}, found

    return advise


RSS = "radix_string_spline"


def test_f8_a_long_string_gets_a_hash_index_and_a_short_one_does_not(advised):
    found, effects = advised(RSS, BY_URL, BY_CODE)
    assert "urls USING hash (url)" in found and Effect.ADDED in effects
    assert not any("hash (code)" in index for index in found)
    without, effects = advised(RSS, BY_URL, BY_CODE, enabled=False)
    assert "urls (url) INCLUDE (id)" in without or "urls (url)" in without
    assert not effects


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"min_table_size": 20_001},
        {"min_cardinality_ratio": 0.95},
        {"min_avg_string_length": 200},
        {"min_suitability_score": 0.95},
    ],
)
def test_f8_each_key_keeps_the_btree(advised, key):
    found, effects = advised(RSS, BY_TITLE, **key)
    assert found and any("hash" in index for index in found) == (Effect.ADDED in effects) == (not key)


def test_f8_keys_can_also_ask_for_less(advised):
    found, effects = advised(RSS, BY_TITLE, BY_CODE, min_avg_string_length=4, min_cardinality_ratio=0.01)
    assert "urls USING hash (title)" in found and effects == {Effect.ADDED}


def test_f8_strings_that_no_btree_holds_are_hashed_though_few(advised):
    found, effects = advised(RSS, BY_BODY)
    assert found == {"urls USING hash (body)"}
    assert Effect.REMOVED in effects


def test_f7_room_is_kept_where_keys_come_in_spread(advised):
    found, effects = advised("alex", BY_TOKEN, BY_SEQ)
    assert any("(token)" in index and "WITH (fillfactor = 60)" in index for index in found), found
    assert not any("(seq" in index and "fillfactor" in index for index in found)
    assert Effect.RETYPED in effects
    without, effects = advised("alex", BY_TOKEN, BY_SEQ, enabled=False)
    assert not any("fillfactor" in index for index in without)
    assert len(without) == len(found) and not effects


def test_f7_the_share_of_writes_decides(advised):
    for threshold, roomy in ((0.4, True), (0.6, False)):
        found, _ = advised("alex", BY_TOKEN, ADDED, write_heavy_threshold=threshold)
        assert found and any("fillfactor" in index for index in found) == roomy


def test_f7_keys_that_drift_get_no_room_unless_the_threshold_says_so(advised):
    found, effects = advised("alex", BY_SCORE)
    assert not any("fillfactor" in index for index in found)
    assert effects == {Effect.REPORT_ONLY}
    found, _ = advised("alex", BY_SCORE, dynamic_workload_threshold=0.9)
    assert any("fillfactor" in index for index in found)


def test_f10_a_box_of_three_ranges_gets_one_index(advised):
    found, effects = advised("idistance", BOX)
    assert "places (x, y, z)" in found and Effect.ADDED in effects
    for key in ({"enabled": False}, {"min_table_rows": 30_001}, {"min_suitability": 0.999}):
        without, effects = advised("idistance", BOX, **key)
        assert without and "places (x, y, z)" not in without and not effects


def test_f10_the_nearest_points_are_read_in_order(advised):
    found, effects = advised("idistance", NEAREST, planner=TWIN)
    assert found == {"places USING gist (spot)"} and effects == {Effect.ADDED}
    assert not advised("idistance", NEAREST, planner=TWIN, enabled=False)[0]


def test_f7_f8_and_f10_are_told_to_a_host(own_places, tables):
    with hosted(tables.dsn):
        url, code = (host.should_use_rss_strategy("urls", name) for name in ("url", "code"))
        assert url.use and url.shared_prefix > 30 and url.saved_share > 0.3 and not code.use
        index = host.get_rss_index_recommendation("public.urls", "url")
        assert index.method == "hash" and "USING hash (url)" in index.ddl and index.size_bytes < index.btree_bytes
        assert index.forms and "= $1" in index.forms[0].condition
        token, seq = (host.should_use_alex_strategy("events", name) for name in ("token", "seq"))
        assert (token.use, token.fillfactor, token.landing) == (True, 60, "spread")
        assert (seq.use, seq.fillfactor, seq.landing) == (False, 90, "append")
        assert "fillfactor = 60" in host.get_alex_index_recommendation("events", "token").ddl
        (pattern,) = host.detect_multi_dimensional_pattern("places", [NEAREST])
        assert (pattern.pattern, pattern.fields) == ("nearest", ("spot",))
        assert host.analyze_idistance_suitability("places", [BOX]).suitable
        assert [i.method for i in host.get_idistance_index_recommendation("places", [NEAREST, BOX])] == [
            "gist",
            "btree",
        ]
        with pytest.raises(UsageError):
            host.should_use_rss_strategy("urls", "no such field")
