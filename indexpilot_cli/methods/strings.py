"""What strings of a column have in common, from rows that were read: their lengths, and what tells them apart."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.samples import MOST_BYTES
from indexpilot_cli.core.units import count
from indexpilot_cli.methods.sampled import distinct_keys

LONGEST_KEY = MOST_BYTES
LENGTHS = (2, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128)
FEW = 0.1  # other keys that begin alike, per key, from which a cut tells keys apart


@dataclass(frozen=True, slots=True)
class StringProfile:
    """Strings of a column as pages of it show them. Widths are bytes; ``rows`` how many the table has.

    ``repeats`` are other rows with the same string, per row, ``distinct`` the share of rows with strings of their own
    (the number of different ones over the rows). ``heads`` and ``tails`` give, for so many characters, how many rows
    begin (end) alike without being the same, per row, up to as many as tell them apart. ``shared`` characters are the
    same at the beginning of all.
    ``overlong`` is the share that no B-tree can hold.
    """

    rows: float
    seen: int
    pages: int
    width: float
    longest: int
    shared: int
    distinct: float
    repeats: float
    heads: tuple[tuple[int, float], ...] = ()
    tails: tuple[tuple[int, float], ...] = ()
    overlong: float = 0.0

    @property
    def head(self) -> int | None:
        """Characters from the beginning that tell the strings apart, None where more than 128 are needed."""
        return next((k for k, others in self.heads if others <= FEW), None)

    @property
    def tail(self) -> int | None:
        """The same from the end."""
        return next((k for k, others in self.tails if others <= FEW), None)

    @property
    def reason(self) -> Reason:
        """The profile as a clause."""
        cut = self.head if self.head is not None else f"more than {LENGTHS[-1]}"
        text = (
            f"{count(self.seen)} strings on {self.pages} pages: {self.width:.0f} bytes on average,"
            f" {self.longest} at most, the first {self.shared} characters the same in all, {cut} tell them apart,"
            f" {self.distinct:.0%} different"
        )
        return Reason("strings", text, "sample")


def profile(pages: Sequence[Sequence[str | None]], rows: float, unread: int = 0) -> StringProfile | None:
    """The profile of a column from its values by page, for a table of so many rows; None without a value.

    ``unread`` values beside them were too long for a sample, and for a B-tree.
    """
    strings = [[v for v in page if v is not None] for page in pages]
    values = list(chain.from_iterable(strings))
    if not values:
        long = StringProfile(rows, unread, len(pages), LONGEST_KEY, LONGEST_KEY, 0, 1.0, 0.0, overlong=1.0)
        return long if unread else None
    present = rows * len(values) / max(1, sum(map(len, pages)))
    widths = [len(v.encode()) for v in values]
    repeats = alike(strings, present, lambda v: v)

    def others(part: slice) -> float:
        return max(0.0, alike(strings, present, lambda value: value[part]) - repeats)

    groups = Counter(Counter(values).values())
    distinct = distinct_keys([(times, 0, keys) for times, keys in groups.items()], max(present, len(values)))
    return StringProfile(
        rows,
        len(values),
        sum(1 for page in strings if page),
        sum(widths) / len(widths),
        max(widths),
        shared_prefix(values),
        min(1.0, distinct / max(present, 1.0)),
        repeats,
        tuple(_until_apart(lambda k: others(slice(k)))),
        tuple(_until_apart(lambda k: others(slice(-k, None)))),
        (unread + sum(1 for v in values if stored_bytes(v) > LONGEST_KEY)) / (unread + len(values)),
    )


def _until_apart(others: Callable[[int], float]) -> Iterator[tuple[int, float]]:
    for length in LENGTHS:
        found = others(length)
        yield length, found
        if found <= FEW:
            return


def alike(pages: Sequence[Sequence[str]], rows: float, part: Callable[[str], str]) -> float:
    """How many of the other rows have the same part, expected for a row taken at random.

    Pairs are counted, since what is seen once in a sample of n may come N/n times in all rows (the birthday problem):
    N times the chance that two rows agree. Neighbours agree more often than rows far apart, so pairs on one page stand
    for pairs on one page only.
    """
    everywhere: Counter[str] = Counter()
    near = near_pairs = 0
    for page in pages:
        here = Counter(map(part, page))
        everywhere.update(here)
        near += sum(c * (c - 1) for c in here.values())
        near_pairs += len(page) * (len(page) - 1)
    seen = everywhere.total()
    far = sum(c * (c - 1) for c in everywhere.values()) - near
    far_pairs = seen * (seen - 1) - near_pairs
    a_page = seen / max(1, sum(1 for page in pages if page))
    found = (a_page - 1) * near / near_pairs if near_pairs else 0.0
    return found + (max(0.0, rows - a_page) * far / far_pairs if far_pairs else 0.0)


def shared_prefix(values: Sequence[str]) -> int:
    """Characters with which all values begin."""
    first, last = min(values), max(values)
    for place, letter in enumerate(first):
        if place >= len(last) or last[place] != letter:
            return place
    return len(first)


def stored_bytes(value: str) -> int:
    """Bytes of a string in an index entry: long ones are compressed, as pglz does without coding the letters."""
    raw = value.encode()
    if len(raw) <= LONGEST_KEY:
        return len(raw)
    packer = zlib.compressobj(1, zlib.DEFLATED, -12, strategy=zlib.Z_FIXED)
    return min(len(raw), len(packer.compress(raw) + packer.flush()))
