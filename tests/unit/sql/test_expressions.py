"""Expressions read by the real parser: every one has a normal form, and normalising that changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.sql.expressions import OTHER, read_expression
from indexpilot_cli.sql.normal import canonical, columns, normal
from indexpilot_cli.sql.parser import Unparsed, parse

ATOMS = st.sampled_from(
    ["a", '"B c"', "t.d", "1", "-2.5", "'x''y'", "'a  b'", "true", "null", "$1", "current_date", "date '2020-01-01'"]
)


def grown(inner):
    pair = st.tuples(inner, inner)
    forms = [
        *("({0}) = ({1})", "({0}) <> ({1})", "({0}) < ({1})", "({0}) AND ({1})", "({0}) OR ({1})", "({0}) || ({1})"),
        *("NOT ({0})", "({0}) IS NULL", "({0}) IS NOT NULL", "({0}) IS TRUE", "({0}) IS NOT FALSE", "- ({0})"),
        *("({0}) IN ({1}, {0})", "({0}) = ANY (ARRAY[{1}, {0}])", "({0}) <> ALL ({1})", "({0}) NOT IN ({1})"),
        *("({0}) BETWEEN ({1}) AND ({0})", "({0}) NOT BETWEEN SYMMETRIC ({1}) AND 3", "({0}) LIKE ({1})"),
        *("({0}) NOT ILIKE ({1}) ESCAPE '!'", "({0}) SIMILAR TO ({1})", "({0}) IS DISTINCT FROM ({1})"),
        *("({0})::text", "({0})::numeric(10, 2)", "({0})::int[]", "CAST(({0}) AS timestamp(3) with time zone)"),
        *("lower({0})", "pg_catalog.lower({0})", "extract(year FROM {0})", "({0}) AT TIME ZONE 'UTC'", "trim({0})"),
        *("coalesce({0}, {1})", "greatest({0}, {1})", "nullif({0}, {1})", "ROW({0}, {1})", "({0})[1]", "({0})[1:2]"),
        *('({0}) COLLATE "C"', "CASE {0} WHEN {1} THEN {0} ELSE {1} END", "CASE WHEN {0} THEN {1} END"),
        *("count(*) FILTER (WHERE {0})", "sum({0}) OVER (ORDER BY {1})", "({0}).field", "(SELECT {0})", "f(x => {0})"),
    ]
    return st.tuples(st.sampled_from(forms), pair).map(lambda made: made[0].format(*made[1]))


EXPRESSIONS = st.recursive(ATOMS, grown, max_leaves=8)


@given(EXPRESSIONS)
def test_what_parses_has_a_normal_form_that_stays(text):
    tree = read_expression(text)
    assert tree is not None
    assert canonical(canonical(tree)) == canonical(tree)
    assert normal(f"( {text} )") == normal(text)


@given(st.text(max_size=20) | EXPRESSIONS)
def test_only_what_does_not_parse_has_no_tree(text):
    parsed = not isinstance(parse(f"SELECT {text}"), Unparsed)
    if read_expression(text) is not None:
        assert parsed
    assert isinstance(normal(text), str)


@given(EXPRESSIONS)
def test_columns_are_those_of_the_text(text):
    written = {name for name, spelling in (("B c", '"B c"'), ("d", "t.d")) if spelling in text}
    assert columns(text) - {"a"} == written


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("count(*) FILTER (WHERE a > 1)", {"a"}),
        ("sum(a) OVER (PARTITION BY b ORDER BY c)", {"a", "b", "c"}),
        ("(a).*", {"a"}),
        ("a[1:n]", {"a", "n"}),
        ("a BETWEEN SYMMETRIC b AND c", {"a", "b", "c"}),
        ("f(x => a)", {"a"}),
        ("a IN (SELECT b FROM t)", {"a", "b"}),
    ],
)
def test_what_has_no_node_of_its_own_keeps_its_text_and_columns(text, inside):
    assert read_expression(text).kind == OTHER
    assert columns(text) == inside
    assert normal(text) != normal(text.replace("a", "z"))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("at AT TIME ZONE 'UTC'", "timezone('UTC'::text, at)"),
        ("a OPERATOR(pg_catalog.+) 1", "a + 1"),
        ("a::timestamp with time zone", "a::timestamptz"),
        ("a::character varying(5)", "a::varchar(5)"),
        ("a::character(1)", "a::char"),
        ("a::bool", "a::boolean"),
    ],
)
def test_spellings_of_one_meaning(left, right):
    assert normal(left) == normal(right)


def test_nothing_overflows():
    assert isinstance(normal("(" * 3000 + "a" + ")" * 3000), str)
    assert isinstance(normal(" + ".join(["a"] * 3000)), str)
