"""``doctor`` asked by a request: the checks with their fixes, the probes, and what earlier runs left open."""

from dataclasses import replace

import pytest

from indexpilot_cli.admin.doctor import DoctorRequest
from indexpilot_cli.advise.values import ExplainRequest, RecommendRequest
from indexpilot_cli.apply import bypass
from indexpilot_cli.apply.bypass import BypassRequest
from indexpilot_cli.apply.values import ApplyRequest, RollbackRequest
from indexpilot_cli.core.command import Silent
from indexpilot_cli.errors import PrerequisiteError, RefusedError, UnreachableError
from indexpilot_cli.settings.sections import BypassFeatures, BypassSettings, FeatureSwitch, SystemBypass
from tests.server.requesting import BY_CUSTOMER, BY_ID, CALM, NOWHERE, QUIET, RECORD, TWIN, ask, change, checks, queries

pytestmark = pytest.mark.usefixtures("own_places")


def states(outcome):
    return {c.code: c.state for c in outcome.result.checks}


def test_a_database_in_good_order(analyzed_shop):
    outcome = analyzed_shop.ask(DoctorRequest)
    found = states(outcome)
    good = ("connection", "server", "generic_plans", "hypopg", "privileges", "metadata", "operations", "invalid_index")
    assert {code: found[code] for code in good} == dict.fromkeys(good, "ok")
    assert found["statistics"] == "ok" and found["twin"] in ("ok", "warning")
    assert [c.text for c in checks(outcome, "operations")] == ["none was left open"]
    assert all(c.fix for c in outcome.result.checks if c.state in ("missing", "warning", "error"))
    # pg_stat_statements is not there: recommend would have nothing to go by.
    assert (outcome.exit_code, outcome.next, outcome.result.fidelity) == (0, (), None)
    assert outcome.status == ("findings" if {"warning", "error"} & set(found.values()) else "ok")
    kind, state, details = analyzed_shop.last()
    assert (kind, state, details["checks"]) == ("DISCOVER", "DONE", found)


def test_before_init_it_says_so_and_what_to_run(bare):
    outcome = bare.ask(DoctorRequest)
    (metadata,) = checks(outcome, "metadata")
    assert (metadata.state, metadata.fix) == ("missing", "indexpilot init")
    assert outcome.next == ("indexpilot init",)
    assert "operations" not in states(outcome)
    with pytest.raises(PrerequisiteError) as raised:
        bare.ask(DoctorRequest, reconcile=True)
    assert raised.value.code == "not_initialised"


def test_statistics_and_indexes_are_named_with_what_mends_them(neglected_shop):
    outcome = neglected_shop.ask(DoctorRequest, record=QUIET)
    stale = {c.text.split(":")[0]: c for c in checks(outcome, "statistics")}
    assert stale["raw_0"].text == "raw_0: never analyzed" and stale["raw_0"].fix == "ANALYZE public.raw_0;"
    assert stale["items"].text == "items: 50% of the rows changed since ANALYZE"
    invalid = {c.text.split(" ")[0].rstrip(":"): c for c in checks(outcome, "invalid_index")}
    # A duplicate ends the build before the index is ready: nothing is refused because of it, and no write maintains it.
    assert {name: c.state for name, c in invalid.items()} == {"items_k_once": "warning", "raw_inverse": "warning"}
    assert invalid["items_k_once"].text == "items_k_once: no write maintains it, no query uses it"
    assert "DROP INDEX" in invalid["raw_inverse"].fix and "public.raw_inverse" in invalid["raw_inverse"].fix
    assert (outcome.status, outcome.exit_code) == ("findings", 0)


def test_more_than_five_tables_are_counted(neglected_shop):
    for number in range(1, 7):
        neglected_shop.sql(f"CREATE TABLE public.raw_{number} AS SELECT 1 AS a")
    try:
        found = checks(neglected_shop.ask(DoctorRequest, record=QUIET), "statistics")
    finally:
        for number in range(1, 7):
            neglected_shop.sql(f"DROP TABLE public.raw_{number}")
    assert len(found) == 6
    assert (found[-1].text, found[-1].fix) == ("3 more tables like these", "ANALYZE;")


def test_a_role_that_may_read_little_is_told_which(analyzed_shop):
    patient = analyzed_shop.role("requests_patient")
    analyzed_shop.sql("GRANT USAGE ON SCHEMA indexpilot TO requests_patient")
    analyzed_shop.sql("GRANT SELECT ON ALL TABLES IN SCHEMA indexpilot TO requests_patient")
    outcome = patient.ask(DoctorRequest, record=QUIET)
    (found,) = checks(outcome, "privileges")
    assert found.state == "warning" and found.text.startswith("no SELECT on ") and " and 2 more" in found.text
    assert found.fix == 'GRANT SELECT ON … TO "requests_patient";'


def test_a_role_without_the_metadata_schema_gets_a_line_and_not_an_error(analyzed_shop):
    """The catalog shows everybody that the schema is there; its tables take USAGE on it."""
    stranger = analyzed_shop.role("requests_outsider")
    for outcome in (
        stranger.ask(DoctorRequest, record=QUIET),
        stranger.ask(DoctorRequest, probe="ready", record=QUIET),
    ):
        (found,) = checks(outcome, "metadata")
        assert found.state == "warning" and "requests_outsider may not read it" in found.text
        assert found.fix.startswith("GRANT USAGE ON SCHEMA indexpilot TO requests_outsider;")
    assert "indexpilot init" not in stranger.ask(DoctorRequest, record=QUIET).next
    for grant in filter(None, found.fix.split("; ")):
        analyzed_shop.sql(grant)
    (mended,) = checks(stranger.ask(DoctorRequest, record=QUIET), "metadata")
    assert mended.state == "ok"


def test_a_role_that_sees_only_its_own_statements_is_warned(analyzed_shop):
    preloaded = analyzed_shop.sql("SELECT current_setting('shared_preload_libraries') ~ 'pg_stat_statements'")
    if preloaded != [(True,)]:
        pytest.skip("the server records no statements")
    watcher = analyzed_shop.role("requests_watcher")
    analyzed_shop.sql("CREATE EXTENSION pg_stat_statements SCHEMA public")
    analyzed_shop.sql("GRANT USAGE ON SCHEMA public TO requests_watcher")
    try:
        (narrow,) = checks(watcher.ask(DoctorRequest, record=QUIET), "statements")
        analyzed_shop.sql("GRANT pg_read_all_stats TO requests_watcher")
        (wide,) = checks(watcher.ask(DoctorRequest, record=QUIET), "statements")
    finally:
        analyzed_shop.sql("DROP OWNED BY requests_watcher")
        analyzed_shop.sql("DROP EXTENSION pg_stat_statements")
    assert (narrow.state, narrow.fix) == ("warning", 'GRANT pg_read_all_stats TO "requests_watcher";')
    assert wide.state == "ok"


def test_recorded_statements_are_found_where_the_extension_is(analyzed_shop):
    preloaded = analyzed_shop.sql("SELECT current_setting('shared_preload_libraries') ~ 'pg_stat_statements'")
    if preloaded != [(True,)]:
        pytest.skip("the server records no statements")
    (missing,) = checks(analyzed_shop.ask(DoctorRequest, record=QUIET), "statements")
    assert (missing.state, missing.fix) == ("missing", "CREATE EXTENSION pg_stat_statements;")
    analyzed_shop.sql("CREATE EXTENSION pg_stat_statements")
    try:
        (found,) = checks(analyzed_shop.ask(DoctorRequest, record=QUIET), "statements")
    finally:
        analyzed_shop.sql("DROP EXTENSION pg_stat_statements")
    assert (found.state, found.fix) == ("ok", None)


def test_a_snapshot_is_looked_at_without_a_server(shop_snapshot):
    outcome = ask(DoctorRequest, NOWHERE, snapshot=shop_snapshot, record=RECORD)
    assert states(outcome) == {"snapshot": "ok", "statistics": "ok", "invalid_index": "ok"}
    assert (outcome.status, outcome.next) == ("ok", (f"indexpilot recommend --snapshot {shop_snapshot}",))
    with pytest.raises(PrerequisiteError) as raised:
        ask(DoctorRequest, NOWHERE, snapshot=shop_snapshot, twin=True, planner=TWIN)
    assert raised.value.code == "no_connection"


def test_the_twin_is_measured_against_the_server(analyzed_shop):
    asked = {"twin": True, "workload": queries(BY_CUSTOMER, BY_ID), "planner": TWIN, "record": QUIET}
    fidelity = analyzed_shop.ask(DoctorRequest, **asked).result.fidelity
    assert (fidelity.compared, fidelity.identical, fidelity.not_compared) == (2, 2, 0)
    assert 0 <= fidelity.median_error <= fidelity.max_error < 0.01 and fidelity.differences == ()


# -- probes


def test_a_live_server_is_one_line(analyzed_shop, bare):
    for place in (analyzed_shop, bare):
        outcome = place.ask(DoctorRequest, probe="live")
        assert [c.code for c in outcome.result.checks] == ["connection"]
        assert (outcome.status, outcome.exit_code, outcome.next) == ("ok", 0, ())
    assert analyzed_shop.sql("SELECT runs FROM indexpilot.idle_runs WHERE outcome = 'live'") >= [(1,)]
    with pytest.raises(UnreachableError):
        ask(DoctorRequest, NOWHERE, probe="live")


def test_ready_means_that_indexes_could_be_changed(analyzed_shop, bare):
    ready = analyzed_shop.ask(DoctorRequest, probe="ready")
    assert states(ready) == dict.fromkeys(("connection", "server", "writable", "metadata", "operations"), "ok")
    assert (ready.status, ready.exit_code) == ("ok", 0)
    unready = bare.ask(DoctorRequest, probe="ready")
    assert states(unready)["metadata"] == "missing"
    assert (unready.status, unready.exit_code, unready.next) == ("failed", 5, ("indexpilot doctor",))


def test_a_role_that_only_reads_is_not_ready(analyzed_shop):
    reader = analyzed_shop.role("requests_lector")
    analyzed_shop.sql("ALTER ROLE requests_lector SET default_transaction_read_only = on")
    analyzed_shop.sql("GRANT USAGE ON SCHEMA indexpilot TO requests_lector")
    analyzed_shop.sql("GRANT SELECT ON ALL TABLES IN SCHEMA indexpilot TO requests_lector")
    outcome = reader.ask(DoctorRequest, probe="ready", record=QUIET)
    assert states(outcome)["writable"] == "error" and outcome.exit_code == 5


def test_a_role_that_owns_nothing_is_not_ready(analyzed_shop):
    servant = analyzed_shop.role("requests_servant")
    analyzed_shop.sql("DROP ROLE IF EXISTS requests_master")
    analyzed_shop.sql("CREATE ROLE requests_master; GRANT USAGE ON SCHEMA indexpilot TO requests_servant")
    analyzed_shop.sql("GRANT SELECT ON ALL TABLES IN SCHEMA indexpilot TO requests_servant")

    def told():
        outcome = servant.ask(DoctorRequest, probe="ready", record=QUIET)
        (found,) = checks(outcome, "writable")
        return found.state, found.text, found.fix, outcome.exit_code

    state, text, fix, code = told()
    assert (state, code) == ("error", 5) and "may not write to the log" in text and fix.startswith("GRANT INSERT")
    analyzed_shop.sql("GRANT INSERT ON ALL TABLES IN SCHEMA indexpilot TO requests_servant")
    state, text, fix, code = told()
    assert (state, code) == ("error", 5) and "owns none of 6 tables" in text
    # The owner is a superuser, and who is a member of one is one.
    assert fix == "ALTER TABLE … OWNER TO requests_servant;"
    analyzed_shop.sql(
        "CREATE TABLE public.items_of_master (a int); ALTER TABLE public.items_of_master OWNER TO requests_master"
    )
    try:
        assert told()[0] == "error"
        analyzed_shop.sql("GRANT requests_master TO requests_servant")
        state, text, fix, code = told()
        schema_open = analyzed_shop.sql("SELECT has_schema_privilege('requests_servant', 'public', 'CREATE')")[0][0]
        if not schema_open:  # from 15 on
            assert (state, code) == ("error", 5) and fix == "GRANT CREATE ON SCHEMA … TO requests_servant;"
            analyzed_shop.sql("GRANT CREATE ON SCHEMA public TO requests_servant")
            state, text, fix, code = told()
        assert (state, text, fix, code) == ("ok", "indexes can be changed here on 1 of 7 tables", None, 0)
    finally:
        analyzed_shop.sql("DROP TABLE public.items_of_master; REVOKE ALL ON SCHEMA public FROM requests_servant")
        analyzed_shop.sql("DROP ROLE requests_master")


OFF = BypassSettings(BypassFeatures(auto_indexing=FeatureSwitch(False, "audit")))
ALL_OFF = BypassSettings(system=SystemBypass(True, "audit"))


@pytest.mark.parametrize("bypass", [OFF, ALL_OFF])
def test_ready_and_reconcile_ask_the_switches(analyzed_shop, bypass):
    outcome = analyzed_shop.ask(DoctorRequest, probe="ready", bypass=bypass, record=QUIET)
    (found,) = checks(outcome, "bypass")
    assert (found.state, outcome.exit_code) == ("error", 5) and "audit" in found.text
    with pytest.raises(RefusedError) as raised:
        analyzed_shop.ask(DoctorRequest, reconcile=True, bypass=bypass)
    assert raised.value.code == "bypassed" and raised.value.detail == "audit"


def test_reconcile_asks_the_runtime_switch(changing_shop):
    request = BypassRequest("disable", changing_shop.connection, "release", record=RECORD)
    bypass.run(request, Silent())
    try:
        with pytest.raises(RefusedError, match="bypass disable"):
            changing_shop.ask(DoctorRequest, reconcile=True)
        assert changing_shop.ask(DoctorRequest, probe="ready", record=QUIET).exit_code == 5
    finally:
        bypass.run(replace(request, action="enable"), Silent())
    assert checks(changing_shop.ask(DoctorRequest, reconcile=True), "settled") == []


# -- what earlier runs left open


@pytest.fixture
def built(changing_shop):
    """The id of the row and the name of an index that apply built; it and its rows are gone afterwards."""
    asked = {"workload": queries(BY_CUSTOMER), "planner": changing_shop.planner}
    plan = changing_shop.ask(RecommendRequest, **asked).result
    outcome = change(changing_shop, ApplyRequest, plan.id, safeguards=CALM)
    assert (outcome.status, outcome.exit_code) == ("ok", 0)
    (done,) = outcome.result.mutations
    yield done.id, plan.recommendations[0].name
    changing_shop.sql(f"DROP INDEX IF EXISTS {plan.recommendations[0].name}")
    rewrite_log(changing_shop, "TRUNCATE indexpilot.mutation_log")


def forget_the_end(place):
    """The log as a run leaves it that was killed after the build; the id its newest row has then."""
    rewrite_log(place, "DELETE FROM indexpilot.mutation_log WHERE state IN ('VALID', 'DONE')")
    return place.sql("SELECT max(id) FROM indexpilot.mutation_log WHERE op_id IS NOT NULL")[0][0]


def rewrite_log(place, statement):
    """What the trigger of the log refuses everybody else."""
    place.sql(f"SET session_replication_role = replica; {statement}")


def valid(place, name):
    found = place.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", name)
    return found[0][0] if found else None


def test_a_built_index_is_explained_taken_back_and_explained_again(changing_shop, built):
    number, name = built
    told = changing_shop.ask(ExplainRequest, subject=f"M-{number}")
    assert (told.result.verdict, told.result.verdict_text) == ("VALID", "done: the index was there and valid")
    assert told.next == (f"indexpilot rollback M-{number} --dry-run",)
    assert name in told.result.sql and "Plan" in dict(told.result.facts)
    assert change(changing_shop, RollbackRequest, f"M-{number}").exit_code == 0
    assert valid(changing_shop, name) is None
    assert changing_shop.ask(ExplainRequest, subject=f"M-{number}").result.verdict == "REVERTED"


def test_an_end_that_was_not_recorded_is_told_and_settled(changing_shop, built):
    _, name = built
    number = forget_the_end(changing_shop)
    looked = changing_shop.ask(DoctorRequest, record=QUIET)
    (left,) = checks(looked, "leftover")
    assert left.state == "error" and left.text.startswith(f"M-{number} started ") and left.fix
    assert looked.status == "findings"
    assert changing_shop.ask(DoctorRequest, probe="ready", record=QUIET).exit_code == 5
    told = changing_shop.ask(ExplainRequest, subject=f"M-{number}", record=QUIET)
    assert told.next == ("indexpilot doctor --reconcile",)
    settled = changing_shop.ask(DoctorRequest, reconcile=True)
    assert [(c.state, c.fix) for c in checks(settled, "settled")] == [("ok", None)]
    assert "recorded as done" in checks(settled, "settled")[0].text and valid(changing_shop, name)
    assert checks(changing_shop.ask(DoctorRequest, reconcile=True), "settled") == []


def test_an_index_that_never_came_is_settled_as_failed(changing_shop, built):
    _, name = built
    number = forget_the_end(changing_shop)
    changing_shop.sql(f"DROP INDEX {name}")
    settled = changing_shop.ask(DoctorRequest, reconcile=True)
    (line,) = checks(settled, "settled")
    assert line.state == "ok" and "recorded as failed, nothing is left" in line.text
    assert changing_shop.ask(ExplainRequest, subject=f"M-{number}").result.verdict == "FAILED_CLEAN"


def test_an_invalid_index_of_ours_is_told_once_and_settled(changing_shop, built):
    _, name = built
    forget_the_end(changing_shop)
    changing_shop.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", name)
    looked = changing_shop.ask(DoctorRequest, record=QUIET)
    (left,) = checks(looked, "leftover")
    assert f"invalid index {name}" in left.text
    assert [c for c in checks(looked, "invalid_index") if c.state != "ok"] == []
    (line,) = checks(changing_shop.ask(DoctorRequest, reconcile=True), "settled")
    assert (line.state, valid(changing_shop, name)) == ("ok", None)
