"""Approval of a plan, and whether the plan still fits."""

from dataclasses import replace
from datetime import UTC, datetime

from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Bound, Plan, Recommendation
from indexpilot_cli.guards import plan_fresh
from indexpilot_cli.guards.approval import judge, plan_digest
from indexpilot_cli.log.plans import Approval

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def recommendation(column):
    definition = IndexDefinition(QualifiedName("public", "t"), (IndexKey(column),))
    ddl = f"CREATE INDEX CONCURRENTLY t_{column} ON t ({column})"
    return Recommendation(
        definition.id, definition, f"t_{column}", ddl, "DROP", "t", "equality", 8192, "model", 0.5, 0.9, 0.0
    )


PLAN = Plan(
    "P-1", NOW, None, "twin/16", 1, 1, 1, 2.0, 1.0, "ms", (recommendation("a"), recommendation("b")), (),
    Bound(1.0, None, None), schema_digest="d1",
)  # fmt: skip


def approval(plan=PLAN):
    return Approval(plan.id, "ann", NOW, "", plan_digest(plan))


def test_the_digest_is_of_what_would_run():
    reordered = replace(PLAN, recommendations=PLAN.recommendations[::-1])
    assert plan_digest(PLAN) == plan_digest(reordered) == plan_digest(replace(PLAN, seconds=9.0, notes=("x",)))
    changed = (replace(PLAN.recommendations[0], ddl="CREATE INDEX CONCURRENTLY t_a ON t (c)"), PLAN.recommendations[1])
    for other in (
        replace(PLAN, recommendations=changed),
        replace(PLAN, recommendations=PLAN.recommendations[:1]),
        replace(PLAN, schema_digest="d2"),
        replace(PLAN, id="P-2"),
    ):
        assert plan_digest(other) != plan_digest(PLAN)


def test_approval_only_where_it_is_asked_for():
    assert judge(False, PLAN, ()).allowed
    assert not judge(True, PLAN, ()).allowed
    assert not judge(True, None, ()).allowed
    assert not judge(True, PLAN, None).allowed


def test_an_approved_plan():
    verdict = judge(True, PLAN, (approval(),))
    assert verdict.allowed and "approved by ann on 2026-11-20 12:00 UTC" in verdict.reason


def test_a_plan_that_changed_since_is_not_approved():
    changed = replace(PLAN, recommendations=PLAN.recommendations[:1])
    verdict = judge(True, changed, (approval(),))
    assert not verdict.allowed and "has changed since" in verdict.reason
    assert not judge(True, replace(PLAN, id="P-2"), (approval(),)).allowed


def test_fresh():
    assert plan_fresh.judge(PLAN, "d1").allowed
    assert not plan_fresh.judge(PLAN, "d2").allowed
    assert plan_fresh.judge(None, "d1").allowed
    assert not plan_fresh.judge(replace(PLAN, schema_digest=""), "d1").allowed
