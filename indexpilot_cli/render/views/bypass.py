"""``bypass`` and ``plan approve``: the switches as they stand, and who said yes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from indexpilot_cli.apply.values import ApproveResult, BypassResult
from indexpilot_cli.core.codec import DocumentShape
from indexpilot_cli.core.units import DASH
from indexpilot_cli.guards.bypass import BypassLevel
from indexpilot_cli.render.document import Count, Document, Facts, Lines, TableBlock, columns
from indexpilot_cli.render.units import one_line, plural, stamp
from indexpilot_cli.render.views.common import notes


class LevelDocument(DocumentShape):
    """One switch as it stands."""

    level: Literal["feature", "module", "system", "startup", "emergency"]
    name: str
    running: Annotated[bool, "false: this part is off"]
    source: Annotated[str, "who decided"]
    reason: str
    since: datetime | None
    until: datetime | None


class BypassDocument(DocumentShape):
    """The switches as they stand."""

    action: Literal["status", "enable", "disable"]
    running: Annotated[bool, "may indexes be changed now"]
    changed: bool
    levels: tuple[LevelDocument, ...]
    notes: tuple[str, ...]


class ApproveDocument(DocumentShape):
    """Who said yes to a plan."""

    plan: str
    digest: str
    approved_by: str
    approved_at: datetime | None
    indexes: Count
    reason: str
    already: bool


_COLUMNS = columns("level|short", "name", "state|short", "until|short", "decided by|text", "reason|text")


def view(result: BypassResult) -> Document:
    """Every level with who decided it, and the sum of it."""
    rows = tuple(_row(level) for level in result.levels)
    sentence = "IndexPilot may change indexes" if result.running else "IndexPilot is switched off: no index is changed"
    if result.action != "status":
        sentence += "" if result.changed else " (it was so already)"
    table = (TableBlock(_COLUMNS, rows),) if rows else ()
    return Document((*table, Lines((sentence,)), *notes(result.notes)), result, BypassDocument)


def _row(level: BypassLevel) -> tuple[str, ...]:
    return (
        level.level,
        level.name,
        "on" if level.running else "off",
        stamp(level.until) if level.until else DASH,
        one_line(level.source),
        one_line(level.reason),
    )


def approved(result: ApproveResult) -> Document:
    """Who approved which plan when."""
    who = f"{result.approved_by}, {stamp(result.approved_at)}" + (", already before" if result.already else "")
    rows = [
        (f"Plan {result.plan}", f"{plural(result.indexes, 'index', 'indexes')}, digest {result.digest}"),
        ("Approved", f"by {who}"),
    ]
    rows += [("Reason", one_line(result.reason))] if result.reason else []
    return Document((Facts(tuple(rows)),), result, ApproveDocument)
