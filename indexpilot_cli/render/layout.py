"""Tables fitted to a width: query text may be shortened, identifiers and DDL never."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from indexpilot_cli.render.document import TableBlock, TableColumn

GAP = 2
INDENT = "       "
_LEAST = {"query": 24, "text": 28, "name": 12}


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line and the role of the column it comes from (``header`` for titles, ``gap`` for filling)."""

    text: str
    role: str


Line = tuple[Cell, ...]
Measure = Callable[[str], int]


def fit(table: TableBlock, width: int, measure: Measure = len) -> Iterator[Line]:
    """The lines of the table in at most ``width`` cells, as far as names and numbers allow.

    Query text is shortened first, then prose is wrapped, then name columns are narrowed: a name that is wider than
    its column keeps all its letters and the rest of its row goes on in the next line, in the same columns. What is
    still too wide stands closer together.
    """
    widths = _widths(table, width, measure)
    gap = GAP if sum(widths) + GAP * (len(widths) - 1) <= width else 1
    if table.header:
        titles = tuple(c.title for c in table.columns)
        yield from _row(titles, ["header"] * len(widths), table.columns, widths, measure, gap)
    roles = [c.role for c in table.columns]
    for row in table.rows:
        wrapped = [_wrap(text, c.role, w, measure) for text, c, w in zip(row, table.columns, widths, strict=True)]
        for n in range(max(len(lines) for lines in wrapped)):
            texts = tuple(lines[n] if n < len(lines) else "" for lines in wrapped)
            yield from _row(texts, roles, table.columns, widths, measure, gap)


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
            at = min(at, len(INDENT)) if wide and i == len(widths) - 1 else at
        if text:
            line += [Cell(" " * (at + lead - used), "gap"), Cell(text, roles[i])]
            used = at + lead + measure(text)
        at += width + gap
        used = max(used, 0)
    yield tuple(line)


def shorten(text: str, width: int, measure: Measure = len) -> str:
    """The text cut to ``width`` cells, with an ellipsis when something was cut."""
    if measure(text) <= width:
        return text
    cut = text[: max(width - 1, 0)]
    while cut and measure(cut) > width - 1:
        cut = cut[:-1]
    return cut.rstrip() + "…"
