"""Sets of numbered candidates as bits of one number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress, count

Mask = int
DENSE = 256
_TRUTH = bytes.maketrans(b"01", b"\x00\x01")


def members(mask: Mask) -> Iterator[int]:
    """Numbers of the bits that are set, ascending."""
    if mask.bit_count() > DENSE:  # of thousands, each step of the other way goes over the whole number twice
        return compress(count(), f"{mask:b}"[::-1].encode().translate(_TRUTH))
    return _lowest_first(mask)


def _lowest_first(mask: Mask) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def by_member(masks: Iterable[Mask]) -> dict[int, list[int]]:
    """Per number the places of the masks that hold it, ascending."""
    found: dict[int, list[int]] = {}
    for place, mask in enumerate(masks):
        for number in members(mask):
            found.setdefault(number, []).append(place)
    return found


def group_by_member(groups: Iterable[Mask]) -> dict[int, Mask]:
    """Per number the group that holds it."""
    found: dict[int, Mask] = {}
    for group in groups:
        found |= dict.fromkeys(members(group), group)
    return found
