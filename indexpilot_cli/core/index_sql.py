"""The statements that build an index without blocking writes, and those that take it back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.ddl import create_index, drop_index, index_body, index_name
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName, quote_identifier


def build_sql(definition: IndexDefinition, name: str, catalog: Catalog, taken: Collection[str] = ()) -> str:
    """One statement, or several joined by ``;`` for a partitioned table; the last one without a semicolon.

    CREATE INDEX CONCURRENTLY is refused on a partitioned parent, so the parent gets an invalid index of its own,
    every leaf is built concurrently and attached; the last attachment makes the parent's index valid.
    https://www.postgresql.org/docs/current/ddl-partitioning.html
    """
    table = catalog.table(definition.table)
    if table is None or table.kind != "p":
        return create_index(definition, name)
    return ";\n".join(_tree(definition, name, table, catalog, {*taken, name}))


def drop_sql(definition: IndexDefinition, name: str, catalog: Catalog) -> str:
    """The statement that takes it back; a partitioned index cannot be dropped concurrently."""
    table = catalog.table(definition.table)
    partitioned = table is not None and table.kind == "p"
    return drop_index(QualifiedName(definition.table.schema, name), concurrently=not partitioned)


def _tree(definition: IndexDefinition, name: str, table: Table, catalog: Catalog, taken: set[str]) -> list[str]:
    statements = [f"CREATE INDEX {quote_identifier(name)} ON ONLY {index_body(definition)}"]
    for child in (t for t in catalog.tables if t.parent == table.name and t.is_partition):
        own = replace(definition, table=child.name)
        child_name = index_name(own, taken)
        taken.add(child_name)
        if child.kind == "p":
            statements += _tree(own, child_name, child, catalog, taken)
        else:
            statements.append(create_index(own, child_name))
        parent_index = QualifiedName(table.name.schema, name)
        child_index = QualifiedName(child.name.schema, child_name)
        statements.append(f"ALTER INDEX {parent_index} ATTACH PARTITION {child_index}")
    return statements
