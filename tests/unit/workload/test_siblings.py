"""Statements on the tables of many schemas, moved to the one that stands for all."""

from dataclasses import replace

import pytest

from indexpilot_cli.core.catalog import Catalog, Column, Index, Table
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.siblings import moved, siblings_of
from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.workload.templates import on_representatives


def table(schema, name, *columns, pages=1, indexes=()):
    kinds = tuple(Column(c, n, "integer", "int4", "N") for n, c in enumerate(columns, 1))
    own = QualifiedName(schema, name)
    made = (Index(QualifiedName(schema, i), IndexDefinition(own, (IndexKey(i),)), "") for i in indexes)
    return Table(own, "r", kinds, tuple(made), pages=pages, tuples=pages * 100.0)


def catalog(*tables, path=("public",)):
    return Catalog(160000, "db", tuple(tables), search_path=path)


THREE = [table(s, "orders", "id", "note", pages=p) for s, p in (("a", 1), ("B c", 9), ("d", 2))]


def text_of(text, found, tables, path=()):
    workload = Workload(SourceKind.SQL, (ObservedStatement(text, search_path=path),))
    return on_representatives(workload, found.reduced(catalog(*tables)), found).statements[0].text


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("SELECT a.orders.id FROM a.orders", 'SELECT "B c".orders.id FROM "B c".orders'),
        ("SELECT id FROM orders", 'SELECT id FROM "B c".orders'),
        ("UPDATE d.orders SET id = $1 WHERE note = d.f(2::d.kind)",
         'UPDATE "B c".orders SET id = $1 WHERE note = "B c".f(2::"B c".kind)'),
        ("WITH orders AS (SELECT 1) SELECT * FROM orders", "WITH orders AS (SELECT 1) SELECT * FROM orders"),
        ("SELECT id FROM elsewhere.orders", "SELECT id FROM elsewhere.orders"),
        ("SELECT id FROM strange", "SELECT id FROM strange"),
        ("not a statement", "not a statement"),
        ("/* indexpilot */ SELECT id FROM a.orders", "/* indexpilot */ SELECT id FROM a.orders"),
    ],
)  # fmt: skip
def test_statements_go_to_the_representative(text, becomes):
    assert text_of(text, siblings_of(catalog(*THREE), 3), THREE) == becomes


def test_a_search_path_decides_where_it_is_known():
    tables = [*THREE, table("public", "orders", "other")]
    found = siblings_of(catalog(*tables), 3)
    assert found.left_out == {"a", "d"} and found.groups[0].representative == "B c"
    assert text_of("SELECT 1 FROM orders", found, tables) == "SELECT 1 FROM orders"
    assert text_of("SELECT 1 FROM orders", found, tables, path=("a", "public")) == 'SELECT 1 FROM "B c".orders'
    alone = siblings_of(catalog(*tables), 3, apart={"d"})
    assert text_of("SELECT 1 FROM orders", alone, tables, path=("d", "public")) == "SELECT 1 FROM d.orders"


def test_schemas_differ_by_columns_types_and_keys_and_not_by_plain_indexes():
    assert siblings_of(catalog(*THREE), 4) is None and siblings_of(catalog(*THREE), 0) is None
    assert siblings_of(catalog(*THREE), 3, apart={"a"}).groups[0].schemas == ("B c", "d")
    other = table("odd", "orders", "id", "note", "more")
    retyped = replace(table("typed", "orders", "id"), columns=(replace(THREE[0].columns[0], type="text"),))
    found = siblings_of(catalog(*THREE[:2], table("d", "orders", "note", "id", indexes=("note",)), other, retyped), 3)
    assert found.groups[0].schemas == ("B c", "a", "d") and found.uneven == frozenset()
    assert {o.schema: o.why for o in found.odd} == {
        "odd": "orders has a column more",
        "typed": "orders has no column note, orders.id is text",
    }


def test_the_representative_is_planned_on_without_what_others_lack_and_with_the_writes_of_all():
    large = table("B c", "orders", "id", "note", pages=9, indexes=("id", "note"))
    others = [table(s, "orders", "id", "note", indexes=("id",)) for s in "ad"]
    others = [replace(t, activity=replace(t.activity, inserts=5, modified_since_analyze=3)) for t in others]
    whole = catalog(large, *others)
    found = siblings_of(whole, 3)
    assert found.uneven == {QualifiedName("B c", "note")}
    (left,) = found.reduced(whole).tables
    assert [i.name.name for i in left.indexes] == ["id"]
    assert (left.activity.inserts, left.activity.modified_since_analyze) == (10, 0)


def test_names_of_the_own_schema_move_with_an_index_and_texts_in_quotes_do_not():
    key = IndexKey(expression="own.f(x)")
    definition = IndexDefinition(QualifiedName("own", "t"), (key,), predicate="kind = 'own.x'::own.k AND notown.y")
    there = moved(definition, "New one")
    assert there.table == QualifiedName("New one", "t") and there.keys[0].expression == '"New one".f(x)'
    assert there.predicate == "kind = 'own.x'::\"New one\".k AND notown.y"
