"""What is shown, before anybody decides how: views make documents, formats print them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any

from indexpilot_cli.core.codec import DocumentShape, Facets, to_document

Json = Mapping[str, Any]
MutationNumber = Annotated[str, Facets(pattern="^M-[0-9]+$")]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table. ``role`` decides what a narrow terminal may do with it.

    number: right-aligned, never touched. short: an id, a date or a word, never touched. name: an identifier or DDL,
    never shortened, but the rest of its row may go on in the next line.
    query: statement text, may be shortened. text: prose, may be wrapped. state: ok, warning, error …, coloured.
    after: the last column, of whole texts that stand behind the row where there is room and else in a line below it.
    """

    title: str
    role: str = "name"


def columns(*titles: str) -> tuple[TableColumn, ...]:
    """Columns from ``title|role``; a title alone is that of a name."""
    parted = (title.partition("|") for title in titles)
    return tuple(TableColumn(title, role or "name") for title, _, role in parted)


@dataclass(frozen=True, slots=True)
class TableBlock:
    """Rows of texts under columns. ``header`` False prints no titles (except in Markdown)."""

    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    header: bool = True
    title: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Labels with a text each, such as ``Together    workload cost -46.2 %``."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Sentences, one per line."""

    lines: tuple[str, ...]


BLANK = Lines(("",))


@dataclass(frozen=True, slots=True)
class Code:
    """Text that is printed exactly as it is. ``language`` is sql, yaml or empty."""

    text: str
    language: str = "sql"


@dataclass(frozen=True, slots=True)
class SqlStatement:
    """One SQL statement without the semicolon, and the reasons that go above it as comments."""

    sql: str
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryBlock:
    """Something at a place, with facts indented below: ``a.sql:3  error[L01 name]  CREATE INDEX …``.

    ``state`` (error, warning, info, ok …) colours ``word``. A fact is a label and a text; ``Code`` is printed as it is.
    ``sql``: the text is a statement, not a sentence.
    """

    place: str
    word: str
    state: str
    text: str = ""
    rows: tuple[tuple[str, str | Code], ...] = ()
    sql: bool = False


class ChartKind(StrEnum):
    """What a chart compares."""

    BARS = "bars"  # one value of each label
    PAIRS = "pairs"  # values of the same label beside each other, such as before and after
    LINE = "line"  # values in the course of time
    STEPS = "steps"  # a value holds until the next place


class ChartUnit(StrEnum):
    """What the values of a chart count; ``units.measured`` writes them."""

    MILLISECONDS = "ms"
    BYTES = "bytes"
    COST = "planner cost"
    SHARE = "share"  # 0 to 1
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class ChartSeries:
    """One set of values, one for each label; None where nothing is known, which is not 0."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers as a picture, where a form has pictures. What matters of them stands in another block, too.

    ``axis`` says what the labels are. ``places`` is where they stand on the axis (bytes of a budget, seconds since the
    epoch); none: one after the other. ``told``: on a terminal, too, not only where there are pictures.
    """

    kind: ChartKind
    title: str
    unit: ChartUnit
    axis: str
    labels: tuple[str, ...]
    series: tuple[ChartSeries, ...]
    places: tuple[float, ...] = ()
    told: bool = True


@dataclass(frozen=True, slots=True)
class PlanTree:
    """A plan as lines, each indented by its depth; ``facts`` are what matters of it (cost, time)."""

    label: str
    nodes: tuple[str, ...]
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanTrees:
    """Plans side by side, where a form has room for them; below each other in text, if it is to be ``told`` there."""

    trees: tuple[PlanTree, ...]
    told: bool = True


Block = TableBlock | Facts | Lines | Code | EntryBlock | Chart | PlanTrees


@dataclass(frozen=True, slots=True)
class Document:
    """A result in all its forms: blocks for people, ``payload`` for machines, statements for psql.

    The payload is ``value`` in the shape of ``kind``.
    ``statements`` None: the result has no SQL form. ``forms`` are further forms by the name of their format, or
    forms of its own where the blocks would not do.
    """

    blocks: tuple[Block, ...]
    value: object = None
    kind: type = DocumentShape
    statements: tuple[SqlStatement, ...] | None = None
    forms: Mapping[str, Callable[[], str]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def payload(self) -> Json:
        """The result for machines."""
        payload: Json = to_document(self.value, self.kind) or {}
        return payload
