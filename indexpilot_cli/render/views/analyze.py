"""``analyze``: what the workload does."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from indexpilot_cli.admin.analyze import AnalyzeResult
from indexpilot_cli.core.codec import DocumentShape, Facets
from indexpilot_cli.core.units import DASH, count
from indexpilot_cli.core.workload import TemplateReport
from indexpilot_cli.render.document import Amount, Block, Count, Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import milliseconds, one_line, percent, plural, stamp
from indexpilot_cli.render.views.common import TemplateDocument, notes, skipped_blocks

_Shown = Annotated[float, Facets(0, 1.000001)]  # a sum of shares, which may be a rounding above 1


class SkippedReportDocument(DocumentShape):
    """Statements left out for one reason."""

    reason: str
    count: Count
    share: _Shown
    detail: str
    example: str


class AnalyzeDocument(DocumentShape):
    """What the workload does."""

    source: Literal["statements", "log", "sql", "query_stats", "snapshot"]
    since: datetime | None
    until: datetime | None
    total_ms: Amount | None
    statement_count: Count
    template_count: Count
    shown_share: _Shown
    share_by: Literal["time", "calls"]
    templates: tuple[TemplateDocument, ...]
    skipped: tuple[SkippedReportDocument, ...]
    notes: tuple[str, ...]


_COLUMNS = columns(
    "#|number",
    "template|short",
    "share|number",
    "calls|number",
    "mean|number",
    "reads|short",
    "writes|short",
    "query|query",
)


def view(result: AnalyzeResult, *, verbose: bool = False) -> Document:
    """Templates in the order of the result; with ``verbose`` also what was left out and why."""
    rows = tuple(_row(n, t) for n, t in enumerate(result.templates, 1))
    blocks: list[Block] = [TableBlock(_COLUMNS, rows)] if rows else []
    blocks.append(Lines((_summary(result),)))
    blocks += skipped_blocks(result.skipped, verbose=verbose)
    blocks += notes(result.notes)
    return Document(tuple(blocks), result, AnalyzeDocument)


def _row(number: int, template: TemplateReport) -> tuple[str, ...]:
    return (
        str(number),
        template.id,
        percent(template.share, 0 if template.share >= 0.1 else 1),
        count(template.calls),
        milliseconds(template.mean_ms),
        template.reads or DASH,
        template.kind if template.is_write else DASH,
        one_line(template.text),
    )


def _summary(result: AnalyzeResult) -> str:
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
