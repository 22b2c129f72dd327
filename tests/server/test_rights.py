"""Roles that may only look, switches that every command obeys, and limits that are settings."""

import json
from dataclasses import replace

import pytest

from indexpilot_cli.admin import history
from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.admin.doctor import DoctorRequest
from indexpilot_cli.admin.history import HistoryRequest
from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.apply import bypass
from indexpilot_cli.apply.values import ApplyRequest, BypassRequest, PlanRequest, RollbackRequest
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Silent
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.evolve.change import execute as evolve_execute
from indexpilot_cli.evolve.requests import ChangeRequest
from indexpilot_cli.log import metadata
from indexpilot_cli.settings.features import ConstraintOptimizerSettings, FeatureSettings
from indexpilot_cli.settings.sections import (
    BypassFeatures,
    BypassModules,
    BypassSettings,
    EmergencyBypass,
    FeatureSwitch,
    StartupBypass,
    SystemBypass,
)
from tests.server.requesting import BY_CUSTOMER, BY_ID, CALM, RECORD, change, checks, queries

OFF = FeatureSwitch(enabled=False, reason="audit")
MODULE = BypassSettings(modules=BypassModules(OFF))
NO_LOG = BypassSettings(features=BypassFeatures(mutation_logging=OFF))


@pytest.fixture
def kept(changing_shop, own_places):
    """The shop, and a plan that is kept in it."""
    plan = changing_shop.ask(RecommendRequest, workload=queries(BY_CUSTOMER, BY_ID), planner=changing_shop.planner)
    yield changing_shop, plan.result
    changing_shop.sql("DROP INDEX IF EXISTS orders_customer_id_ip_idx")


@pytest.fixture
def reader(kept):
    """The shop for a role that may log in, and nothing of ours yet."""
    shop, _ = kept
    name = f"reads_{shop.sql('SELECT current_database()')[0][0]}"
    yield name, shop.role(name)
    shop.sql(f"DROP OWNED BY {name}")
    shop.sql(f"DROP ROLE {name}")


def test_a_role_that_may_only_read_looks_at_everything(kept, reader, monkeypatch, tmp_path):
    (shop, plan), (name, role) = kept, reader
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of the other one"))
    (before,) = checks(role.ask(DoctorRequest), "metadata")
    assert before.state == "warning" and f"TO {name};" in before.fix
    dry = shop.ask(InitRequest, grantees=(name,), dry_run=True)
    assert dry.result.planned == ("grants",) and all(text.endswith(name) for text in dry.result.sql)
    done = shop.ask(InitRequest, grantees=(name,))
    assert (done.status, done.result.created) == ("ok", ("grants",))
    assert shop.ask(InitRequest, grantees=(name,)).status == "skipped"
    (after,) = checks(role.ask(DoctorRequest), "metadata")
    assert after.state == "ok"
    told = history.run(HistoryRequest(role.connection, record=RECORD), Silent())
    assert told.result.total > 0
    assert role.ask(PlanRequest).result.id == plan.id  # the latest, from the database
    looked = change(role, ApplyRequest, plan.id, dry_run=True)
    assert (looked.exit_code, [m.outcome for m in looked.result.mutations]) == (0, ["planned"])
    assert {"privileges"} <= {v.guard for v in looked.result.verdicts if not v.allowed}
    # What an upgrade makes later can be read, too.
    shop.sql("CREATE TABLE indexpilot.later (a int)")
    with open_session(shop.dsn) as session:
        assert metadata.may_read(session, name)
    shop.sql("DROP TABLE indexpilot.later")


def test_who_may_not_build_is_told_and_logged_as_denied(kept, reader):
    (shop, plan), (name, role) = kept, reader
    shop.sql(f"GRANT USAGE ON SCHEMA indexpilot TO {name}")
    for what in ("TABLES", "SEQUENCES"):
        shop.sql(f"GRANT ALL ON ALL {what} IN SCHEMA indexpilot TO {name}")
    refused = change(role, ApplyRequest, plan.id, safeguards=CALM)
    assert (refused.exit_code, refused.result.skipped) == (6, "privileges")
    assert shop.last()[2]["guards"][0]["guard"] == "privileges"
    assert shop.last()[:2] == ("AUTHORIZATION_DENIED", "FAILED")
    with pytest.raises(PrerequisiteError):
        role.ask(RecommendRequest, workload=queries(BY_CUSTOMER), planner=shop.planner)
    assert shop.last()[1] == "FAILED"


def test_a_plan_file_that_was_changed_by_hand_is_a_violation(kept, tmp_path):
    shop, plan = kept
    document = json.loads(json.dumps(to_json(plan)))
    document["recommendations"][0]["definition"]["predicate"] = "true); DROP TABLE orders; --"
    (tmp_path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(UsageError) as refused:
        change(shop, ApplyRequest, str(tmp_path / "plan.json"))
    assert refused.value.code == "tampered_plan"
    whole = {"name": {"schema": "public", "name": "s"}, "table": {"schema": "public", "name": "orders"}}
    document = json.loads(json.dumps(to_json(plan)))
    document["statistics"] = [{**whole, "columns": [], "kinds": [], "expressions": ["pg_sleep(60)"]}]
    (tmp_path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(UsageError) as refused:
        change(shop, ApplyRequest, str(tmp_path / "plan.json"))
    assert refused.value.code == "tampered_plan"
    assert shop.last()[:2] == ("SECURITY_VIOLATION", "FAILED")


def test_a_role_with_an_odd_name_and_one_that_is_not_there(changing_shop):
    with pytest.raises(UsageError, match="there is no role"):
        changing_shop.ask(InitRequest, grantees=("nobody",))
    name = f'odd "{changing_shop.sql("SELECT current_database()")[0][0]}'
    quoted = '"' + name.replace('"', '""') + '"'
    changing_shop.sql(f"CREATE ROLE {quoted}")
    try:
        assert changing_shop.ask(InitRequest, grantees=(name,)).result.created == ("grants",)
    finally:
        changing_shop.sql(f"DROP OWNED BY {quoted}")
        changing_shop.sql(f"DROP ROLE {quoted}")


@pytest.mark.parametrize("kind", [AnalyzeRequest, RecommendRequest, InitRequest])
@pytest.mark.parametrize(
    "settings",
    [
        MODULE,
        BypassSettings(system=SystemBypass(True, "audit")),
        BypassSettings(emergency=EmergencyBypass(True, "audit")),
    ],
    ids=["module", "system", "emergency"],
)
def test_switches_stop_advice_and_setting_up(changing_shop, kind, settings):
    more = {} if kind is InitRequest else {"workload": queries(BY_ID)}
    with pytest.raises(RefusedError) as refused:
        changing_shop.ask(kind, bypass=settings, **more)
    assert (refused.value.code, refused.value.detail, refused.value.exit_code) == ("bypassed", "audit", 6)


def test_i4_init_is_skipped_at_start_and_may_look_all_the_same(changing_shop):
    settings = BypassSettings(startup=StartupBypass(True, "release"))
    with pytest.raises(RefusedError, match="init is switched off"):
        changing_shop.ask(InitRequest, bypass=settings)
    assert changing_shop.ask(InitRequest, bypass=settings, check=True).exit_code == 0
    assert changing_shop.ask(AnalyzeRequest, workload=queries(BY_ID), bypass=settings).exit_code == 0


def test_i3_the_runtime_switch_stops_analyze_and_init(changing_shop):
    def turn(action):
        bypass.run(BypassRequest(action, changing_shop.connection, "incident 7", record=RECORD), Silent())

    turn("disable")
    try:
        for kind, more in ((AnalyzeRequest, {"workload": queries(BY_ID)}), (InitRequest, {})):
            with pytest.raises(RefusedError, match="bypass disable") as refused:
                changing_shop.ask(kind, **more)
            assert refused.value.detail == "incident 7"
    finally:
        turn("enable")
    assert changing_shop.ask(AnalyzeRequest, workload=queries(BY_ID)).exit_code == 0


def test_without_its_log_nothing_is_changed(kept):
    shop, plan = kept
    refused = change(shop, ApplyRequest, plan.id, bypass=NO_LOG, force=True)
    assert (refused.exit_code, refused.status) == (6, "refused")
    (why,) = [v.reason for v in refused.result.verdicts if v.guard == "bypass"]
    assert why == "mutation logging is switched off: audit, and what is not logged could not be taken back"
    assert shop.sql("SELECT to_regclass('orders_customer_id_ip_idx')") == [(None,)]
    request = ChangeRequest(
        "add_column",
        "orders",
        "more",
        connection=shop.connection,
        type="int",
        execute=True,
        confirmed=True,
        bypass=NO_LOG,
    )
    with pytest.raises(RefusedError, match="mutation logging"):
        evolve_execute.run(replace(request, record=RECORD), Silent(), lambda _planned: True)
    assert change(shop, ApplyRequest, plan.id, safeguards=CALM).exit_code == 0
    stopped = change(shop, RollbackRequest, last=True, bypass=NO_LOG)
    assert (stopped.exit_code, stopped.result.skipped) == (6, "bypass")
    assert change(shop, RollbackRequest, last=True).exit_code == 0


def advised(place, **limits):
    features = FeatureSettings(constraint_optimizer=ConstraintOptimizerSettings(**limits))
    asked = queries(BY_CUSTOMER, "SELECT id FROM orders WHERE place = '[1,2)' AND customer_id > 3")
    outcome = place.ask(RecommendRequest, workload=asked, planner=place.planner, features=features)
    return outcome.result


def test_i1_without_expression_checks_the_field_catalog_forbids_nothing(changing_shop, own_places):
    changing_shop.ask(InitRequest, discover=True)
    changing_shop.sql("UPDATE indexpilot.genome_catalog SET is_indexable = false WHERE field_name = 'customer_id'")
    asked = {"workload": queries(BY_CUSTOMER), "planner": changing_shop.planner}
    try:
        assert not changing_shop.ask(RecommendRequest, **asked).result.recommendations
        off = BypassSettings(features=BypassFeatures(expression_checks=OFF))
        assert changing_shop.ask(RecommendRequest, **asked, bypass=off).result.recommendations
    finally:
        changing_shop.sql("DELETE FROM indexpilot.genome_catalog")


def test_limits_that_are_settings_decide(changing_shop, own_places):
    free = advised(changing_shop)
    size = free.size_bytes
    assert len(free.recommendations) == 1 and size > 0
    assert not advised(changing_shop, max_indexes_per_table=0).recommendations
    assert len(advised(changing_shop, max_indexes_per_table=1).recommendations) == 1
    least = free.recommendations[0].reduction * 100
    assert advised(changing_shop, min_improvement_pct=least - 1).recommendations == free.recommendations
    tight = advised(changing_shop, min_improvement_pct=min(100, least + 0.5))
    assert not tight.recommendations and any("min_improvement_pct" in r.detail for r in tight.rejections)
    # Nobody knows how many tenants there are: said, and no limit.
    unknown = advised(changing_shop, max_storage_per_tenant=1)
    assert unknown.recommendations and "tenants_unknown" in {w.code for w in unknown.warnings}
    changing_shop.sql("INSERT INTO indexpilot.expression_profile (tenant_id, table_name, field_name)"
                      " VALUES (1, 't', 'a'), (2, 't', 'a'), (2, 't', 'b')")  # fmt: skip
    try:
        assert not advised(changing_shop, max_storage_per_tenant=size // 8).recommendations
        assert advised(changing_shop, max_storage_per_tenant=size * 2).recommendations
        assert not advised(changing_shop, max_storage_per_tenant=size * 2, max_storage=size // 8).recommendations
        # Off, a greedy search chooses, within the same limits.
        assert advised(changing_shop, max_storage_per_tenant=size * 2, enabled=False).recommendations
        assert not advised(changing_shop, max_storage_per_tenant=size // 8, enabled=False).recommendations
    finally:
        changing_shop.sql("DELETE FROM indexpilot.expression_profile")
    changing_shop.sql("CREATE TABLE tenants (id int); INSERT INTO tenants SELECT generate_series(1, 40)")
    changing_shop.sql("ANALYZE tenants")
    try:
        assert advised(changing_shop, max_storage_per_tenant=size // 8).recommendations
    finally:
        changing_shop.sql("DROP TABLE tenants")
