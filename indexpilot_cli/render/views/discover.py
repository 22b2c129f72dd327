"""What ``discover``, ``analyze`` and ``snapshot save`` read from a database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Annotated, Literal

from indexpilot_cli.admin.analyze import AnalyzeResult
from indexpilot_cli.admin.discover import DiscoverResult, IndexReport, TableReport
from indexpilot_cli.admin.snapshot import SnapshotResult
from indexpilot_cli.core.codec import Amount, Count, DocumentShape, From
from indexpilot_cli.core.index import RedundantIndex
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.core.workload import TemplateReport
from indexpilot_cli.render.document import Block, Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import (
    ago,
    facts,
    milliseconds,
    notes,
    one_line,
    percent,
    plural,
    redundant_facts,
    skipped_blocks,
    stamp,
)
from indexpilot_cli.render.views.pictures import table_charts, workload_charts


class IndexReportDocument(DocumentShape):
    """An index."""

    name: Annotated[str, From("name.name")]
    definition: Annotated[str, "runs as it is"]
    kind: Literal["primary", "unique", "constraint", "index"]
    bytes: Count
    scans: Annotated[Count | None, "since stats_since; null: unknown"]
    valid: bool
    redundant: Annotated[RedundantIndex | None, "what makes it needless; null: nothing does"]


class TableReportDocument(DocumentShape):
    """A table with its indexes."""

    name: QualifiedName
    kind: Literal["table", "partitioned", "partition", "materialized view", "foreign table"]
    rows: Annotated[Amount | None, "null: never analyzed"]
    bytes: Count
    index_bytes: Count
    reads_per_s: Amount | None
    writes_per_s: Amount | None
    analyzed_at: Annotated[datetime | None, From("analyzed")]
    indexes: tuple[IndexReportDocument, ...]


class DiscoverDocument(DocumentShape):
    """Tables and their indexes."""

    stats_since: datetime | None
    tables: tuple[TableReportDocument, ...]
    hidden: Annotated[Count, "tables left out by filters"]
    saved_fields: Annotated[Count | None, "columns recorded; null: not asked"]


_TABLE_COLUMNS = columns(
    "table",
    "rows|number",
    "size|number",
    "indexes|number",
    "index size|number",
    "reads/s|number",
    "writes/s|number",
    "analyzed|short",
)
_INDEX_COLUMNS = columns("index", "table", "size|number", "scans|number", "state|state", "definition")


def discover_view(result: DiscoverResult, *, verbose: bool = False) -> Document:
    """Tables in the order of the result; with ``verbose`` also every index."""
    rows = tuple(
        (
            t.name.short + (f" ({t.kind})" if t.kind != "table" else ""),
            DASH if t.rows is None else count(t.rows),
            size(t.bytes),
            str(len(t.indexes)),
            size(t.index_bytes),
            count(t.reads_per_s),
            count(t.writes_per_s),
            ago(t.analyzed, result.now),
        )
        for t in result.tables
    )
    blocks: list[Block] = [TableBlock(_TABLE_COLUMNS, rows), *table_charts(result.tables)] if rows else []
    indexes: list[tuple[str, ...]] = []
    for table in result.tables:
        indexes += (_index_row(table, index) for index in table.indexes)
    if verbose and indexes:
        blocks.append(TableBlock(_INDEX_COLUMNS, tuple(indexes)))
    blocks.append(Lines((_tables_summary(result),)))
    needless = [i.redundant for i in chain.from_iterable(t.indexes for t in result.tables) if i.redundant]
    blocks += redundant_facts(sorted(needless, key=lambda r: (-r.bytes, r.name)), verbose=verbose)
    if result.saved_fields is not None:
        blocks.append(Lines((f"{plural(result.saved_fields, 'column')} recorded in the genome catalog",)))
    return Document(tuple(blocks), result, DiscoverDocument)


def _index_row(table: TableReport, index: IndexReport) -> tuple[str, ...]:
    state = "ok" if index.valid else "error"
    return (index.name.short, table.name.short, size(index.bytes), count(index.scans), state, index.definition)


def _tables_summary(result: DiscoverResult) -> str:
    if not result.tables:
        return "no tables" + (f" ({result.hidden:,} left out by the filters)" if result.hidden else " in this database")
    indexes = sum(len(t.indexes) for t in result.tables)
    data = size(sum(t.bytes for t in result.tables))
    index_data = size(sum(t.index_bytes for t in result.tables))
    since = f" Rates since {stamp(result.stats_since)}." if result.stats_since else ""
    hidden = f" {result.hidden:,} more left out by the filters." if result.hidden else ""
    counts = f"{plural(len(result.tables), 'table')}, {plural(indexes, 'index', 'indexes')}"
    return f"{counts}, {data} data, {index_data} indexes.{since}{hidden}"


_TEMPLATE_COLUMNS = columns(
    "#|number",
    "template|short",
    "share|number",
    "calls|number",
    "mean|number",
    "reads|short",
    "writes|short",
    "query|query",
)


def analyze_view(result: AnalyzeResult, *, verbose: bool = False) -> Document:
    """Templates in the order of the result; with ``verbose`` also what was left out and why."""
    rows = tuple(
        (
            str(n),
            t.id,
            percent(t.share, 0 if t.share >= 0.1 else 1),
            count(t.calls),
            _mean(t),
            t.reads or DASH,
            t.kind if t.is_write else DASH,
            one_line(t.text),
        )
        for n, t in enumerate(result.templates, 1)
    )
    blocks: list[Block] = [TableBlock(_TEMPLATE_COLUMNS, rows), *workload_charts(result.templates)] if rows else []
    blocks.append(Lines((_workload_summary(result),)))
    blocks += skipped_blocks(result.skipped, verbose=verbose)
    blocks += notes((*_cancelled(result), *result.notes))
    return Document(tuple(blocks), result, AnalyzeResult)


def _mean(template: TemplateReport) -> str:
    """The mean time of a call; at least that where some were cancelled."""
    known = template.mean_ms is not None
    return ("≥ " if known and template.cancelled else "") + milliseconds(template.mean_ms)


def _cancelled(result: AnalyzeResult) -> Iterator[str]:
    for template in result.templates:
        if template.cancelled:
            calls = plural(round(template.cancelled), "call")
            yield f"{calls} of {template.id} did not finish (timeout or cancelled); the time is at least that long"


def _workload_summary(result: AnalyzeResult) -> str:
    if not result.templates:
        return f"no statements to advise on among {plural(result.statement_count, 'statement')}"
    of = milliseconds(result.total_ms) if result.total_ms is not None else "all calls"
    shown = len(result.templates)
    these = "they carry" if shown == result.template_count else f"these {shown} carry"
    since = f" since {stamp(result.since)}" if result.since else ""
    return (
        f"{plural(result.template_count, 'template')} from {plural(result.statement_count, 'statement')}; "
        f"{these} {percent(result.shown_share, 0)} of {of}{since}"
    )


def snapshot_view(result: SnapshotResult, *, verbose: bool = False) -> Document:
    """Path, size and content of the snapshot file; with ``verbose`` its digest."""
    content = ", ".join(
        (
            plural(result.tables, "table"),
            plural(result.indexes, "index", "indexes"),
            plural(result.statements, "statement"),
        )
    )
    values = "replaced by surrogates" if result.redacted else "real values of your columns and queries"
    blocks = (
        facts(
            ("Snapshot", f"{result.path}, {size(result.bytes)}, taken {stamp(result.taken_at)}"),
            ("Holds", content),
            ("Values", f"{values}; {result.cost}" if result.cost else values),
            ("Digest", result.digest) if verbose else None,
        ),
        *notes(result.notes),
    )
    return Document(blocks, result, SnapshotResult)
