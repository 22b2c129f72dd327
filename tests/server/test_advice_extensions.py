"""Conditions of extensions: what is advised where PostGIS, btree_gist and btree_gin are installed."""

import pytest

from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.server.requesting import QUIET, TWIN, Place, queries
from tests.servers import SETTINGS, installed, new_database

pytestmark = pytest.mark.server
NEEDED = ("postgis", "btree_gist", "btree_gin")
SETUP = """
CREATE TABLE bookings (id serial PRIMARY KEY, room int, during tstzrange, note text);
INSERT INTO bookings (room, during, note)
SELECT g % 200, tstzrange(t, t + interval '1 hour'), repeat('x', 60)
FROM generate_series(1, 20000) g, LATERAL (SELECT timestamptz '2024-01-01Z' + g * interval '1 min' AS t) x;
CREATE TABLE notes (id serial PRIMARY KEY, tenant int, tags text[], body text);
INSERT INTO notes (tenant, tags, body) SELECT g % 300, ARRAY['t' || g % 50, 'u' || g % 70], repeat('y', 80)
FROM generate_series(1, 20000) g;
CREATE TABLE shops (id serial PRIMARY KEY, place geometry(Point, 4326), name text);
INSERT INTO shops (place, name) SELECT st_setsrid(st_makepoint(g % 100, g / 100), 4326), 'shop ' || g
FROM generate_series(1, 10000) g;
CREATE TABLE stops (id serial PRIMARY KEY, spot geography, name text);
INSERT INTO stops (spot, name) SELECT st_setsrid(st_makepoint(g % 100, g / 200), 4326)::geography, 'stop ' || g
FROM generate_series(1, 10000) g;
"""
HERE = "st_setsrid(st_makepoint(5, 5), 4326)"
CASES = {
    "bookings": (
        "SELECT * FROM bookings WHERE room = 7 AND during && tstzrange('2024-01-05Z', '2024-01-06Z')",
        "bookings USING gist (room, during)",
    ),
    "notes": ("SELECT * FROM notes WHERE tenant = 5 AND tags @> ARRAY['t5']", "notes USING gin (tenant, tags)"),
    "shops": (f"SELECT * FROM shops WHERE st_dwithin(place, {HERE}, 0.5)", "shops USING gist (place)"),
    "stops": (f"SELECT * FROM stops WHERE st_dwithin(spot, {HERE}::geography, 500)", "stops USING gist (spot)"),
}


@pytest.fixture(scope="module")
def place(pg, twin_place):
    with new_database(pg) as dsn, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(twin_place))
        found = Place(dsn, TWIN)
        available = {n for (n,) in found.sql("SELECT name FROM pg_available_extensions")}
        missing = [n for n in NEEDED if n not in available]
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")
        for name in NEEDED:
            found.sql(f"CREATE EXTENSION {name}")
        found.sql(SETUP)
        found.sql("ANALYZE")
        yield found


@pytest.fixture(scope="module")
def advised(place):
    """The advice for the tables whose statements cost about the same, so that none is too little beside the others."""
    found = {}
    for tables in (("bookings", "notes"), ("shops", "stops")):
        asked = queries(*(CASES[table][0] for table in tables))
        plan = place.ask(RecommendRequest, workload=asked, planner=TWIN, record=QUIET).result
        found |= dict.fromkeys(tables, plan)
    return found


@pytest.mark.parametrize("table", CASES)
def test_the_index_of_the_extension_is_offered(advised, table):
    plan = advised[table]
    assert [r.summary for r in plan.recommendations if r.definition.table.name == table] == [CASES[table][1]]


@pytest.mark.parametrize(
    ("table", "column", "kind", "far"), [("shops", "place", "", "2.4"), ("stops", "spot", "::geography", "250000")]
)
def test_a_distance_below_a_bound_is_told_as_what_an_index_serves(place, table, column, kind, far):
    before = f"st_distance({HERE}{kind}, {column}) < {far}"
    text = f"SELECT id FROM {table} WHERE {before}"
    (hint,) = place.ask(RecommendRequest, workload=queries(text), planner=TWIN, record=QUIET).result.rewrites
    assert hint.rule == "nearer_than" and hint.index == f"{table} USING gist ({column})"
    assert hint.cost_after < hint.cost_before / 10
    ids = [sorted(place.sql(f"SELECT id FROM {table} WHERE {form}")) for form in (before, hint.after)]
    assert ids[0] == ids[1] and len(ids[0]) > 3


def test_without_the_extension_the_word_says_which(place):
    place.sql("DROP EXTENSION btree_gist")
    try:
        asked = queries(CASES["bookings"][0])
        plan = place.ask(RecommendRequest, workload=asked, planner=TWIN, record=QUIET).result
    finally:
        place.sql("CREATE EXTENSION btree_gist")
    (told,) = [r for r in plan.rejections if r.reason == "extension_missing"]
    assert told.subject == "bookings (room, during)" and "CREATE EXTENSION btree_gist" in told.detail


@pytest.fixture(scope="module")
def vectors():
    """A database with pgvector, on an installed server that has it."""
    having = [b for b in installed() if any(b.directory.parent.glob("share/**/vector.control"))]
    if not having:
        pytest.skip("not installed: pgvector")
    with LocalServer(having[-1], new_home(), SETTINGS) as server:
        place = Place(server.dsn(), TWIN)
        place.sql("CREATE EXTENSION vector")
        place.sql("CREATE TABLE items (id serial PRIMARY KEY, embedding vector(64))")
        place.sql(
            "INSERT INTO items (embedding) SELECT (SELECT array_agg(random()) FROM generate_series(1, 64) WHERE g > 0)"
            "::vector FROM generate_series(1, 10000) g"
        )
        place.sql("VACUUM ANALYZE items")
        yield place


def test_nearest_vectors_get_an_approximate_index_priced_and_sized_as_when_built(vectors, own_places):
    text = "SELECT id FROM items ORDER BY embedding <=> '[" + ",".join(["0.5"] * 64) + "]' LIMIT 5"
    plan = vectors.ask(RecommendRequest, workload=queries(text), planner=TWIN, record=QUIET).result
    (offered,) = plan.recommendations
    assert offered.summary == "items USING hnsw (embedding vector_cosine_ops)"
    assert "approximate" in {r.code for r in offered.risks}
    (told,) = [r for r in plan.rejections if r.reason == "dominated" and "ivfflat" in r.subject]
    assert "hnsw finds more" in told.detail
    vectors.sql(offered.ddl.replace(" CONCURRENTLY", ""))
    ((built,),) = vectors.sql(f"SELECT pg_relation_size('{offered.name}')")
    assert offered.size_bytes == pytest.approx(built, rel=0.15)
    ((first,), *_) = vectors.sql(f"EXPLAIN {text}")
    assert offered.templates[0].after == pytest.approx(float(first.split("..")[1].split(" ")[0]), rel=0.1)
