"""The tenant column: what nearly every statement on nearly every table compares, found without knowing its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import AtomKind, QueryTemplate, RelationUse, StatementKind
from indexpilot_cli.sql.selectivity import row_count

_COMPARED = 0.8  # share of the uses' weight on a table that must compare the column
_TABLES = 2  # tables at least, when a common parent is referenced
_TABLES_BY_NAME = 3  # tables at least, when only name and type agree
_SMALL_PARENT = 0.2  # a tenant table is at most this much of its children


@dataclass(frozen=True, slots=True)
class Tenant:
    """How tenants are told apart. ``columns`` is the tenant column of each table that has one.

    ``parent`` is the table of tenants where foreign keys name it; ``share`` the share of the uses' weight on
    these tables that compares the column; ``why`` a clause for people.
    """

    columns: Mapping[QualifiedName, str]
    parent: QualifiedName | None
    share: float
    why: str = field(default="", compare=False)

    def of(self, table: QualifiedName) -> str | None:
        """The tenant column of the table, or None."""
        return self.columns.get(table)


def detect(templates: Sequence[QueryTemplate], catalog: Catalog) -> Tenant | None:
    """The best supported tenant scheme of the workload, or None when there is none.

    Asks for a column that equality or a join restricts in at least 80 % of the weight on each table, on two
    tables or more that reference one smaller table with it, or three that share its name and type.
    """
    uses = _weights(templates)
    found = [t for t in (_scheme(p, group, uses, catalog) for p, group in _groups(catalog)) if t is not None]
    return max(found, key=lambda t: (len(t.columns), t.share, t.parent is not None), default=None)


Group = dict[QualifiedName, str]
Uses = dict[QualifiedName, list[tuple[float, frozenset[str]]]]


def _weights(templates: Iterable[QueryTemplate]) -> Uses:
    found: Uses = {}
    for template in templates:
        weight = template.total_ms if template.total_ms is not None else template.calls
        for use in template.uses:
            if template.kind is not StatementKind.INSERT or not use.target:
                found.setdefault(use.table, []).append((weight, _compared(use)))
    return found


def _compared(use: RelationUse) -> frozenset[str]:
    kinds = (AtomKind.EQUAL, AtomKind.IN, AtomKind.JOIN)
    return frozenset(a.column for a in use.atoms if a.conjunctive and a.kind in kinds and a.column is not None)


def _groups(catalog: Catalog) -> list[tuple[QualifiedName | None, Group]]:
    by_parent: dict[QualifiedName, Group] = {}
    for key in catalog.foreign_keys:
        if len(key.columns) == 1:
            by_parent.setdefault(key.referenced, {}).setdefault(key.table, key.columns[0])
    by_name: dict[tuple[str, str], Group] = {}
    for table in catalog.tables:
        for column in table.columns:
            if not _identifies(table, column):
                by_name.setdefault((column.name, column.base_type), {})[table.name] = column.name
    return [*by_parent.items(), *((None, g) for g in by_name.values())]


def _identifies(table: Table, column: Column) -> bool:
    if any(i.definition.unique and i.definition.columns == (column.name,) for i in table.indexes):
        return True
    rows = row_count(table)
    return column.statistics is not None and rows > 100 and column.statistics.distinct(rows) > rows / 3


def _scheme(parent: QualifiedName | None, group: Group, uses: Uses, catalog: Catalog) -> Tenant | None:
    columns: Group = {}
    total = compared = 0.0
    for name, column in group.items():
        seen = uses.get(name, [])
        weight = sum(w for w, _ in seen)
        having = sum(w for w, names in seen if column in names)
        if weight > 0 and having >= _COMPARED * weight and not _one_per_row(catalog, name, column):
            columns[name] = column
            total, compared = total + weight, compared + having
    used = [n for n in group if uses.get(n)]
    enough = _TABLES if parent is not None else _TABLES_BY_NAME
    if len(columns) < enough or len(columns) < _COMPARED * len(used):
        return None
    if parent is not None and not _small(parent, columns, catalog):
        return None
    names = ", ".join(sorted(set(columns.values())))
    whose = f" and references {parent.short}" if parent is not None else ""
    why = f"{names} is compared in {compared / total:.0%} of the work on {len(columns)} tables{whose}"
    return Tenant(columns, parent, compared / total, why)


def _one_per_row(catalog: Catalog, name: QualifiedName, column: str) -> bool:
    table = catalog.table(name)
    field_ = table.column(column) if table else None
    return table is None or field_ is None or _identifies(table, field_)


def _small(parent: QualifiedName, columns: Group, catalog: Catalog) -> bool:
    table = catalog.table(parent)
    largest = max((row_count(t) for n in columns if (t := catalog.table(n)) is not None), default=0.0)
    return table is not None and row_count(table) <= max(_SMALL_PARENT * largest, 1.0)
