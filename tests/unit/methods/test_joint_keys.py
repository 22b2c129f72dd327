"""Columns that follow one another: rows that were read tell how many keys they have together."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import NoSamples, PageCount, PageMatches, PageSample, SampledPage
from indexpilot_cli.methods.fields import Field
from indexpilot_cli.methods.kinds.btree import btree_size
from indexpilot_cli.methods.sampled import distinct_keys
from indexpilot_cli.methods.size import Sizes, estimate
from tests.unit.advise.candidates.builders import catalog, column, definition, stats, table

ROWS, PAGES, READ = 400_000, 5_000, 250
T = table(
    "t",
    column("town", statistics=stats(2000)),
    column("land", statistics=stats(50)),
    column("other", statistics=stats(50)),
    column("lot", statistics=stats(4000, correlation=0.99)),
    column("tags", "texts", statistics=stats(50, 20)),
    rows=float(ROWS),
    pages=PAGES,
)
C = catalog(T)


def rows_of_page(page, rng):
    for row in range(ROWS // PAGES):
        town = rng.randrange(2000)
        yield town, town % 50, rng.randrange(50), (page * 80 + row) // 100, [str(town % 50)]


def sample(heap_pages=PAGES):
    rng = random.Random(4)
    pages = (SampledPage(1, n, tuple(rows_of_page(n, rng))) for n in sorted(rng.sample(range(PAGES), READ)))
    return PageSample(QualifiedName("public", "t"), tuple(c.name for c in T.columns), tuple(pages), heap_pages)


KEPT = {
    "land = 3 AND tags = '{3}'": lambda row: row[1] == 3,
    "land = 3 AND other = 3": lambda row: row[1] == row[2] == 3,
}


class Rows(NoSamples):
    def __init__(self):
        self.asked = []

    def of(self, name):
        self.asked.append(name)
        return sample()

    def matches(self, name, conditions):
        (text,) = conditions
        self.asked.append(text)
        pages = ((len(p.rows), sum(KEPT[text](r) for r in p.rows)) for p in sample().pages)
        return PageMatches(name, conditions, tuple(PageCount(rows, (kept,)) for rows, kept in pages), PAGES, 0.06)


def by_rows(text, **more):
    return estimate(definition("t", text, **more), T, C, sample())


def by_statistics(text):
    return estimate(definition("t", text), T, C)


def alike(distinct, width):
    """Pages of a B-tree over so many values of that width that are all as frequent."""
    key = Field((width,), 4, 0.0, distinct, (), ((1.0, distinct),), 0.0, True, True)
    return btree_size([key], (), ROWS, folds=True, fillfactor=90).pages


@pytest.mark.parametrize(
    ("keys", "distinct"),
    [("town, land", 2000), ("land, town", 2000), ("town, other, land", 100_000), ("lot, land", 173_515)],
)
def test_keys_that_follow_another_are_not_counted_again(keys, distinct):
    width = 4 * len(keys.split(","))
    assert by_rows(keys).pages == pytest.approx(alike(distinct, width), rel=0.1)
    assert by_rows(keys).confidence == "medium"


def test_columns_that_are_independent_keep_their_size():
    assert by_rows("town, other").pages == pytest.approx(by_statistics("town, other").pages, rel=0.05)


def test_a_table_read_whole_tells_its_keys_exactly():
    one = replace(T, tuples=float(READ * 80), pages=READ)
    found = estimate(definition("t", "town, land"), one, catalog(one), sample(READ))
    assert found.pages == pytest.approx(estimate(definition("t", "town"), one, catalog(one)).pages, rel=0.1)


@pytest.mark.parametrize("more", [{"predicate": "other = 3"}, {"include": ("other",)}])
def test_other_indexes_go_by_statistics(more):
    found = by_rows("town, land", **more)
    assert found == estimate(definition("t", "town, land", **more), T, C)


def test_rows_are_asked_for_only_where_it_matters():
    rows = Rows()
    sizes = Sizes(C, rows)
    assert sizes.of(definition("t", "town")).confidence == "high"
    assert sizes.of(definition("t", "town", method="hash")).pages
    assert rows.asked == []
    assert sizes.of(definition("t", "town, land")).pages < 0.8 * by_statistics("town, land").pages
    assert rows.asked == [T.name]


@pytest.mark.parametrize(
    ("predicate", "times"), [("land = 3 AND tags = '{3}'", 50), ("land = 3 AND other = 3", 1), ("other = 3", 1)]
)
def test_a_predicate_of_columns_that_follow_one_another_keeps_the_rows_that_were_counted(predicate, times):
    rows = Rows()
    sizes, one = Sizes(C, rows), definition("t", "town", predicate=predicate)
    assert sizes.of(one).tuples == pytest.approx(times * estimate(one, T, C).tuples, rel=0.2)
    assert sizes.of(definition("t", "other", predicate=predicate)).tuples == sizes.of(one).tuples
    assert rows.asked.count(predicate) == (1 if " AND " in predicate else 0)


@pytest.mark.parametrize("key", ["k", "(lower(k))"])
def test_keys_that_a_collation_takes_for_equal_share_no_entry(key):
    one, other = column("k", "text", stats(100)), column("k", "text", stats(100), deterministic=False)
    folded, apart = (estimate(definition("t", key), t, catalog(t)) for t in (table("t", one), table("t", other)))
    assert apart.pages > 2 * folded.pages


def listed(distinct, read):
    """A table whose column has values that are all alike, as ANALYZE shows it when it reads so many of 400,000 rows."""
    seen = Counter(random.Random(1).choices(range(distinct), k=read))
    groups = tuple((times, 0, keys) for times, keys in Counter(seen.values()).items())
    common = tuple((str(v), n / read) for v, n in seen.most_common(100) if n > 1)
    one = column("k", statistics=stats(distinct_keys(groups, ROWS), common=common))
    raised = column("r", "bigint", statistics=stats(-1.0, 8, bounds=tuple(map(str, range(read // 300 + 1)))))
    return table("t", one, raised, rows=float(ROWS), pages=PAGES)


@pytest.mark.parametrize("read", [30_000, 150_000])
@pytest.mark.parametrize("distinct", [20_000, 100_000, 300_000])
def test_values_listed_by_chance_are_no_more_common_than_others(distinct, read):
    """Also where the statistics target of another column is raised, so that ANALYZE reads more rows of this one."""
    t = listed(distinct, read)
    assert estimate(definition("t", "k"), t, catalog(t)).pages == pytest.approx(alike(distinct, 4), rel=0.03)
