"""The pure side of the genome: methods, groups, vetoes, and what changed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.index import TenantUse
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.genome.fields import ColumnIdentity, FieldKey, FieldType, GenomeField, feature_group, index_method
from indexpilot_cli.genome.sync import GenomeChangeKind, compare
from indexpilot_cli.genome.table import apply_indexable, apply_usage

T = QualifiedName("public", "t")


def column(name, number=1):
    return Column(name, number, "integer", "int4", "N")


def catalog(*names, table=T):
    return Catalog(150000, "d", (Table(table, "r", tuple(column(n, i) for i, n in enumerate(names, 1))),))


def genome(*names, table=T, **options):
    return tuple(GenomeField(table, name, "integer", **options) for name in names)


def indexable(found):
    return {c.name: c.indexable for t in found.tables for c in t.columns}


@pytest.mark.parametrize(
    ("base", "category", "methods", "expected"),
    [
        ("int4", "N", {"btree", "hash", "brin"}, "btree"),
        ("text", "S", {"btree", "hash", "gin"}, "btree"),
        ("jsonb", "U", {"btree", "hash", "gin"}, "gin"),
        ("tsvector", "U", {"btree", "gin", "gist"}, "gin"),
        ("_text", "A", {"btree", "gin"}, "gin"),
        ("point", "G", {"gist", "spgist"}, "gist"),
        ("int4range", "R", {"btree", "gist", "spgist"}, "gist"),
        ("hstore", "U", {"btree", "gin"}, "gin"),
        ("vector", "U", {"btree"}, "btree"),
        ("bytea", "U", {"btree", "hash"}, None),
        ("json", "U", set(), None),
        ("xml", "U", set(), None),
        ("oddtype", "U", set(), None),
        ("hashonly", "U", {"hash"}, None),
    ],
)
def test_methods(base, category, methods, expected):
    assert index_method(FieldType(base, category, frozenset(methods))) == expected


def test_wide_values_do_not_fit():
    assert index_method(FieldType("text", "S", frozenset({"btree"}), 999)) == "btree"
    assert index_method(FieldType("text", "S", frozenset({"btree"}), 1000)) is None
    assert index_method(FieldType("text", "S", frozenset({"btree"}), 18, all_wide=True)) is None
    assert index_method(FieldType("jsonb", "U", frozenset({"gin"}), 5000)) == "gin"


def test_groups():
    assert [feature_group(n) for n in ("email", "custom_1", "CF_x", "customer", "x_custom", "attribute12")] == [
        *("core", "custom", "custom", "core", "custom", "custom")
    ]
    assert feature_group("email", [("e*", "contact")]) == "contact" and feature_group("x", []) == "core"


def test_vetoes_only_hit_their_own_column():
    other = QualifiedName("sales", "t")
    both = Catalog(150000, "d", (*catalog("a", "b").tables, *catalog("a", table=other).tables))
    found = apply_indexable(both, (*genome("a", indexable=False), *genome("a", table=other), *genome("unknown")))
    assert [c.indexable for t in found.tables for c in t.columns] == [False, True, True]
    assert apply_indexable(both, genome("a", "b")) is both


def test_b8_what_no_tenant_uses_is_forbidden_and_what_few_use_is_marked():
    usage = {FieldKey(T, "a"): (), FieldKey(T, "b"): (3, 7), FieldKey(T, "c"): (1, 2, 3), FieldKey(T, "never"): (1,)}
    found = apply_usage(catalog("a", "b", "c", "d"), usage, 5)
    assert indexable(found) == {"a": False, "b": True, "c": True, "d": True}
    a, *others = found.tables[0].columns
    assert a.not_indexable_why == "disabled in the expression profile of every tenant (5)"
    assert [c.used_by for c in others] == [TenantUse((3, 7), 5), None, None]
    assert apply_usage(found, {}, 5) is found


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
TABLES = st.dictionaries(st.sampled_from(["t", "u", "v"]), st.sets(NAMES, min_size=1), max_size=3)


def fields_of(tables, kind="integer"):
    return [GenomeField(QualifiedName("public", t), n, kind) for t, names in tables.items() for n in sorted(names)]


@given(before=TABLES, after=TABLES)
def test_without_places_following_the_changes_gives_the_new_state(before, after):
    old, new = fields_of(before), fields_of(after)
    state = {f.key for f in old}
    for change in compare(old, new, {}, {}):
        key = FieldKey(change.table, change.field or "")
        if change.kind is GenomeChangeKind.TABLE_REMOVED:
            state -= {k for k in state if k.table == change.table}
        elif change.kind is GenomeChangeKind.TABLE_ADDED:
            state |= {f.key for f in new if f.table == change.table}
        elif change.kind is GenomeChangeKind.COLUMN_REMOVED:
            state.remove(key)
        else:
            assert change.kind is GenomeChangeKind.COLUMN_ADDED
            state.add(key)
    assert state == {f.key for f in new}


def places(fields, relid=1):
    return {f.key: ColumnIdentity(relid, n) for n, f in enumerate(fields, 1)}


@given(names=st.lists(NAMES, min_size=2, unique=True), which=st.integers(0, 4))
def test_one_renamed_column_is_recognised(names, which):
    which %= len(names)
    old = genome(*names)
    new = tuple(replace(f, name="renamed") if n == which else f for n, f in enumerate(old))
    (change,) = compare(old, new, places(old), places(new))
    assert (change.kind, change.before, change.after) == (GenomeChangeKind.COLUMN_RENAMED, names[which], "renamed")
    moved = {f.key: ColumnIdentity(1, n + 1) for n, f in enumerate(new, 1)}
    kinds = {c.kind for c in compare(old, new, places(old), moved)}
    assert kinds == {GenomeChangeKind.COLUMN_ADDED, GenomeChangeKind.COLUMN_REMOVED}


def test_a_table_with_the_same_number_but_other_columns_is_another():
    old, new = genome("a", "b", "c"), genome("x", "y", "c", table=QualifiedName("public", "u"))
    kinds = [c.kind for c in compare(old, new, places(old), places(new))]
    assert kinds == [GenomeChangeKind.TABLE_REMOVED, GenomeChangeKind.TABLE_ADDED]


def test_nothing_changed():
    fields = genome("a", "b")
    assert compare(fields, fields, places(fields), places(fields)) == ()
    assert compare(fields, fields, {}, places(fields)) == ()
