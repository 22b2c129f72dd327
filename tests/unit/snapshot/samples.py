"""A small snapshot made by hand."""

from datetime import UTC, datetime

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, Index, Server, Table
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import ObservedStatement, SourceKind, Workload
from indexpilot_cli.snapshot.values import RelationSize, RelationStatistics, SchemaObject, Snapshot

TABLE = QualifiedName("public", "people")
INDEX = QualifiedName("public", "people_email")


def statistics(**more):
    return ColumnStatistics(null_frac=0.1, avg_width=20, n_distinct=-0.9, **more)


EMAIL = statistics(most_common_vals=("a@x", "b@x"), most_common_freqs=(0.2, 0.1), histogram_bounds=("c", "d", "e"))
AGE = statistics(histogram_bounds=("1", "18", "99"), correlation=0.5)
SEEN = ColumnStatistics(
    0.0, 8, -1.0, histogram_bounds=("2024-01-01 10:00:00", "2024-02-01 00:00:00", "2024-12-31 23:00:00")
)


def catalog():
    columns = (
        Column("email", 1, "text", "text", "S", statistics=EMAIL),
        Column("age", 2, "integer", "int4", "N", statistics=AGE),
        Column("seen", 3, "timestamp without time zone", "timestamp", "D", statistics=SEEN),
    )
    definition = IndexDefinition(TABLE, (IndexKey(expression="lower(email)"),), predicate="age > 18")
    index = Index(INDEX, definition, "CREATE INDEX people_email ON public.people (lower(email)) WHERE age > 18")
    return Catalog(150004, "shop", (Table(TABLE, "r", columns, (index,), pages=100, tuples=5000.0),))


def snapshot(**more):
    values = {
        "server": Server("15.4", 150004, "shop", "db.internal", 5432, "reader"),
        "captured_at": datetime(2026, 1, 2, tzinfo=UTC),
        "catalog": catalog(),
        "objects": (SchemaObject("people", "TABLE", "public", "CREATE TABLE public.people (email text);"),),
        "sizes": (RelationSize(TABLE, "r", 100, 90, 5000.0), RelationSize(INDEX, "i", 20, 20, 5000.0, method="btree")),
        "statistics": (
            RelationStatistics(TABLE, "email", None, False, EMAIL),
            RelationStatistics(TABLE, "age", None, False, AGE),
            RelationStatistics(TABLE, "seen", None, False, SEEN),
        ),
        "workload": Workload(SourceKind.SQL, (ObservedStatement("select 'a@x'", parameters=("b@x", None, "18")),)),
    }
    return Snapshot(**(values | more))
