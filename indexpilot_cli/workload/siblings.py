"""Statements on the tables of many schemas as statements on those of the one that stands for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.siblings import Siblings
from indexpilot_cli.core.workload import ObservedStatement, Workload, is_own
from indexpilot_cli.sql.parser import Statement, deparse, parse, relocated
from indexpilot_cli.workload.reading import tables_named

SchemaOf = Callable[[str | None, str | None], str | None]


def on_representatives(workload: Workload, catalog: Catalog, siblings: Siblings) -> Workload:
    """The workload with its statements moved; ``catalog`` has the representatives only.

    A name without a schema means what the search path of whoever sent it finds first, as far as that is known; what no
    search path finds means the group that has such a table, the largest where several have.
    """
    moving = _Moving(catalog, siblings, siblings.representatives)
    statements = tuple(replace(s, text=moving.text(s)) for s in workload.statements)
    return replace(workload, statements=statements)


@dataclass(frozen=True, slots=True)
class _Moving:
    """Where statements go; each distinct text is read once."""

    catalog: Catalog
    siblings: Siblings
    instead: Mapping[str, str]
    known: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def text(self, observed: ObservedStatement) -> str:
        path = observed.search_path or self.catalog.search_path
        key = observed.text, path
        if key not in self.known:
            self.known[key] = self._moved(observed.text, path)
        return self.known[key]

    def _moved(self, text: str, path: tuple[str, ...]) -> str:
        statement = None if is_own(text) else parse(text)
        if not isinstance(statement, Statement) or statement.kind is None:
            return text
        tables = tables_named(statement.node)
        schema_of = self._schema_of(path, {n.text("relname") for n in tables if not n.text("schemaname")})
        try:
            return deparse(relocated(statement.node, schema_of))
        except ValueError:  # no SQL text for some node: advised on as it was written
            return text

    def _schema_of(self, path: tuple[str, ...], bare: set[str]) -> SchemaOf:
        """``bare`` are the statement's tables without a schema: other such names are those of WITH queries."""

        def schema_of(schema: str | None, table: str | None) -> str | None:
            if schema is not None or table is None:
                return self.instead.get(schema or "")
            return self._found(path, table) if table in bare else None

        return schema_of

    def _found(self, path: tuple[str, ...], table: str) -> str | None:
        for schema in path:
            name = QualifiedName(self.instead.get(schema, schema), table)
            if self.catalog.table(name) is not None or name in self.catalog.views:
                return name.schema if schema in self.instead or path != self.catalog.search_path else None
        having = [g for g in self.siblings.groups if QualifiedName(g.representative, table) in g.tables]
        return max(having, key=lambda g: len(g.schemas)).representative if having else None
