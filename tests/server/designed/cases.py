"""Designed workloads: what is asked, what must come out, what must be refused and why."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """``expect`` are alternatives: each item is a tuple of acceptable summaries, one of which must be recommended.

    ``refuse`` are (reason, text in the subject or detail); ``never`` are texts no recommendation may hold.
    """

    name: str
    statements: tuple[str, ...]
    expect: tuple[tuple[str, ...], ...] = ()
    refuse: tuple[tuple[str, str], ...] = ()
    never: tuple[str, ...] = ()
    uses: tuple[int, ...] = field(default=(0,))  # statements whose real plan must use the built index


CASES = (
    Case(
        "equality",
        ("SELECT * FROM orders WHERE reference = 'REF-C4CA4238A0B923820DCC509A6F75849B'",),
        (("orders (reference)", "orders USING hash (reference)"),),
    ),
    Case(
        "equality then range",
        (
            "SELECT sum(total) FROM orders WHERE customer_id = 77"
            " AND created_at >= '2025-03-01' AND created_at < '2025-03-20'",
            "SELECT sum(total) FROM orders WHERE customer_id = 78 AND created_at >= '2025-05-01'",
        ),
        (
            (
                "orders (customer_id, created_at)",
                "orders (customer_id)",
                "orders (customer_id, created_at) INCLUDE (total)",
            ),
        ),
        never=("orders (created_at",),
    ),
    Case(
        "order by with limit",
        (
            "SELECT id, created_at FROM orders WHERE priority = 3 ORDER BY created_at DESC LIMIT 20",
            "SELECT id, created_at FROM orders WHERE priority = 1 ORDER BY created_at DESC LIMIT 20",
        ),
        (
            (
                "orders (priority, created_at)",
                "orders (priority, created_at DESC)",
                "orders (priority, created_at) INCLUDE (id)",
                "orders (priority, created_at DESC) INCLUDE (id)",
            ),
        ),
    ),
    Case(
        "join key",
        ("SELECT i.* FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.id = 4711",),
        (("order_items (order_id)", "order_items USING hash (order_id)"),),
    ),
    Case(
        "foreign key of a deleted parent",
        ("DELETE FROM orders WHERE id = 99",),
        (("order_items (order_id)",),),
        uses=(),
    ),
    Case(
        "group by served by an index",
        ("SELECT product_id, count(*) FROM order_items WHERE product_id BETWEEN 10 AND 20 GROUP BY product_id",),
        (("order_items (product_id)",),),
    ),
    Case(
        "covering",
        ("SELECT customer_id, total FROM orders WHERE customer_id BETWEEN 100 AND 900",),
        (("orders (customer_id) INCLUDE (total)", "orders (customer_id, total)"),),
    ),
    Case(
        "partial on a constant predicate",
        (
            "SELECT id, customer_id FROM orders WHERE status = 'failed' AND created_at > '2025-09-01'",
            "SELECT count(*) FROM orders WHERE status = 'failed' AND created_at > '2025-08-01'",
        ),
        # One row in 200: by what one ANALYZE happens to sample, an index over all rows is planned as cheap.
        (("WHERE (status = 'failed'", "WHERE status = 'failed'", "orders (status, created_at)"),),
    ),
    Case(
        "rare boolean becomes partial",
        ("SELECT id, total FROM orders WHERE flagged",),
        (("WHERE flagged", "WHERE (flagged"),),
        refuse=(("low_selectivity", "flagged"),),
    ),
    Case(
        "boolean column of two halves",
        ("SELECT sum(total) FROM orders WHERE paid",),
        refuse=(("low_selectivity", "paid"),),
        never=("paid",),
    ),
    Case(
        "soft delete",
        ("SELECT id, customer_id FROM orders WHERE deleted_at IS NOT NULL AND customer_id = 812",),
        (("orders (customer_id", "deleted_at IS NOT NULL"),),
    ),
    Case(
        "expression as written",
        ("SELECT id FROM customers WHERE lower(email) = 'user17@example17.com'",),
        (("customers ((lower(email)))", "customers (lower(email))"),),
    ),
    Case(
        "function mismatch",
        ("SELECT id FROM customers WHERE email = 'User17@Example17.com'",),
        (("customers (email)", "customers USING hash (email)"),),
        never=("lower",),
    ),
    Case(
        "volatile expression",
        ("SELECT count(*) FROM orders WHERE date_trunc('day', created_at) = '2025-03-03'",),
        refuse=(("volatile", "date_trunc"),),
        never=("date_trunc",),
    ),
    Case(
        "like prefix",
        ("SELECT id FROM orders WHERE reference LIKE 'REF-AB12%'",),
        (("orders (reference text_pattern_ops)",),),
    ),
    Case(
        "infix needs trigrams",
        ("SELECT id FROM documents WHERE title ILIKE '%a1b2c3%'",),
        (("documents USING gin (title gin_trgm_ops)",),),
    ),
    Case(
        "jsonb containment",
        ('SELECT id FROM documents WHERE attributes @> \'{"kind": "k17"}\'',),
        (("documents USING gin (attributes jsonb_path_ops)",),),
    ),
    Case(
        "jsonb key as text",
        ("SELECT id FROM documents WHERE attributes ->> 'x' = 'c81e728d9d4c2f636f067f89cc14862c'",),
        (("attributes ->> 'x'",),),
    ),
    Case(
        "array overlap",
        ("SELECT id FROM documents WHERE tags && ARRAY['t13', 't640']",),
        (("documents USING gin (tags)",),),
    ),
    Case(
        "text search",
        ("SELECT id FROM documents WHERE search @@ to_tsquery('english', 'word12 & term12')",),
        (("documents USING gin (search)",),),
    ),
    Case(
        "range type",
        ("SELECT id FROM documents WHERE valid @> timestamptz '2025-03-03 12:00+00'",),
        (("documents USING gist (valid)",),),
    ),
    Case(
        "nearest neighbours",
        ("SELECT id FROM documents ORDER BY place <-> point(500, 500) LIMIT 10",),
        (("documents USING gist (place)",),),
    ),
    Case(
        "json has no operator class",
        ("SELECT id FROM documents WHERE raw::text = '{\"a\" : 1}'",),
        never=("documents (raw)",),
    ),
    Case(
        "physically ordered and big",
        ("SELECT avg(value) FROM readings WHERE at >= '2025-01-10' AND at < '2025-01-12'",),
        (("readings USING brin (at", "readings (at)"),),
    ),
    Case(
        "long strings, equality only",
        ("SELECT hits FROM pages WHERE url = 'https://www.example.com/x'",),
        (("pages USING hash (url)",),),
    ),
    Case(
        "tenant column not called tenant",
        (
            "SELECT * FROM contacts WHERE org = 17 AND email = 'c100@x.org'",
            "SELECT * FROM contacts WHERE org = 5 AND stage = 3 ORDER BY touched DESC LIMIT 10",
            "SELECT * FROM deals WHERE org = 17 AND code = 'D12'",
            "SELECT * FROM deals WHERE org = 3 AND code = 'D99'",
        ),
        (("contacts (org, email)", "contacts (org, email) INCLUDE"), ("deals (org, code)",)),
        uses=(0, 2),
    ),
    Case(
        "wrong order is not proposed",
        (
            "SELECT count(*) FROM contacts WHERE stage = 3 AND touched > '2025-04-20'",
            "SELECT count(*) FROM contacts WHERE stage = 7 AND touched > '2025-04-21'",
        ),
        (("contacts (stage, touched)",),),
        never=("(touched, stage)",),
    ),
    Case(
        "duplicate of an existing index",
        ("SELECT count(*) FROM stock WHERE warehouse = 17",),
        refuse=(("covered_by", "stock_warehouse_quantity"),),
        never=("stock (warehouse",),
    ),
    Case(
        "unique index counts",
        ("SELECT * FROM stock WHERE sku = 'sku17'",),
        refuse=(("covered_by", "stock_sku"),),
        never=("sku",),
    ),
    Case(
        "invalid index does not count",
        ("SELECT * FROM stock WHERE batch = 4711",),
        (("stock (batch)",),),
        uses=(),
    ),
    Case(
        "write-heavy table",
        (
            "-- freq: 2000000\nUPDATE counters SET key = key + 1 WHERE id = 1",
            "-- freq: 3000\nSELECT value FROM counters WHERE key = 17",
        ),
        refuse=(("write_cost", "counters"),),
        never=("counters",),
        uses=(),
    ),
    Case(
        "tiny table",
        ("SELECT * FROM tiny WHERE code = 'c17'",),
        refuse=(("too_small", "tiny"),),
        never=("tiny",),
    ),
    Case(
        "mixed case and reserved names",
        ('SELECT pad FROM "Mixed Case"."Select" WHERE "Order" = 77 AND "group" = \'g7\'',),
        (('"Mixed Case"."Select" ("Order"',),),
    ),
    Case(
        "partitioned table",
        ("SELECT value FROM measures WHERE sensor = 1234",),
        (("measures (sensor)", "measures (sensor) INCLUDE (value)"),),
        uses=(),
    ),
    Case(
        "materialized view",
        ("SELECT orders FROM order_totals WHERE customer_id = 1234",),
        (
            (
                "order_totals (customer_id)",
                "order_totals USING hash (customer_id)",
                "order_totals (customer_id) INCLUDE (orders)",
            ),
        ),
    ),
    Case(
        "through a view",
        ("SELECT id FROM open_orders WHERE customer_id = 4711",),
        (("orders (customer_id", "WHERE (status = 'open'", "WHERE status = 'open'"),),
    ),
    Case(
        "column the catalog forbids",
        ("SELECT id FROM customers WHERE city = 'city17' AND name = 'nobody'",),
        refuse=(("not_indexable", "name"),),
        never=("name",),
        uses=(),
    ),
)
