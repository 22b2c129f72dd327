"""Work that may grow with the indexes of a schema, but not with its tables times its indexes."""

from collections.abc import Collection

import pytest

from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.methods import fields, frequencies
from indexpilot_cli.methods.kinds import btree
from indexpilot_cli.methods.partitioned import build_sql
from indexpilot_cli.methods.size import estimate
from tests.unit.advise.candidates import builders

COMMON = (0.3, 0.2, 0.1)


def wide(count, label="wide"):
    columns = []
    for number in range(count):
        known = builders.stats(distinct=200.0 + number, common=tuple(zip("abc", COMMON, strict=True)))
        columns.append(builders.column(f"c{number}", kind="int", statistics=known, number=number + 1))
    return builders.table(label, *columns)


def on(table, *names, **more):
    return IndexDefinition(table.name, tuple(IndexKey(n) for n in names), **more)


def test_the_field_of_a_column_is_worked_out_once_for_all_indexes(monkeypatch):
    table = wide(5_000)
    catalog = builders.catalog(table)
    solved = []
    real = frequencies._solved
    monkeypatch.setattr(frequencies, "_solved", lambda *given: solved.append(1) or real(*given))
    for _ in range(2):
        for column in table.columns:
            fields.column_field(column, 1_000_000.0, catalog.version)
    assert 0 < len(solved) <= len(table.columns)


def test_columns_that_differ_in_statistics_alone_have_fields_of_their_own():
    one, other = (builders.column("c", statistics=builders.stats(distinct=d)) for d in (10.0, 500.0))
    assert one == other
    assert fields.column_field(one, 1e6, 0).distinct == 10.0
    assert fields.column_field(other, 1e6, 0).distinct == 500.0


@pytest.mark.parametrize(
    ("names", "more", "trees"),
    [
        (("c0",), {}, 1),
        (("c0", "c1"), {"unique": True}, 1),
        (("c0",), {"include": ("c1",)}, 1),
        (("c0", "c1"), {}, 2),  # how far the columns depend on each other matters
    ],
)
def test_a_tree_is_measured_twice_only_where_shared_entries_make_a_difference(monkeypatch, names, more, trees):
    table = wide(2)
    measured = []
    real = btree.btree_size
    monkeypatch.setattr(btree, "btree_size", lambda *given, **named: measured.append(1) or real(*given, **named))
    assert estimate(on(table, *names, **more), table, builders.catalog(table)).pages > 1
    assert len(measured) == trees


class Names(Collection):
    """Names of a schema that nobody may read one by one."""

    def __contains__(self, name):
        return False

    def __iter__(self):
        raise AssertionError("all names of a schema are gone through for one index")

    def __len__(self):
        return 1_000_000


def test_the_names_of_a_schema_are_not_copied_for_each_index():
    table = wide(1)
    assert build_sql(on(table, "c0"), "i", builders.catalog(table), Names()).startswith("CREATE INDEX CONCURRENTLY")
