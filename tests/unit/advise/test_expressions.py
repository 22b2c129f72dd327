"""Statistics of expressions by rows that were read, and what the size model and the rules make of them."""

from collections import defaultdict
from dataclasses import replace

import pytest

from indexpilot_cli.advise.expressions import summary, with_sampled
from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.samples import NoSamples, ValueSample
from indexpilot_cli.methods.size import estimate
from indexpilot_cli.sql.normal import normal
from indexpilot_cli.sql.selectivity import carried, predicate_selectivity
from tests.unit.advise.candidates.builders import atom, catalog, column, eq, name, stats, table, template, use

T = table("t", column("id", "bigint"), column("flags"), column("data", "jsonb"), column("s", "text", stats(width=9)))


def rows(values, per_page=10):
    return [(value, 0, n + 1, f"({n // per_page}") for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "share", "rows_", "distinct"),
    [
        ([str(n) for n in range(100)], 1.0, 100, -1.0),
        ([str(n) for n in range(100)], 0.01, 10_000, -1.0),
        ([str(n // 2) for n in range(100)], 0.01, 10_000, -0.5),  # alike because they lie together
        ([str(n % 5) for n in range(100)], 0.01, 10_000, 5.0),
        (["a"] * 100, 1.0, 100, 1.0),
    ],
)
def test_how_many_values_there_are(values, share, rows_, distinct):
    assert summary(rows(values), "text", rows_, share).n_distinct == pytest.approx(distinct)


def test_common_values_nulls_and_width():
    found = summary(rows(["8"] * 5 + ["0"] * 85 + [None] * 10), "text", 100, 1.0)
    assert (found.null_frac, found.avg_width) == (pytest.approx(0.1), 2)
    assert summary([("8", 9, 0, "(0")], "hstore", 1, 1.0).avg_width == 6  # a header of one byte, not of four
    assert (found.most_common_vals, found.most_common_freqs) == (("0", "8"), (0.85, 0.05))
    assert summary(rows([None] * 10), "text", 10, 1.0) == ColumnStatistics(1.0, 0, 0.0)


def test_bounds_are_in_the_order_of_the_type_and_only_where_it_has_one():
    values = [str(n) for n in range(200)]
    found = summary(rows(values), "int4", 200, 1.0)
    assert (found.histogram_bounds[0], found.histogram_bounds[-1], len(found.histogram_bounds)) == ("0", "199", 101)
    assert summary([(v, 9, 0, p) for v, _, _, p in rows(values)], "json", 200, 1.0).histogram_bounds == ()


class Read(NoSamples):
    """Rows with the same results for every expression; remembers what was asked."""

    def __init__(self, *results):
        self.results, self.asked = results, []

    def values(self, table, expressions, conditions):
        self.asked += expressions
        many = len(expressions) // 3
        read = tuple(((*[r] * many, *["8"] * 2 * many, f"({n},1)"), ()) for n, r in enumerate(self.results))
        return ValueSample(tuple(expressions), read, 1.0)


class Told:
    """What an estimator is told."""

    def __init__(self):
        self.known = {}

    def know(self, table, expression, statistics):
        self.known[table.name, expression] = statistics


def learned(samples, *atoms, told=None):
    found = with_sampled([template(use("t", *atoms))], catalog(T), samples, told or Told())
    return found.table(name("t"))


def test_what_is_asked_for_and_whom_it_is_told():
    samples, told = Read("8", "0"), Told()
    calls = (eq("public.mine(s)"), eq("mine(s)"), eq("data ->> 'a'"), eq("(data ->> 'a')::int"), eq("s"))
    learned(samples, *calls, told=told)
    assert samples.asked == [*("data ->> 'a'", "0", "row_number() OVER (ORDER BY data ->> 'a')", "ctid")]
    assert list(told.known) == [("t", "data ->> 'a'")]


def test_the_catalog_knows_it_however_it_is_written():
    known = learned(Read(*["8"] * 1, *["0"] * 99), eq("flags & 8", "8"))
    assert carried("(flags & 8)", known).most_common_vals == ("0", "8")
    assert predicate_selectivity("(flags & 8) = 8", known) == pytest.approx(0.01)
    assert learned(NoSamples(), eq("flags & 8", "8")) == T


def test_an_index_over_it_is_as_large_as_one_over_a_column_of_such_values():
    known = replace(T, computed=((normal("data ->> 'a'"), stats(width=12)),))
    ways = defaultdict(set)
    for label in ("data ->> 'a'", "s"):
        key = IndexKey(column=label) if label == "s" else IndexKey(expression=label)
        at = replace(known, columns=tuple(replace(c, statistics=stats(width=12)) for c in known.columns))
        ways[estimate(IndexDefinition(T.name, (key,)), at, catalog(at)).pages].add(label)
    assert len(ways) == 1


def test_atoms_of_other_kinds_are_not_asked_for():
    from indexpilot_cli.core.workload import AtomKind

    samples = Read("8")
    learned(samples, atom(AtomKind.TEXT_SEARCH, "@@", "to_tsvector('english', s)", sql=None))
    assert samples.asked == []
