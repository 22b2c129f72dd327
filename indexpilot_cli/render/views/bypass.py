"""``bypass`` and ``plan approve``: the switches as they stand, and who said yes."""

from __future__ import annotations

from indexpilot_cli.apply.values import ApproveResult, BypassResult
from indexpilot_cli.core.units import DASH
from indexpilot_cli.guards.values import BypassLevel
from indexpilot_cli.render.document import Column, Document, Facts, Json, Lines, Table
from indexpilot_cli.render.units import one_line, plural, stamp
from indexpilot_cli.render.views.common import notes, when

_COLUMNS = (
    Column("level", "short"),
    Column("name"),
    Column("state", "short"),
    Column("until", "short"),
    Column("decided by", "text"),
    Column("reason", "text"),
)


def view(result: BypassResult) -> Document:
    """Every level with who decided it, and the sum of it."""
    rows = tuple(_row(level) for level in result.levels)
    sentence = "IndexPilot may change indexes" if result.running else "IndexPilot is switched off: no index is changed"
    if result.action != "status":
        sentence += "" if result.changed else " (it was so already)"
    table = (Table(_COLUMNS, rows),) if rows else ()
    return Document((*table, Lines((sentence,)), *notes(result.notes)), _payload(result))


def _row(level: BypassLevel) -> tuple[str, ...]:
    return (
        level.level,
        level.name,
        "on" if level.running else "off",
        stamp(level.until) if level.until else DASH,
        one_line(level.source),
        one_line(level.reason),
    )


def _payload(result: BypassResult) -> Json:
    return {
        "action": result.action,
        "running": result.running,
        "changed": result.changed,
        "levels": [
            {
                "level": level.level,
                "name": level.name,
                "running": level.running,
                "source": level.source,
                "reason": level.reason,
                "since": when(level.since),
                "until": when(level.until),
            }
            for level in result.levels
        ],
        "notes": list(result.notes),
    }


def approved(result: ApproveResult) -> Document:
    """Who approved which plan when."""
    who = f"{result.approved_by}, {stamp(result.approved_at)}" + (", already before" if result.already else "")
    rows = [
        (f"Plan {result.plan}", f"{plural(result.indexes, 'index', 'indexes')}, digest {result.digest}"),
        ("Approved", f"by {who}"),
    ]
    rows += [("Reason", one_line(result.reason))] if result.reason else []
    return Document((Facts(tuple(rows)),), _approved_payload(result))


def _approved_payload(result: ApproveResult) -> Json:
    return {
        "plan": result.plan,
        "digest": result.digest,
        "approved_by": result.approved_by,
        "approved_at": when(result.approved_at),
        "indexes": result.indexes,
        "reason": result.reason,
        "already": result.already,
    }
