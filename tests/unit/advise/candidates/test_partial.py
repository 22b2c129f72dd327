"""Partial indexes: constants that carry the workload, rare values, nulls; never an ordinary parameter."""

import pytest

from indexpilot_cli.advise.candidates import CandidateOptions, propose
from indexpilot_cli.core.workload import AtomKind, ObservedStatement
from tests.unit.advise.candidates.builders import (
    atom,
    catalog,
    column,
    eq,
    reasons,
    rng,
    sort,
    stats,
    table,
    template,
    texts,
    use,
)

STATUS = stats(4, 7, common=(("done", 0.7), ("open", 0.2), ("held", 0.095), ("failed", 0.005)))
JOBS = table(
    "jobs",
    column("id", "bigint"),
    column("owner", statistics=stats(5000)),
    column("status", "text", statistics=STATUS),
    column("live", "bool", statistics=stats(2, 1, common=(("f", 0.99), ("t", 0.01)))),
    column("even", "bool", statistics=stats(2, 1, common=(("f", 0.5), ("t", 0.5)))),
    column("gone", "tstz", statistics=stats(nulls=0.9, width=8)),
    column("parent", "bigint", statistics=stats(-0.05, 8, nulls=0.95)),
    column("created", "tstz", statistics=stats(width=8)),
)
PLAIN = CandidateOptions(covering=False)
GONE = atom(AtomKind.IS_NULL, "IS NULL", "gone", sql="gone IS NULL")
KEPT = atom(AtomKind.IS_NOT_NULL, "IS NOT NULL", "gone", sql="gone IS NOT NULL")


def asked(*uses, options=PLAIN, shop=JOBS, **more):
    return propose([template(*uses, **more)], catalog(shop), options)


def test_rare_constant_is_a_predicate_and_no_key():
    found = texts(asked(use("jobs", eq("status", "'failed'"), eq("owner"))))
    assert "btree jobs (owner) where status = 'failed'" in found


def test_constant_alone_is_its_own_key():
    assert "btree jobs (status) where status = 'failed'" in texts(asked(use("jobs", eq("status", "'failed'"))))


def test_common_constant_is_no_predicate():
    found = texts(asked(use("jobs", eq("status", "'done'"), eq("owner"))))
    assert not any("where" in t for t in found)


def test_sort_within_a_constant():
    wish = use("jobs", eq("status", "'failed'"), order_by=sort("created"), order_complete=True, limited=True)
    assert "btree jobs (created) where status = 'failed'" in texts(asked(wish))


def test_constant_that_few_give_is_no_predicate():
    often = template(use("jobs", eq("owner"), eq("status")), label="q-often", ms=1000.0)
    seldom = template(use("jobs", eq("owner"), eq("status", "'held'")), label="q-seldom", ms=10.0)
    found = propose([often, seldom], catalog(JOBS), PLAIN)
    assert "btree jobs (owner) where status = 'held'" not in texts(found)
    alone = propose([seldom], catalog(JOBS), PLAIN)
    assert "btree jobs (owner) where status = 'held'" in texts(alone)


def test_parameter_is_no_predicate_unless_the_value_is_rare():
    found = texts(asked(use("jobs", eq("status", parameter=1), eq("owner"))))
    assert {t for t in found if "where" in t} == {"btree jobs (status) where status = 'failed'"}


def test_samples_without_the_rare_value_rule_it_out():
    samples = (ObservedStatement("SELECT", parameters=("done",)), ObservedStatement("SELECT", parameters=("open",)))
    found = texts(asked(use("jobs", eq("status", parameter=1)), samples=samples))
    assert not any("where" in t for t in found)


def test_rare_boolean_gets_a_partial_index_and_no_plain_one():
    proposal = asked(use("jobs", eq("live", parameter=1)))
    assert texts(proposal) == {"btree jobs (live) where live"}
    assert "low_selectivity" in reasons(proposal)


def test_even_boolean_gets_nothing():
    proposal = asked(use("jobs", eq("even", "true")))
    assert not proposal.candidates
    assert "low_selectivity" in reasons(proposal)


def test_null_test_narrows():
    # nine of ten are null here, so IS NULL hardly narrows and IS NOT NULL does
    assert "btree jobs (owner) where gone IS NOT NULL" in texts(asked(use("jobs", KEPT, eq("owner"))))
    assert "btree jobs (owner) where gone IS NULL" not in texts(asked(use("jobs", GONE, eq("owner"))))


def test_mostly_null_column_is_indexed_without_its_nulls():
    assert "btree jobs (parent) where parent IS NOT NULL" in texts(asked(use("jobs", eq("parent"))))


def test_nulls_stay_when_somebody_asks_for_them():
    null = atom(AtomKind.IS_NULL, "IS NULL", "parent", sql="parent IS NULL")
    both = [template(use("jobs", eq("parent")), label="q-1"), template(use("jobs", null, eq("owner")), label="q-2")]
    found = texts(propose(both, catalog(JOBS), PLAIN))
    assert any(t.startswith("btree jobs (parent") and "where" not in t for t in found)


@pytest.mark.parametrize("text", ["created > now() - interval '1 day'", "created > CURRENT_DATE"])
def test_moving_time_is_no_predicate(text):
    recent = atom(AtomKind.RANGE, ">", "created", constant="now()", sql=text)
    assert not any("where created" in t for t in texts(asked(use("jobs", recent, eq("owner")))))


def test_value_of_a_column_with_many_values_is_no_predicate():
    assert not any("where owner" in t for t in texts(asked(use("jobs", eq("owner", "17"), rng("created")))))


def test_two_constants_together():
    found = texts(asked(use("jobs", eq("status", "'failed'"), eq("live", "true"), eq("owner"))))
    assert "btree jobs (owner) where status = 'failed' AND live = true" in found


def test_demands_of_a_combination_have_all_of_it():
    one = template(use("jobs", eq("status", "'failed'"), eq("owner")), label="q-1")
    two = template(use("jobs", eq("live", "true"), eq("owner")), label="q-2")
    for candidate in propose([one, two], catalog(JOBS), PLAIN).candidates:
        assert candidate.templates
        assert " AND " not in (candidate.definition.predicate or "")
