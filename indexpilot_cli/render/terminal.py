"""Documents on a terminal: fitted to its width, with colour where it adds to the words."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexpilot_cli.render.bars import Glyphs, chart_lines
from indexpilot_cli.render.document import (
    Block,
    Chart,
    Code,
    Document,
    EntryBlock,
    Facts,
    Lines,
    PlanTrees,
    TableBlock,
    TableColumn,
)
from indexpilot_cli.render.text import INDENT, entry_head, entry_label, label_text, tree_text
from indexpilot_cli.render.units import Measure, shorten, visible

if TYPE_CHECKING:
    from rich.text import Text

GAP = 2
_CONTINUED = "       "
_LEAST = {"query": 24, "text": 28, "name": 12}


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line and the role of the column it comes from (``header`` for titles, ``gap`` for filling)."""

    text: str
    role: str


Line = tuple[Cell, ...]


def fit(table: TableBlock, width: int, measure: Measure = len) -> Iterator[Line]:
    """The lines of the table in at most ``width`` cells, as far as names and numbers allow.

    Query text is shortened first, then prose is wrapped, then name columns are narrowed: a name that is wider than
    its column keeps all its letters and the rest of its row goes on in the next line, in the same columns. What is
    still too wide stands closer together.
    """
    after = [""] * len(table.rows)
    if table.columns[-1].role == "after":
        after = [row[-1] for row in table.rows]
        table = replace(table, columns=table.columns[:-1], rows=tuple(row[:-1] for row in table.rows))
    widths = _widths(table, width, measure)
    gap = GAP if sum(widths) + GAP * (len(widths) - 1) <= width else 1
    if table.header:
        titles = tuple(c.title for c in table.columns)
        yield from _row(titles, ["header"] * len(widths), table.columns, widths, measure, gap)
    for row, beside in zip(table.rows, after, strict=True):
        yield from _beside(list(_lines(row, table.columns, widths, measure, gap)), beside, widths, width, measure)


def _lines(
    row: Sequence[str], columns: Sequence[TableColumn], widths: Sequence[int], measure: Measure, gap: int
) -> Iterator[Line]:
    roles = [c.role for c in columns]
    wrapped = [_wrap(text, c.role, w, measure) for text, c, w in zip(row, columns, widths, strict=True)]
    for n in range(max(len(lines) for lines in wrapped)):
        texts = tuple(lines[n] if n < len(lines) else "" for lines in wrapped)
        yield from _row(texts, roles, columns, widths, measure, gap)


def _beside(lines: list[Line], text: str, widths: Sequence[int], width: int, measure: Measure) -> Iterator[Line]:
    """The lines of a row with what comes after it: at the end of the first where there is room, else below them."""
    at, used = sum(widths) + GAP * len(widths), sum(measure(cell.text) for cell in lines[0])
    if text and used + GAP <= at and at + measure(text) <= width:
        lines[0] = (*lines[0], Cell(" " * (at - used), "gap"), Cell(text, "name"))
    elif text:
        lines.append((Cell(" " * (widths[0] + GAP), "gap"), Cell(text, "name")))
    yield from lines


def _widths(table: TableBlock, width: int, measure: Measure) -> list[int]:
    titles = [measure(c.title) if table.header else 0 for c in table.columns]
    widths = [max([title, *(measure(row[i]) for row in table.rows)]) for i, title in enumerate(titles)]
    excess = sum(widths) + GAP * (len(widths) - 1) - width
    for role in ("query", "text", "name"):
        columns = [i for i, c in enumerate(table.columns) if c.role == role]
        while excess > 0 and columns:
            widest = max(columns, key=lambda i: widths[i])
            if widths[widest] <= max(_LEAST[role], titles[widest]):
                break
            widths[widest] -= 1
            excess -= 1
    return widths


def _wrap(text: str, role: str, width: int, measure: Measure) -> list[str]:
    if measure(text) <= width or role not in ("query", "text"):
        return [text]
    if role == "query":
        return [shorten(text, width, measure)]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _row(
    texts: Sequence[str],
    roles: Sequence[str],
    columns: Sequence[TableColumn],
    widths: Sequence[int],
    measure: Measure,
    gap: int,
) -> Iterator[Line]:
    """One line, or more where a cell is wider than its column."""
    line: list[Cell] = []
    at = used = 0  # where the column begins, where the line ends
    for i, (text, width) in enumerate(zip(texts, widths, strict=True)):
        lead = max(width - measure(text), 0) if columns[i].role == "number" else 0
        wide = measure(text) > width
        if text and line and (used >= at or (wide and i == len(widths) - 1)):
            yield tuple(line)
            line, used = [], 0
            at = min(at, len(_CONTINUED)) if wide and i == len(widths) - 1 else at
        if text:
            line += [Cell(" " * (at + lead - used), "gap"), Cell(text, roles[i])]
            used = at + lead + measure(text)
        at += width + gap
        used = max(used, 0)
    yield tuple(line)


STATES = {
    "ok": "green",
    "missing": "yellow",
    "warning": "yellow",
    "unknown": "yellow",
    "error": "bold red",
    "critical": "bold red",
    "invalid": "bold red",
    "will do": "cyan",
    "done": "green",
    "built": "green",
    "dropped": "green",
    "rebuilt": "green",
    "there already": "green",
    "no": "bold red",
    "failed": "bold red",
    "left over": "bold red",
    "FAILED": "red",
    "FAILED_CLEAN": "red",
    "FAILED_LEFTOVER": "bold red",
    "UNKNOWN": "yellow",
    "conflict": "yellow",
    "reverted": "yellow",
    "planned": "cyan",
    "unused": "yellow",
    "duplicate": "yellow",
    "redundant": "yellow",
    "overlapping": "yellow",
    "bloated": "yellow",
    "info": "cyan",
    "added": "green",
    "removed": "red",
}
_UNIT = re.compile(r"(?<=[ (])(\d[\d.,]*) (%|(?:ms|s|min|h|d|[kMG]|[kMGT]?B)\b)")
_STYLES = {"header": "dim", "query": "", "name": "", "number": "", "text": "", "label": "bold", "fact": "dim"}


def rich(document: Document, width: int, *, color: bool, charts: Glyphs | None = None) -> str:
    """The document as text for a terminal of ``width`` columns; with escape codes when ``color``.

    ``charts``: what they are drawn with; None leaves them out.
    """
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=max(width, 20),
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    for block in document.blocks:
        for line in _block(block, width, charts):
            console.print(line, soft_wrap=True)
    return buffer.getvalue()


def _block(block: Block, width: int, charts: Glyphs | None) -> Iterator[Text]:
    from rich.cells import cell_len

    match block:
        case TableBlock():
            yield from _table(block, width)
        case Facts():
            for label, text in block.rows:
                yield from _fact(label, text, width)
        case Lines():
            for line in block.lines:
                yield from _wrapped(line, width)
        case Code():
            yield from _code(block)
        case EntryBlock():
            yield from _entry(block, width)
        case PlanTrees():
            for tree in block.trees if block.told else ():
                yield from _code(Code(tree_text(tree), ""))
        case Chart():
            if charts is not None and block.told:
                for line in chart_lines(block, width, charts, cell_len):
                    yield _text(Cell(line, "label" if line == block.title else "chart"))


def _table(table: TableBlock, width: int) -> Iterator[Text]:
    from rich.cells import cell_len

    if table.title:
        yield _text(Cell(table.title, "label"))
    if table.rows:
        yield from (_text(*cells) for cells in fit(table, width, cell_len))


def _fact(label: str, text: str, width: int) -> Iterator[Text]:
    first = label_text(label, "")
    lines = _fold(text, width - len(first))
    role = label if label in STATES else "label"
    yield _text(Cell(first, role), Cell(lines[0], "text"))
    yield from (_text(Cell(" " * len(first) + line, "text")) for line in lines[1:])


def _code(code: Code) -> Iterator[Text]:
    for line in code.text.rstrip("\n").split("\n"):
        changed = {"+": "added", "-": "removed"} if code.language == "diff" else {}
        yield _text(Cell(line, changed.get(line[:1], "code")))


def _entry(entry: EntryBlock, width: int) -> Iterator[Text]:
    from rich.cells import cell_len

    whole = cell_len(entry_head(entry)) <= width
    first = [Cell(entry.place, "label"), Cell("  " if entry.place else "", "gap"), Cell(entry.word, entry.state)]
    yield _text(*first, *([Cell("  " + entry.text, "text")] if whole and entry.text else []))
    if not whole:
        yield from _wrapped(" " * INDENT + entry.text, width)
    for label, fact in entry.rows:
        start = entry_label(label)
        lines = fact.text.rstrip("\n").split("\n") if isinstance(fact, Code) else _fold(fact, width - len(start))
        yield _text(Cell(start, "fact"), Cell(lines[0], "text"))
        yield from (_text(Cell(" " * len(start) + line, "text")) for line in lines[1:])


def _wrapped(line: str, width: int) -> Iterator[Text]:
    indent = " " * (len(line) - len(line.lstrip()))
    for part in _fold(line, width, indent):
        yield _text(Cell(part, "text"))


def _fold(text: str, width: int, indent: str = "") -> list[str]:
    """The text in lines of at most ``width``; a number stays with its unit."""
    glued = _UNIT.sub("\\1\N{NO-BREAK SPACE}\\2", text)
    lines = textwrap.wrap(
        glued, max(width, 20), break_long_words=False, break_on_hyphens=False, subsequent_indent=indent
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines] or [""]


def _text(*cells: Cell) -> Text:
    from rich.text import Text

    text = Text()
    for cell in cells:
        style = STATES.get(cell.text.strip(), "") if cell.role == "state" else _STYLES.get(cell.role, "")
        text.append(visible(cell.text), STATES.get(cell.role, style))
    return text
