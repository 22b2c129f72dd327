"""Rows of a table by the page on which they lie: what algorithms may read of the data, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from indexpilot_cli.core.names import QualifiedName

MOST_PAGES = 300  # of one table, unless somebody allows more


@dataclass(frozen=True, slots=True)
class SampledPage:
    """A page and its rows, each with a value for every column asked for (None: NULL, or too long to be read)."""

    part: int
    block: int
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class PageSample:
    """Whole pages of a table, chosen at random, in the order in which they lie.

    ``part`` of a page is the oid of the table or partition it belongs to; ``heap_pages`` is how many pages there are in
    all. Rows of one page are often alike: an interval is one over pages, not over rows.
    """

    table: QualifiedName
    columns: tuple[str, ...]
    pages: tuple[SampledPage, ...]
    heap_pages: int

    def values(self, column: str) -> tuple[Any, ...]:
        """The column's values, page after page. Raises ValueError for a column that was not read."""
        place = self.columns.index(column)
        found: list[Any] = []
        for page in self.pages:
            found.extend(row[place] for row in page.rows)
        return tuple(found)


class Samples(Protocol):
    """Where page samples come from. Each table is read once, when it is first asked for."""

    def of(self, table: QualifiedName) -> PageSample | None:
        """The sample; None where there is no server, no right to the rows, or a policy in front of them."""
        ...


class NoSamples(Samples):
    """Of a snapshot or a file there are no rows."""

    def of(self, table: QualifiedName) -> PageSample | None:  # noqa: ARG002
        """Nothing."""
        return None
