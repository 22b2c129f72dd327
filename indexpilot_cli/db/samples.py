"""Page samples of a server's tables, read within fixed bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import groupby, product, starmap
from operator import add
from random import Random
from typing import LiteralString

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.samples import (
    MOST_BYTES,
    MOST_PAGES,
    UNIT_PAGES,
    KeyRange,
    Keys,
    PageCount,
    PageMatches,
    PageSample,
    SampledPage,
    Samples,
    ValueSample,
)
from indexpilot_cli.core.statistics import ExtendedStatistics
from indexpilot_cli.db.extended import find_extended
from indexpilot_cli.db.queries import SQL, Composable, Identifier, Literal, composed, raw
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.methods.fields import FIXED
from indexpilot_cli.methods.size import leaves
from indexpilot_cli.sql.bounds import NUMBERS, TIMES

# SYSTEM takes each page with the same chance, so their number is random, too: three deviations below the bound.
_ASKED = 250
_SEED = 0  # the same pages as long as the table is as it was: the same command gives the same plan
_SHORT: LiteralString = "CASE WHEN {long} THEN NULL ELSE {value} END AS {name}"
# Python has no dates before the year 1 or after 9999, and no infinite ones: a single one would fail the whole sample.
_FINITE: LiteralString = "CASE WHEN {value} BETWEEN '0001-01-02' AND '9999-12-30' THEN {value} END AS {name}"
_RangesKey = tuple[QualifiedName, tuple[str, ...], int, int]


class PageSamples(Samples):
    """Reads the given columns of at most 300 pages, in one statement a table; never twice, also when it failed."""

    def __init__(self, session: Session, catalog: Catalog, columns: Mapping[QualifiedName, Set[str]]):
        self._session = session
        self._catalog = catalog
        self._columns = columns
        self._known: dict[QualifiedName, PageSample | None] = {}
        self._ranges: dict[_RangesKey, Mapping[str, tuple[KeyRange, ...]]] = {}
        self._long: dict[QualifiedName, bool] = {}

    def of(self, table: QualifiedName) -> PageSample | None:
        """The sample, None where the rows may not be read or have no pages."""
        if table not in self._known:
            self._known[table] = self._read(table)
        return self._known[table]

    def ranges(
        self, table: QualifiedName, columns: Sequence[str], size: int, count: int
    ) -> Mapping[str, tuple[KeyRange, ...]]:
        """See Samples; of a partitioned table those of its largest part."""
        key = (table, tuple(columns), size, count)
        if key not in self._ranges:
            self._ranges[key] = self._read_ranges(*key)
        return self._ranges[key]

    def _read_ranges(
        self, name: QualifiedName, columns: tuple[str, ...], size: int, count: int
    ) -> Mapping[str, tuple[KeyRange, ...]]:
        table = _largest_part(self._catalog.table(name), self._catalog)
        numbers = {c: n for c in columns if (n := _number(table, c)) is not None}
        if table is None or not numbers or table.pages < size:
            return {}
        firsts, units = _firsts(table.pages // size, size, count), range(0, size, UNIT_PAGES)
        starts = starmap(add, product(firsts, units))
        rows = self._within_limits(_ranges_question(self._session, table.name, tuple(numbers.values()), starts))
        if rows is None:
            return {}
        keys = {row.start: row for row in rows}
        found: dict[str, list[KeyRange]] = {column: [] for column in numbers}
        for first in firsts:
            read = [keys[first + unit] for unit in units]
            for place, column in enumerate(numbers, 1):
                found[column].append(KeyRange(first, tuple(tuple(row[place] or ()) for row in read)))
        return {column: tuple(ranges) for column, ranges in found.items()}

    def runs(self, table: QualifiedName, column: str, keys: int, starts: Sequence[str]) -> tuple[Keys, ...]:
        """See Samples."""
        of = self._catalog.table(table)
        number = _number(of, column)
        if of is None or number is None:
            return ()
        question = _runs_question(self._session, of, column, number, keys, starts)
        return tuple(tuple(row.keys or ()) for row in self._within_limits(question) or ())

    def _within_limits(
        self, question: Composable | str, parameters: Mapping[str, object] | None = None
    ) -> list[Row] | None:
        """The answer; None without a right, with a policy or a lock in the way, or when two seconds are gone."""
        try:
            with self._session.transaction(rollback=True):
                self._session.rows("samples/limits")
                return self._session.rows(question, parameters)
        except IndexPilotError:
            return None

    def matches(self, table: QualifiedName, conditions: Sequence[str]) -> PageMatches | None:
        """See Samples: counted by the server, a row for each page."""
        counts = (
            SQL("count(*) FILTER (WHERE {}) AS {}").format(raw(text), Identifier(f"c{number}"))
            for number, text in enumerate(conditions)
        )
        rows, pages = self._asked(table, "samples/matches", counts=SQL(", ").join(counts))
        if rows is None:
            return None
        counted = tuple(PageCount(row[0], tuple(row[1:])) for row in rows)
        return PageMatches(table, tuple(conditions), counted, pages, _share(pages))

    def values(self, table: QualifiedName, expressions: Sequence[str], conditions: Sequence[str]) -> ValueSample | None:
        """See Samples."""
        texts = [*(f"({text})::text" for text in expressions), *(f"({text}) IS TRUE" for text in conditions)]
        columns = (SQL("{} AS {}").format(raw(text), Identifier(f"c{n}")) for n, text in enumerate(texts))
        rows, pages = self._asked(table, "samples/values", columns=SQL(", ").join(columns))
        if rows is None:
            return None
        cut = len(expressions)
        return ValueSample(tuple(expressions), tuple((row[:cut], row[cut:]) for row in rows), _share(pages))

    def statistics(self, name: QualifiedName) -> ExtendedStatistics | None:
        """The extended statistics that have the name on the server already, if any."""
        found = find_extended(self._session, name)
        return found.made if found is not None else None

    def checks(self, table: QualifiedName) -> Sequence[str]:
        """See Samples."""
        return [
            row.condition for row in self._session.rows("samples/checks", {"schema": table.schema, "name": table.name})
        ]

    def may_be_long(self, table: QualifiedName) -> bool:
        """See Samples; so where that cannot be asked."""
        if table not in self._long:
            of = self._catalog.table(table)
            parts = [leaf.name for leaf in leaves(of, self._catalog)] if of is not None else []
            named = {"schemas": [part.schema for part in parts], "names": [part.name for part in parts]}
            rows = self._within_limits("samples/long", named)
            self._long[table] = rows is None or bool(rows[0].found)
        return self._long[table]

    def _read(self, name: QualifiedName) -> PageSample | None:
        table = self._catalog.table(name)
        wanted = self._columns.get(name, frozenset())
        columns = tuple(c.name for c in table.columns if c.name in wanted) if table is not None else ()
        if not columns:
            return None
        width = len(columns)
        kinds = {c.name: c.base_type for c in table.columns} if table is not None else {}
        long = [n for n, c in enumerate(columns) if kinds[c] not in FIXED]
        chosen = [_selected(_value(kinds[c]), c, n) for n, c in enumerate(columns)]
        chosen += [_selected("{long} AS {name}", columns[n], n + width) for n in long]
        rows, pages = self._asked(name, "samples/pages", columns=SQL(", ").join(chosen))
        if rows is None:
            return None
        unread = [0] * width
        for place, number in enumerate(long, 2 + width):
            unread[number] = sum(row[place] is True for row in rows)
        return PageSample(name, columns, tuple(_by_page(rows, width)), pages, tuple(unread))

    def _asked(self, name: QualifiedName, question: str, **parts: Composable) -> tuple[list[Row] | None, int]:
        """The answer of the table's sampled pages, None where they may not be read; and how many pages it has."""
        table = self._catalog.table(name)
        if table is None or table.kind == "f" or not table.readable:
            return None, 0
        pages = sum(leaf.pages for leaf in leaves(table, self._catalog))
        if not pages:
            return None, 0
        query = composed(question, self._session.version, table=_from(table), sample=_sample(pages), **parts)
        return self._within_limits(query), pages


def _share(pages: int) -> float:
    """The share of the pages that is looked at."""
    return _ASKED / pages if pages > MOST_PAGES else 1.0


def _sample(pages: int) -> Composable:
    if pages <= MOST_PAGES:
        return SQL("")
    return SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE ({})").format(Literal(100.0 * _share(pages)), Literal(_SEED))


def _from(table: Table) -> Composable:
    name = Identifier(table.name.schema, table.name.name)
    # Children of a table that inherits are tables of their own.
    return name if table.kind == "p" else SQL("ONLY {}").format(name)


def _value(base_type: str) -> LiteralString:
    if base_type in TIMES:
        return _FINITE
    return "{value} AS {name}" if base_type in FIXED else _SHORT


def _selected(text: LiteralString, column: str, number: int) -> Composable:
    value = Identifier("t", column)
    long = SQL("pg_column_size({}) > {}").format(value, Literal(MOST_BYTES))
    return SQL(text).format(long=long, value=value, name=Identifier(f"c{number}"))


def _by_page(rows: Sequence[Row], width: int) -> Iterator[SampledPage]:
    for (part, block), own in groupby(rows, key=lambda row: (row.part, row.block)):
        yield SampledPage(part, block, tuple(tuple(row[2 : 2 + width]) for row in own))


# -- keys as numbers


def as_number(column: str, base_type: str) -> Composable | None:
    """A column as double precision: times are seconds from 1970 on. None for types that have no numbers."""
    if base_type in NUMBERS:
        return SQL("{}::float8").format(Identifier(column))
    if base_type in TIMES:
        return SQL("extract(epoch FROM {})::float8").format(Identifier(column))
    return None


def _number(table: Table | None, column: str) -> Composable | None:
    found = table.column(column) if table is not None and table.readable else None
    return as_number(column, found.base_type) if found is not None else None


def _largest_part(table: Table | None, catalog: Catalog) -> Table | None:
    found = (leaf for leaf in leaves(table, catalog) if leaf.kind in "rm") if table is not None else ()
    return max(found, key=lambda leaf: leaf.pages, default=None)


def _firsts(ranges: int, size: int, count: int) -> list[int]:
    """First pages of ranges as BRIN counts them, chosen by chance; always the same of a table of that size."""
    chosen = range(ranges) if ranges <= count else Random(_SEED).sample(range(ranges), count)
    return sorted(size * number for number in chosen)


def _ranges_question(
    session: Session, table: QualifiedName, numbers: Sequence[Composable], starts: Iterable[int]
) -> Composable:
    known = SQL("pg_catalog.array_agg({number}) FILTER (WHERE {number} IS NOT NULL)")
    arms = (
        composed(
            "samples/range",
            session.version,
            keys=SQL(", ").join(known.format(number=number) for number in numbers),
            table=Identifier(table.schema, table.name),
            start=Literal(start),
            first=Literal(f"({start},0)"),
            end=Literal(f"({start + UNIT_PAGES},0)"),
            last=Literal(start + UNIT_PAGES - 1),
        )
        for start in starts
    )
    return SQL(" UNION ALL ").join(arms)


def _runs_question(
    session: Session, table: Table, column: str, number: Composable, keys: int, starts: Sequence[str]
) -> Composable:
    kind = next(c.type for c in table.columns if c.name == column)
    arms = (
        composed(
            "samples/run",
            session.version,
            key=number,
            column=Identifier(column),
            table=Identifier(table.name.schema, table.name.name),
            start=Literal(start),
            type=SQL(kind),
            keys=Literal(keys),
        )
        for start in starts
    )
    return SQL(" UNION ALL ").join(arms)
