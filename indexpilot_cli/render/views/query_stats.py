"""The table of recorded statistics: its parts, and what was done to it or would be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.lifecycle.query_stats import StatisticsAction, StatisticsResult, StatisticsStep
from indexpilot_cli.render.document import Block, Code, Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import notes, plural

_PARTS = columns("part", "from|short", "to|short", "rows|number", "size|number")


def statistics_view(result: StatisticsResult) -> Document:
    """The parts, the steps, and with a preview the SQL of those that are not plain."""
    rows = tuple(
        (p.name, _day(p.since), _day(p.until), DASH if p.rows is None else count(p.rows), size(p.bytes))
        for p in result.parts
    )
    blocks: tuple[Block, ...] = (TableBlock(_PARTS, rows), Lines(tuple(_lines(result))), *_sql(result))
    return Document((*blocks, *notes(result.notes)), result, StatisticsResult)


def _day(moment: datetime | None) -> str:
    return DASH if moment is None else f"{moment:%Y-%m-%d}"


def _lines(result: StatisticsResult) -> Iterator[str]:
    if not result.steps:
        yield "nothing to do" + ("" if result.keep_days is not None else ": everything is kept")
    for step in result.steps:
        yield ("" if result.written else "would ") + _line(step)


def _line(step: StatisticsStep) -> str:
    rows = "" if step.rows is None else f" ({plural(step.rows, 'row')})"
    return f"{step.action} {step.part}{rows}: {step.text}"


def _sql(result: StatisticsResult) -> Iterator[Block]:
    conversions = (step.sql for step in result.steps if step.action is StatisticsAction.CONVERT)
    texts = list(chain.from_iterable(conversions))
    if texts and not result.written:
        yield Code("".join(f"{text};\n" for text in texts), "sql")
