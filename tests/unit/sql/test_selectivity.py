"""Shares of rows from statistics."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.workload import AtomKind
from indexpilot_cli.sql.selectivity import (
    atom_selectivity,
    average_equal,
    carried,
    comparable,
    predicate_selectivity,
    row_count,
    selectivity,
)
from tests.unit.advise.candidates.builders import atom, column, eq, index, rng, stats, table

BOUNDS = tuple(str(n) for n in range(0, 1001, 10))
DAYS = tuple(f"2024-{m:02}-01 00:00:00+00" for m in range(1, 13))
T = table(
    "t",
    column("a", statistics=stats(1000, bounds=BOUNDS)),
    column("b", statistics=stats(50, nulls=0.5)),
    column("s", "text", statistics=stats(4, common=(("done", 0.7), ("open", 0.2), ("failed", 0.01)))),
    column("f", "bool", statistics=stats(2, 1, common=(("f", 0.9), ("t", 0.1)))),
    column("at", "tstz", statistics=stats(width=8, bounds=DAYS)),
    column(
        "tags", "texts", statistics=stats(most_common_elems=("x", "y"), most_common_elem_freqs=(0.4, 0.1, 0.1, 0.4))
    ),
    column("x", "int"),
    column("mode", "text", statistics=stats(4, common=(("MAIL      ", 0.3), ("AIR       ", 0.2)))),
)


@pytest.mark.parametrize(
    ("predicate", "share"),
    [
        ("s = 'done'", 0.7),
        ("s <> 'done'", 0.3),
        ("s IN ('open', 'failed')", 0.21),
        ("s = ANY ('{open,failed}'::text[])", 0.21),
        ("s = ANY ('{open,NULL}')", 1 / 3),
        ("s = 'other'", 0.01),
        ("mode IN ('MAIL', 'AIR')", 0.5),  # char(10): statistics hold padded values
        ("f", 0.1),
        ("NOT f", 0.9),
        ("f = false", 0.9),
        ("f IS TRUE", 0.1),
        ("b IS NULL", 0.5),
        ("b IS NOT NULL", 0.5),
        ("a < 100", 0.1),
        ("a >= 900", 0.1),
        ("a BETWEEN 400 AND 600", 0.2),
        ("a < 100 AND f", 0.01),
        ("f OR b IS NULL", 0.55),
        ("at >= '2024-11-15'", 0.05),
        ("at < '2023-01-01'", 0.0),
    ],
)
def test_predicates(predicate, share):
    assert predicate_selectivity(predicate, T) == pytest.approx(share, abs=0.011)


def test_unreadable_predicate_is_unknown():
    assert predicate_selectivity("a OVER (", T) is None


def test_parameters_take_the_average():
    assert atom_selectivity(eq("a"), T) == pytest.approx(1 / 1000)
    assert atom_selectivity(eq("b"), T) == pytest.approx(0.5 / 50)
    assert atom_selectivity(atom(AtomKind.IN, "=", "a", elements=7, parameters=(1,)), T) == pytest.approx(0.007)
    assert atom_selectivity(eq("s", "'failed'"), T) == pytest.approx(0.01)


def test_two_bounds_are_one_range():
    both = [rng("a", "100", ">="), rng("a", "200", "<")]
    assert selectivity(both, T) == pytest.approx(0.1, abs=0.01)
    assert selectivity([rng("a"), rng("a", operator="<")], T) == pytest.approx(0.005)


def test_elements():
    found = atom_selectivity(atom(AtomKind.CONTAINS, "@>", "tags", parameters=(1,)), T)
    assert 0.1 < found < 0.4


def test_expressions_carry_their_columns_statistics():
    assert carried("lower(s)", T).n_distinct == 4
    assert carried("date_trunc('month', at AT TIME ZONE 'UTC')", T).distinct(1e6) == pytest.approx(12, abs=1)
    assert carried("at::date", T).distinct(1e6) == pytest.approx(336, abs=2)
    assert carried("a || s", T) is None
    assert [carried(text, T).n_distinct for text in ("a % 20", "a & 6", "4 & a")] == [20, 4, 2]
    strange = (f"a & {'9' * 5000}", "a & '²'", "a % '²'", "a % '0'", f"a % {'9' * 400}")
    assert {carried(text, T).n_distinct for text in strange} == {carried("a % 0", T).n_distinct}
    found = average_equal(carried("lower(s)", T), row_count(T))
    assert found == pytest.approx(0.25)


def test_statistics_of_an_index_come_first():
    known = index("i", "t", "(lower(s))")
    shop = replace(T, indexes=(replace(known, statistics=(stats(17),)),))
    assert carried("lower((s)::text)", shop).n_distinct == 17


def test_rows_of_a_table_never_analyzed():
    assert row_count(table("t", column("a"), rows=-1.0, pages=100)) > 1000
    assert row_count(table("t", column("a"), rows=-1.0, pages=0)) == 0.0


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5", "int4", 5.0),
        ("1970-01-02", "date", 86400.0),
        ("1970-01-01 00:00:01.5+00", "timestamptz", 1.5),
        ("infinity", "timestamptz", float("inf")),
        ("01:00:01", "time", 3601.0),
        ("t", "bool", 1.0),
        ("abc", "text", "abc"),
        ("{}", "jsonb", None),
        ("0044-03-15 BC", "date", None),
    ],
)
def test_values(text, kind, value):
    assert comparable(text, kind) == value


predicates = st.recursive(
    st.sampled_from(
        ["s = 'open'", "f", "b IS NULL", "a < 300", "a >= 20", "s IN ('done', 'x')", "x = 5", "lower(s) = 'q'"]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
        inner.map(lambda p: f"NOT ({p})"),
    ),
    max_leaves=5,
)


@given(predicates)
def test_shares_are_shares(predicate):
    assert 0.0 <= predicate_selectivity(predicate, T) <= 1.0
