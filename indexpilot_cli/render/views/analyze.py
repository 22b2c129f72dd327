"""``analyze``: what the workload does."""

from __future__ import annotations

from indexpilot_cli.admin.values import AnalyzeResult
from indexpilot_cli.core.units import DASH, count
from indexpilot_cli.render.document import Block, Column, Document, Json, Lines, Table
from indexpilot_cli.render.units import milliseconds, one_line, percent, plural, stamp
from indexpilot_cli.render.views.common import notes, skipped_blocks, skipped_json, template_json, when
from indexpilot_cli.workload.reports import TemplateReport

_COLUMNS = (
    Column("#", "number"),
    Column("template", "short"),
    Column("share", "number"),
    Column("calls", "number"),
    Column("mean", "number"),
    Column("reads", "short"),
    Column("writes", "short"),
    Column("query", "query"),
)


def view(result: AnalyzeResult, *, verbose: bool = False) -> Document:
    """Templates in the order of the result; with ``verbose`` also what was left out and why."""
    rows = tuple(_row(n, t) for n, t in enumerate(result.templates, 1))
    blocks: list[Block] = [Table(_COLUMNS, rows)] if rows else []
    blocks.append(Lines((_summary(result),)))
    blocks += skipped_blocks(result.skipped, verbose=verbose)
    blocks += notes(result.notes)
    return Document(tuple(blocks), _payload(result))


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


def _payload(result: AnalyzeResult) -> Json:
    return {
        "source": result.source,
        "since": when(result.since),
        "until": when(result.until),
        "total_ms": result.total_ms,
        "statement_count": result.statement_count,
        "template_count": result.template_count,
        "shown_share": result.shown_share,
        "share_by": result.share_by,
        "templates": [template_json(t) for t in result.templates],
        "skipped": [skipped_json(s) for s in result.skipped],
        "notes": list(result.notes),
    }
