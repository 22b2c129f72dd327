"""Pieces that several views share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from indexpilot_cli.admin.values import Check
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.render.document import Block, Column, Facts, Json, Lines, Table
from indexpilot_cli.render.envelope import instant
from indexpilot_cli.render.units import one_line, percent
from indexpilot_cli.workload.reports import SkippedReport, TemplateReport


def name(value: QualifiedName) -> Json:
    """A qualified name as JSON."""
    return {"schema": value.schema, "name": value.name}


def when(value: datetime | None) -> str | None:
    """A time as JSON."""
    return instant(value)


def facts(*rows: tuple[str, str] | None) -> Facts:
    """Facts from those rows that are there."""
    return Facts(tuple(row for row in rows if row is not None))


def notes(texts: Iterable[str]) -> tuple[Block, ...]:
    """Notes as facts with the label ``note``."""
    rows = tuple(("note", one_line(text)) for text in texts)
    return (Facts(rows),) if rows else ()


def template_json(value: TemplateReport) -> Json:
    """A query template as JSON."""
    return {
        "id": value.id,
        "kind": value.kind,
        "calls": value.calls,
        "total_ms": value.total_ms,
        "mean_ms": value.mean_ms,
        "share": value.share,
        "is_write": value.is_write,
        "reads": value.reads,
        "blocks": value.blocks,
        "relations": [name(r) for r in value.relations],
        "text": value.text,
    }


def check_json(value: Check) -> Json:
    """A check as JSON."""
    return {
        "code": value.code or value.name.replace(" ", "_"),
        "state": value.state,
        "name": value.name,
        "text": value.text,
        "hint": value.fix,
    }


def checks_table(checks: tuple[Check, ...]) -> Table:
    """One line per check: state, what, the finding and its fix."""
    columns = (Column("state", "state"), Column("check", "label"), Column("finding", "text"), Column("fix", "name"))
    width = 4 if any(c.fix for c in checks) else 3
    rows = ((c.state, c.name, one_line(c.text), f"->  {c.fix}" if c.fix else "") for c in checks)
    return Table(columns[:width], tuple(row[:width] for row in rows), header=False)


def skipped_json(value: SkippedReport) -> Json:
    """Skipped statements of one reason as JSON."""
    return {
        "reason": value.reason,
        "count": value.count,
        "share": value.share,
        "detail": value.detail,
        "example": value.example,
    }


def skipped_blocks(skipped: tuple[SkippedReport, ...], *, verbose: bool) -> tuple[Block, ...]:
    """What was left out: one line, or a table with examples."""
    total = sum(s.count for s in skipped)
    if total == 0:
        return ()
    words = ", ".join(f"{s.count:,} {s.reason}" for s in skipped)
    share = sum(s.share for s in skipped)
    carried = f", {percent(share)} of the workload" if share > 0 else ""
    line = Lines((f"{total:,} skipped ({words}){carried}" + ("" if verbose else ": --verbose"),))
    if not verbose:
        return (line,)
    columns = (
        Column("skipped", "short"),
        Column("count", "number"),
        Column("share", "number"),
        Column("why", "text"),
        Column("example", "query"),
    )
    rows = tuple((s.reason, f"{s.count:,}", percent(s.share), s.detail, one_line(s.example)) for s in skipped)
    return (line, Table(columns, rows))
