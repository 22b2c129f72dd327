"""What an algorithm changes of a plan is told by ``ablate``, by ``explain --without`` and in the plan itself."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise import ablate, recommend
from indexpilot_cli.advise.explain import explain
from indexpilot_cli.advise.values import ExplainRequest, RecommendRequest
from indexpilot_cli.algorithms import registry
from indexpilot_cli.algorithms.base import Algorithm, Found
from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.command import PlannerRequest, Silent, WorkloadRequest
from indexpilot_cli.core.estimator import AssumedStatistics
from indexpilot_cli.core.index import Proposal, Reason, Rejection
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from tests.server.requesting import QUIET, filled

TABLE = """
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, note text);
INSERT INTO orders SELECT i, i % 5000, repeat('x', 60) FROM generate_series(1, 20000) i;
ANALYZE orders
"""
STATEMENT = "SELECT id FROM orders WHERE customer_id = 4711"


class Refuses(Algorithm):
    """Takes every candidate on ``customer_id`` out of the choice."""

    name = "constraint_optimizer"
    title = "refuses"

    def propose(self, study, proposal):
        gone = [c for c in proposal.candidates if "customer_id" in c.definition.columns]
        out = tuple(Rejection("orders", "dominated", "refused", c.definition) for c in gone)
        seen = (Reason("refused", "a test says so", "catalog"),)
        findings = (
            AlgorithmFinding(self.name, "refused", "orders", Effect.REMOVED, "left out", seen, definition=c.definition)
            for c in gone
        )
        kept = tuple(c for c in proposal.candidates if c not in gone)
        return Found(Proposal(kept, (*proposal.rejections, *out)), tuple(findings))


class Assumes(Algorithm):
    """Knows better: nearly all rows are of the one customer."""

    name = "cert"
    title = "assumes"

    def learn(self, study):
        common = ColumnStatistics(0.0, 4, 2.0, ("4711", "1"), (0.99, 0.01), (), 0.0)
        study.estimator.assume((AssumedStatistics(study.templates[0].relations[0], (("customer_id", common),)),))
        return Found(study.catalog)


class Idles(Algorithm):
    """Changes nothing."""

    name = "pgm_index"
    title = "idles"


@pytest.fixture(scope="module")
def shop(pg):
    with filled(pg, *TABLE.split(";\n")) as found:
        yield found


@pytest.fixture
def request_(own_places, shop, monkeypatch):
    """A request of one statement, with one algorithm that refuses what it needs."""
    monkeypatch.setattr(registry, "ALGORITHMS", (Refuses(),))
    workload = WorkloadRequest(queries=(STATEMENT,))
    return RecommendRequest(shop.connection, workload=workload, planner=shop.planner, record=QUIET)


def test_a_finding_stands_in_the_plan_and_is_gone_without_the_algorithm(request_):
    plan = recommend.run(request_, Silent()).result
    assert plan.recommendations == ()
    assert {f.effect for f in plan.findings} == {Effect.REMOVED}
    off = replace(request_, features=registry.without(request_.features, ["constraint_optimizer"]))
    plan = recommend.run(off, Silent()).result
    assert [r.definition.columns for r in plan.recommendations] == [("customer_id",)]
    assert plan.findings == ()


def test_f14_ablate_tells_what_the_algorithm_takes_out(request_):
    result = ablate.run(request_, Silent()).result
    (entry,) = result.algorithms
    assert (entry.name, entry.enabled) == ("constraint_optimizer", True)
    assert entry.difference.added == entry.difference.changed == ()
    assert entry.difference.removed == ("orders (customer_id)",)
    assert entry.difference.cost_delta > 0
    assert entry.difference.size_delta < 0


def test_an_algorithm_that_is_off_is_tried(request_):
    off = replace(request_, features=registry.without(request_.features, ["constraint_optimizer"]))
    (entry,) = ablate.run(off, Silent()).result.algorithms
    assert (entry.enabled, entry.difference.removed) == (False, ("orders (customer_id)",))


def test_what_one_algorithm_assumes_is_not_told_of_the_next(request_, monkeypatch):
    monkeypatch.setattr(registry, "ALGORITHMS", (Assumes(), Idles()))
    twin = replace(request_, planner=PlannerRequest("twin"))
    assumes, idles = ablate.run(twin, Silent()).result.algorithms
    assert assumes.difference.removed == ("orders (customer_id)",)
    assert idles.difference.is_empty and idles.difference.cost_delta == 0


def test_explain_says_what_would_become_of_an_advice(request_):
    plan = recommend.run(request_, Silent()).result
    subject = next(f.definition.id for f in plan.findings if f.definition.columns == ("customer_id",))
    asked = ExplainRequest(
        request_.connection,
        subject=subject,
        without_algorithms=("constraint_optimizer",),
        workload=request_.workload,
        planner=request_.planner,
        record=QUIET,
    )
    result = explain.run(asked, Silent()).result
    facts = dict(result.facts)
    assert (result.verdict, facts["now"]) == ("rejected", "rejected: refused")
    assert facts["without constraint_optimizer"] == "recommended"
    assert facts["without constraint_optimizer added"] == "orders (customer_id)"
    assert [(e.source, e.fact) for e in result.evidence] == [("constraint_optimizer", "a test says so: left out")]
