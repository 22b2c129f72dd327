"""Statements made of recorded fields, alone and beside real ones."""

from dataclasses import replace

import pytest

from indexpilot_cli.core.catalog import Catalog, Column, Index, Table
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.workload.covered import UNKNOWN
from indexpilot_cli.workload.fold import fold
from indexpilot_cli.workload.recorded import RecordedQueries, from_query_stats


def table(schema, name, *columns, key=()):
    called = QualifiedName(schema, name)
    listed = tuple(Column(c, n, "text", "text", "S") for n, c in enumerate(columns, 1))
    if not key:
        return Table(called, "r", listed)
    made = IndexDefinition(called, tuple(map(IndexKey, key)))
    return Table(called, "r", listed, (Index(QualifiedName(schema, f"{name}_pkey"), made, "", primary=True),))


CATALOG = Catalog(
    150000,
    "shop",
    (
        table("public", "orders", "id", "status", "Select", key=("id",)),
        table("archive", "orders", "id"),
        table("archive", "a.b", "x"),
        table("archive", "lines", "order", "line", "note", key=("order", "line")),
        table("one", "twice", "x"),
        table("two", "twice", "x"),
    ),
)


def made(*rows):
    return from_query_stats([RecordedQueries(*row) for row in rows], CATALOG)


@pytest.mark.parametrize(
    ("table", "field", "kind", "text"),
    [
        ("orders", "status", "READ", "SELECT * FROM public.orders WHERE status = $1"),
        ("orders", "status", "email_lookup", "SELECT * FROM public.orders WHERE status = $1"),
        ("public.orders", "status", "range", "SELECT * FROM public.orders WHERE status >= $1"),
        ("archive.orders", "id", ">", "SELECT * FROM archive.orders WHERE id >= $1"),
        ("orders", "Select", "like", 'SELECT * FROM public.orders WHERE "Select" LIKE $1'),
        ("orders", "status", "IN", "SELECT * FROM public.orders WHERE status IN ($1, $2)"),
        ("orders", "status", "!=", "SELECT * FROM public.orders WHERE status <> $1"),
        ("orders", "status", "startswith", "SELECT * FROM public.orders WHERE status LIKE $1"),
        ("orders", "status", "regex", "SELECT * FROM public.orders WHERE status ~ $1"),
        ("orders", "status", "is_null", "SELECT * FROM public.orders WHERE status IS NULL"),
        ("orders", "status", "order_by", "SELECT * FROM public.orders ORDER BY status LIMIT 100"),
        ("orders", "status", "insert", "INSERT INTO public.orders (status) VALUES ($1)"),
        ("orders", "status", "write", "UPDATE public.orders SET status = $1 WHERE id = $2"),
        ("orders", "status", "delete", "DELETE FROM public.orders WHERE status = $1"),
        ("orders", None, "delete", "DELETE FROM public.orders WHERE id = $1"),
        ("orders", None, "read", "SELECT * FROM public.orders"),
        ("orders", None, "insert", "INSERT INTO public.orders DEFAULT VALUES"),
        ("a.b", "x", "read", 'SELECT * FROM archive."a.b" WHERE x = $1'),
        ('archive."a.b"', "x", "update", 'UPDATE archive."a.b" SET x = $1 WHERE ctid = $2'),
        ("lines", "note", "update", 'UPDATE archive.lines SET note = $1 WHERE "order" = $2 AND line = $3'),
    ],
)
def test_a_recorded_field_as_a_statement(table, field, kind, text):
    found = made((table, field, kind, 7, 20.0))
    assert [(s.text, s.calls, s.total_ms, s.assumed) for s in found.statements] == [(text, 7, 20.0, True)]
    assert found.skipped == () and fold([found], CATALOG).notes == (UNKNOWN,)


@pytest.mark.parametrize(
    ("table", "field", "kind", "reason", "why"),
    [
        ("gone", "id", "read", "no_table", "not in the database: gone"),
        ("", "id", "read", "no_table", "not in the database: "),
        ("twice", "x", "read", "no_table", "several schemas have a table twice, and none is on the search path"),
        ("orders", "gone", "read", "no_field", "public.orders has no field gone"),
        ("orders", None, "update", "not_modelled", "which field of public.orders was written is not known"),
        ("orders", None, "merge", "not_modelled", "which field of public.orders was written is not known"),
    ],
)
def test_what_is_no_statement_is_told(table, field, kind, reason, why):
    found = made((table, field, kind, 7, 20.0))
    assert [(s.reason, s.detail, s.calls, s.total_ms) for s in found.skipped] == [(reason, why, 7, 20.0)]
    assert found.statements == () and fold([found], CATALOG).notes == ()


def test_a_schema_that_another_stands_for():
    rows = [
        RecordedQueries(name, "note", "READ", 2, 4.0) for name in ("t7.lines", "archive.lines", "lines", "t8.lines")
    ]
    found = from_query_stats(rows, CATALOG, {"t7": "archive", "archive": "archive"})
    assert [s.text for s in found.statements] == ["SELECT * FROM archive.lines WHERE note = $1"] * 3
    assert [s.detail for s in found.skipped] == ["not in the database: t8.lines"]


def beside(real, *rows):
    statements = tuple(ObservedStatement(*one) for one in real)
    return fold((made(*rows), Workload(SourceKind.STATEMENTS, statements)), CATALOG)


def weights(folded):
    return sorted((t.text, t.assumed, t.calls, t.total_ms) for t in folded.templates)


def test_a_statement_that_the_server_counted_is_not_counted_again():
    text = "SELECT * FROM public.orders WHERE status = $1"
    found = beside([(text, 10, 50.0)], ("orders", "status", "READ", 9, 45.0))
    assert weights(found) == [(text, False, 10, 50.0)]
    assert [(s.reason, s.calls) for s in found.skipped] == [("covered", 9)]
    assert found.total_ms == 50.0


def test_a_condition_among_others_covers_a_field_and_a_selected_one_does_not():
    text = 'SELECT "Select" FROM orders WHERE status = $1 AND id > $2'
    rows = [("orders", name, "READ", 9, 45.0) for name in ("status", "id", "Select")]
    found = beside([(text, 10, 50.0)], *rows)
    assert weights(found) == [
        ('SELECT "Select" FROM orders WHERE status = $1 AND id > $2', False, 10, 50.0),
        ('SELECT * FROM public.orders WHERE "Select" = $1', True, 9, 45.0),
    ]


def test_writes_are_covered_by_writes_of_the_field():
    real = [("UPDATE orders SET status = $1 WHERE id = $2", 4, 4.0), ("INSERT INTO orders (id) VALUES ($1)", 5, 5.0)]
    kinds = ("update", "insert", "read")
    found = beside(real, *[("orders", "status", kind, 3, 3.0) for kind in kinds])
    assert [t.text for t in found.templates if t.assumed] == ["SELECT * FROM public.orders WHERE status = $1"]


def test_recorded_rows_weigh_statements_without_times():
    one, two = "SELECT * FROM orders WHERE status = 'a'", "SELECT id FROM orders WHERE status = 'a' AND id > 5"
    recorded = [("orders", "status", "READ", 80, 400.0), ("orders", "id", "range", 90, 100.0)]
    found = beside([(one, 3), (two, 1)], *recorded)
    # Three of four statements of ``status`` are the first one; the second is all there is of ``id``.
    assert [(t.calls, t.total_ms) for t in sorted(found.templates, key=lambda t: len(t.text))] == [(60, 300), (90, 100)]
    assert not any(t.assumed for t in found.templates)


def test_ids_of_made_and_real_statements_differ():
    row = ("orders", "status", "READ", 9, 45.0)
    alone = fold((made(row),), CATALOG).templates[0]
    real = beside([("SELECT * FROM public.orders WHERE status = $1", 1, 1.0)]).templates[0]
    assert alone.text == real.text and alone.id != real.id
    assert replace(alone, id="", fingerprint="").assumed
