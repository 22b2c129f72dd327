"""A catalog drawn from statements alone: enough to tell templates and their tables apart, nothing to advise on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Workload
from indexpilot_cli.sql.parser import Unparsed, parse, skeleton
from indexpilot_cli.workload.reading import tables_named

_SCHEMA = "public"  # stands for whatever the search path would find


def sketched(workloads: Iterable[Workload]) -> Catalog:
    """Every relation that a statement names is a table without columns; those without a schema are in ``public``."""
    names = dict.fromkeys(_relations(workloads))
    return Catalog(0, "", tuple(Table(name, "r", ()) for name in names), search_path=(_SCHEMA,))


def _relations(workloads: Iterable[Workload]) -> Iterator[QualifiedName]:
    shapes: set[str] = set()
    for workload in workloads:
        for observed in workload.statements:
            shape = skeleton(observed.text) or observed.text
            statement = parse(observed.text) if shape not in shapes else None
            shapes.add(shape)
            if statement is not None and not isinstance(statement, Unparsed):
                for node in tables_named(statement.node):
                    yield QualifiedName(node.text("schemaname") or _SCHEMA, node.text("relname"))
