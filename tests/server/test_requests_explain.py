"""``explain`` asked by a request: a query what-if, a template, a recommendation worked out again, a mutation."""

import pytest

from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.advise.values import ExplainRequest, RecommendRequest
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, UsageError
from tests.server.requesting import BY_CUSTOMER, BY_ID, NOWHERE, QUIET, RECORD, TWIN, ask, queries

USEFUL = "CREATE INDEX ON orders (customer_id)"

pytestmark = pytest.mark.usefixtures("own_places")


def told(place, **more):
    return place.ask(ExplainRequest, **{"planner": place.planner} | more)


def refused(place, **more):
    with pytest.raises(UsageError) as raised:
        told(place, **more)
    return raised.value


def test_a_query_with_an_index_that_pays(analyzed_shop):
    outcome = told(analyzed_shop, query=BY_CUSTOMER, with_indexes=(USEFUL,))
    result = outcome.result
    assert (result.subject, result.verdict, result.reason, result.minimum) == ("query", "recommended", None, 0.005)
    assert [p.label for p in result.plans] == ["now", "with orders (customer_id)"]
    assert result.plans[0].access.startswith("Seq Scan") and result.plans[1].indexes_used == ("orders (customer_id)",)
    assert result.benefit == pytest.approx(1 - result.plans[1].cost / result.plans[0].cost)
    assert any("customer_id" in e.fact for e in result.evidence)
    assert (outcome.status, outcome.exit_code, outcome.next) == ("ok", 0, ("indexpilot recommend",))
    assert analyzed_shop.last() == ("EXPLAIN", "DONE", {"subject": "query"})


def test_verdicts_against_the_minimum(analyzed_shop):
    asked = {"record": QUIET}
    unused = told(analyzed_shop, query=BY_ID, with_indexes=(USEFUL,), **asked).result
    assert (unused.verdict, unused.reason, unused.benefit) == ("no_difference", "not_used", 0)
    little = told(analyzed_shop, query=BY_CUSTOMER, with_indexes=(USEFUL,), min_benefit=0.9999, **asked).result
    assert (little.verdict, little.reason) == ("rejected", "benefit_below_minimum")
    plain = told(analyzed_shop, query=BY_CUSTOMER, **asked).result
    assert (plain.verdict, plain.benefit, plain.minimum, len(plain.plans)) == ("", None, None, 1)
    assert [a.summary for a in plain.alternatives] == ["orders (customer_id)"]


@pytest.mark.parametrize("name", ["orders_pkey", "public.orders_pkey"])
def test_a_query_without_an_index_it_uses(analyzed_shop, name):
    result = told(analyzed_shop, query=BY_ID, without_indexes=(name,), planner=TWIN, record=QUIET).result
    assert [p.label for p in result.plans] == ["now", "without orders_pkey"]
    assert result.benefit < 0 and result.verdict == "" and "without it" in result.verdict_text
    assert result.plans[1].access.startswith("Seq Scan")


def test_a_query_really_run_is_timed_and_changes_nothing(analyzed_shop, shop_snapshot):
    text = "DELETE FROM orders WHERE customer_id = 77"
    before = analyzed_shop.sql("SELECT count(*) FROM orders")
    view = told(analyzed_shop, query=BY_ID, analyze=True, record=QUIET).result.plans[-1]
    assert (view.label, view.rows) == ("really run", 1) and view.milliseconds > 0
    with pytest.raises(IndexPilotError, match="only a query is accepted"):
        told(analyzed_shop, query=text, analyze=True, record=QUIET)
    assert analyzed_shop.sql("SELECT count(*) FROM orders") == before
    with pytest.raises(PrerequisiteError) as raised:
        ask(ExplainRequest, NOWHERE, snapshot=shop_snapshot, query=BY_ID, analyze=True, planner=TWIN)
    assert raised.value.code == "no_connection"


@pytest.mark.parametrize("text", ["VACUUM orders", "SELECT * FROM nowhere_at_all", "SELEC 1", ""])
def test_what_is_no_query_of_this_database(analyzed_shop, text):
    error = refused(analyzed_shop, query=text)
    assert error.code == "not_plannable"
    kind, state, details = analyzed_shop.last()
    assert (kind, state, details["error_code"]) == ("EXPLAIN", "FAILED", "not_plannable")


def test_indexes_that_are_not_there_or_cannot_be(analyzed_shop):
    asked = {"query": BY_ID, "record": QUIET}
    close = refused(analyzed_shop, without_indexes=("orders_pky",), **asked)
    assert (close.code, close.hint) == ("unknown_index", "did you mean orders_pkey?")
    far = refused(analyzed_shop, without_indexes=("zzzz",), **asked)
    assert far.hint == "indexpilot discover --verbose lists the indexes"
    for text in ("CREATE INDEX ON nowhere (a)", "CREATE INDEX ON orders (nothing)", "DROP INDEX orders_pkey"):
        assert refused(analyzed_shop, with_indexes=(text,), **asked).exit_code == 2


def test_a_template_has_one_plan_for_each_class_of_parameters(analyzed_shop):
    workload = queries(BY_CUSTOMER, BY_ID)
    ids = [t.id for t in analyzed_shop.ask(AnalyzeRequest, workload=workload, record=QUIET).result.templates]
    for identifier in ids:
        outcome = told(analyzed_shop, subject=identifier, workload=workload)
        result = outcome.result
        assert (result.subject, result.id, result.template.id, result.template.share) == (
            "template",
            identifier,
            identifier,
            0.5,
        )
        assert result.plans and all(p.error is None and p.cost > 0 for p in result.plans)
        assert outcome.next == ("indexpilot recommend",)
        assert analyzed_shop.last() == ("EXPLAIN", "DONE", {"subject": identifier})
    near = refused(analyzed_shop, subject=ids[0][:-1], workload=workload, record=QUIET)
    assert (near.code, near.hint) == ("unknown_id", f"did you mean {ids[0]}?")


def test_a_recommendation_no_kept_plan_knows_is_worked_out_again(analyzed_shop):
    asked = {"workload": queries(BY_CUSTOMER), "planner": analyzed_shop.planner, "record": QUIET}
    (advised,) = analyzed_shop.ask(RecommendRequest, **asked).result.recommendations
    result = told(analyzed_shop, subject=advised.id, **asked).result
    assert (result.subject, result.id, result.sql) == ("recommendation", advised.id, f"{advised.ddl};")
    assert refused(analyzed_shop, subject="R-00000000", **asked).code == "unknown_id"


@pytest.mark.parametrize("subject", ["X-1", "nonsense", "P-none"])
def test_ids_nobody_explains_need_no_server(subject):
    with pytest.raises(UsageError) as raised:
        ask(ExplainRequest, NOWHERE, subject=subject)
    assert raised.value.code == "unknown_id"


def test_a_mutation_is_told_from_its_row(analyzed_shop):
    analyzed_shop.ask(AnalyzeRequest, workload=queries(BY_ID))
    ((number,),) = analyzed_shop.sql("SELECT max(id) FROM indexpilot.mutation_log")
    outcome = told(analyzed_shop, subject=f"m-{number}")
    result = outcome.result
    assert (result.subject, result.id, result.title) == ("mutation", f"M-{number}", "ANALYZE_WORKLOAD")
    assert (result.verdict, result.mutation.details["statements"]) == ("DONE", 1)
    assert outcome.next == ("indexpilot history",)
    assert analyzed_shop.last() == ("EXPLAIN", "DONE", {"subject": f"m-{number}"})


@pytest.mark.parametrize("subject", ["M-", "M-x", "M-1234567890123456789", "M-999999999"])
def test_mutations_that_are_not_there(analyzed_shop, subject):
    error = refused(analyzed_shop, subject=subject)
    assert (error.code, error.hint) == ("unknown_id", "indexpilot history")


def test_a_mutation_before_init(bare):
    with pytest.raises(PrerequisiteError) as raised:
        bare.ask(ExplainRequest, subject="M-1", record=RECORD)
    assert raised.value.code == "not_initialised"
