"""Work that only an empty table makes look long: plans at the real size tell which it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import MigrationObservation, StatementObservation, Work, WorkKind
from indexpilot_cli.sql.ddl.action import Act, Action, Migration, MigrationStatement

RowsRead = Callable[[str], Mapping[QualifiedName, float] | None]

_DATA = frozenset({Act.SELECT, Act.INSERT, Act.UPDATE, Act.DELETE, Act.MERGE})
# What runs once for each row, or is put together at run time, has an order that the text does not show.
_LOOPS = re.compile(r"\b(?:loop|while|execute)\b", re.IGNORECASE)
_WRITES = frozenset({Act.UPDATE, Act.DELETE, Act.MERGE})
_WALKS = frozenset({WorkKind.SCAN, WorkKind.MODIFY})


def lightened(
    observation: MigrationObservation, migration: Migration, rows_read: RowsRead, long_rows: float
) -> MigrationObservation:
    """The observation without walks that a planner with the real sizes does by an index.

    ``rows_read`` tells rows a statement reads of each table, None when it cannot say: then what was seen stays.
    """
    written = {s.number: s for s in migration.statements}
    statements = tuple(_lighten(s, written[s.number], rows_read, long_rows) for s in observation.statements)
    return replace(observation, statements=statements)


def _lighten(
    seen: StatementObservation, written: MigrationStatement, rows_read: RowsRead, long_rows: float
) -> StatementObservation:
    if not any(w.kind in _WALKS for w in seen.work):
        return seen
    parts = [a for a in written.actions if a.kind not in (Act.DO, Act.CALL)]
    mixed = not all(a.kind in _DATA for a in parts)
    found = _rows(parts, written, rows_read)
    if found is None or (mixed and not _data_comes_first(written, parts)):
        return seen
    targets = {a.table for a in parts if a.kind in _WRITES}
    kept = tuple(_named(w, targets) for w in seen.work if w.kind not in _WALKS or mixed or _long(w, found, long_rows))
    if mixed:
        named = [w.kind in _WALKS and (w.relation.table or w.relation.name) in found for w in kept]
        kept = tuple(replace(w, online=w.online or walk) for w, walk in zip(kept, named, strict=True))
    return replace(seen, work=kept)


def _data_comes_first(written: MigrationStatement, parts: Sequence[Action]) -> bool:
    """Whether a block without loops changes rows first and definitions after: then no lock of its own stands yet."""
    kinds = [a.kind in _DATA for a in parts]
    return kinds == sorted(kinds, reverse=True) and kinds[0] and not _LOOPS.search(written.sql)


def _named(work: Work, targets: Collection[str | None]) -> Work:
    """A walk over the table that is written is the writing: on empty tables no row shows it."""
    writes = work.kind is WorkKind.SCAN and work.relation.name.name in targets
    return replace(work, kind=WorkKind.MODIFY) if writes else work


def _rows(
    parts: Sequence[Action], written: MigrationStatement, rows_read: RowsRead
) -> Mapping[QualifiedName, float] | None:
    """Rows read by the parts that work on data; None unless there are some and all of them can be planned."""
    data = [part for part in parts if part.kind in _DATA]
    total: dict[QualifiedName, float] = {}
    for part in data:
        rows = rows_read(part.sql if part.nested else written.sql)
        # One part that has no plan here may be the one that walks: then what was seen stays.
        if rows is None:
            return None
        for table, count in rows.items():
            total[table] = total.get(table, 0.0) + count
    return total if data else None


def _long(work: Work, found: Mapping[QualifiedName, float], long_rows: float) -> bool:
    """A table the plan does not mention was reached another way (a trigger, a function): it stays."""
    return found.get(work.relation.table or work.relation.name, float("inf")) >= long_rows
