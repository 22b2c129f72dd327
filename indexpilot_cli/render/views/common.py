"""Pieces that several views share."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Annotated, Literal

from indexpilot_cli.admin.doctor_checks import Check
from indexpilot_cli.core.codec import DocumentShape, From
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import SkippedReport
from indexpilot_cli.render.document import Amount, Block, Facts, Lines, Portion, TableBlock, columns
from indexpilot_cli.render.units import one_line, percent


def facts(*rows: tuple[str, str] | None) -> Facts:
    """Facts from those rows that are there."""
    return Facts(tuple(row for row in rows if row is not None))


def notes(texts: Iterable[str]) -> tuple[Block, ...]:
    """Notes as facts with the label ``note``."""
    rows = tuple(("note", one_line(text)) for text in texts)
    return (Facts(rows),) if rows else ()


class TemplateDocument(DocumentShape):
    """Statements that differ only in constants."""

    id: str
    kind: Literal["select", "insert", "update", "delete", "merge"]
    calls: Amount
    total_ms: Annotated[Amount | None, "milliseconds; null when the source has no times"]
    mean_ms: Amount | None
    share: Annotated[Portion, "part of the workload"]
    is_write: bool
    reads: Annotated[str | None, "how rows are found: seq scan, index, mixed"]
    blocks: Annotated[Amount | None, "pages, hit and read"]
    relations: tuple[QualifiedName, ...]
    text: str


class CheckDocument(DocumentShape):
    """One thing that was looked at."""

    code: Annotated[str, From(lambda check: check.code or check.name.replace(" ", "_"))]
    state: Literal["ok", "missing", "warning", "error", "unknown"]
    name: str
    text: str
    hint: Annotated[str | None, "SQL or a command line that settles it", From("fix")]


class LabelDocument(DocumentShape):
    """A label and its text."""

    label: Annotated[str, From(itemgetter(0))]
    text: Annotated[str, From(itemgetter(1))]


def checks_table(checks: tuple[Check, ...]) -> TableBlock:
    """One line per check: state, what, the finding and its fix."""
    head = columns("state|state", "check|label", "finding|text", "fix")
    width = 4 if any(c.fix for c in checks) else 3
    rows = ((c.state, c.name, one_line(c.text), f"->  {c.fix}" if c.fix else "") for c in checks)
    return TableBlock(head[:width], tuple(row[:width] for row in rows), header=False)


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
    head = columns("skipped|short", "count|number", "share|number", "why|text", "example|query")
    rows = tuple((s.reason, f"{s.count:,}", percent(s.share), s.detail, one_line(s.example)) for s in skipped)
    return (line, TableBlock(head, rows))
