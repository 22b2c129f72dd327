"""Statements as rows of query_stats: what a row can tell, and what is counted instead."""

import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.genome.fields import GenomeField
from indexpilot_cli.workload.field_uses import field_catalog, field_uses, with_parameters
from indexpilot_cli.workload.reading import Unread

TABLES = {
    "public.orders": {
        "id": "bigint",
        "customer_id": "bigint",
        "status": "text",
        "total": "numeric(8,2)",
        "doc": "jsonb",
    },
    "public.customers": {"id": "bigint", "email": "character varying(200)", "tags": "text[]", "at": "timestamptz"},
    'public.Mixed "Case"': {"Select": "text", "id": "int"},
    "crm.leads": {"id": "bigint", "score": "int"},
    "a.twins": {"x": "int"},
    "b.twins": {"x": "int"},
    "public.notes": {"body": "text"},
    "a.notes": {"body": "text"},
}


def known(path=("public",)):
    fields = []
    for table, columns in TABLES.items():
        schema, name = table.split(".", 1)
        fields += [GenomeField(QualifiedName(schema, name), column, kind) for column, kind in columns.items()]
    return field_catalog(fields, path)


def uses(text):
    found = field_uses(text, known())
    return found.reason if isinstance(found, Unread) else (set(map(tuple, found.uses)), found.partly)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT * FROM orders WHERE status = $1", {("orders", "status", "equal")}),
        ("SELECT * FROM orders", {("orders", None, "read")}),
        ("TABLE orders", {("orders", None, "read")}),
        (
            "SELECT * FROM orders WHERE id IN ($1, $2) AND total > 5",
            {("orders", "id", "in"), ("orders", "total", "range")},
        ),
        ("SELECT * FROM orders WHERE id = ANY($1)", {("orders", "id", "in")}),
        ("SELECT * FROM orders WHERE total BETWEEN 1 AND 2", {("orders", "total", "between")}),
        ("SELECT * FROM customers WHERE email LIKE $1", {("customers", "email", "like")}),
        ("SELECT * FROM customers WHERE email ILIKE '%x%'", {("customers", "email", "ilike")}),
        ("SELECT * FROM customers WHERE email::text LIKE 'x%'", {("customers", "email", "like")}),
        ("SELECT * FROM customers WHERE at IS NULL", {("customers", "at", "null")}),
        ("SELECT * FROM customers WHERE at IS NOT NULL", {("customers", "at", "not_null")}),
        ("SELECT * FROM orders WHERE doc @> $1", {("orders", "doc", "contains")}),
        ("SELECT * FROM customers WHERE tags @> ARRAY['x']", {("customers", "tags", "contains")}),
        ("SELECT * FROM customers ORDER BY at DESC LIMIT 3", {("customers", "at", "order")}),
        ("SELECT * FROM customers ORDER BY at", {("customers", None, "read")}),
        (
            "SELECT o.* FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.email = $1",
            {("orders", "customer_id", "join"), ("customers", "id", "join"), ("customers", "email", "equal")},
        ),
        (
            "WITH x AS (SELECT * FROM orders WHERE status = 'new') SELECT * FROM x WHERE id = 1 OR total = 2",
            {("orders", "status", "equal"), ("orders", "id", "equal"), ("orders", "total", "equal")},
        ),
        ("INSERT INTO orders (id, status) VALUES ($1, $2), ($3, $4) RETURNING id", {("orders", None, "insert")}),
        (
            "INSERT INTO orders SELECT id FROM customers WHERE email = 'x'",
            {("orders", None, "insert"), ("customers", "email", "equal")},
        ),
        (
            "UPDATE orders SET status = $1, total = $2 WHERE id = $3",
            {("orders", "status", "update"), ("orders", "total", "update"), ("orders", "id", "equal")},
        ),
        ("DELETE FROM orders WHERE id = $1", {("orders", "id", "equal"), ("orders", None, "delete")}),
        ('SELECT 1 FROM "Mixed ""Case""" WHERE "Select" = $1', {('Mixed "Case"', "Select", "equal")}),
        ("SELECT * FROM crm.leads WHERE score > 1", {("leads", "score", "range")}),
        ("SELECT * FROM leads WHERE score > 1", {("leads", "score", "range")}),
        ("SELECT * FROM a.twins WHERE x = 1", {("a.twins", "x", "equal")}),
        ("SELECT * FROM notes WHERE body = $1", {("public.notes", "body", "equal")}),
        ("DECLARE c CURSOR FOR SELECT * FROM orders WHERE status = 'x'", {("orders", "status", "equal")}),
    ],
)
def test_what_a_row_can_tell(text, rows):
    assert uses(text) == (rows, False)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT * FROM customers WHERE lower(email) = $1", {("customers", None, "read")}),
        ("SELECT * FROM customers WHERE email ~ $1 AND id = 1", {("customers", "id", "equal")}),
        ("SELECT * FROM orders WHERE status <> 'x'", {("orders", None, "read")}),
        ("SELECT * FROM orders WHERE id::text LIKE '5%'", {("orders", None, "read")}),
        ("SELECT * FROM customers WHERE upper(email::text) LIKE 'X%'", {("customers", None, "read")}),
        ("SELECT * FROM orders, nowhere WHERE orders.id = nowhere.x", {("orders", "id", "join")}),
    ],
)
def test_what_is_told_in_part(text, rows):
    assert uses(text) == (rows, True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT * FROM nowhere", "no_table"),
        ("SELECT 1", "no_table"),
        ("SELECT * FROM pg_class", "catalog_only"),
        ("SELECT * FROM twins WHERE x = 1", "ambiguous"),
        ("BEGIN", "transaction"),
        ("SET search_path TO x", "utility"),
        ("SELECT FROM WHERE", "unparsed"),
        ("SELECT 1; SELECT 2", "unparsed"),
        ("SELECT /* indexpilot */ * FROM orders", "own"),
        ("", "empty"),
    ],
)
def test_what_is_counted_instead(text, reason):
    assert uses(text) == reason


def test_the_search_path_tells_tables_apart():
    found = field_uses("SELECT * FROM twins WHERE x = 1", known(("b", "public")))
    assert found.uses == (("b.twins", "x", "equal"),)


def test_placeholders_of_drivers():
    assert with_parameters("a = %s AND b LIKE 'x%%' AND c = %b") == "a = $1 AND b LIKE 'x%' AND c = $2"
    assert with_parameters("a = %(x)s OR b = %(x)s OR c = %(y y)t") == "a = $1 OR b = $1 OR c = $2"
    assert with_parameters("a % b") == "a % b"
