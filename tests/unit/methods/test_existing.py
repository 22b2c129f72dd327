"""Structural comparison of indexes, and expressions compared by meaning."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.methods.existing import covered_by, covers, redundant_indexes, same_structure
from indexpilot_cli.sql.expressions import read_expression
from indexpilot_cli.sql.normal import columns, conjuncts, normal
from tests.unit.advise.candidates.builders import column, definition, index, name, table


def wanted(keys, **more):
    return definition("t", keys, **more)


def have(keys, label="i", **more):
    return index(label, "t", keys, **more)


@pytest.mark.parametrize(
    ("existing", "keys"),
    [
        (have("a, b"), "a"),
        (have("a, b, c"), "a, b"),
        (have("a", unique=True), "a"),
        (have("a desc"), "a"),
        (have("a desc, b"), "a, b desc"),
        (have("a desc nulls last"), "a nulls first"),
        (have("(lower((email)::text))"), "(lower(email))"),
        (have("(date_trunc('day'::text, at))"), "(date_trunc('day', at))"),
        (have("a", include=("b",)), "a"),
    ],
)
def test_covered(existing, keys):
    assert covered_by(wanted(keys), (existing,)) is existing


@pytest.mark.parametrize(
    ("existing", "keys"),
    [
        (have("tenant_name"), "name"),
        (have("a, b"), "b"),
        (have("a"), "a, b"),
        (have("a, b"), "a, b desc"),
        (have("a text_pattern_ops"), "a"),
        (have("a", valid=False), "a"),
        (have("a", ready=False), "a"),
        (have("a", predicate="b > 1"), "a"),
        (have("a", method="hash"), "a"),
        (have("(lower(email))"), "email"),
        (have("email"), "(lower(email))"),
    ],
)
def test_not_covered(existing, keys):
    assert covered_by(wanted(keys), (existing,)) is None


def test_free_keys_may_stand_in_any_order_and_direction():
    existing = have("b desc, a, c")
    assert covered_by(wanted("a, b"), (existing,)) is None
    assert covered_by(wanted("a, b"), (existing,), free=2) is existing
    assert covered_by(wanted("a, b, c desc"), (existing,), free=2) is existing
    assert covered_by(wanted("a, c"), (existing,), free=2) is None


def test_partial_needs_the_same_predicate():
    partial = wanted("a", predicate="status = 'open' AND b IS NULL")
    same = have("a", predicate="(b IS NULL) AND ((status)::text = 'open'::text)")
    assert covered_by(partial, (same,)) is same
    assert covered_by(partial, (have("a", predicate="b IS NULL"),)) is None
    full = have("a")
    assert covered_by(partial, (full,)) is None
    assert covers(full.definition, partial)


def test_include_and_unique():
    existing = have("a, b", include=("c",))
    assert covered_by(wanted("a", include=("c", "b")), (existing,)) is existing
    assert covered_by(wanted("a", include=("d",)), (existing,)) is None
    assert covered_by(wanted("a", unique=True), (have("a, b", unique=True),)) is None
    assert covered_by(wanted("a", unique=True), (have("a", unique=True),))


def test_other_methods():
    assert covered_by(wanted("b", method="gin"), (have("a, b", method="gin"),))
    assert covered_by(wanted("a", method="hash"), (have("a, b"),))
    assert covered_by(wanted("d jsonb_path_ops", method="gin"), (have("d", method="gin"),))
    assert covered_by(wanted("d", method="gin"), (have("d jsonb_path_ops", method="gin"),)) is None
    assert covered_by(wanted("b", method="gist"), (have("a, b", method="gist"),)) is None


def test_another_table_covers_nothing():
    assert covered_by(definition("u", "a"), (have("a"),)) is None


def test_unreadable_text_is_compared_as_text():
    assert read_expression("a OVER (") is None
    assert normal("a  OVER (") == normal("a OVER (")


def test_columns_and_conjuncts():
    assert columns("lower(\"Name\") || coalesce(b, 'c')") == {"Name", "b"}
    assert conjuncts("b IS NULL AND a = 1 AND c") == conjuncts("c AND (a = 1 AND b IS NULL)")
    assert len(conjuncts("b IS NULL AND a = 1 AND c")) == 3


letters = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True).map(", ".join)


@given(letters, letters)
def test_covering_is_the_prefix_relation(left, right):
    found = covered_by(wanted(left), (have(right),)) is not None
    assert found == (right.split(", ")[: len(left.split(", "))] == left.split(", "))
    assert same_structure(wanted(left), wanted(right)) == (left == right)


@given(st.text(max_size=60))
def test_any_text_has_a_normal_form(text):
    assert normal(text) == normal(text)


def told(*indexes, **more):
    """Each needless index with the one that makes it so; = for the same, < for less."""
    holder = table("t", column("a"), indexes=indexes, **more)
    return {r.name.name: f"{'=' if r.exact else '<'} {r.by.name}" for r in redundant_indexes([holder])}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (have("a", "x"), have("a", "y"), {"y": "= x"}),
        (have("a", "x"), have("a desc", "y"), {"y": "= x"}),
        (have("a, b desc", "x"), have("a desc, b", "y"), {"y": "= x"}),
        (have("a", "x"), have("a, b", "y"), {"x": "< y"}),
        (have("a desc", "x"), have("a, b", "y"), {"x": "< y"}),
        (have("a", "x", unique=True), have("a", "y"), {"y": "< x"}),
        (have("a", "x"), have("a, b", "y", unique=True), {"x": "< y"}),
        (have("a", "x", include=("b", "c")), have("a", "y", include=("c", "b")), {"y": "= x"}),
        (have("a", "x", include=("b",)), have("a, b", "y"), {"x": "< y"}),
        (have("a", "x", unique=True), have("a", "y", unique=True, include=("b",)), {"x": "< y"}),
        (have("a", "x", predicate="b > 1"), have("a", "y", predicate="(b > 1)"), {"y": "= x"}),
        (have("(lower((email)::text))", "x"), have("(lower((email)::text))", "y"), {"y": "= x"}),
        (have("a varchar_pattern_ops", "x"), have("a text_pattern_ops", "y"), {"y": "= x"}),
        (have("a", "x", predicate="b > 1 AND c"), have("a", "y", predicate="c AND 1 < b"), {"y": "= x"}),
        (have("a", "x", constraint="u", unique=True, immediate=False), have("a", "y"), {"y": "< x"}),
        (have("a", "x", method="hash"), have("a", "y", method="hash"), {"y": "= x"}),
        (have("b", "x", method="gin"), have("a, b", "y", method="gin"), {"x": "< y"}),
        (have("a", "x", options=(("fillfactor", "70"),)), have("a", "y"), {"y": "= x"}),
    ],
)
def test_needless_indexes(first, second, expected):
    assert told(first, second) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (have("a, b", "x"), have("b, a", "y")),
        (have("a, b", "x"), have("a, b desc", "y")),
        (have("b", "x"), have("a, b", "y")),
        (have("a", "x", unique=True), have("a, b", "y", unique=True)),
        (have("a", "x", unique=True), have("a", "y", unique=True, nulls_not_distinct=True, predicate="b > 1")),
        (have("a nulls first", "x"), have("a", "y")),
        (have("a text_pattern_ops", "x"), have("a", "y")),
        (have("a", "x"), have("a", "y", predicate="b > 1")),
        (have("a", "x", predicate="b > 1"), have("a", "y", predicate="b > 2")),
        (have("a", "x", method="hash"), have("a", "y")),
        (have("a", "x", include=("b",)), have("a", "y", include=("c",))),
        (have("a", "x"), have("a", "y", valid=False)),
        (have("a", "x"), have("a, b", "y", ready=False)),
        (have("a", "x", method="brin", options=(("pages_per_range", "8"),)), have("a", "y", method="brin")),
        (have("(lower(email))", "x"), have("(upper(email))", "y")),
        # The same values, and yet the planner finds neither expression in an index on the other.
        (have("((n + 1))", "x"), have("((n + (1)::bigint))", "y")),
        (have("(EXTRACT(hour FROM at))", "x"), have("(date_part('hour'::text, at))", "y")),
        (have("(char_length(t))", "x"), have("(length(t))", "y")),
        (have("((c)::name)", "x"), have("((c)::text)", "y")),
        (have("a", "x", predicate="char_length(t) > 3"), have("a", "y", predicate="length(t) > 3")),
        (have("a", "x", predicate="at > '2024-02-01'::date"), have("a", "y", predicate="at > '2024-02-01'::timestamp")),
        (have("a", "x", constraint="u", unique=True, immediate=False), have("a", "y", unique=True)),
        (have("d jsonb_path_ops", "x", method="gin"), have("d", "y", method="gin")),
        (have("a", "x", primary=True, unique=True), have("a, b", "y")),
        (have("a", "x", constraint="u", unique=True), have("a", "y", constraint="p", primary=True, unique=True)),
        (have("a", "x", method="gist", constraint="x"), have("a", "y", method="gist", constraint="x")),
    ],
)
def test_indexes_that_are_needed(first, second):
    assert told(first, second) == {}


def test_another_collation_covers_nothing():
    other = have("a", "y")
    keys = tuple(replace(k, collation="C") for k in other.definition.keys)
    assert told(have("a", "x"), replace(other, definition=replace(other.definition, keys=keys))) == {}


def test_other_parameters_of_the_operator_class_make_another_index():
    plain = have("a", "x", method="gist")
    signed = replace(plain, name=name("y"), parameters=("siglen=32",))
    assert told(plain, signed) == {}
    assert told(signed, replace(signed, name=name("z"))) == {"z": "= y"}


@pytest.mark.parametrize(
    ("kept", "spare"),
    [
        ({"constraint": "u", "unique": True, "oid": 9}, {"unique": True, "oid": 3}),
        ({"replica_identity": True, "oid": 9}, {"oid": 3}),
        ({"clustered": True, "oid": 9}, {"oid": 3}),
        ({"scans": 5, "oid": 9}, {"scans": 0, "oid": 3}),
        ({"scans": 5, "oid": 3}, {"scans": 900, "oid": 9}),
        ({"oid": 3}, {"oid": 9}),
    ],
)
def test_of_duplicates_the_needed_the_used_and_the_older_stays(kept, spare):
    assert told(have("a", "z", **kept), have("a", "b", **spare)) == {"b": "= z"}
    assert told(have("a", "b", **spare), have("a", "z", **kept)) == {"b": "= z"}


def test_three_of_a_kind_and_the_widest_stay_together():
    found = told(have("a", "one", oid=1), have("a", "two", oid=2), have("a, b", "three"), have("a, b, c", "four"))
    assert found == {"one": "< four", "two": "= one", "three": "< four"}


def test_indexes_of_a_partition_go_with_those_of_the_whole_table():
    whole = table("t", column("a"), kind="p", indexes=(have("a", "w"), have("a", "w2")))
    own = [index(label, "part", "a") for label in ("own", "own2")]
    own += [index(f"part_{label}", "part", "a", parent=name(label)) for label in ("w", "w2")]
    part = table("part", column("a"), indexes=own, parent=name("t"), is_partition=True)
    assert [r.name.name for r in redundant_indexes([whole, part])] == ["own", "own2", "w2"]
