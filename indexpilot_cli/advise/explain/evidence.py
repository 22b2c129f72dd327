"""The facts behind an answer: what the statistics say of the predicates of a statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from indexpilot_cli.advise.values import Evidence
from indexpilot_cli.core.candidate import Reason
from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.workload import Atom, AtomKind, RelationUse
from indexpilot_cli.sql.selectivity import atom_selectivity, row_count

_SILENT = (AtomKind.JOIN, AtomKind.OTHER, AtomKind.DISTANCE, AtomKind.NOT_EQUAL)


def of_uses(uses: Sequence[RelationUse], catalog: Catalog) -> tuple[Evidence, ...]:
    """One fact per restricting atom: the share of the rows it keeps, and where that is known from."""
    found: dict[Evidence, None] = {}
    for use in uses:
        if (table := catalog.table(use.table)) is not None:
            found |= dict.fromkeys(_of_use(use, table))
    return tuple(found)


def of_reasons(reasons: Sequence[Reason]) -> tuple[Evidence, ...]:
    """The reasons of a recommendation as evidence."""
    return tuple(Evidence(reason.source, reason.text) for reason in reasons)


def _of_use(use: RelationUse, table: Table) -> Iterator[Evidence]:
    for atom in use.atoms:
        if atom.kind not in _SILENT:
            yield _of_atom(atom, table)


def _of_atom(atom: Atom, table: Table) -> Evidence:
    column = table.column(atom.column) if atom.column else None
    share = atom_selectivity(atom, table)
    rows = share * row_count(table)
    what = atom.sql or f"{atom.column or atom.expression} {atom.operator} …"
    if column is None or column.statistics is None:
        return Evidence("model", f"{what}: no statistics, the planner assumes {share:.2%} of {table.name.short}")
    return Evidence("pg_stats", f"{what}: {share:.2%} of {table.name.short}, about {rows:,.0f} rows", column.name)
