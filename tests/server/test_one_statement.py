"""One statement never kills the rest, and what was not looked at is not called needless."""

import pytest

from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.admin.doctor import DoctorRequest
from indexpilot_cli.advise import candidates
from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.workload import Stage
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.render.views.recommend import view
from tests.server.requesting import BY_CUSTOMER, BY_ID, QUIET, TWIN, filled, queries

ODD = (
    "SELECT status, customer_id, count(*) FROM orders GROUP BY ROLLUP (status, customer_id)",
    "SELECT city, count(*) FROM customers GROUP BY GROUPING SETS ((city), ())",
    "WITH gone AS (DELETE FROM orders WHERE id = 5 RETURNING *) SELECT * FROM gone",
    "SELECT * FROM customers WHERE email = '{' AND city = E'\\x01'",
    "SELECT * FROM orders WHERE status = {",
    "SELECT * FROM empty WHERE a = 1 AND b = 2",
    "SELECT * FROM parts WHERE part = 100 AND status IN ('pending') AND runner IS NULL ORDER BY id LIMIT 10",
)
SMALL = """
CREATE TABLE empty (id bigserial PRIMARY KEY, a int, b int);
CREATE TABLE parts (id bigint, part int, status text, runner int) PARTITION BY LIST (part);
CREATE TABLE parts_100 PARTITION OF parts FOR VALUES IN (100);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL);
INSERT INTO orders SELECT i, 1 + i % 2000, 'done' FROM generate_series(1, 20000) i;
CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL UNIQUE, city text);
INSERT INTO customers SELECT i, 'user' || i, 'city' || i % 50 FROM generate_series(1, 2000) i;
"""

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.fixture(scope="module")
def small(pg):
    with filled(pg, SMALL, "ANALYZE orders", "ANALYZE customers") as place:
        yield place


def advise(place, *texts, **more):
    return place.ask(RecommendRequest, workload=queries(*texts), record=QUIET, **{"planner": place.planner} | more)


def shown(plan):
    return "\n".join(line for block in view(plan).blocks for line in str(block).splitlines())


def test_odd_statements_leave_the_advice_on_the_others(small):
    outcome = advise(small, BY_CUSTOMER, *ODD)
    assert [r.summary for r in outcome.result.recommendations] == ["orders (customer_id)"]
    assert {(s.reason, s.stage) for s in outcome.result.skipped} == {("unparsed", Stage.READ)}
    assert "too_small" in {r.reason for r in outcome.result.rejections}


def test_a_fault_of_ours_costs_its_statement_and_is_told(small, monkeypatch):
    real = candidates.propose

    def stumbling(templates, catalog, *rest, **more):
        if any("city" in t.text for t in templates):
            raise KeyError("select")
        return real(templates, catalog, *rest, **more)

    monkeypatch.setattr(candidates, "propose", stumbling)
    outcome = advise(small, BY_CUSTOMER, "SELECT id FROM customers WHERE city = 'city7'")
    plan = outcome.result
    assert [r.summary for r in plan.recommendations] == ["orders (customer_id)"]
    assert [(s.reason, s.stage, s.detail, s.share) for s in plan.skipped] == [
        ("failed", Stage.PROPOSE, "KeyError: 'select'", 0.5)
    ]
    assert (outcome.exit_code, plan.skipped_share) == (0, 0.5)
    (told,) = (w for w in outcome.warnings if w.code == "set_aside")
    assert told.object == "propose" and "1 statement (50.0% of the workload) set aside" in told.message
    assert "50.0 % of the workload was not looked at, 1 statement: KeyError: 'select'" in shown(plan)


def test_nothing_planned_is_not_nothing_needed(small):
    stranger = small.role("one_statement_stranger")
    with pytest.raises(PrerequisiteError) as raised:
        advise(stranger, BY_CUSTOMER, BY_ID, planner=TWIN)
    assert raised.value.code == "nothing_planned" and raised.value.exit_code == 5
    told = "no statement could be planned (100% of the workload): no SELECT on public.orders"
    assert raised.value.message == told
    small.sql("GRANT SELECT ON customers TO one_statement_stranger")
    plan = advise(stranger, BY_CUSTOMER, "SELECT id FROM customers WHERE id = 7", planner=TWIN).result
    assert (plan.recommendations, plan.skipped_share) == ((), 0.5)
    assert "No new index is worth its cost for the part of this workload that could be planned." in shown(plan)
    assert "50.0 % of the workload was not looked at, 1 statement: no SELECT on public.orders" in shown(plan)
    small.sql("DROP OWNED BY one_statement_stranger")


def test_a_twin_compared_on_nothing_is_not_well(small):
    found = small.ask(DoctorRequest, twin=True, workload=queries("VACUUM"), planner=TWIN, record=QUIET)
    (check,) = (c for c in found.result.checks if c.code == "twin_fidelity")
    assert found.status == "findings" and check.state == "warning" and "nothing was compared" in check.text


def test_what_is_left_out_has_its_stage_in_the_report(small):
    found = small.ask(AnalyzeRequest, workload=queries(BY_ID, "VACUUM"), record=QUIET)
    assert [(s.reason, s.stage, s.share) for s in found.result.skipped] == [("utility", Stage.READ, 0.5)]
