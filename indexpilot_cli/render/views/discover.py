"""``discover``: tables and their indexes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from indexpilot_cli.admin.discover import DiscoverResult, IndexReport, TableReport
from indexpilot_cli.core.codec import DocumentShape, From
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.render.document import Amount, Block, Count, Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import ago, plural, stamp


class IndexReportDocument(DocumentShape):
    """An index."""

    name: Annotated[str, From("name.name")]
    definition: Annotated[str, "runs as it is"]
    kind: Literal["primary", "unique", "constraint", "index"]
    bytes: Count
    scans: Annotated[Count | None, "since stats_since; null: unknown"]
    valid: bool


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


_COLUMNS = columns(
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


def view(result: DiscoverResult, *, verbose: bool = False) -> Document:
    """Tables in the order of the result; with ``verbose`` also every index."""
    rows = tuple(_row(t, result) for t in result.tables)
    blocks: list[Block] = [TableBlock(_COLUMNS, rows)] if rows else []
    indexes: list[tuple[str, ...]] = []
    for table in result.tables:
        indexes += (_index_row(table, index) for index in table.indexes)
    if verbose and indexes:
        blocks.append(TableBlock(_INDEX_COLUMNS, tuple(indexes)))
    blocks.append(Lines((_summary(result),)))
    if result.saved_fields is not None:
        blocks.append(Lines((f"{plural(result.saved_fields, 'column')} recorded in the genome catalog",)))
    return Document(tuple(blocks), result, DiscoverDocument)


def _row(table: TableReport, result: DiscoverResult) -> tuple[str, ...]:
    return (
        table.name.short + (f" ({table.kind})" if table.kind != "table" else ""),
        DASH if table.rows is None else count(table.rows),
        size(table.bytes),
        str(len(table.indexes)),
        size(table.index_bytes),
        count(table.reads_per_s),
        count(table.writes_per_s),
        ago(table.analyzed, result.now),
    )


def _index_row(table: TableReport, index: IndexReport) -> tuple[str, ...]:
    state = "ok" if index.valid else "error"
    return (index.name.short, table.name.short, size(index.bytes), count(index.scans), state, index.definition)


def _summary(result: DiscoverResult) -> str:
    if not result.tables:
        return "no tables" + (f" ({result.hidden:,} left out by the filters)" if result.hidden else " in this database")
    indexes = sum(len(t.indexes) for t in result.tables)
    data = size(sum(t.bytes for t in result.tables))
    index_data = size(sum(t.index_bytes for t in result.tables))
    since = f" Rates since {stamp(result.stats_since)}." if result.stats_since else ""
    hidden = f" {result.hidden:,} more left out by the filters." if result.hidden else ""
    counts = f"{plural(len(result.tables), 'table')}, {plural(indexes, 'index', 'indexes')}"
    return f"{counts}, {data} data, {index_data} indexes.{since}{hidden}"
