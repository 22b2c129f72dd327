"""Rows of a table by the page on which they lie: what algorithms may read of the data, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.statistics import ExtendedStatistics

MOST_PAGES = 300  # of one table, unless somebody allows more
# Of a value as it is stored. Longer ones lie elsewhere, and no B-tree takes them (nbtree.h): its entries are at most a
# third of a page, 2,704 bytes, of which eight are a header and four the value's own.
MOST_BYTES = 2692


@dataclass(frozen=True, slots=True)
class SampledPage:
    """A page and its rows, each with a value for every column asked for (None: NULL, too long to be read, or a time
    that is infinite or not of the years 1 to 9999).
    """

    part: int
    block: int
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class PageSample:
    """Whole pages of a table, chosen at random, in the order in which they lie.

    ``unread`` is how many values of each column were too long to be read (more than MOST_BYTES as they are stored).
    ``part`` of a page is the oid of the table or partition it belongs to; ``heap_pages`` is how many pages there are in
    all. Rows of one page are often alike: an interval is one over pages, not over rows.
    """

    table: QualifiedName
    columns: tuple[str, ...]
    pages: tuple[SampledPage, ...]
    heap_pages: int
    unread: tuple[int, ...] = ()

    def values(self, column: str) -> tuple[Any, ...]:
        """The column's values, page after page. Raises ValueError for a column that was not read."""
        place = self.columns.index(column)
        found: list[Any] = []
        for page in self.pages:
            found.extend(row[place] for row in page.rows)
        return tuple(found)


def as_key(value: object) -> Hashable:
    """The value, or its text where it cannot be the key of a dictionary (arrays, jsonb)."""
    # Asked of every value of a sample; isinstance(value, Hashable) takes four times as long.
    return repr(value) if type(value).__hash__ is None else value


def coded(values: Sequence[Any]) -> tuple[tuple[Any, ...], Any]:
    """Each value once, in the order in which they come first, and an array with the place therein of every value given
    (-1: None).
    """
    import numpy as np

    places: dict[Hashable, int] = {}
    hashable = all(kind.__hash__ is not None for kind in set(map(type, values)))
    keys = values if hashable else [as_key(value) for value in values]
    codes = [-1 if key is None else places.setdefault(key, len(places)) for key in keys]
    return tuple(places), np.array(codes, dtype=np.int64)


Keys: TypeAlias = tuple[float, ...]
UNIT_PAGES = 8  # pages whose keys are kept together: the least range of a BRIN index that is looked at


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Neighbouring pages read as a whole: for each eight of them the keys of a column (numbers, NULLs left out)."""

    first: int
    units: tuple[Keys, ...]


@dataclass(frozen=True, slots=True)
class PageCount:
    """A page: its rows, and for how many of them each condition holds."""

    rows: int
    matches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PageMatches:
    """Rows of the sampled pages that hold any, counted by the server. ``share`` of the table's pages was looked at."""

    table: QualifiedName
    conditions: tuple[str, ...]
    pages: tuple[PageCount, ...]
    heap_pages: int
    share: float = 1.0

    @property
    def whole(self) -> bool:
        """Whether all of the table was read."""
        return self.share >= 1

    @property
    def rows(self) -> float:
        """How many rows the table has by this.

        Pages without rows are not told of: so many pages were looked at as were to be expected, unless there can be
        no such pages by the number of those that are told of.
        """
        read, expected = len(self.pages), self.share * self.heap_pages
        looked_at = expected if self.whole or read < expected - 3 * math.sqrt(expected) else read
        return sum(page.rows for page in self.pages) * self.heap_pages / max(looked_at, 1.0)


@dataclass(frozen=True, slots=True)
class ValueSample:
    """Rows of the sampled pages: ``values`` of each expression as PostgreSQL text, and ``holds`` for each condition."""

    expressions: tuple[str, ...]
    rows: tuple[tuple[tuple[str | None, ...], tuple[bool, ...]], ...]
    share: float = 1.0


class Samples(Protocol):
    """Where page samples come from: from nowhere, where a method says nothing else. Each table is read once, when it is
    first asked for.
    """

    def of(self, table: QualifiedName) -> PageSample | None:  # noqa: ARG002
        """The sample; None where there is no server, no right to the rows, or a policy in front of them."""
        return None

    def ranges(
        self,
        table: QualifiedName,  # noqa: ARG002
        columns: Sequence[str],  # noqa: ARG002
        size: int,  # noqa: ARG002
        count: int,  # noqa: ARG002
    ) -> Mapping[str, tuple[KeyRange, ...]]:
        """By column so many ranges of so many whole pages from anywhere in the table, as numbers (times: seconds from
        1970 on); nothing where there is nothing to read, or of columns whose type has no numbers.
        """
        return {}

    def runs(self, table: QualifiedName, column: str, keys: int, starts: Sequence[str]) -> tuple[Keys, ...]:  # noqa: ARG002
        """Up to ``keys`` neighbouring keys as numbers from each start on, for a column that an index has in order."""
        return ()

    def matches(self, table: QualifiedName, conditions: Sequence[str]) -> PageMatches | None:  # noqa: ARG002
        """Rows of the same pages that each condition keeps; None as with ``of``, or where a condition fails on a row.

        Conditions are SQL text of the table's own columns without qualifiers, free of queries and side effects.
        """
        return None

    def values(
        self,
        table: QualifiedName,  # noqa: ARG002
        expressions: Sequence[str],  # noqa: ARG002
        conditions: Sequence[str],  # noqa: ARG002
    ) -> ValueSample | None:
        """The same rows with the values of expressions, and whether each condition holds; None as with ``matches``."""
        return None

    def statistics(self, name: QualifiedName) -> ExtendedStatistics | None:  # noqa: ARG002
        """The extended statistics that have the name on the server already, if any."""
        return None

    def checks(self, table: QualifiedName) -> Sequence[str]:  # noqa: ARG002
        """Conditions that a CHECK keeps for every row of the table: they are true, or NULL."""
        return ()

    def may_be_long(self, table: QualifiedName) -> bool:  # noqa: ARG002
        """Whether values of the table may be longer than a quarter of a page, or than the statistics say."""
        return True


class NoSamples(Samples):
    """Of a snapshot or a file there are no rows."""
