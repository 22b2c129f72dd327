"""Tables fitted to a width: query text may be shortened, identifiers and DDL never."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from indexpilot_cli.render.document import Column, Table

GAP = 2
_LEAST_QUERY = 24
_LEAST_TEXT = 28
INDENT = "       "


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line and the role of the column it comes from (``header`` for titles, ``gap`` for filling)."""

    text: str
    role: str


Line = tuple[Cell, ...]
Measure = Callable[[str], int]


def fit(table: Table, width: int, measure: Measure = len) -> Iterator[Line]:
    """The lines of the table in at most ``width`` cells, unless a name alone is wider.

    Shorten query text first, then wrap prose, then give the widest name a line of its own under its row.
    """
    shown = list(range(len(table.columns)))
    below: list[int] = []
    natural = [_natural(table, i, measure) for i in shown]
    while True:
        widths = _squeeze(table.columns, shown, natural, width)
        if widths is not None:
            break
        moved = _movable(table.columns, shown, natural)
        if moved is None:
            widths = {i: natural[i] for i in shown}
            break
        shown.remove(moved)
        below.append(moved)
    yield from _lines(table, widths, sorted(below), width, measure)


def _natural(table: Table, index: int, measure: Measure) -> int:
    title = measure(table.columns[index].title) if table.header else 0
    return max([title, *(measure(row[index]) for row in table.rows)])


def _squeeze(columns: tuple[Column, ...], shown: list[int], natural: list[int], width: int) -> dict[int, int] | None:
    """Widths of the shown columns, or None when they cannot fit."""
    widths = {i: natural[i] for i in shown}
    excess = sum(widths.values()) + GAP * (len(shown) - 1) - width
    for role, least in (("query", _LEAST_QUERY), ("text", _LEAST_TEXT)):
        for i in (i for i in shown if columns[i].role == role and excess > 0):
            cut = min(excess, max(widths[i] - least, 0))
            widths[i] -= cut
            excess -= cut
    return widths if excess <= 0 else None


def _movable(columns: tuple[Column, ...], shown: list[int], natural: list[int]) -> int | None:
    movable = [i for i in shown if columns[i].role in ("name", "text", "query") and natural[i] > len(INDENT)]
    return max(movable, key=lambda i: natural[i]) if movable and len(shown) > 1 else None


def _lines(table: Table, widths: dict[int, int], below: list[int], width: int, measure: Measure) -> Iterator[Line]:
    if table.header:
        titles = tuple(c.title for c in table.columns)
        yield _row(titles, table.columns, widths, measure, header=True)
        if below:
            yield (Cell(INDENT + ", ".join(titles[i] for i in below), "header"),)
    for row in table.rows:
        wrapped = {i: _wrap(row[i], table.columns[i], w, measure) for i, w in widths.items()}
        for n in range(max((len(lines) for lines in wrapped.values()), default=1)):
            texts = tuple(wrapped[i][n] if i in wrapped and n < len(wrapped[i]) else "" for i in range(len(row)))
            yield _row(texts, table.columns, widths, measure)
        for i in below:
            yield from ((Cell(INDENT + t, table.columns[i].role),) for t in _under(row[i], table.columns[i], width))


def _under(text: str, column: Column, width: int) -> list[str]:
    room = max(width - len(INDENT), _LEAST_QUERY)
    if column.role == "query":
        return [shorten(text, room)] if text else []
    return (
        textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) if column.role == "text" else [text]
    )


def _wrap(text: str, column: Column, width: int, measure: Measure) -> list[str]:
    if measure(text) <= width:
        return [text]
    if column.role == "query":
        return [shorten(text, width, measure)]
    if column.role == "text":
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [text]


def _row(
    texts: tuple[str, ...],
    columns: tuple[Column, ...],
    widths: dict[int, int],
    measure: Measure,
    *,
    header: bool = False,
) -> Line:
    cells: list[Cell] = []
    last = max(widths, default=0)
    for i, width in widths.items():
        role = "header" if header else columns[i].role
        fill = " " * max(width - measure(texts[i]), 0)
        if columns[i].role == "number":
            cells.append(Cell(fill + texts[i], role))
        else:
            cells += [Cell(texts[i], role)] + ([Cell(fill, "gap")] if i != last else [])
        if i != last:
            cells.append(Cell(" " * GAP, "gap"))
    while cells and not cells[-1].text.strip():
        cells.pop()
    return tuple(cells)


def shorten(text: str, width: int, measure: Measure = len) -> str:
    """The text cut to ``width`` cells, with an ellipsis when something was cut."""
    if measure(text) <= width:
        return text
    cut = text[: max(width - 1, 0)]
    while cut and measure(cut) > width - 1:
        cut = cut[:-1]
    return cut.rstrip() + "…"
