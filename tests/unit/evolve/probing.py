"""A catalog and changes of it, built by hand."""

from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, ForeignKey, Index, Table
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import (
    CatalogChange,
    CatalogObject,
    ChangeKind,
    MigrationObservation,
    RunState,
    StatementObservation,
)
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.probes.probes import probes

ORDERS, PEOPLE = QualifiedName("public", "orders"), QualifiedName("public", 'pe"ople')
TYPES = {"int4": ("integer", "N"), "text": ("text", "S"), "timestamptz": ("timestamp with time zone", "D")}


def column(name, number, kind="int4", **more):
    text, category = TYPES[kind]
    return Column(name, number, text, kind, category, **more)


def unique(table, name, *columns, primary=False):
    shape = IndexDefinition(table, tuple(IndexKey(c) for c in columns), unique=True)
    return Index(QualifiedName(table.schema, name), shape, "", primary=primary, constraint="p" if primary else "u")


CATALOG = Catalog(
    version=150000,
    database="shop",
    tables=(
        Table(
            ORDERS,
            "r",
            (
                column("id", 1, not_null=True, has_default=True),
                column("person", 2),
                column("note", 3, "text", statistics=ColumnStatistics(0.5, 8, 3, ("aaaa", "b"), (0.3, 0.1))),
                column("Odd name", 4, "text"),
            ),
            indexes=(unique(ORDERS, "orders_pkey", "id", primary=True),),
            pages=9000,
            tuples=500_000,
        ),
        Table(
            PEOPLE,
            "r",
            (column("id", 1, not_null=True), column("email", 2, "text")),
            indexes=(unique(PEOPLE, "people_pkey", "id", primary=True),),
            pages=10,
            tuples=100,
        ),
    ),
    foreign_keys=(ForeignKey("orders_person", ORDERS, ("person",), PEOPLE, ("id",)),),
)


def thing(kind, path, table=ORDERS, identity="pg_class:1", definition="", **facts):
    return CatalogObject(kind, identity, path, definition, table, tuple(facts.items()))


def shown(name, kind="text", not_null="false", **facts):
    """A column as the clone's catalog shows it."""
    return thing(
        "column", ("public", "orders", name), identity=f"pg_class:1:{name}", type=kind, not_null=not_null, **facts
    )


def created(after):
    return CatalogChange(ChangeKind.CREATED, None, after, after.table)


def changed(before, after):
    return CatalogChange(ChangeKind.CHANGED, before, after, before.table)


def dropped(before):
    return CatalogChange(ChangeKind.DROPPED, before, None, before.table)


def cloned(text, *changes, state=RunState.RAN):
    """Probes of a migration of whose statements a clone saw these changes, one tuple for each."""
    read = read_migration("m.sql", text)
    seen = tuple(StatementObservation(n, state, 1, changes=c) for n, c in enumerate(changes, 1))
    return probes(read, MigrationObservation("m.sql", "clone/15.1", seen), CATALOG)


def ruled(text, facts=None, catalog=CATALOG):
    """Probes of a migration that no clone ran."""
    read = read_migration("m.sql", text)
    return probes(read, MigrationObservation("m.sql", "rules"), catalog, facts=facts)
