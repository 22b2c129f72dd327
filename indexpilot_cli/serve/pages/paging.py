"""Long tables in pages: the rows asked for, and the way to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from starlette.datastructures import URL

from indexpilot_cli.render.document import Block, Document, TableBlock

ROWS = 25  # on a phone each is a card: 50 indexes and as many findings were a page of 24,900 pixels
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pager:
    """Page ``number`` of ``count``, the first is 1; ``key`` is its name in the address."""

    label: str
    number: int
    count: int
    key: str
    url: URL

    def address(self, number: int) -> str:
        """Where another page is."""
        there = self.url.include_query_params(**{self.key: number})
        return f"{there.path}?{there.query}#{self.key.removesuffix('-page')}"


def pager_of(url: URL, id_: str, title: str, rows: int) -> Pager:
    """The page of the section that the address names; the nearest there is."""
    key = f"{id_}-page"
    asked = dict(part.split("=", 1) for part in url.query.split("&") if "=" in part).get(key, "1")
    count = max(1, -(-rows // ROWS))
    # No server has so many rows, and digits of other scripts are digits, too.
    number = int(asked) if asked.isdecimal() and len(asked) < 10 else 1
    return Pager(f"Pages of {title}", min(max(number, 1), count), count, key, url)


def on_page(rows: Sequence[T], pager: Pager) -> Sequence[T]:
    """The rows of the page."""
    return rows[(pager.number - 1) * ROWS : pager.number * ROWS]


def paged(document: Document, url: URL, id_: str, title: str) -> tuple[Document, Pager]:
    """The document with that page of its tables; those that are short are on every page."""
    longest = max((len(block.rows) for block in document.blocks if isinstance(block, TableBlock)), default=0)
    pager = pager_of(url, id_, title, longest)
    return replace(document, blocks=tuple(_cut(block, pager) for block in document.blocks)), pager


def _cut(block: Block, pager: Pager) -> Block:
    if isinstance(block, TableBlock) and len(block.rows) > ROWS:
        return replace(block, rows=tuple(on_page(block.rows, pager)))
    return block
