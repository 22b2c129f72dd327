"""``discover``: tables and their indexes."""

from __future__ import annotations

from indexpilot_cli.admin.values import DiscoverResult, IndexReport, TableReport
from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.render.document import Block, Column, Document, Json, Lines, Table
from indexpilot_cli.render.units import ago, plural, stamp
from indexpilot_cli.render.views.common import name, when

_COLUMNS = (
    Column("table"),
    Column("rows", "number"),
    Column("size", "number"),
    Column("indexes", "number"),
    Column("index size", "number"),
    Column("reads/s", "number"),
    Column("writes/s", "number"),
    Column("analyzed", "short"),
)
_INDEX_COLUMNS = (
    Column("index"),
    Column("table"),
    Column("size", "number"),
    Column("scans", "number"),
    Column("state", "state"),
    Column("definition"),
)


def view(result: DiscoverResult, *, verbose: bool = False) -> Document:
    """Tables in the order of the result; with ``verbose`` also every index."""
    rows = tuple(_row(t, result) for t in result.tables)
    blocks: list[Block] = [Table(_COLUMNS, rows)] if rows else []
    indexes = [(t, i) for t in result.tables for i in t.indexes]
    if verbose and indexes:
        blocks.append(Table(_INDEX_COLUMNS, tuple(_index_row(t, i) for t, i in indexes)))
    blocks.append(Lines((_summary(result),)))
    if result.saved_fields is not None:
        blocks.append(Lines((f"{plural(result.saved_fields, 'column')} recorded in the genome catalog",)))
    return Document(tuple(blocks), _payload(result))


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


def _payload(result: DiscoverResult) -> Json:
    return {
        "stats_since": when(result.stats_since),
        "tables": [_table_json(t) for t in result.tables],
        "hidden": result.hidden,
        "saved_fields": result.saved_fields,
    }


def _table_json(table: TableReport) -> Json:
    return {
        "name": name(table.name),
        "kind": table.kind,
        "rows": table.rows,
        "bytes": table.bytes,
        "index_bytes": table.index_bytes,
        "reads_per_s": table.reads_per_s,
        "writes_per_s": table.writes_per_s,
        "analyzed_at": when(table.analyzed),
        "indexes": [_index_json(i) for i in table.indexes],
    }


def _index_json(index: IndexReport) -> Json:
    return {
        "name": index.name.name,
        "definition": index.definition,
        "kind": index.kind,
        "bytes": index.bytes,
        "scans": index.scans,
        "valid": index.valid,
    }
