"""``recommend`` asked by a request: what is advised, kept and recorded, what comes next, and when it refuses."""

import shlex

import pytest

from indexpilot_cli.advise.values import ExplainRequest, RecommendRequest
from indexpilot_cli.apply.values import PlanRequest
from indexpilot_cli.core.command import PlannerRequest, TableFilter
from indexpilot_cli.errors import PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.settings.sections import BypassModules, BypassSettings, FeatureSwitch, SystemBypass
from tests.server.requesting import BY_CUSTOMER, BY_ID, HYPOPG, NOWHERE, QUIET, RECORD, TWIN, ask, queries

BY_BOTH = "SELECT id FROM orders WHERE customer_id = 5 AND created_at > '2026-01-10Z' AND status = 'done'"

pytestmark = pytest.mark.usefixtures("own_places")


def advise(place, *texts, **more):
    return place.ask(RecommendRequest, workload=queries(*texts), **{"planner": place.planner} | more)


def columns(outcome):
    return sorted(r.summary for r in outcome.result.recommendations)


def test_a_plan_is_kept_recorded_and_can_be_built_next(analyzed_shop, own_places):
    outcome = advise(analyzed_shop, BY_CUSTOMER, BY_ID, planner=TWIN)
    plan = outcome.result
    (advised,) = plan.recommendations
    assert (outcome.command, outcome.status, outcome.exit_code) == ("recommend", "findings", 0)
    assert (advised.definition.table.name, advised.definition.keys[0].column) == ("orders", "customer_id")
    assert plan.cost_after < plan.cost_before and advised.ddl.startswith("CREATE INDEX CONCURRENTLY")
    assert outcome.next == (f"indexpilot explain {advised.id}", f"indexpilot apply {plan.id} --dry-run")
    assert outcome.warnings == ()  # of a foreign table that no statement reads nothing is told
    assert [p.name for p in (own_places / "plans").iterdir()] == [f"{plan.id}.json"]
    assert analyzed_shop.sql("SELECT 1 FROM indexpilot.plans WHERE id = %s", plan.id) == [(1,)]
    kind, state, details = analyzed_shop.last()
    assert (kind, state, details["plan"], details["queries_analyzed"]) == ("RECOMMEND_INDEX", "DONE", plan.id, 2)
    assert [(r["id"], r["sql"], r["rollback_sql"]) for r in details["recommendations"]] == [
        (advised.id, advised.ddl, advised.undo)
    ]
    assert 0 < details["cost_benefit_ratio"] < 1


def test_without_a_record_nothing_is_kept_and_sql_is_next(analyzed_shop, own_places):
    before = analyzed_shop.log()
    outcome = advise(analyzed_shop, BY_CUSTOMER, record=QUIET)
    assert outcome.next[1] == "indexpilot recommend --format sql"
    assert analyzed_shop.log() == before and not (own_places / "plans").exists()


def test_nothing_pays(analyzed_shop):
    outcome = advise(analyzed_shop, BY_ID, record=QUIET)
    assert (outcome.status, outcome.result.recommendations) == ("ok", ())
    assert outcome.next == ("indexpilot recommend --show-rejected",)


def test_an_empty_workload_is_refused_with_what_was_left_out(analyzed_shop):
    with pytest.raises(UsageError) as raised:
        advise(analyzed_shop, "VACUUM orders", "SELECT * FROM nowhere_at_all")
    assert raised.value.code == "empty_workload" and raised.value.detail.startswith("left out: 2 (")
    assert analyzed_shop.last()[:2] == ("RECOMMEND_INDEX", "FAILED")
    with pytest.raises(UsageError) as raised:
        advise(analyzed_shop, BY_ID, filter=TableFilter(schemas=("sales",)), record=QUIET)
    assert (raised.value.code, raised.value.detail) == ("empty_workload", None)


def test_a_switched_off_adviser_refuses_before_it_asks_any_server():
    switched = BypassSettings(modules=BypassModules(FeatureSwitch(False, "audit")))
    with pytest.raises(RefusedError) as raised:
        ask(RecommendRequest, NOWHERE, bypass=switched)
    assert (raised.value.code, raised.value.detail) == ("bypassed", "audit")
    with pytest.raises(RefusedError, match=r"bypass\.system") as raised:
        ask(RecommendRequest, NOWHERE, bypass=BypassSettings(system=SystemBypass(True, "incident")))
    assert raised.value.detail == "incident"


def test_limits_bind_and_what_they_cost_is_a_rejection(analyzed_shop):
    texts = (BY_CUSTOMER, "SELECT count(*) FROM customers WHERE city = 'city7'")
    free = advise(analyzed_shop, *texts, record=QUIET).result
    assert len(free.recommendations) == 2
    for limit in ({"max_indexes": 1}, {"budget_bytes": free.size_bytes - 1}):
        plan = advise(analyzed_shop, *texts, record=QUIET, **limit).result
        assert len(plan.recommendations) == 1
        assert {r.reason for r in plan.rejections} & {"over_limit", "over_budget"}
    only = advise(analyzed_shop, *texts, record=QUIET, filter=TableFilter(tables=("customers",))).result
    assert {r.definition.table.name for r in only.recommendations} == {"customers"}


def test_deletes_bring_their_foreign_key_checks(analyzed_shop):
    plan = advise(analyzed_shop, "DELETE FROM customers WHERE id = 5", record=QUIET).result
    assert any("foreign-key checks count as templates" in note for note in plan.notes)
    assert [r.definition.keys[0].column for r in plan.recommendations] == ["customer_id"]


def test_old_statistics_and_leftovers_in_the_way_are_warned_of(neglected_shop):
    texts = ("SELECT * FROM items WHERE v = 7", "SELECT * FROM raw_0 WHERE a = 7")
    outcome = advise(neglected_shop, *texts, record=QUIET)
    found = {(w.code, w.object) for w in outcome.warnings}
    assert ("stats_missing", "public.raw_0") in found
    assert ("index_invalid", "public.items_k_once") in found


def test_a_plan_that_cannot_be_kept_still_stands(analyzed_shop, own_places):
    own_places.mkdir(parents=True)
    (own_places / "plans").write_text("not a directory")
    outcome = advise(analyzed_shop, BY_CUSTOMER)
    assert [w.code for w in outcome.warnings] == ["not_kept"]
    assert outcome.status == "findings" and outcome.next[1] == "indexpilot recommend --format sql"
    assert analyzed_shop.last()[:2] == ("RECOMMEND_INDEX", "DONE")


def test_a_role_that_may_not_write_gets_advice_and_two_warnings(analyzed_shop):
    reader = analyzed_shop.role("requests_reader")
    analyzed_shop.sql("GRANT SELECT ON customers, orders TO requests_reader")
    analyzed_shop.sql("GRANT USAGE ON SCHEMA indexpilot TO requests_reader")
    analyzed_shop.sql("GRANT SELECT ON ALL TABLES IN SCHEMA indexpilot TO requests_reader")
    before = analyzed_shop.log()
    outcome = advise(reader, BY_CUSTOMER)
    assert {"not_kept", "not_recorded"} <= {w.code for w in outcome.warnings}
    assert outcome.status == "findings" and outcome.next[1] == "indexpilot recommend --format sql"
    assert analyzed_shop.log() == before


def test_a_snapshot_is_advised_on_as_the_server_is(analyzed_shop, shop_snapshot):
    offline = ask(RecommendRequest, NOWHERE, snapshot=shop_snapshot, planner=TWIN, record=RECORD)
    assert columns(offline) == columns(advise(analyzed_shop, BY_CUSTOMER, record=QUIET))
    assert offline.next[1] == shlex.join(["indexpilot", "recommend", "--snapshot", shop_snapshot, "--format", "sql"])
    asked = {"snapshot": shop_snapshot, "planner": HYPOPG}
    with pytest.raises(PrerequisiteError, match="HypoPG needs a connection"):
        ask(RecommendRequest, NOWHERE, **asked)


def test_hypopg_where_it_is_not_installed(bare):
    with pytest.raises(PrerequisiteError) as raised:
        bare.sql("CREATE TABLE IF NOT EXISTS public.alone (a int)")
        advise(bare, "SELECT * FROM alone WHERE a = 1", planner=HYPOPG)
    assert raised.value.code == "hypopg_missing"


def test_auto_without_any_planner_tells_why_the_twin_cannot_be_opened(bare, monkeypatch):
    def nothing(*_):
        raise PrerequisiteError("the disk is full", hint="make room", code="no_room")

    monkeypatch.setattr("indexpilot_cli.planner.open.open_planner_twin", nothing)
    bare.sql("CREATE TABLE IF NOT EXISTS public.alone (a int)")
    with pytest.raises(PrerequisiteError) as raised:
        advise(bare, "SELECT * FROM alone WHERE a = 1", planner=PlannerRequest("auto", workers=1))
    assert raised.value.message == "the planner twin cannot be opened: the disk is full"
    assert raised.value.code == "no_room" and "HypoPG is not installed" in raised.value.detail
    assert raised.value.hint.startswith("make room, or ") and "CREATE EXTENSION hypopg" in raised.value.hint


def test_two_planners_agree_on_what_to_build(analyzed_shop):
    if analyzed_shop.planner != HYPOPG:
        pytest.skip("no HypoPG on this server")
    theirs = advise(analyzed_shop, BY_BOTH, record=QUIET, planner=HYPOPG)
    checked = advise(analyzed_shop, BY_BOTH, record=QUIET, planner=PlannerRequest("twin", cross_check=True, workers=1))
    assert theirs.result.estimator.startswith("hypopg") and not checked.result.estimator.startswith("hypopg")
    assert columns(theirs) == columns(checked) != []
    assert any(note.startswith("cross-check over 1 templates") for note in checked.result.notes)


def test_the_plan_can_be_shown_and_explained_by_the_ids_it_printed(analyzed_shop, own_places):
    plan = advise(analyzed_shop, BY_CUSTOMER, BY_BOTH).result
    shown = ask(PlanRequest, plan.id, NOWHERE)
    assert shown.result.recommendations == plan.recommendations
    assert (shown.command, shown.status, shown.next) == (
        "recommend",
        "findings",
        (f"indexpilot apply {plan.id} --dry-run",),
    )
    for advised in plan.recommendations:
        told = ask(ExplainRequest, NOWHERE, subject=advised.id).result
        assert (told.subject, told.sql, told.recommendation) == ("recommendation", f"{advised.ddl};", advised)
    rejected = next(r for r in plan.rejections if r.id)
    told = ask(ExplainRequest, NOWHERE, subject=rejected.id)
    assert (told.result.subject, told.result.reason, told.result.rejection) == ("rejection", rejected.reason, rejected)
    assert told.next == ("indexpilot recommend --show-rejected",)
    told = ask(ExplainRequest, NOWHERE, subject=plan.id).result
    assert (told.subject, told.verdict) == ("plan", "recommended")
    assert [a.id for a in told.alternatives] == [r.id for r in plan.recommendations]


def test_the_newest_plan_is_one_of_the_database(analyzed_shop, bare, own_places):
    plan = advise(analyzed_shop, BY_CUSTOMER).result
    with pytest.raises(UsageError) as raised:
        bare.ask(PlanRequest)  # this user has a plan, of another database
    assert (raised.value.code, raised.value.hint) == ("no_plan", "indexpilot recommend")
    assert analyzed_shop.ask(PlanRequest).result.id == plan.id
    for file in (own_places / "plans").iterdir():
        file.unlink()
    assert analyzed_shop.ask(PlanRequest).result.id == plan.id
    assert analyzed_shop.last() == ("DISCOVER", "DONE", {"plan": plan.id})
    assert analyzed_shop.ask(PlanRequest, plan.id).result.recommendations == plan.recommendations
    for place in (bare, analyzed_shop):
        with pytest.raises(UsageError) as raised:
            place.ask(PlanRequest, "P-none")
        assert raised.value.code == "unknown_id"


def test_tables_that_the_role_may_not_read_are_not_advised_on(analyzed_shop):
    """It sees no statistics of them: a plan without any would be made up."""
    onlooker = analyzed_shop.role("requests_onlooker")
    analyzed_shop.sql("GRANT SELECT ON customers TO requests_onlooker")
    with pytest.raises(PrerequisiteError, match=r"100%.*no SELECT on public\.orders"):
        advise(onlooker, BY_CUSTOMER, BY_BOTH, planner=TWIN, record=QUIET)
    partly = advise(
        onlooker, BY_CUSTOMER, "SELECT email FROM customers WHERE id = 7", planner=TWIN, record=QUIET
    ).result
    (unseen,) = partly.skipped
    assert (unseen.reason, unseen.detail, unseen.share) == ("unplanned", "no SELECT on public.orders", 0.5)
    assert partly.recommendations == ()
