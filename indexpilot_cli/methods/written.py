"""How much each table is written: by the workload's own statements, else by the server's counters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import QueryTemplate, RelationUse, StatementKind
from indexpilot_cli.methods.rates import SHIPPED, WriteRates

ENOUGH_SCANS = 100  # fewer, and a table was loaded rather than used


@dataclass(frozen=True, slots=True)
class TableWrites:
    """Rows written over the workload's window, by so many ``statements``, which took ``measured_us`` where it knows.

    ``updated`` are (columns set, rows) of UPDATE statements, empty when not known; ``hot_share`` is the share of
    updates that are HOT now; ``origin`` says where from, when that needs saying. ``rates`` are what writes cost there.
    """

    inserts: float = 0.0
    updates: float = 0.0
    deletes: float = 0.0
    hot_share: float = 0.0
    updated: tuple[tuple[frozenset[str], float], ...] = ()
    origin: str = ""
    statements: float = 0.0
    measured_us: float | None = None
    rates: WriteRates = SHIPPED

    @property
    def kind(self) -> str:
        """What statements these are, and how it is known what they take."""
        each = self.rows / self.statements if self.statements > 0 else 1.0
        what = "single-row statements" if each < 1.5 else f"statements of {each:,.0f} rows"
        return f"{what}, {'modelled' if self.measured_us is None else 'measured by the workload'}"

    @property
    def rows(self) -> float:
        """Rows written."""
        return self.inserts + self.updates + self.deletes

    def entry_share(self, further: float) -> float:
        """What an index entry takes in the mean over the rows of a statement, when the second row and the next take a
        share of what the only row of one takes.
        """
        first = min(1.0, self.statements / self.rows) if self.rows > 0 and self.statements > 0 else 1.0
        return first + (1.0 - first) * further


def table_writes(
    catalog: Catalog,
    templates: Sequence[QueryTemplate],
    since: datetime | None = None,
    until: datetime | None = None,
    rates: WriteRates = SHIPPED,
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
            seen: TableWrites | None = replace(own, hot_share=hot_share(table))
        else:
            seen = _from_activity(table, _window(table, catalog, since, until), reads.get(table.name, 0.0))
        if seen is not None and seen.rows > 0:
            found[table.name] = replace(seen, rates=rates)
    return found


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
    rows = inserts + activity.updates + activity.deletes  # taken as one a statement: the counters do not tell
    return TableWrites(
        inserts=inserts * scale,
        updates=activity.updates * scale,
        deletes=activity.deletes * scale,
        hot_share=hot_share(table),
        origin=origin,
        statements=rows * scale,
    )


def counted_writes(table: Table, rates: WriteRates = SHIPPED) -> TableWrites:
    """All that the server counted, a row a statement.

    Rows that are still there may have been loaded before the traffic and are not counted as inserts.
    """
    activity = table.activity
    there = table.rows if table.tuples >= 0 else activity.inserts - activity.deletes
    inserts = max(0.0, activity.inserts - there)
    rows = inserts + activity.updates + activity.deletes
    return TableWrites(inserts, activity.updates, activity.deletes, hot_share(table), statements=rows, rates=rates)


def _reads(templates: Iterable[QueryTemplate]) -> dict[QualifiedName, float]:
    calls: dict[QualifiedName, float] = {}
    for template in templates:
        for name in template.relations:
            calls[name] = calls.get(name, 0.0) + template.calls
    return calls


def _from_templates(templates: Iterable[QueryTemplate]) -> dict[QualifiedName, TableWrites]:
    found: dict[QualifiedName, TableWrites] = {}
    for template in templates:
        for use in template.uses:
            if use.write is not None:
                found[use.table] = _with_template(found.get(use.table, TableWrites(measured_us=0.0)), template, use)
    return found


def _with_template(seen: TableWrites, template: QueryTemplate, use: RelationUse) -> TableWrites:
    rows = template.calls * rows_per_call(template)
    kind = _kind(use)
    told = use.updated and use.write is not StatementKind.INSERT
    times = seen.measured_us is not None and template.total_ms is not None
    return replace(
        seen,
        inserts=seen.inserts + rows * (kind == "insert"),
        updates=seen.updates + rows * (kind == "update"),
        deletes=seen.deletes + rows * (kind == "delete"),
        updated=(*seen.updated, (use.updated, rows)) if told else seen.updated,
        statements=seen.statements + template.calls,
        measured_us=(seen.measured_us or 0.0) + 1000 * (template.total_ms or 0.0) if times else None,
    )


def _kind(use: RelationUse) -> str:
    if use.write is StatementKind.MERGE:
        return "update" if use.updated else "insert"
    return str(use.write)


def rows_per_call(template: QueryTemplate) -> float:
    """Rows a write touches per call, from samples that counted them; 1 otherwise."""
    counted = [(s.rows, s.calls) for s in template.samples if s.rows is not None]
    calls = sum(c for _, c in counted)
    return sum(r for r, _ in counted) / calls if calls > 0 else 1.0
