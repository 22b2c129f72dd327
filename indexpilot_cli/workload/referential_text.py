"""The statements PostgreSQL runs by itself to keep foreign keys: EXPLAIN of a DELETE does not show them.

A deleted (or re-keyed) parent row makes the server look for its children; without an index on the foreign key
that is a scan of the child table per row. https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexpilot_cli.core.catalog import Catalog, ForeignKey
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.workload import ObservedStatement, QueryTemplate, SourceKind, StatementKind, Workload
from indexpilot_cli.workload.fold.fold import fold

_ACTIONS = {"c": "DELETE FROM ONLY {table} WHERE {keys}"}
_CHECK = "SELECT 1 FROM ONLY {table} x WHERE {keys} FOR KEY SHARE OF x"


@dataclass(frozen=True, slots=True)
class ReferentialCheck:
    """What one parent statement makes the server run: ``template`` has calls of one parent row each."""

    parent: str
    key: str
    template: QueryTemplate


def referential_checks(templates: Sequence[QueryTemplate], catalog: Catalog) -> tuple[ReferentialCheck, ...]:
    """One check for each foreign key that a DELETE or a change of referenced columns touches.

    Checks that the workload has recorded itself (``pg_stat_statements.track = all``) are left out.
    """
    known = {t.id for t in templates}
    found = []
    for parent in templates:
        for key in _touched(parent, catalog):
            template = _template(key, parent, catalog)
            if template is not None and template.id not in known:
                found.append(ReferentialCheck(parent.id, key.name, template))
    return tuple(found)


def _touched(parent: QueryTemplate, catalog: Catalog) -> Iterator[ForeignKey]:
    for use in parent.uses:
        if not use.target or parent.kind not in (StatementKind.DELETE, StatementKind.UPDATE):
            continue
        for key in catalog.foreign_keys:
            if key.referenced != use.table:
                continue
            if parent.kind is StatementKind.DELETE or use.updated & set(key.referenced_columns):
                yield key


def _template(key: ForeignKey, parent: QueryTemplate, catalog: Catalog) -> QueryTemplate | None:
    keys = " AND ".join(f"{quote_identifier(column)} = ${n}" for n, column in enumerate(key.columns, 1))
    shape = _ACTIONS.get(key.on_delete, _CHECK) if parent.kind is StatementKind.DELETE else _CHECK
    text = shape.format(table=key.table, keys=keys)
    observed = ObservedStatement(text, parent.calls, origin=f"foreign key {key.name}")
    folded = fold([Workload(SourceKind.STATEMENTS, (observed,))], catalog)
    return folded.templates[0] if folded.templates else None
