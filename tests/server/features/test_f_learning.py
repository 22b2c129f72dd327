"""F4 and F5 on a server: what verification measured changes what is recommended, and is trained on."""

import json
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from indexpilot_cli import host
from indexpilot_cli.admin import model
from indexpilot_cli.advise.recommend import run as recommend
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.command import Connection, Record, Silent, WorkloadRequest
from indexpilot_cli.core.measured import BENEFIT_MODEL, ChangeOutcome
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.snapshots import CounterSnapshotRequest
from indexpilot_cli.lifecycle.snapshots import run as run_snapshot
from indexpilot_cli.settings.features import FeatureSettings, PredictiveIndexingSettings
from tests.servers import new_database

MEASURED = Path(__file__).parents[2] / "unit" / "algorithms" / "outcomes.json"
# Most of the time goes to the other table: an index that the planner finds 9 % cheaper.
MARGINAL = "SELECT count(*) FROM public.orders WHERE status = 7 UNION ALL SELECT sum(length(note)) FROM public.archive"
NAME = "orders (status)"


@pytest.fixture(scope="module")
def place(pg):
    with new_database(pg) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        host.init_connection_pool(dsn, 1, 2)
        assert host.create_metadata_tables()["success"]
        connection.execute(
            "CREATE TABLE public.orders AS SELECT n AS id, n / 200 AS status, repeat('x', 100) AS note"
            " FROM generate_series(1, 20000) n"
        )
        connection.execute("CREATE TABLE public.archive AS SELECT o.note FROM public.orders o, generate_series(1, 10)")
        connection.execute("VACUUM ANALYZE public.orders, public.archive")
        yield dsn, connection
        host.close_connection_pool()


def emptied(connection):
    """Without what was recorded; the log refuses that, so its triggers are off meanwhile."""
    connection.execute("SET session_replication_role = replica")
    connection.execute("TRUNCATE indexpilot.mutation_log, indexpilot.ml_model_metadata")
    connection.execute("RESET session_replication_role")
    return connection


@pytest.fixture
def connection(place):
    return emptied(place[1])


def advice(dsn, **switches):
    features = FeatureSettings()
    changed = {name: type(getattr(features, name))(**fields) for name, fields in switches.items()}
    request = RecommendRequest(
        Connection(dsn),
        workload=WorkloadRequest(SourceKind.SQL, queries=(MARGINAL,)),
        features=type(features)(**changed),
        record=Record("recommend", "1", "test"),
    )
    return recommend(request, Silent()).result


def told(connection, count, improvement):
    for n in range(count):
        details = {"improvement_pct": improvement + n % 3}
        host.log_audit_event("CREATE_INDEX", table_name="orders", field_name="status", details=details)


def test_f4_past_outcomes_flip_a_marginal_decision(place, connection):
    dsn, _ = place
    assert [r.definition.columns for r in advice(dsn).recommendations] == [("status",)]
    told(connection, 20, -1.0)
    plan = advice(dsn)
    assert plan.recommendations == ()
    (held,) = (r for r in plan.rejections if r.reason == "hold")
    assert held.subject == NAME and "20 measured outcomes" in held.detail
    assert [(f.algorithm, f.effect) for f in plan.findings] == [("predictive_indexing", "held")]
    for off in ({"enabled": False}, {"use_historical_data": False}, {"weight": 0.0}):
        assert len(advice(dsn, predictive_indexing=off).recommendations) == 1
    emptied(connection)
    told(connection, 20, 30.0)
    assert len(advice(dsn).recommendations) == 1


def test_f4_the_library_refines_a_decision_and_forecasts_what_an_index_is_worth(place, connection):
    marginal = host.refine_heuristic_decision("orders", "status", True, 0.3)
    assert (marginal.should_create, marginal.changed, marginal.outcomes) == (True, False, 0)
    told(connection, 20, -1.0)
    bad = host.refine_heuristic_decision("orders", "status", True, 0.3)
    assert (bad.should_create, bad.changed, bad.outcomes, bad.good) == (False, True, 20, 0)
    connection.execute(
        "INSERT INTO indexpilot.query_stats (table_name, field_name, query_type, duration_ms, created_at)"
        " SELECT 'orders', 'status', 'equality', 1, date_trunc('day', now(), 'UTC') - (d * 24 - 1) * interval '1 h'"
        " FROM generate_series(1, 21) d, generate_series(1, 50)"
    )
    shrunk = host.predict_index_utility("public.orders", "status", 100.0, 1.0)
    assert (shrunk.observed_days, round(shrunk.queries_per_day)) == (21, 50)
    assert "rolling origins" in shrunk.forecast and "20 measured outcomes" in shrunk.history
    emptied(connection)
    told(connection, 20, 30.0)
    assert host.refine_heuristic_decision("orders", "status", False, 0.3).should_create
    assert host.predict_index_utility("orders", "status", 100.0, 1.0).utility > shrunk.utility
    with pytest.raises(UsageError):
        host.predict_index_utility("orders", "nothing", 1.0, 1.0)


def test_f4_a_forecast_from_daily_counters_weighs_what_is_dying_out(place, connection):
    dsn, _ = place
    if not connection.execute("SELECT 1 FROM pg_settings WHERE name = 'pg_stat_statements.max'").fetchone():
        pytest.skip("pg_stat_statements is not loaded")
    connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    connection.execute("SELECT pg_stat_statements_reset()")
    for _ in range(3):
        connection.execute("SELECT count(*) FROM public.orders WHERE id = 77")
    snapshot = CounterSnapshotRequest(Connection(dsn), record=Record("lifecycle snapshot", "1", "test"))
    for _ in range(2):
        assert run_snapshot(snapshot, Silent()).result.kept
    kept = connection.execute("SELECT count(*) FROM indexpilot.counter_snapshots WHERE kind = 'statements'")
    assert kept.fetchone() == (1,)  # once a day
    # The same counters for each of forty days before: every day 15 % fewer calls.
    connection.execute(
        "INSERT INTO indexpilot.counter_snapshots (kind, taken_at, stats_since, counters)"
        " SELECT s.kind, s.taken_at - d * interval '1 day', s.stats_since, jsonb_set(s.counters, '{calls}',"
        " (SELECT jsonb_agg(c::float * (1 - 0.85 ^ (40 - d))) FROM jsonb_array_elements(s.counters -> 'calls') c))"
        " FROM indexpilot.counter_snapshots s, generate_series(1, 40) d WHERE s.kind = 'statements'"
    )
    request = RecommendRequest(Connection(dsn), record=Record("recommend", "1", "test"))
    without = replace(request, features=FeatureSettings(predictive_indexing=PredictiveIndexingSettings(enabled=False)))
    assert not [f for f in recommend(without, Silent()).result.findings if f.kind == "forecast"]
    plan = recommend(request, Silent()).result
    found = [f for f in plan.findings if f.kind == "forecast"]
    assert found and {f.effect.value for f in found} == {"repriced"}
    assert all("rolling origins" in f.evidence[1].text for f in found)


def as_rows(connection, outcomes):
    """What apply --verify would have written of them."""
    for outcome in outcomes:
        table = outcome.definition.table
        verification = {
            "verdict": "kept",
            "templates": [
                {
                    "template": outcome.template,
                    "effect": "faster",
                    "before": outcome.before,
                    "after": outcome.after,
                    "unit": "ms",
                    "p": None,
                    "calls": list(outcome.calls),
                }
            ],
        }
        effect = {"template": outcome.template, "before": outcome.cost_before, "after": outcome.cost_after}
        details = {
            "structure": to_json(outcome.definition),
            "effects": [effect],
            "table_facts": dict(outcome.facts),
            "verification": verification,
        }
        connection.execute(
            "INSERT INTO indexpilot.mutation_log (mutation_type, schema_name, table_name, state, op_id, details_json)"
            " VALUES ('CREATE_INDEX', %s, %s, 'VERIFIED', gen_random_uuid(), %s)",
            (table.schema, table.name, Jsonb(details)),
        )


def asked(dsn, name=None):
    return model.ModelRequest(Connection(dsn), name, record=Record("model", "1", "test"))


def test_f5_a_model_is_trained_on_measured_outcomes_kept_shown_and_forgotten(place, connection):
    dsn, _ = place
    measured = [from_json(ChangeOutcome, one) for one in json.loads(MEASURED.read_text())]
    as_rows(connection, measured[:20])
    refused = model.run_train(asked(dsn), Silent())
    assert (refused.status, refused.result.models[0].used) == ("skipped", False)
    assert refused.result.models[0].why == "off, because 20 measured changes are known, 60 are needed"
    assert connection.execute("SELECT count(*) FROM indexpilot.ml_model_metadata").fetchone() == (0,)
    as_rows(connection, measured[20:])
    (card,) = model.run_train(asked(dsn), Silent()).result.models
    assert (card.name, card.version, card.samples, card.verdict) == (BENEFIT_MODEL, 1, len(measured), "xgboost")
    shown = model.run_show(asked(dsn, BENEFIT_MODEL), Silent()).result
    assert shown.models == (card,) and shown.outcomes == len(measured)
    kept = connection.execute("SELECT samples, parameters ->> 'kind' FROM indexpilot.ml_model_metadata").fetchall()
    assert kept == [(len(measured), "xgboost")]
    assert model.run_forget(asked(dsn), Silent()).result.forgotten == 1
    assert not model.run_show(asked(dsn), Silent()).result.models[0].used
    types = connection.execute("SELECT mutation_type FROM indexpilot.mutation_log WHERE op_id IS NULL ORDER BY id")
    assert [t for (t,) in types] == ["ANALYZE_WORKLOAD"] * 2 + ["DISCOVER", "SYSTEM_CONFIG_CHANGE", "DISCOVER"]


def test_f5_the_switch_decides_whether_a_model_may_hold_an_index(place, connection):
    dsn, _ = place
    line = {"kind": "log_linear", "intercept": 0.5, "slope": 0.1, "half_width": 0.2, "changes": 600}
    line |= {"low": {"planner_log_ratio": -9.0}, "high": {"planner_log_ratio": 0.0}, "booster": ""}
    connection.execute(
        "INSERT INTO indexpilot.ml_model_metadata (model_name, samples, parameters) VALUES (%s, 600, %s)",
        (BENEFIT_MODEL, Jsonb(line)),
    )
    plan = advice(dsn, xgboost={"enabled": True, "weight": 1.0})
    assert plan.recommendations == () and [f.algorithm for f in plan.findings] == ["xgboost"]
    assert any(r.reason == "hold" and "needs trial" in r.detail for r in plan.rejections)
    assert len(advice(dsn, xgboost={"enabled": True, "weight": 0.0}).recommendations) == 1
    assert len(advice(dsn).recommendations) == 1  # off by default
