"""What apply builds: a plan, a file, an id, the latest; and when it builds nothing."""

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from indexpilot_cli.advise.planfile import read_plan
from indexpilot_cli.core.codec import to_document, to_json
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.index import IndexKey
from indexpilot_cli.errors import PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.render.envelope import as_json, as_yaml, envelope
from indexpilot_cli.render.views.plan import PlanDocument
from indexpilot_cli.settings.sections import MaintenanceWindowSettings, RateLimiterSettings, SafeguardSettings
from tests.server import applying
from tests.server.applying import CALM, definition, keep_plan, look, outcomes, run_apply
from tests.server.test_postgres_pooler import pooled  # noqa: F401 - a fixture

ODD = (
    definition("customer_id", IndexKey("created_at", descending=True, nulls_first=False), include=("note",)),
    definition(IndexKey(expression="lower(note)", collation="C"), predicate="status <> 'done'::text"),
    definition("note", options=(("fillfactor", "80"),)),
)


pytestmark = pytest.mark.rows(2_000)


@pytest.mark.parametrize("form", [as_json, as_yaml])
def test_a_plan_written_to_a_file_is_read_back_exactly_and_built(shop, tmp_path, form):
    plan = keep_plan(shop, *ODD)
    path = tmp_path / "plan.out"
    path.write_text(form(envelope(Outcome("recommend", plan), to_document(plan, PlanDocument), 0, datetime.now(UTC))))
    again = read_plan(path)
    assert again.recommendations == plan.recommendations
    assert (again.id, again.schema_digest) == (plan.id, plan.schema_digest)
    assert again.created_at == plan.created_at.replace(microsecond=0)
    done = run_apply(shop, str(path))
    assert outcomes(done) == ["done"] * 3, done
    assert outcomes(run_apply(shop, plan.id)) == ["already_done"] * 3


def test_a_kept_plan_file_reads_as_well(shop, tmp_path):
    plan = keep_plan(shop, *ODD)
    (tmp_path / "plan.json").write_text(json.dumps(to_json(plan)))
    assert read_plan(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("text", ["", "{}", "[1]", "not: [yaml", '{"schema": "indexpilot.history/1", "result": {}}'])
def test_what_is_no_plan_is_refused(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UsageError, match="is not a plan"):
        read_plan(tmp_path / "plan.json")


def test_a_file_that_was_changed_is_refused(shop, tmp_path):
    plan = keep_plan(shop, definition("customer_id"))
    document = envelope(Outcome("recommend", plan), to_document(plan, PlanDocument), 0, datetime.now(UTC))
    document["result"]["recommendations"][0]["definition"]["keys"][0]["column"] = "note"
    (tmp_path / "plan.json").write_text(as_json(document))
    with pytest.raises(UsageError, match="was changed by hand"):
        run_apply(shop, str(tmp_path / "plan.json"))


def test_one_recommendation_and_the_latest_plan(shop):
    keep_plan(shop, definition("note"))
    plan = keep_plan(shop, definition("customer_id"), definition("status"))
    one = plan.recommendations[1]
    assert outcomes(run_apply(shop, one.id)) == ["done"]
    assert list(look(shop).indexes) == [one.name]
    assert sorted(outcomes(run_apply(shop))) == ["already_done", "done"]
    assert len(look(shop).indexes) == 2


def test_unknown_ids_and_no_plan_at_all(shop, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="no plan"):
        run_apply(shop)
    idle = run_apply(shop, cron=True)
    assert (idle.status, idle.exit_code, idle.result.skipped) == ("skipped", 0, "no_plan")
    keep_plan(shop, definition("note"))
    for target in ("P-ffffff", "R-ffffffff", "nowhere/plan.json"):
        with pytest.raises(UsageError):
            run_apply(shop, target)


def test_before_init_there_is_a_hint(database):
    with pytest.raises(PrerequisiteError) as raised:
        run_apply(database)
    assert raised.value.hint == "indexpilot init"


def test_force_leaves_its_trace_in_the_log(shop):
    hour = datetime.now(UTC).hour + 3
    window = f"{hour % 24:02d}:00-{(hour + 1) % 24:02d}:00 UTC"
    plan = keep_plan(shop, definition("customer_id"))
    assert run_apply(shop, plan.id, window=window).exit_code == 6
    assert outcomes(run_apply(shop, plan.id, window=window, force=True)) == ["done"]
    assert outcomes(run_apply(shop, keep_plan(shop, definition("note")).id, force=True)) == ["done"]
    told = {row.index_name: row.details_json.get("forced") for row in look(shop).log}
    assert told["orders_note_ip_idx"] is None
    (why,) = told["orders_customer_id_ip_idx"]
    assert why.startswith("window: the window ") and "is closed" in why


def test_a_dry_run_changes_nothing(shop):
    plan = keep_plan(shop, definition("customer_id"))
    done = run_apply(shop, plan.id, dry_run=True, confirmed=False)
    assert (done.exit_code, outcomes(done), done.result.dry_run) == (0, ["planned"], True)
    assert done.result.mutations[0].sql == plan.recommendations[0].ddl
    assert (look(shop).indexes, look(shop).log) == ({}, [])


def test_max_builds_only_so_many(shop):
    plan = keep_plan(shop, *ODD)
    assert len(run_apply(shop, plan.id, max_builds=1).result.mutations) == 1
    assert len(look(shop).indexes) == 1
    run_apply(shop, plan.id, max_builds=1)
    assert len(look(shop).indexes) == 2


def test_one_failure_leaves_the_others_standing_or_stops(shop):
    plan = keep_plan(shop, definition("status", unique=True), definition("customer_id"))
    stopped = run_apply(shop, plan.id, stop_on_error=True)
    assert (stopped.exit_code, outcomes(stopped)) == (7, ["failed"])
    done = run_apply(shop, plan.id)
    assert (done.exit_code, done.status, outcomes(done)) == (7, "partial", ["failed", "done"])
    assert done.next == (f"indexpilot apply {plan.recommendations[0].id}",)


def test_outside_the_window_cron_skips_and_others_are_refused(shop):
    plan = keep_plan(shop, definition("customer_id"))
    hour = (datetime.now(UTC) + timedelta(hours=3)).hour
    window = MaintenanceWindowSettings(enabled=True, start_hour=hour, end_hour=(hour + 1) % 24)
    closed = SafeguardSettings(window, rate_limiter=CALM.rate_limiter, cpu_throttle=CALM.cpu_throttle)
    skipped = run_apply(shop, plan.id, cron=True, safeguards=closed)
    assert (skipped.status, skipped.exit_code, skipped.result.skipped) == ("skipped", 0, "window")
    assert skipped.result.next_opening is not None
    refused = run_apply(shop, plan.id, safeguards=closed)
    assert (refused.status, refused.exit_code) == ("refused", 6)
    assert look(shop).indexes == {}
    with psycopg.connect(shop) as connection:
        ((waited, _), (outcome, error)) = connection.execute(
            "SELECT details_json ->> 'outcome', error FROM indexpilot.mutation_log ORDER BY id"
        ).fetchall()
        idle = connection.execute("SELECT outcome, runs FROM indexpilot.idle_runs").fetchall()
    assert (waited, outcome) == ("window", "refused") and ("window" in error or "opens" in error)
    assert idle == [("window", 1)]


def test_the_rate_limit_stops_the_rest_of_the_plan_and_is_logged(shop):
    plan = keep_plan(shop, *ODD)
    limited = SafeguardSettings(
        rate_limiter=RateLimiterSettings(max_indexes_per_hour=1), cpu_throttle=CALM.cpu_throttle
    )
    done = run_apply(shop, plan.id, safeguards=limited)
    assert done.exit_code in (6, 7)
    assert outcomes(done).count("done") <= 1
    with psycopg.connect(shop) as connection:
        types = connection.execute("SELECT DISTINCT mutation_type FROM indexpilot.mutation_log").fetchall()
    assert ("RATE_LIMIT_EXCEEDED",) in types


def test_a_table_that_is_gone(shop):
    plan = keep_plan(shop, definition("customer_id"))
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute("DROP TABLE orders")
    with pytest.raises(RefusedError):
        run_apply(shop, plan.id)


def test_f15_through_a_pooler_nothing_is_built(database, pooled):  # noqa: F811 - the fixture
    applying.fill(database, 2_000)
    plan = keep_plan(database, definition("customer_id"))
    done = run_apply(pooled, plan.id)
    assert done.exit_code == 6
    assert "direct_connection" in {v.guard for v in done.result.verdicts if not v.allowed}
    assert look(database).indexes == {}


def test_names_that_need_quotes(shop):
    with psycopg.connect(shop, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "My Shop"')
        connection.execute('CREATE TABLE "My Shop"."Or""ders" ("Kunde %s" int, "select" text)')
    table = applying.QualifiedName("My Shop", 'Or"ders')
    plan = keep_plan(shop, definition("Kunde %s", "select", table=table))
    assert outcomes(run_apply(shop, plan.id)) == ["done"]
    assert outcomes(applying.run_rollback(shop, plan.id)) == ["done"]
    assert look(shop).indexes == {}
