"""What a snapshot says of sizes and statistics, under the names that relations have after a migration.

Copies of a database keep its oids, so a relation is the one of before whatever it is called now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.snapshot.values import RelationSize, RelationStatistics, Snapshot

_ENTRY = 24  # bytes of an index entry nobody measured: eight of the key, tuple header, line pointer
_FILL = 0.9


@dataclass(frozen=True, slots=True)
class Named:
    """A relation of a database: kind is relkind, ``columns`` names by number.

    ``bare`` are the numbers of columns of built-in types that have no statistics.
    """

    oid: int
    name: QualifiedName
    kind: str
    table_oid: int | None
    columns: Mapping[int, str]
    bare: frozenset[int]


def read_names(session: Session) -> dict[int, Named]:
    """The relations of the session's database by oid."""
    return {
        row.oid: Named(
            row.oid,
            QualifiedName(row.schema, row.name),
            row.kind,
            row.table_oid,
            {int(number): name for number, name in (row.columns or {}).items()},
            frozenset(row.without_statistics or ()),
        )
        for row in session.rows("clone/names")
    }


def migrated(snapshot: Snapshot, before: Mapping[int, Named], after: Mapping[int, Named]) -> Snapshot:
    """The snapshot in the names of after; new indexes get a size from their table's rows, new tables are empty.

    Its statistics are those a column lost on the way (its type has changed): the server would have them again
    after ANALYZE.
    """
    known = {size.name: size for size in snapshot.sizes}
    sizes = {
        oid: replace(known[was.name], name=after[oid].name)
        for oid, was in before.items()
        if oid in after and was.name in known
    }
    sizes |= {a.oid: _new_index(a, sizes) for a in after.values() if a.kind == "i" and a.oid not in sizes}
    return replace(snapshot, sizes=tuple(sizes.values()), statistics=_lost(snapshot, before, after), extended=())


def _new_index(index: Named, sizes: Mapping[int, RelationSize]) -> RelationSize:
    table = sizes.get(index.table_oid or 0)
    rows = _rows(table) if table else 0.0
    pages = max(1, ceil(rows * _ENTRY / _FILL / BLOCK))
    return RelationSize(index.name, "i", pages, pages, rows, method=None)


def _rows(size: RelationSize) -> float:
    if size.pages_at_analyze > 0 and size.tuples >= 0:
        return size.tuples / size.pages_at_analyze * size.pages
    return max(size.tuples, 0.0)


def _lost(
    snapshot: Snapshot, before: Mapping[int, Named], after: Mapping[int, Named]
) -> tuple[RelationStatistics, ...]:
    places = {
        (b.name, column): (after[oid].name, after[oid].columns[number])
        for oid, b in before.items()
        if oid in after
        for number, column in b.columns.items()
        if number in after[oid].bare
    }
    return tuple(
        replace(entry, relation=found[0], column=found[1])
        for entry in snapshot.statistics
        if entry.column is not None and (found := places.get((entry.relation, entry.column))) is not None
    )
