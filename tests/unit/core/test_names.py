"""Quoting and naming of identifiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.ddl import create_index, index_name
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import NAME_LIMIT, QualifiedName, object_name, quote_identifier, split_table

names = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=70)


@given(names, st.lists(names, min_size=1, max_size=3))
def test_index_names_fit_and_are_stable(table, columns):
    definition = IndexDefinition(QualifiedName("public", table), tuple(IndexKey(c) for c in columns))
    name = index_name(definition)
    assert len(name.encode()) <= NAME_LIMIT
    assert name == index_name(definition)
    assert index_name(definition, {name}) != name
    assert len(index_name(definition, {name}).encode()) <= NAME_LIMIT


def test_default_null_order_is_not_spelled():
    assert IndexKey("a", descending=True, nulls_first=True) == IndexKey("a", descending=True)
    assert IndexKey("a", nulls_first=False) == IndexKey("a")
    assert IndexKey("a", nulls_first=True).nulls_first is True


def test_ddl_of_an_awkward_table():
    definition = IndexDefinition(
        QualifiedName("Mixed Case", "Select"),
        (IndexKey("order"), IndexKey(expression="lower(email)", operator_class="text_pattern_ops", descending=True)),
        include=("Group",),
        predicate="(status = 'open')",
    )
    assert create_index(definition, "x y") == (
        'CREATE INDEX CONCURRENTLY "x y" ON "Mixed Case"."Select" '
        '("order", (lower(email)) text_pattern_ops DESC) INCLUDE ("Group") WHERE (status = \'open\')'
    )


@pytest.mark.parametrize("bad", ["", "a\0b"])
def test_impossible_identifiers_are_refused(bad):
    with pytest.raises(ValueError, match="not an identifier"):
        quote_identifier(bad)


@given(names, names)
def test_a_qualified_name_is_read_back(schema, name):
    def quoted(text):
        return '"' + text.replace('"', '""') + '"'

    assert split_table(f"{quoted(schema)}.{quoted(name)}") == (schema, name)
    assert split_table(quoted(name)) == (None, name)


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("orders", (None, "orders")),
        (" sales.orders ", ("sales", "orders")),
        ('"a.b".c', ("a.b", "c")),
        ('s."x y"', ("s", "x y")),
        ('a"b', (None, 'a"b')),
        ("", (None, "")),
        ('"', (None, "")),
        ('"x', (None, "x")),
    ],
)
def test_a_name_as_people_type_it(typed, parts):
    assert split_table(typed) == parts


# As PostgreSQL 15 named them: a CHECK of a table, a CHECK that DETACH PARTITION CONCURRENTLY left, a key, an index.
@pytest.mark.parametrize(
    ("table", "columns", "label", "name"),
    [
        ("t", "a", "key", "t_a_key"),
        ("t" * 60 + "_1", "c" * 28 + "_1", "check", "t" * 28 + "_" + "c" * 28 + "_check"),
        ("p" * 60, "c" * 62, "check", "p" * 28 + "_" + "c" * 28 + "_check"),
        ("t" * 60 + "_1", "", "pkey", "t" * 58 + "_pkey"),
        ("t" * 60 + "_1", "c" * 28 + "_1_b", "key", "t" * 29 + "_" + "c" * 28 + "__key"),
        ("t" * 60 + "_1", "b_" + "c" * 28 + "_1", "idx", "t" * 29 + "_b_" + "c" * 27 + "_idx"),
        ("sh", "é123456789" * 5 + "é123456", "check", "sh_" + "é123456789" * 4 + "é12345678_check"),
    ],
)
def test_names_of_objects_are_those_the_server_gives(table, columns, label, name):
    assert object_name(table, columns, label) == name
    assert object_name(table, columns, label, {name}) not in ("", name)
