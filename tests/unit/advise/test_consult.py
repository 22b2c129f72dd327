"""What the algorithms say goes into the choice, one after the other; none of them ends the run."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from indexpilot_cli.advise import consult
from indexpilot_cli.advise.consult import Consultation
from indexpilot_cli.algorithms import registry
from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.index import Candidate, IndexDefinition, IndexKey, Proposal, Reason, Rejection
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import AlgorithmFinding, Effect, unpriced_plan
from indexpilot_cli.core.samples import NoSamples
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsKind, StatisticsTarget
from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.features import FeatureSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)

ORDERS = QualifiedName("public", "orders")
INDEX = IndexDefinition(ORDERS, (IndexKey("status"),))
FOUND = AlgorithmFinding("adds", "seen", "orders", Effect.ADDED, "an index more", (Reason("rows", "9 rows", "sample"),))


class Adds(Algorithm):
    name = "adds"

    def propose(self, study, proposal):
        return Found(replace(proposal, candidates=(*proposal.candidates, Candidate(INDEX, "equality"))), (FOUND,))


class Removes(Algorithm):
    name = "removes"

    def propose(self, study, proposal):
        gone = tuple(Rejection("orders", "dominated", "seen", c.definition) for c in proposal.candidates)
        return Found(Proposal((), (*proposal.rejections, *gone)))


class Fails(Algorithm):
    name = "fails"

    def propose(self, study, proposal):
        raise KeyError("nobody thought of this")


class Asks(Algorithm):
    name = "asks"

    def propose(self, study, proposal):
        wanted = ExtendedStatistics(ORDERS, ORDERS, ("a", "b"), (StatisticsKind.MCV,))
        longer = StatisticsTarget(ORDERS, "c", 1000)
        return Found(proposal, (replace(FOUND, statistics=wanted), replace(FOUND, analyze=ORDERS, targets=(longer,))))


def consulted(*algorithms):
    return Consultation(algorithms, Study(Catalog(0, "", ()), (), FeatureSettings(), NoSamples(), None, None))


def test_each_sees_what_those_before_it_made():
    proposal = consulted(Adds(), Removes()).proposed(Proposal(()), (), {})
    assert (proposal.candidates, [r.definition for r in proposal.rejections]) == ((), [INDEX])
    assert consulted(Removes(), Adds()).proposed(Proposal(()), (), {}).candidates == (Candidate(INDEX, "equality"),)


def test_one_that_fails_is_left_out_and_told():
    run = consulted(Fails(), Adds())
    proposal = run.proposed(Proposal(()), (), {})
    plan = run.told(unpriced_plan((), NOW, None, ""))
    assert [c.definition for c in proposal.candidates] == [INDEX]
    assert plan.findings == (FOUND,)
    assert [(w.code, w.object) for w in plan.warnings] == [("algorithm_failed", "fails")]


def test_rows_that_cannot_be_read_for_expressions_leave_the_run_what_it_knew(monkeypatch):
    def fails(*_given):
        raise KeyError("nobody thought of this")

    monkeypatch.setattr(consult, "with_sampled", fails)
    run = consulted()
    assert run.learned() == (Catalog(0, "", ()), None)
    assert [w.code for w in run.told(unpriced_plan((), NOW, None, "")).warnings] == ["algorithm_failed"]


def test_what_findings_ask_for_becomes_steps_of_the_plan():
    run = consulted(Asks())
    run.proposed(Proposal(()), (), {})
    plan = run.told(unpriced_plan((), NOW, None, ""))
    assert [s.columns for s in plan.statistics] == [("a", "b")]
    assert [t.text for t in plan.targets] == [f"{ORDERS.short}.c: target 1000"]
    assert plan.analyze == (ORDERS,)


def test_a_plan_without_findings_is_the_same_plan():
    plan = unpriced_plan((), NOW, None, "")
    assert consulted(Removes()).told(plan) is plan


def test_an_algorithm_that_nobody_knows_is_refused():
    with pytest.raises(UsageError, match='no algorithm "adds"'):
        registry.without(FeatureSettings(), ["adds"])
