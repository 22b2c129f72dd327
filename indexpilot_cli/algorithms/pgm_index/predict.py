"""Which columns of a workload a BRIN index could serve, what share of the table each statement would read by it, and
which operator class and size of range reads the least.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.pgm_index.ranges import (
    SIZES,
    KeyQuantiles,
    ReadShare,
    cut,
    minmax,
    minmax_multi,
    quantiles,
    read_share,
)
from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.index import BRIN, IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import KeyRange
from indexpilot_cli.core.workload import Atom, AtomKind, Plannable, QueryTemplate, RelationUse
from indexpilot_cli.methods.size import estimate
from indexpilot_cli.sql.bounds import NUMBERS, TIMES, about_now, column_bounds
from indexpilot_cli.sql.parser import Statement, parse
from indexpilot_cli.sql.selectivity import selectivity
from indexpilot_cli.workload.predicates.blocks import relation_uses

MULTI_SINCE = 140000
_LEAST_RANGES = 30  # below, an interval over them says little
# What it takes to look at one range's summary, in pages that are read and checked (4 us).
_SUMMARY, _SUMMARY_MULTI = 0.03, 0.15
_SHARED = 50  # rows at least that share a value, for equality to read more than one


@dataclass(frozen=True, slots=True)
class Asked:
    """One scenario of a template on a column: ``width`` is the share of rows it keeps, ``ends`` says at which end."""

    template: str
    statement: Plannable
    weight: float
    width: float
    ends: str


@dataclass(frozen=True, slots=True)
class BrinQuestion:
    """A column of a table, and everything that the workload asks of it."""

    table: Table
    column: Column
    spread: KeyQuantiles
    asked: tuple[Asked, ...]

    @property
    def templates(self) -> frozenset[str]:
        """Ids of the templates that ask."""
        return frozenset(a.template for a in self.asked)


@dataclass(frozen=True, slots=True)
class BrinPrediction:
    """An index and what it would read: ``share`` of the heap on the average of the workload, ``by_statement`` each;
    ``pages`` are those of the heap and of the index together, ``work`` the same with what the summaries take besides.
    """

    definition: IndexDefinition
    share: ReadShare
    by_statement: Mapping[Plannable, float]
    pages: float
    index_pages: int
    work: float


def layout(most_pages: int) -> tuple[int, int]:
    """Pages of the ranges to read and their number: the largest of which there are enough within so many pages."""
    size = max((s for s in SIZES if most_pages // s >= _LEAST_RANGES), default=SIZES[0])
    return size, most_pages // size


def compared_columns(study: Study, table: Table, least_rows: int) -> dict[str, dict[str, QueryTemplate]]:
    """The columns of a table that BRIN could serve, each with the templates that compare it, by their ids: numbers and
    times with statistics, compared by range in a large table, or for equality where many rows share each value.
    """
    found: dict[str, dict[str, QueryTemplate]] = {}
    if table.kind not in "rm" or table.rows < least_rows or not table.readable:
        return found
    for template, use in study.uses_of(table.name):
        for atom in use.atoms:
            column = table.column(atom.column) if atom.column is not None and atom.conjunctive else None
            if column is not None and _serves(atom, column, table.rows):
                found.setdefault(column.name, {})[template.id] = template
    return found


def question_of(study: Study, table: Table, column: Column, templates: Iterable[QueryTemplate]) -> BrinQuestion | None:
    """What these templates ask of the column; None where its statistics or their statements do not tell.

    Their statements are parsed: ask about columns of which something is known.
    """
    spread = quantiles(column.statistics, column.base_type) if column.statistics is not None else None
    if spread is None:
        return None
    asked = tuple(chain.from_iterable(_asked(t, table, column, spread, study.catalog) for t in templates))
    return BrinQuestion(table, column, spread, asked) if asked else None


def _serves(atom: Atom, column: Column, rows: float) -> bool:
    if column.base_type not in (*NUMBERS, *TIMES) or not column.indexable or column.statistics is None:
        return False
    shared = column.statistics.distinct(rows) <= rows / _SHARED
    return atom.kind is AtomKind.RANGE or (atom.kind is AtomKind.EQUAL and shared)


def _asked(
    template: QueryTemplate, table: Table, column: Column, spread: KeyQuantiles, catalog: Catalog
) -> Iterator[Asked]:
    for scenario in template.scenarios:
        uses = _uses(scenario.statement, table, catalog) or tuple(u for u in template.uses if u.table == table.name)
        for use in uses:
            atoms = tuple(a for a in use.atoms if a.column == column.name and a.conjunctive)
            if atoms:
                width, ends = _window(use, atoms, column, table, spread, catalog)
                yield Asked(template.id, scenario.statement, template.weight * scenario.share, width, ends)


def _uses(statement: Plannable, table: Table, catalog: Catalog) -> tuple[RelationUse, ...]:
    """The statement's uses of the table with the constants of the scenario in them."""
    parsed = parse(statement.sql) if not statement.parameters else None
    found = relation_uses(parsed, catalog) if isinstance(parsed, Statement) else ()
    return tuple(use for use in found if use.table == table.name)


def _window(
    use: RelationUse,
    atoms: Sequence[Atom],
    column: Column,
    table: Table,
    spread: KeyQuantiles,
    catalog: Catalog,
) -> tuple[float, str]:
    """The share of rows that the conditions keep, and at which end of the column they lie."""
    bounds = column_bounds(use.atoms, column, catalog.taken_at)
    if bounds is not None:
        low, high = spread.share(bounds[0]), spread.share(bounds[1])
        width = max(high - low, 1.0 / max(table.rows, 1.0))
        return width, "newest" if bounds[1] == math.inf else "oldest" if bounds[0] == -math.inf else "both"
    operators = {a.operator.rstrip("=") for a in atoms}
    newest = operators == {">"} or any(map(about_now, atoms))
    ends = "newest" if newest else "oldest" if operators == {"<"} else "both"
    return selectivity(atoms, table), ends


def predictions(
    question: BrinQuestion, ranges: Sequence[KeyRange], size: int, catalog: Catalog
) -> tuple[BrinPrediction, ...]:
    """What an index of each operator class and size of range would read, the one with the fewest pages first."""
    found: list[BrinPrediction] = []
    for definition in definitions(question.table.name, question.column, catalog.version):
        pages = pages_per_range(definition)
        if pages <= size:
            prediction = predicted(question, definition, ranges, catalog)
            found += [prediction] if prediction is not None else []
    return tuple(sorted(found, key=lambda p: (p.work, p.index_pages)))


def work_of(
    question: BrinQuestion, definition: IndexDefinition, ranges: Sequence[KeyRange], size: int, catalog: Catalog
) -> float:
    """The work of an index, also one with larger ranges than were read (``size``).

    A scan of those reads as many ranges beyond its rows as one of small ranges does: where rows lie in the order of the
    keys it ends within one, else there are more. That is too many where small ranges hold the same values.
    """
    own = pages_per_range(definition)
    smaller = definition if own <= size else replace(definition, options=(("pages_per_range", str(size)),))
    known = predicted(question, smaller, ranges, catalog)
    if known is None or own <= size:
        return math.inf if known is None else known.work
    table, weights = question.table, [asked.weight or 1.0 for asked in question.asked]
    wanted = sum(w * a.width for w, a in zip(weights, question.asked, strict=True)) / sum(weights) * table.pages
    # The least that the sample bears out: chance changes no decision.
    beyond = max(known.share.low * table.pages - wanted, 0.0) * own / size
    pages = min(wanted + beyond, table.pages) + estimate(definition, table, catalog).pages
    return pages + _summaries(definition) * table.pages / own


def _summaries(definition: IndexDefinition) -> float:
    return _SUMMARY_MULTI if "minmax_multi" in (definition.keys[0].operator_class or "") else _SUMMARY


def definitions(table: QualifiedName, column: Column, version: int) -> Iterator[IndexDefinition]:
    """BRIN indexes on the column: both operator classes, where the server has both, with ranges of all sizes."""
    key = IndexKey(column.name)
    keys = [key]
    if version >= MULTI_SINCE:
        keys.append(replace(key, operator_class=f"{column.base_type}_minmax_multi_ops"))
    for key in keys:
        for size in SIZES:
            yield IndexDefinition(table, (key,), BRIN, options=(("pages_per_range", str(size)),))


def pages_per_range(definition: IndexDefinition) -> int:
    """The storage parameter, 128 where it is not set."""
    return int(dict(definition.options).get("pages_per_range", 128))


def predicted(
    question: BrinQuestion, definition: IndexDefinition, ranges: Sequence[KeyRange], catalog: Catalog
) -> BrinPrediction | None:
    """What the index would read; None where no range of its size was read as a whole."""
    size = pages_per_range(definition)
    summarise = minmax_multi if "minmax_multi" in (definition.keys[0].operator_class or "") else minmax
    summaries = [summarise(keys) for keys in cut(ranges, size)]
    if not summaries:
        return None
    known: dict[tuple[float, str], ReadShare] = {}
    by_statement: dict[Plannable, float] = {}
    weights = [asked.weight or 1.0 for asked in question.asked]
    met: list[ReadShare] = []
    for asked in question.asked:
        key = (asked.width, asked.ends)
        if key not in known:
            # Its rows lie somewhere: never fewer pages than they fill, nor less than one range.
            least = min(1.0, max(asked.width, size / max(question.table.pages, 1)))
            known[key] = read_share(summaries, question.spread.windows(*key)).at_least(least)
        met.append(known[key])
        by_statement[asked.statement] = max(by_statement.get(asked.statement, 0.0), known[key].share)
    ends = ("share", "low", "high")
    share, low, high = (sum(w * getattr(s, e) for w, s in zip(weights, met, strict=True)) / sum(weights) for e in ends)
    index_pages = estimate(definition, question.table, catalog).pages
    pages = share * question.table.pages + index_pages
    work = pages + _summaries(definition) * question.table.pages / size
    return BrinPrediction(
        definition, ReadShare(share, low, high, len(summaries)), by_statement, pages, index_pages, work
    )
