"""Index expressions keep their statistics, also where the index stores something else than their values."""

import pytest

from indexpilot_cli.advise.explain.query import read_create_index
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.planner.twin.planner import open_twin
from tests.server.twinning import snapshot_of

# Index, and a condition that its statistics decide. Storage: hashes of words, keys of documents, signatures, boxes.
INDEXES = [
    ("gin (lower(title) gin_trgm_ops)", "lower(title) LIKE '%word77%'"),
    ("gist (upper(title) gist_trgm_ops)", "upper(title) LIKE 'TITLE WORD7%'"),
    ("gin (to_tsvector('simple', title))", "to_tsvector('simple', title) @@ 'word77'::tsquery"),
    ("gist (to_tsvector('english', title))", "to_tsvector('english', title) @@ 'titl'::tsquery"),
    ("gin ((body -> 'a') jsonb_path_ops)", "(body -> 'a') @> '{\"n\": 7}'"),
    ("gin ((body -> 'b'))", "(body -> 'b') = '{\"n\": 7}'"),
    ("gin (string_to_array(title, ' '))", "string_to_array(title, ' ') @> '{title}'"),
    (
        "gist (box(point(n % 100, 9), point(0, 0)))",
        "box(point(n % 100, 9), point(0, 0)) && box '((1,1),(2,2))'",
    ),
    ("gist (circle(point(n % 100, 1), 2))", "circle(point(n % 100, 1), 2) && circle '<(1,1),2>'"),
    ("gist (int4range(n % 100, n % 100 + 5))", "int4range(n % 100, n % 100 + 5) && int4range(3, 4)"),
    ("gist (int4multirange(int4range(n, n + 9)))", "int4multirange(int4range(n, n + 9)) && '{[3,9)}'::int4multirange"),
    ("gist (('10.0.0.0'::inet + n) inet_ops)", "('10.0.0.0'::inet + n) <<= '10.0.1.0/24'::inet"),
    ("spgist (('10.0.0.0'::inet + n * 2))", "('10.0.0.0'::inet + n * 2) <<= '10.0.1.0/24'::inet"),
    ("spgist ((title || '!'))", "(title || '!') < 'title word2'"),
    ("brin ((n * 3))", "n * 3 < 3000"),
    ("brin ((n % 50) int4_bloom_ops)", "n % 50 = 7"),
    ("btree (left(title, 7))", "left(title, 7) = 'title w'"),
    ("btree ((title::name))", "title::name < 'title word2'"),
    ("hash ((n / 10))", "n / 10 = 7"),
]


@pytest.fixture
def documents(database, connection):
    connection.execute("CREATE EXTENSION pg_trgm")
    connection.execute("CREATE TABLE docs (n int PRIMARY KEY, title text, body jsonb)")
    connection.execute(
        "INSERT INTO docs SELECT n, 'title word' || n % 500,"
        " jsonb_build_object('a', jsonb_build_object('n', n % 9), 'b', jsonb_build_object('n', n % 90))"
        " FROM generate_series(1, 20000) n"
    )
    for text, _ in INDEXES:
        connection.execute(f"CREATE INDEX ON docs USING {text}")
    connection.execute("VACUUM ANALYZE docs")
    return database


def test_the_statistics_of_every_kind_of_expression_index(documents, connection, twin_cache):
    texts = [f"SELECT * FROM docs WHERE {condition}" for _, condition in INDEXES]
    with open_twin(snapshot_of(documents), cache_dir=twin_cache, workers=1) as twin:
        assert twin.not_modelled == ()
        answers = twin.plan([WhatIf(Plannable(text)) for text in texts])
    rows = []
    for text in texts:
        (plan,) = connection.execute(f"EXPLAIN (FORMAT JSON) {text}").fetchone()[0]
        # Without pageinspect the pages of a GIN index are a guess.
        rows.append((text, plan["Plan"]["Plan Rows"], pytest.approx(plan["Plan"]["Total Cost"], rel=0.05)))
    assert [(t, a.rows, a.total_cost) for t, a in zip(texts, answers, strict=True)] == rows


# Expressions nobody analyzed: what the twin makes of the values known of their column.
UNKNOWN = [
    ("btree (lower(title) text_pattern_ops)", "lower(title) LIKE 'title word7%'"),
    ("btree (lower(title))", "lower(title) >= 'title word10' AND lower(title) < 'title word12'"),
    ("btree (lower(title))", "lower(title) >= 'a' AND lower(title) < 'z'"),
    ("btree ((body #>> '{b,n}'))", "body #>> '{b,n}' = '7'"),
    ("gin ((body -> 'a') jsonb_path_ops)", "(body -> 'a') @> '{\"n\": 7}'"),
    ("btree ((n % 50))", "n % 50 = 7"),
    ("btree ((n::text))", "n::text = '77'"),
]


def test_what_the_values_of_a_column_tell_of_an_expression(documents, connection, twin_cache):
    connection.execute("CREATE TABLE bare AS SELECT * FROM docs")
    connection.execute("VACUUM ANALYZE bare")
    texts = [f"SELECT n FROM bare WHERE {condition}" for _, condition in UNKNOWN]
    snapshot = snapshot_of(documents)
    definitions = [read_create_index(f"CREATE INDEX ON bare USING {text}", snapshot.catalog) for text, _ in UNKNOWN]
    with open_twin(snapshot, cache_dir=twin_cache, workers=1) as twin:
        asked = [WhatIf(Plannable(t), frozenset({d})) for t, d in zip(texts, definitions, strict=True)]
        expected = [answer.total_cost for answer in twin.plan(asked)]
    found = []
    for (index, _), text in zip(UNKNOWN, texts, strict=True):
        connection.execute(f"CREATE INDEX built ON bare USING {index}")
        connection.execute("ANALYZE bare")
        ((plan,),) = connection.execute(f"EXPLAIN (FORMAT JSON) {text}").fetchone()
        found.append(pytest.approx(plan["Plan"]["Total Cost"], rel=0.3))
        connection.execute("DROP INDEX built")
    assert expected == found
