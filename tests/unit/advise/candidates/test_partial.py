"""Partial indexes: constants that carry the workload, rare values, nulls; never an ordinary parameter."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise.candidates import CandidateOptions, propose
from indexpilot_cli.core.workload import Atom, AtomKind, ObservedStatement
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
    column("counter", statistics=stats(bounds=map(str, range(0, 100_001, 1000)), correlation=1.0)),
    column("score", statistics=stats(bounds=map(str, range(0, 100_001, 1000)), correlation=0.1)),
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


def test_a_rare_condition_that_no_key_serves_gets_an_index_of_its_rows():
    there = atom(AtomKind.IS_NOT_NULL, "IS NOT NULL", "parent", sql="parent IS NOT NULL")
    assert "btree jobs (parent) where parent IS NOT NULL" in texts(asked(use("jobs", there)))
    unusual = atom(AtomKind.NOT_EQUAL, "<>", "live", constant="false", sql="live <> false")
    assert "btree jobs (live) where live <> false" in texts(asked(use("jobs", unusual)))


def test_a_condition_on_an_expression_of_which_nothing_is_known_gets_none():
    there = Atom(AtomKind.IS_NOT_NULL, "IS NOT NULL", None, "lower(status)", sql="lower(status) IS NOT NULL")
    assert texts(asked(use("jobs", there))) == set()


def test_a_rare_flag_under_or_gets_an_index_of_its_rows_and_a_common_one_none():
    def under_or(value):
        return replace(eq("live", value), sql=f"live = {value}", conjunctive=False)

    owner = replace(eq("owner"), conjunctive=False)
    for value, found in (("true", True), ("false", False)):
        assert any("where live" in t for t in texts(asked(use("jobs", under_or(value), owner)))) == found


def test_a_common_condition_that_no_key_serves_gets_none():
    most = atom(AtomKind.IS_NOT_NULL, "IS NOT NULL", "owner", sql="owner IS NOT NULL")
    usual = atom(AtomKind.NOT_EQUAL, "<>", "status", constant="'failed'", sql="status <> 'failed'")
    assert not texts(asked(use("jobs", most, usual)))


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


@pytest.mark.parametrize(("name", "found"), [("counter", False), ("score", True)])
def test_a_range_of_what_grows_with_the_rows_is_no_predicate(name, found):
    high = atom(AtomKind.RANGE, ">", name, constant="99000", sql=f"{name} > 99000")
    assert any(f"where {name} > 99000" in t for t in texts(asked(use("jobs", high, eq("owner"))))) == found


@pytest.mark.parametrize(
    ("name", "found"), [("shop_id", False), ("forumId", False), ("state_id", True), ("rank", True)]
)
def test_a_value_of_what_names_rows_is_no_predicate(name, found):
    known = column(name, statistics=stats(9, common=[(str(n), 0.11) for n in range(9)]))
    shop = table("jobs", *JOBS.columns, known)
    proposal = propose([template(use("jobs", eq(name, "7"), eq("owner")))], catalog(shop), PLAIN)
    assert any(f"where {name} = 7" in t.replace('"', "") for t in texts(proposal)) == found


def test_one_of_many_numbers_is_no_predicate():
    known = column("store", statistics=stats(25, common=[(str(n), 0.04) for n in range(25)]))
    shop = table("jobs", *JOBS.columns, known)
    proposal = propose([template(use("jobs", eq("store", "7"), eq("owner")))], catalog(shop), PLAIN)
    assert not any("where store" in t for t in texts(proposal))


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


REF = "ref::bigint"
PROD = table(
    "prod",
    column("id"),
    column("kind", "text", stats(3, common=(("num", 0.9), ("txt", 0.1)))),
    column("ref", "text"),
    column("shop"),
)


def by_number(*atoms):
    equal = atom(AtomKind.EQUAL, "=", REF, constant="500", sql=f"{REF} = 500")
    return propose([template(use("prod", equal, *atoms))], catalog(PROD), PLAIN)


def test_expression_that_can_fail_is_rejected_without_a_guard():
    proposal = by_number()
    assert texts(proposal) == set()
    (rejected,) = [r for r in proposal.rejections if r.reason == "can_fail"]
    assert rejected.subject == "prod (ref::bigint)" and "a cast from text to int8 fails" in rejected.detail
    gone = atom(AtomKind.IS_NOT_NULL, "IS NOT NULL", "ref", sql="ref IS NOT NULL")
    assert "can_fail" in reasons(by_number(gone)) and not texts(by_number(gone))  # NULL is no value that fails


@pytest.mark.parametrize(
    ("guard", "predicate"),
    [
        (eq("kind", "'num'"), "kind = 'num'"),
        (atom(AtomKind.LIKE_PREFIX, "~", "ref", constant="'^[0-9]+$'", sql="ref ~ '^[0-9]+$'"), "ref ~ '^[0-9]+$'"),
    ],
)
def test_expression_that_can_fail_gets_the_guard_of_its_query(guard, predicate):
    proposal = by_number(guard, eq("shop"))
    over = {t for t in texts(proposal) if REF in t}
    assert over == {
        f"btree prod ((ref::bigint)) where {predicate}",
        f"btree prod (shop, (ref::bigint)) where {predicate}",
    }
    assert "can_fail" not in reasons(proposal)
    offered = [c for c in proposal.candidates if c.definition.keys[-1].expression]
    assert offered and all("later its own write" in c.reasons[0].text for c in offered)


def test_guard_with_a_parameter_is_none():
    assert "can_fail" in reasons(by_number(eq("kind", parameter=1)))


def test_predicate_that_can_fail_is_none():
    cheap = atom(AtomKind.NOT_EQUAL, "<>", "kind", constant="'x'", sql="kind::int <> 3")
    assert not any("kind::int" in t for t in texts(propose([template(use("prod", cheap, eq("shop")))], catalog(PROD))))
