"""A small catalog that the tests of this room share."""

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, Table
from indexpilot_cli.core.names import QualifiedName

STATUS = ColumnStatistics(0.0, 6, 4, ("open", "done"), (0.6, 0.3), ("a", "b", "c", "d", "e"))
PLACED = ColumnStatistics(0.0, 8, -1, histogram_bounds=tuple(f"2024-01-{d:02}" for d in range(1, 32)))
CATEGORY = {"integer": "N", "numeric": "N", "text": "S", "boolean": "B"}
BASE = {"integer": "int4", "boolean": "bool", "text[]": "_text"}


def table(name, columns, schema="public", statistics=None, **more):
    found = []
    for number, item in enumerate(columns.split(), 1):
        column, _, kind = item.partition(":")
        kind = kind or "integer"
        known = (statistics or {}).get(column)
        found.append(Column(column, number, kind, BASE.get(kind, kind), CATEGORY.get(kind, "U"), statistics=known))
    return Table(QualifiedName(schema, name), more.pop("kind", "r"), tuple(found), pages=100, tuples=1e4, **more)


ORDERS = table(
    "orders",
    "id customer_id status:text placed:timestamp due:date flag:boolean data:jsonb tags:text[] doc:tsvector "
    "total:numeric period:tstzrange note:text",
    statistics={"status": STATUS, "placed": PLACED},
)
USERS = table("users", "id email:text name:text org_id")
ITEMS = table("items", "order_id product_id qty")
MIXED = table("Mixed Case", "Id userId Select:text")
EVENTS = table("events", "id at:timestamp kind:text", kind="p", partition_key="RANGE (at)")
ARCHIVE = table("orders", "id customer_id", schema="archive")
VIEWS = {
    QualifiedName("public", "open_orders"): (
        "SELECT o.id, o.customer_id AS customer, o.placed, lower(o.note) AS note FROM orders o WHERE o.status = 'open'"
    ),
    QualifiedName("public", "open_big"): "SELECT id, customer FROM open_orders WHERE id > 100",
    QualifiedName("public", "totals"): "SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id",
}
CATALOG = Catalog(150000, "shop", (ORDERS, USERS, ITEMS, MIXED, EVENTS, ARCHIVE), views=VIEWS)
