"""The table of recorded statistics: its parts, and what was done to it or would be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Annotated

from indexpilot_cli.core.codec import Amount, Count, DocumentShape
from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.lifecycle.query_stats import StatisticsAction, StatisticsResult, StatisticsStep
from indexpilot_cli.render.document import Block, Code, Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import notes, plural


class StatisticsPartDocument(DocumentShape):
    """A part of the table, or all of it."""

    name: str
    whole: Annotated[bool, "true: the table has no parts"]
    fallback: Annotated[bool, "true: it takes the rows that belong to no other part"]
    since: Annotated[datetime | None, "null: no bound"]
    until: Annotated[datetime | None, "null: no bound"]
    rows: Annotated[Count | None, "estimated; null: never analyzed"]
    bytes: Annotated[Count, "with indexes"]


class StatisticsStepDocument(DocumentShape):
    """One step."""

    action: StatisticsAction
    part: str
    text: str
    rows: Annotated[Count | None, "that go; null: none do"]
    sql: Annotated[tuple[str, ...], "what runs; empty where batches are deleted"]


class StatisticsDocument(DocumentShape):
    """Recorded statistics, and how they are kept in bounds."""

    partitioned: bool
    parts: tuple[StatisticsPartDocument, ...]
    keep_days: Annotated[Amount | None, "null: for ever"]
    steps: tuple[StatisticsStepDocument, ...]
    written: Annotated[bool, "false: nothing was changed"]
    notes: tuple[str, ...]


_PARTS = columns("part", "from|short", "to|short", "rows|number", "size|number")


def statistics_view(result: StatisticsResult) -> Document:
    """The parts, the steps, and with a preview the SQL of those that are not plain."""
    rows = tuple(
        (p.name, _day(p.since), _day(p.until), DASH if p.rows is None else count(p.rows), size(p.bytes))
        for p in result.parts
    )
    blocks: tuple[Block, ...] = (TableBlock(_PARTS, rows), Lines(tuple(_lines(result))), *_sql(result))
    return Document((*blocks, *notes(result.notes)), result, StatisticsDocument)


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
