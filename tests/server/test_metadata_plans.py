"""Plans, ignored advice, EXPLAIN counts: kept and found again."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.sql import SQL

from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.index import IndexDefinition, IndexKey, Reason, Rejection
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import AlgorithmFinding, Bound, Effect, Plan, Recommendation, Risk, TemplateEffect, Warn
from indexpilot_cli.core.workload import Skipped
from indexpilot_cli.db.session import open_session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.log import metadata, plans

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def session(database):
    with open_session(database, read_only=False) as opened:
        metadata.migrate(opened)
        yield opened


def recommendation(column):
    definition = IndexDefinition(
        QualifiedName("public", 'Odd "Name"'),
        (IndexKey(column), IndexKey(expression="lower(x)")),
        predicate="(a = '{}')",
    )
    return Recommendation(
        definition.id,
        definition,
        "some_ip_idx",
        "CREATE INDEX …",
        "DROP INDEX …",
        "orders (x)",
        "equality",
        8192,
        "model",
        0.5,
        0.9,
        float("inf"),
        templates=(TemplateEffect("q-1", 10.0, float("nan"), 0.5),),
        reasons=(Reason("used", "used by 3 templates"),),
        risks=(Risk("cache", "cold", "SELECT 1", frozenset({"q-1"})),),
    )


def plan(number, *columns, rejected=()):
    definitions = [IndexDefinition(QualifiedName("public", "t"), (IndexKey(c),)) for c in rejected]
    return Plan(
        id=f"P-{number:04x}",
        created_at=START + timedelta(days=number),
        server=Server("16.4", 160004, "shop", "db1", 5432, "dba"),
        estimator="twin/16.4",
        templates=1,
        statements=2,
        candidates=3,
        cost_before=10.5,
        cost_after=1.5,
        unit="ms",
        recommendations=tuple(recommendation(c) for c in columns),
        rejections=(
            *(Rejection("t (x)", "too_small", "tiny", d) for d in definitions),
            Rejection("t", "unsupported_relation", "a view"),
        ),
        bound=Bound(1.5, None, None),
        skipped=(Skipped("utility", "VACUUM"),),
        warnings=(Warn("w", "o", "m"),),
        budget_curve=((1, 0.5),),
    )


def test_a_plan_comes_back_as_it_was(session):
    given = plan(1, "a", "b", rejected=["c"])
    given = dataclasses.replace(given, recommendations=tuple(_without_nan(r) for r in given.recommendations))
    plans.store(session, given)
    assert plans.load(session, given.id) == given
    plans.store(session, dataclasses.replace(given, seconds=5.0))
    assert plans.load(session, given.id).seconds == 5.0 and plans.plan_ids(session) == (given.id,)


def _without_nan(item):
    return dataclasses.replace(item, templates=tuple(dataclasses.replace(t, after=1.0) for t in item.templates))


def test_numbers_json_does_not_have(session):
    plans.store(session, plan(1, "a"))
    found = plans.load(session, "P-0001").recommendations[0]
    assert found.templates[0].after != found.templates[0].after and found.write_cost == float("inf")


def test_newest_first_and_only_so_many(session):
    for number in (3, 1, 2, 5, 4):
        plans.store(session, plan(number), keep=4)
    assert plans.plan_ids(session) == ("P-0005", "P-0004", "P-0003", "P-0002")
    assert [p.id for p in plans.latest(session, 2)] == ["P-0005", "P-0004"]


def test_what_each_algorithm_decided_is_kept_as_long_as_its_plan(session):
    wanted = IndexDefinition(QualifiedName("public", 'Odd "Name"'), (IndexKey("a"), IndexKey("b")), "hash")
    findings = (
        AlgorithmFinding("radix_string_spline", "hash", "t (a)", Effect.ADDED, "competes", (), definition=wanted),
        AlgorithmFinding("cert", "stale", "t (b)", Effect.REPRICED, "ANALYZE", (), analyze=wanted.table),
        AlgorithmFinding("cert", "restriction", "t", Effect.REPORT_ONLY, "nothing is changed", ()),
    )
    for _ in range(2):  # stored again, as apply does, it is told once
        plans.store(session, dataclasses.replace(plan(1), findings=findings))
    asked = """SELECT algorithm, schema_name, table_name, field_name, recommendation_id, decision,
        details_json ->> 'plan' AS plan FROM indexpilot.algorithm_usage ORDER BY id"""
    assert [tuple(row) for row in session.rows(SQL(asked))] == [
        ("radix_string_spline", "public", 'Odd "Name"', "a", wanted.id, "added", "P-0001"),
        ("cert", "public", 'Odd "Name"', None, None, "repriced", "P-0001"),
    ]
    told = plans.decisions(session)
    assert [(d.algorithm, d.effect, d.decisions, d.plans, d.indexes, d.built) for d in told] == [
        ("cert", Effect.REPRICED, 1, 1, 0, 0),
        ("radix_string_spline", Effect.ADDED, 1, 1, 1, 0),
    ]
    assert not plans.decisions(session, (None, "other")) and not plans.decisions(
        session, since=told[0].last + timedelta(hours=1)
    )
    built = """WITH version AS (INSERT INTO indexpilot.index_versions
            (schema_name, table_name, index_name, version, definition_sql, op_id, is_current)
            VALUES ('public', 'Odd "Name"', 'x', 1, '', gen_random_uuid(), false) RETURNING op_id)
        INSERT INTO indexpilot.mutation_log (mutation_type, op_id, index_name, details_json)
            SELECT 'CREATE_INDEX', op_id, 'x', jsonb_build_object('recommendation', %s::text) FROM version"""
    session.execute(SQL(built), [wanted.id])
    assert [(d.algorithm, d.built, d.standing) for d in plans.decisions(session)][1] == ("radix_string_spline", 1, 0)
    plans.store(session, plan(2), keep=1)
    assert not session.rows(SQL(asked)) and not plans.decisions(session)


def test_ids_are_found_by_their_beginning(session):
    old, new = plan(1, "a", "b"), plan(2, "a", rejected=["z"])
    for one in (old, new):
        plans.store(session, one)
    a, b = (r.id for r in old.recommendations)
    assert plans.find_recommendation(session, a).plan.id == "P-0002"
    assert plans.find_recommendation(session, b.lower()[:6]).plan.id == "P-0001"
    assert plans.find_recommendation(session, b[2:]).recommendation.id == b
    rejected = next(r.id for r in new.rejections if r.id)
    assert plans.find_recommendation(session, rejected).rejection.reason == "too_small"
    assert plans.load(session, "0002").id == "P-0002"
    with pytest.raises(UsageError) as ambiguous:
        plans.load(session, "P-000")
    assert ambiguous.value.code == "ambiguous_id"


@pytest.mark.parametrize("typed", ["", "R-zzzzzzzz", "x'; DROP TABLE plans; --", "%", "_", "P-"])
def test_unknown_ids(session, typed):
    plans.store(session, plan(1, "a"))
    with pytest.raises(UsageError):
        plans.find_recommendation(session, typed)
    wrong = plan(1, "a").recommendations[0].id[:-1] + "x"
    with pytest.raises(UsageError) as unknown:
        plans.find_recommendation(session, wrong)
    assert plan(1, "a").recommendations[0].id in unknown.value.hint
