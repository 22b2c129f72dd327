"""The switch every process obeys, its log, and approvals."""

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexpilot_cli.advise import planfile, recommend
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.apply import bypass, kept_plan
from indexpilot_cli.apply.values import ApproveRequest, BypassRequest
from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.plan import Bound, Plan, Recommendation, schema_digest
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.log import mutations, plans
from indexpilot_cli.settings.load import load
from indexpilot_cli.settings.sections import BypassSettings, EmergencyBypass, SystemBypass
from tests.server.guarding import bypassed, check, operation, other, recheck, request, said

ANN = Record(actor="ann", version="1", command="bypass")


def ask(dsn, action, reason="", **fields):
    return bypass.run(BypassRequest(action, Connection(dsn), reason, record=ANN, **fields), Silent())


def level(outcome, name):
    return next(found for found in outcome.result.levels if found.name == name)


def test_i5_a_running_process_sees_the_switch_of_another(database, guarded, session):
    """This session is open all the while; the switch is turned by a process of its own."""
    built, asked = operation(guarded), request(database)
    assert bypassed(session, asked).allowed
    turn = (
        "import sys; from indexpilot_cli.core.command import Silent;"
        "from indexpilot_cli.apply.values import BypassRequest;from indexpilot_cli.core.command import Connection;"
        "from indexpilot_cli.apply import bypass;"
        "bypass.run(BypassRequest(sys.argv[2], Connection(sys.argv[1]), 'incident 7'), Silent())"
    )
    subprocess.run([sys.executable, "-c", turn, database, "disable"], check=True)
    (verdict,) = said(recheck(session, built, asked), "bypass")
    assert not verdict.allowed
    assert "incident 7" in verdict.reason and verdict.origin == "runtime switch"
    subprocess.run([sys.executable, "-c", turn, database, "enable"], check=True)
    assert said(recheck(session, built, asked), "bypass")[0].allowed


def test_i6_status_shows_value_source_and_reason_of_every_level(database, guarded):
    settings = BypassSettings(system=SystemBypass(True, "audit"))
    origins = {"bypass.system.enabled": "INDEXPILOT_BYPASS_SYSTEM_ENABLED"}
    outcome = ask(database, "status", bypass=settings, origins=origins)
    assert not outcome.result.running
    found = level(outcome, "system")
    assert (found.running, found.reason) == (False, "audit")
    assert found.source == "bypass.system.enabled (INDEXPILOT_BYPASS_SYSTEM_ENABLED)"
    assert {found.level for found in outcome.result.levels} == {"feature", "module", "system", "startup", "emergency"}


def test_i5_settings_of_the_environment_reach_the_verdict(database, guarded, session, tmp_path):
    environment = {"INDEXPILOT_BYPASS_FEATURES_AUTO_INDEXING_ENABLED": "false"}
    settings = load(environment, tmp_path)
    verdict = bypassed(session, dataclasses.replace(request(database), bypass=settings.bypass))
    assert not verdict.allowed and "auto indexing" in verdict.reason


def test_i6_turning_is_logged_with_its_reason_and_twice_is_no_change(database, guarded, session):
    assert ask(database, "disable", "incident 7").result.changed
    again = ask(database, "disable", "incident 7")
    assert not again.result.changed and again.status == "skipped"
    assert ask(database, "enable", "over").result.changed
    log = [m for m in mutations.recent(session) if m.type in (MutationType.SYSTEM_DISABLE, MutationType.SYSTEM_ENABLE)]
    assert [(m.type, m.details["reason"], m.details["changed"], m.actor) for m in reversed(log)] == [
        (MutationType.SYSTEM_DISABLE, "incident 7", True, "ann"),
        (MutationType.SYSTEM_DISABLE, "incident 7", False, "ann"),
        (MutationType.SYSTEM_ENABLE, "over", True, "ann"),
    ]


def test_turning_is_logged_where_logging_is_off(database, guarded, session):
    asked = BypassRequest("disable", Connection(database), "incident", record=Record(enabled=False))
    bypass.run(asked, Silent())
    bypass.run(dataclasses.replace(asked, action="status"), Silent())
    assert [m.type for m in mutations.recent(session)] == [MutationType.SYSTEM_DISABLE]


def test_i5_enabling_does_not_override_a_file_and_says_so(database, guarded):
    ask(database, "disable", "incident")
    outcome = ask(database, "enable", bypass=BypassSettings(system=SystemBypass(True, "file")))
    assert not outcome.result.running
    assert "still off by bypass.system.enabled" in outcome.result.notes[0]
    assert outcome.next == ()


def test_i3_advice_stops_at_the_runtime_switch_as_at_the_file_s(database, guarded):
    ask(database, "disable", "incident 7")
    with pytest.raises(RefusedError, match="switched off") as caught:
        recommend.run(RecommendRequest(Connection(database)), Silent())
    assert (caught.value.code, caught.value.detail) == ("bypassed", "incident 7")
    ask(database, "enable", "over")
    with pytest.raises(IndexPilotError) as other_reason:  # nothing was recorded here
        recommend.run(RecommendRequest(Connection(database)), Silent())
    assert other_reason.value.code != "bypassed"


def test_off_for_a_while_comes_back_by_the_server_s_clock(database, guarded, session):
    clock = "SELECT clock_timestamp() + interval '1 hour'"
    (earliest,) = guarded.execute(clock).fetchone()
    until = level(ask(database, "disable", "deploy", for_seconds=3600), "system").until
    assert earliest < until < guarded.execute(clock).fetchone()[0]
    asked = request(database)
    assert not bypassed(session, asked, until - timedelta(seconds=1)).allowed
    assert bypassed(session, asked, until).allowed
    guarded.execute("UPDATE indexpilot.runtime_switch SET until = clock_timestamp()")
    assert bypassed(session, asked).allowed
    assert ask(database, "status").result.running


def test_times_are_utc_in_a_server_of_another_zone(database, guarded, session):
    guarded.execute(f"ALTER DATABASE \"{guarded.info.dbname}\" SET timezone = 'Asia/Tokyo'")
    found = level(ask(database, "disable", "deploy", for_seconds=60), "system")
    assert found.until.utcoffset() == timedelta(0)


def test_an_unreadable_switch_fails_closed(database, guarded, session):
    guarded.execute("ALTER TABLE indexpilot.runtime_switch RENAME TO gone")
    verdict = bypassed(session, request(database))
    assert not verdict.allowed and "cannot be read" in verdict.reason
    assert not ask(database, "status").result.running


def test_i4_a_configured_emergency_ends_by_itself_and_begins_anew(database, guarded, session):
    on = BypassSettings(emergency=EmergencyBypass(True, "fire", 600))
    asked = dataclasses.replace(request(database), bypass=on)
    built = operation(guarded)
    (verdict,) = said(check(session, [built], asked), "bypass")
    assert not verdict.allowed
    assert verdict.retry_at is not None
    guarded.execute("UPDATE indexpilot.runtime_switch SET since = since - interval '10 minutes'")
    assert said(check(session, [built], asked), "bypass")[0].allowed
    assert said(check(session, [built], request(database)), "bypass")[0].allowed
    assert guarded.execute("SELECT count(*) FROM indexpilot.runtime_switch").fetchone() == (0,)
    assert not said(check(session, [built], asked), "bypass")[0].allowed


def test_before_init_there_is_no_switch(database, connection):
    assert ask(database, "status").result.running
    with pytest.raises(PrerequisiteError) as raised:
        ask(database, "disable", "incident")
    assert raised.value.code == "not_initialised"


@pytest.mark.parametrize(
    ("action", "fields"),
    [("stop", {}), ("disable", {}), ("disable", {"reason": "x", "for_seconds": 0.0})],
)
def test_wrong_requests(database, action, fields):
    with pytest.raises(UsageError):
        ask(database, action, **fields)


def test_a_role_without_rights_cannot_turn_it(database, guarded, pg):
    guarded.execute("DO $$ BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    with other(database) as admin:
        admin.execute("GRANT USAGE ON SCHEMA indexpilot TO stranger")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA indexpilot TO stranger")
    with pytest.raises(IndexPilotError) as raised:
        ask(database + " user=stranger", "disable", "me")
    assert raised.value.code == "privilege_missing"


# -- approval


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Path(tmp_path)


def made_plan(session, number=1):
    catalog = read_catalog(session)
    digest = schema_digest(catalog, {t.name for t in catalog.tables})
    return Plan(
        f"P-{number:04x}", datetime(2026, 11, 20, tzinfo=UTC), None, "twin/15", 1, 1, 1, 2.0, 1.0, "ms", (), (),
        Bound(1.0, None, None), schema_digest=digest,
    )  # fmt: skip


def approve_plan(dsn, plan_id, actor="ann", reason="looked at it"):
    return kept_plan.approve_plan(ApproveRequest(plan_id, Connection(dsn), reason, Record(actor=actor)), Silent())


def approval_verdict(session, guarded, dsn, plan):
    asked = request(dsn, require_approval=True)
    return said(check(session, [operation(guarded)], asked, plan=plan), "approval")[0]


def test_pending_approved_applied(database, guarded, session, home):
    plan = made_plan(session)
    plans.store(session, plan)
    refused = approval_verdict(session, guarded, database, plan)
    assert not refused.allowed and "indexpilot plan approve P-0001" in refused.reason
    outcome = approve_plan(database, "P-0001")
    assert outcome.result.approved_by == "ann" and not outcome.result.already
    assert outcome.next == ()  # there is nothing in it
    allowed = approval_verdict(session, guarded, database, plan)
    assert allowed.allowed and "approved by ann" in allowed.reason
    again = approve_plan(database, "P-0001")
    assert again.result.already and again.status == "skipped"
    assert not approve_plan(database, "P-0001", "bob").result.already
    changed = dataclasses.replace(plan, schema_digest="other")
    assert "has changed since" in approval_verdict(session, guarded, database, changed).reason
    log = [m for m in mutations.recent(session) if m.details.get("action") == "approve_plan"]
    assert [m.details["approved_by"] for m in log] == ["bob", "ann", "ann"]


def test_a_plan_in_this_user_s_files_can_be_approved(database, guarded, session, home):
    planfile.keep(made_plan(session, 7))
    assert approve_plan(database, "P-0007").result.plan == "P-0007"


def test_an_unknown_plan_is_a_usage_error(database, guarded, session, home):
    plans.store(session, made_plan(session))
    with pytest.raises(UsageError) as raised:
        approve_plan(database, "P-0002")
    assert "P-0001" in (raised.value.hint or "")


def test_a_plan_of_yesterday_s_schema_is_not_fresh(database, guarded, session):
    catalog = read_catalog(session)
    built = operation(guarded)
    advice = Recommendation(
        "R-1", built.definition, built.name, "", "", "orders (b)", "equality", 8192, "model", 0.5, 0.9, 0.0
    )
    plan = dataclasses.replace(
        made_plan(session), recommendations=(advice,), schema_digest=schema_digest(catalog, {built.table})
    )
    fresh = check(session, [built], request(database), plan=plan, catalog=catalog)
    assert said(fresh, "plan_fresh")[0].allowed
    guarded.execute("ALTER TABLE public.orders ALTER b TYPE bigint")
    stale = check(session, [built], request(database), plan=plan, catalog=read_catalog(session))
    assert not said(stale, "plan_fresh")[0].allowed
