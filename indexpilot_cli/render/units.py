"""Numbers as a person reads them (JSON never uses these), and pieces that several views share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Literal

from indexpilot_cli.core.codec import DocumentShape, From
from indexpilot_cli.core.index import RedundantIndex
from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.core.workload import SkippedReport
from indexpilot_cli.render.document import Block, ChartUnit, Facts, Lines, TableBlock, columns

if TYPE_CHECKING:
    from indexpilot_cli.admin.doctor_checks import Check

Measure = Callable[[str], int]  # columns of a text on a terminal
_LISTED = 5  # shown without --verbose
_AGES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def milliseconds(value: float | None) -> str:
    """``0.4 ms``, ``38 ms``, ``6.1 s``, ``6 min 41 s``, ``33.9 h``."""
    if value is None or not math.isfinite(value):
        return DASH
    if value < 10:
        return f"{value:.1f} ms" if value >= 0.1 else f"{value:.2f} ms"
    if value < 1000:
        return f"{value:.0f} ms"
    seconds = value / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds / 3600:.1f} h"


def percent(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A ratio as ``46.2 %``; ``signed`` adds the plus."""
    if value is None or not math.isfinite(value):
        return DASH
    rounded = round(value * 100, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f} %"


def saving(value: float | None, digits: int = 1) -> str:
    """A ratio saved, as ``-46.2 %``."""
    return DASH if value is None else percent(-value, digits, signed=True)


def fall(value: float) -> str:
    """A ratio saved without decimals, as ``-92 %``, but never a rounded ``-100 %``."""
    return saving(min(value, 0.999), 1) if 0.99 <= value < 1 else saving(value, 0)


def cost(value: float | None) -> str:
    """A planner cost, as ``1,204,331`` or ``8.44``."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.2f}"


def measured(value: float | None, unit: ChartUnit) -> str:
    """A value of a chart."""
    match unit:
        case ChartUnit.MILLISECONDS:
            return milliseconds(value)
        case ChartUnit.BYTES:
            return size(value)
        case ChartUnit.COST:
            return cost(value)
        case ChartUnit.SHARE:
            return percent(value)
        case ChartUnit.COUNT:
            return count(value)


def ago(when: datetime | None, now: datetime | None) -> str:
    """``2 h ago``; ``never`` when there is no time."""
    if when is None:
        return "never"
    if now is None:
        return stamp(when)
    seconds = max((now - when).total_seconds(), 0)
    for length, unit in _AGES:
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return "now"


def stamp(when: datetime | None) -> str:
    """``2026-11-20 02:00Z``."""
    return DASH if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def plural(number: int, word: str, words: str | None = None) -> str:
    """``1 table``, ``3 tables``, ``1,870 statements``."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


# With those that turn the direction of the text behind them: a name could look like another (CVE-2021-42574).
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text without control characters, so that data cannot steer a terminal. Keeps tabs and line feeds."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def shorten(text: str, width: int, measure: Measure = len) -> str:
    """The text cut to ``width`` cells, with an ellipsis when something was cut."""
    if measure(text) <= width:
        return text
    cut = text[: max(width - 1, 0)]
    while cut and measure(cut) > width - 1:
        cut = cut[:-1]
    return cut.rstrip() + "…"


def one_line(text: str) -> str:
    """The text with all white space folded: for a cell."""
    return " ".join(text.split())


def facts(*rows: tuple[str, str] | None) -> Facts:
    """Facts from those rows that are there."""
    return Facts(tuple(row for row in rows if row is not None))


def notes(texts: Iterable[str]) -> tuple[Block, ...]:
    """Notes as facts with the label ``note``."""
    rows = tuple(("note", one_line(text)) for text in texts)
    return (Facts(rows),) if rows else ()


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
    head = columns("state|state", "check|label", "finding|text", "fix|after")
    width = 4 if any(c.fix for c in checks) else 3
    rows = ((c.state, c.name, one_line(c.text), f"->  {c.fix}" if c.fix else "") for c in checks)
    return TableBlock(head[:width], tuple(row[:width] for row in rows), header=False)


def redundant_facts(found: Sequence[RedundantIndex], *, verbose: bool) -> tuple[Block, ...]:
    """One line for each of the largest needless indexes, all with ``verbose``."""
    shown = found if verbose else found[:_LISTED]
    rows = [("Redundant", f"{one_line(r.name.short)}: {one_line(r.text)}, {size(r.bytes)}") for r in shown]
    rest = found[len(shown) :]
    rows += [("Redundant", f"{len(rest)} more, {size(sum(r.bytes for r in rest))}  (--verbose)")] if rest else []
    return (Facts(tuple(rows)),) if rows else ()


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
