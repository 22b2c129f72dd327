"""F9 and F12: what writes and limits decide, on a table that is mostly written."""

from dataclasses import replace

import pytest

from indexpilot_cli import host
from indexpilot_cli.advise.pipeline import make_plan
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.algorithms import registry
from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.plan import Effect
from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.settings.features import FractalTreeSettings
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.workload.fold import fold
from tests.server.requesting import filled

TABLES = """
CREATE TABLE audit (id bigserial PRIMARY KEY, who int, at timestamptz, token text);
INSERT INTO audit (who, at, token)
SELECT i * 7919::bigint % 20000, timestamptz '2024-01-01' + i * interval '1 minute', md5(i::text)
FROM generate_series(1, 60000) i;
ANALYZE
"""
WRITE = ("INSERT INTO audit (who, at, token) VALUES (5, now(), 'x')", 100_000, 0.02)
RARE = ("SELECT id FROM audit WHERE who = 5", 40, 5.0)
TOKEN = ("SELECT id FROM audit WHERE token = 'abc'", 3000, 5.0)
SINCE = ("SELECT count(*) FROM audit WHERE at BETWEEN '2024-02-01' AND '2024-02-03'", 3000, 5.0)


@pytest.fixture(scope="module")
def ledger(pg):
    with filled(pg, *TABLES.split(";\n")) as found:
        yield found


def plan_of(place, *statements, off=(), **changed):
    """The plan for (statement, calls, milliseconds a call), only ``fractal_tree`` on, and off what is named."""
    request = RecommendRequest(place.connection, planner=place.planner, **changed)
    others = [a.name for a in registry.ALGORITHMS if a.name not in ("fractal_tree", "constraint_optimizer")]
    request = replace(request, features=registry.without(request.features, [*others, *off]))
    observed = tuple(ObservedStatement(text, calls, calls * ms) for text, calls, ms in statements)
    with (
        open_source(SourceRequest(place.connection), Silent()) as source,
        open_estimator(source, place.planner, Silent()) as estimator,
    ):
        folded = fold([Workload(SourceKind.LOG, observed)], source.catalog)
        return make_plan(source, folded, estimator, request, Silent())


def chosen(plan):
    return [r.summary for r in plan.recommendations]


def tuned(**settings):
    features = RecommendRequest().features
    return {"features": replace(features, fractal_tree=replace(FractalTreeSettings(), **settings))}


def test_f9_a_table_that_is_mostly_written_loses_an_index_that_is_rarely_read(ledger, own_places):
    on, off = plan_of(ledger, RARE, WRITE), plan_of(ledger, RARE, WRITE, off=["fractal_tree"])
    assert chosen(on) == [] and chosen(off) == ["audit (who)"]
    assert [r.reason for r in on.rejections if r.subject == "audit (who)"] == ["write_cost"]
    assert "what indexes add to writes is not counted" in off.notes
    # Without the writes both say the same.
    assert chosen(plan_of(ledger, RARE)) == chosen(plan_of(ledger, RARE, off=["fractal_tree"])) == ["audit (who)"]


def test_f9_where_writes_are_dear_a_hash_stands_in_for_a_tree(ledger, own_places):
    on, off = plan_of(ledger, TOKEN, WRITE), plan_of(ledger, TOKEN, WRITE, off=["fractal_tree"])
    assert chosen(on) == ["audit USING hash (token)"] and chosen(off) == ["audit (token)"]
    (finding,) = on.findings
    assert (finding.algorithm, finding.kind, finding.effect) == ("fractal_tree", "cheaper_kind", Effect.ADDED)
    assert finding.definition == on.recommendations[0].definition
    assert off.findings == ()


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, True),
        ({"write_heavy_threshold": 0.99}, False),
        ({"min_queries": 100_001}, False),
        ({"min_table_size": 1 << 30}, False),
        ({"min_suitability_score": 0.9}, False),
    ],
)
def test_f9_each_key_decides_whether_cheaper_kinds_are_asked_for(ledger, own_places, settings, asked):
    plan = plan_of(ledger, TOKEN, WRITE, **tuned(**settings))
    assert bool(plan.findings) == asked
    assert chosen(plan) == ["audit USING hash (token)" if asked else "audit (token)"]


def test_f9_brin_is_priced_beside_a_tree_and_each_advice_tells_its_bill(ledger, own_places):
    plan = plan_of(ledger, SINCE, WRITE, **tuned(min_suitability_score=0.01))
    assert [f.object for f in plan.findings] == ["audit USING brin (at) WITH (pages_per_range = 32)"]
    (advice,) = plan.recommendations
    assert advice.writes is not None and advice.writes.insert_us > 0 and advice.writes.insert_wal_bytes > 0
    (text,) = [r.text for r in advice.reasons if r.code == "write_cost"]
    assert "us and" in text and "B of WAL per inserted row" in text


def test_f9_a_host_asks_whether_a_table_is_written_that_much(ledger, own_places):
    host.init_connection_pool(ledger.dsn, 1, 2)
    try:
        told = host.should_use_fractal_tree_strategy("audit")
        advice = host.get_fractal_tree_index_recommendation("audit", "token")
        assert host.get_fractal_tree_index_recommendation("audit", "id") is None  # the primary key begins with it
        with pytest.raises(UsageError):
            host.should_use_fractal_tree_strategy("nowhere")
    finally:
        host.close_connection_pool()
    assert (told.use, told.statements) == (False, 0) or told.write_share > 0
    assert advice.method == "btree" and advice.insert_us == advice.btree_us > 0
    assert "token" in advice.ddl
