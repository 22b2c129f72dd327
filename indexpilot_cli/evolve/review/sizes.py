"""How big the real relations are behind the empty ones a migration ran on, and how long work on them takes.

Four times the data took two to six times as long when it was measured, so a range spans a factor of about six.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import Relation, Work, WorkKind
from indexpilot_cli.evolve.review.values import Duration, Rates

_GUESSED_ROW = 100  # bytes of a row where nobody ever counted the rows


@dataclass(frozen=True)
class RelationSizes:
    """Rows and bytes of real relations by name; a partitioned table or an inheritance parent counts its children.

    A relation that the catalog does not know has no rows: the migration made it.
    """

    catalog: Catalog

    @cached_property
    def _tables(self) -> Mapping[QualifiedName, Table]:
        return {table.name: table for table in self.catalog.tables}

    @cached_property
    def _children(self) -> Mapping[QualifiedName, tuple[Table, ...]]:
        found: dict[QualifiedName, tuple[Table, ...]] = {}
        for table in self.catalog.tables:
            if table.parent is not None:
                found[table.parent] = (*found.get(table.parent, ()), table)
        return found

    def rows(self, relation: Relation) -> float:
        """Rows a walk over the relation reads; for an index those of its table."""
        return sum(_rows(table) for table in self._members(relation))

    def bytes(self, relation: Relation) -> int:
        """Bytes of the heap (for an index: of its table's heap)."""
        return sum(table.size_bytes for table in self._members(relation))

    def index_bytes(self, table: QualifiedName, index: str) -> int:
        """Bytes of an existing index by its name; 0 when it is not known."""
        found = self._tables.get(table)
        indexes = found.indexes if found else ()
        return next((i.size_bytes for i in indexes if i.name.name == index), 0)

    def _members(self, relation: Relation) -> tuple[Table, ...]:
        if not relation.existed:
            return ()
        own = self._tables.get(relation.table or relation.name)
        if own is None:
            return ()
        return self._family(own) if own.kind == "p" else (own,)

    def _family(self, table: Table) -> tuple[Table, ...]:
        members: tuple[Table, ...] = (table,)
        for child in self._children.get(table.name, ()):
            members += self._family(child)
        return members


def _rows(table: Table) -> float:
    """Estimated rows, at least one a page: what was counted before a load, or is bloat now, is walked over too."""
    if table.tuples > 0 or not table.pages:
        return max(table.rows, float(table.pages))
    return table.size_bytes / _GUESSED_ROW


LOW, HIGH = 0.45, 2.6
_LEAST = 0.001  # seconds: no work on a table is faster


def timing(rates: Rates, sizes: RelationSizes) -> Callable[[Work], Duration | None]:
    """The function from work to seconds, for tables of these sizes; None for work on nothing."""

    def duration(work: Work) -> Duration | None:
        rows, size = sizes.rows(work.relation), sizes.bytes(work.relation)
        if rows <= 0 and size <= 0:
            return None
        seconds = max(expected(work.kind, rows, size, rates), _LEAST)
        return Duration(seconds * LOW, seconds * HIGH, rates.basis)

    return duration


def expected(kind: WorkKind, rows: float, size: float, rates: Rates) -> float:
    """Seconds in the middle of the range. A build reads the heap and sorts its rows; a rewrite reads and writes it.

    Indexes rebuilt by a rewrite are work of their own.
    """
    scan = size / rates.scan
    if kind is WorkKind.REWRITE:
        return scan + size / rates.rewrite * 0.5 + rows / rates.write * 0.05
    if kind is WorkKind.BUILD_INDEX:
        return scan + rows / rates.sort
    if kind is WorkKind.VALIDATE_FOREIGN_KEY:
        return scan + rows / rates.join
    if kind is WorkKind.MODIFY:
        return scan + rows / rates.write
    if kind is WorkKind.REFRESH:
        return scan + size / rates.rewrite
    return scan
