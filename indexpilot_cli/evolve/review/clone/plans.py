"""Plans on a copy of the clone whose tables have their real sizes.

The copy is made by the superuser, who only writes catalogs and files there; planning is the untrusted role's, since
a planner runs immutable functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from types import TracebackType

from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import Priced, Rehearsed
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.plans import explain_text, walk
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError
from indexpilot_cli.evolve.review.clone.clone import Clone
from indexpilot_cli.planner.twin.layout import read_layout
from indexpilot_cli.planner.twin.statistics import put_sizes, put_statistics
from indexpilot_cli.snapshot.values import RelationSize, RelationStatistics, Snapshot

_WHOLE = float("inf")
_PLANNING_MS = 10_000
_ENTRY = 24  # bytes of an index entry nobody measured: eight of the key, tuple header, line pointer
# fillfactor of B-tree leaf pages by default.
# https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-STORAGE-PARAMETERS
_FILL = 0.9


class FullCopy:
    """A database as if its tables were full. Use it in a ``with`` block; everything goes with the clone.

    ``source`` is one of the clone's two databases.
    """

    def __init__(self, clone: Clone, snapshot: Snapshot, source: str):
        name = f"indexpilot_full_{'before' if source == clone.pristine else 'after'}"
        storage = clone.copy(source, name)
        with clone.sandbox.superuser(clone.pristine) as admin:
            before = read_names(admin)
        with clone.sandbox.superuser(name) as admin:
            after = read_names(admin)
            now = migrated(snapshot, before, after)
            # The planner takes pages from the length of the file and rows per page from pg_class: both are needed.
            put_sizes(admin, now.sizes, now.server.version_num)
            put_statistics(admin, now.statistics)
            files, _ = read_layout(admin, now)
        for file in files:
            if file.pages:
                storage.write(file)
        self._first_names = {after[oid].name: was.name for oid, was in before.items() if oid in after}
        self._planner = clone.sandbox.owner(name, timeout_ms=_PLANNING_MS)

    def __enter__(self) -> FullCopy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._planner.close()

    @property
    def backend_pid(self) -> int:
        """The process that plans."""
        return self._planner.backend_pid

    def price(self, queries: Sequence[Rehearsed]) -> tuple[Priced, ...]:
        """Cost and indexes of each query."""
        return tuple(self._price(query) for query in queries)

    def rows_read(self, sql: str) -> Mapping[QualifiedName, float] | None:
        """Rows a statement is expected to read or change of each table, by the table's first name.

        A walk over a whole table counts as infinitely many. None when the statement cannot be planned here.
        """
        try:
            # VERBOSE adds the schema of each relation: two tables of one name could not be told apart without it.
            plan = explain_text(self._planner, Plannable(sql), verbose=True)
        except AnsweredError:
            return None
        most = max(float(node.get("Plan Rows", 0)) for node in walk(plan))
        found: dict[QualifiedName, float] = {}
        for node in walk(plan):
            if "Relation Name" in node:
                name = QualifiedName(node.get("Schema", ""), node["Relation Name"])
                first = self._first_names.get(name, name)
                # A LIMIT or a filter above a sequential scan does not bound the rows it passes.
                rows = _WHOLE if node["Node Type"] == "Seq Scan" else most
                found[first] = max(found.get(first, 0.0), rows)
        return found

    def _price(self, query: Rehearsed) -> Priced:
        total, indexes = 0.0, set[str]()
        for statement, weight in zip(query.statements, query.weights or (1.0,) * len(query.statements), strict=True):
            try:
                plan = explain_text(self._planner, statement)
            except AnsweredError:
                return Priced(None)
            total += weight * float(plan["Total Cost"])
            indexes |= {str(node["Index Name"]) for node in walk(plan) if "Index Name" in node}
        return Priced(total, frozenset(indexes))


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
    rows = table.rows if table else 0.0
    pages = max(1, ceil(rows * _ENTRY / _FILL / BLOCK))
    return RelationSize(index.name, "i", pages, pages, rows, method=None)


def _lost(
    snapshot: Snapshot, before: Mapping[int, Named], after: Mapping[int, Named]
) -> tuple[RelationStatistics, ...]:
    places: dict[tuple[QualifiedName, str], tuple[QualifiedName, str]] = {}
    for oid in before.keys() & after.keys():
        was, now = before[oid], after[oid]
        places |= {
            (was.name, was.columns[number]): (now.name, now.columns[number]) for number in now.bare & was.columns.keys()
        }
    return tuple(
        replace(entry, relation=found[0], column=found[1])
        for entry in snapshot.statistics
        if entry.column is not None and (found := places.get((entry.relation, entry.column))) is not None
    )
