"""How many rows of each table the workload writes, and which columns its updates change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import QueryTemplate, StatementKind

ENOUGH_SCANS = 100  # fewer, and a table was loaded rather than used


@dataclass(frozen=True, slots=True)
class TableWrites:
    """Rows written over the workload's window. ``updated`` are (columns set, rows) of UPDATE statements, empty
    when not known; ``hot_share`` is the share of updates that are HOT now; ``origin`` says where from, when that
    needs saying.
    """

    inserts: float = 0.0
    updates: float = 0.0
    deletes: float = 0.0
    hot_share: float = 0.0
    updated: tuple[tuple[frozenset[str], float], ...] = ()
    origin: str = ""

    @property
    def rows(self) -> float:
        """Rows written."""
        return self.inserts + self.updates + self.deletes


def table_writes(
    catalog: Catalog, templates: Sequence[QueryTemplate], since: datetime | None = None, until: datetime | None = None
) -> Mapping[QualifiedName, TableWrites]:
    """Writes per table: from the workload's own statements where it writes the table, else from the server's
    counters, scaled to the window from ``since`` to ``until``, or by the table's scans where spans are not known.

    A table whose counters cannot be compared with the workload is left out.
    """
    stated = _from_templates(templates)
    reads = _reads(templates)
    found = {}
    for table in catalog.tables:
        own = stated.get(table.name)
        if own is not None:
            seen: TableWrites | None = _merged(own, table)
        else:
            seen = _from_activity(table, _window(table, catalog, since, until), reads.get(table.name, 0.0))
        if seen is not None and seen.rows > 0:
            found[table.name] = seen
    return found


def _merged(own: TableWrites, table: Table) -> TableWrites:
    return TableWrites(own.inserts, own.updates, own.deletes, hot_share(table), own.updated)


def hot_share(table: Table) -> float:
    """The share of updates that were HOT so far; without updates, what an idle table can hope for (0.5)."""
    activity = table.activity
    return activity.hot_updates / activity.updates if activity.updates > 0 else 0.5


def _window(table: Table, catalog: Catalog, since: datetime | None, until: datetime | None) -> float | None:
    """The workload's span over the counters' span, when both are known."""
    begun = table.activity.since or catalog.statistics_since
    if begun is None or catalog.taken_at is None or since is None or until is None:
        return None
    counted, window = (catalog.taken_at - begun).total_seconds(), (until - since).total_seconds()
    return window / counted if counted > 0 and window > 0 else None


def _from_activity(table: Table, window: float | None, calls: float) -> TableWrites | None:
    activity = table.activity
    scans, inserts = activity.seq_scans + activity.index_scans, float(activity.inserts)
    if window is not None:
        scale, origin = (
            window,
            "writes without statements are the server's counters, as a rate over the workload's window",
        )
    elif scans >= ENOUGH_SCANS:
        scale, origin = calls / scans, "writes without statements are the server's counters, in proportion to scans"
        inserts = max(0.0, inserts - table.rows)  # what is still there may have been loaded before the traffic
    else:
        return None
    return TableWrites(
        inserts * scale, activity.updates * scale, activity.deletes * scale, hot_share(table), (), origin
    )


def _reads(templates: Iterable[QueryTemplate]) -> dict[QualifiedName, float]:
    calls: dict[QualifiedName, float] = {}
    for template in templates:
        for name in template.relations:
            calls[name] = calls.get(name, 0.0) + template.calls
    return calls


def _from_templates(templates: Iterable[QueryTemplate]) -> dict[QualifiedName, TableWrites]:
    counts: dict[QualifiedName, dict[str, float]] = {}
    updated: dict[QualifiedName, list[tuple[frozenset[str], float]]] = {}
    for template in templates:
        for use in template.uses:
            if not use.target:
                continue
            rows = template.calls * rows_per_call(template)
            kinds = counts.setdefault(use.table, {"insert": 0.0, "update": 0.0, "delete": 0.0})
            kinds[_kind(template, use.updated)] += rows
            if use.updated and template.kind is not StatementKind.INSERT:
                updated.setdefault(use.table, []).append((use.updated, rows))
    return {
        name: TableWrites(k["insert"], k["update"], k["delete"], 0.0, tuple(updated.get(name, ())))
        for name, k in counts.items()
    }


def _kind(template: QueryTemplate, updated: frozenset[str]) -> str:
    if template.kind is StatementKind.MERGE:
        return "update" if updated else "insert"
    return template.kind.value


def rows_per_call(template: QueryTemplate) -> float:
    """Rows a write touches per call, from samples that counted them; 1 otherwise."""
    counted = [(s.rows, s.calls) for s in template.samples if s.rows is not None]
    calls = sum(c for _, c in counted)
    return sum(r for r, _ in counted) / calls if calls > 0 else 1.0
