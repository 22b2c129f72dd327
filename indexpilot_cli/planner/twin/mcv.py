"""The stored forms of extended statistics, which PostgreSQL before 19 takes from nobody as text.

Layouts: statistics/mcv.c, mvdistinct.c and dependencies.c of PostgreSQL 13 to 18, which agree.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_DISTINCT_MAGIC, _DEPENDENCIES_MAGIC, _MCV_MAGIC = 0xA352BFA4, 0xB4549A2C, 0xE1A651C2
_BASIC = 1  # the only type of each
MOST_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class Dimension:
    """One column of a list of most common combinations: its type, and each distinct value as stored bytes.

    ``length`` is pg_type.typlen; bytes of variable-length values carry no header.
    """

    type_oid: int
    length: int
    by_value: bool
    values: tuple[bytes, ...]


def distinct_bytes(text: str, numbers: Mapping[int, int]) -> bytes:
    """``pg_ndistinct`` from its text form, attribute numbers translated."""
    items = json.loads(text)
    body = b"".join(_distinct_item(_numbers(key, numbers), float(count)) for key, count in items.items())
    return struct.pack("<III", _DISTINCT_MAGIC, _BASIC, len(items)) + body


def dependencies_bytes(text: str, numbers: Mapping[int, int]) -> bytes:
    """``pg_dependencies`` from its text form (``{"1 => 2": 0.5}``), attribute numbers translated."""
    items = json.loads(text)
    body = b"".join(
        _dependency_item(_numbers(key.replace("=>", ","), numbers), float(degree)) for key, degree in items.items()
    )
    return struct.pack("<III", _DEPENDENCIES_MAGIC, _BASIC, len(items)) + body


def mcv_bytes(
    dimensions: Sequence[Dimension],
    items: Sequence[tuple[Sequence[int | None], float, float]],
) -> bytes:
    """``pg_mcv_list``: each item is the places of its values in their dimensions (None: NULL) and two frequencies."""
    head = struct.pack("<IIIh", _MCV_MAGIC, _BASIC, len(items), len(dimensions))
    types = b"".join(struct.pack("<I", d.type_oid) for d in dimensions)
    infos = b"".join(_dimension_info(d) for d in dimensions)
    values = b"".join(_stored(d, value) for d in dimensions for value in d.values)
    return head + types + infos + values + b"".join(_mcv_item(*item) for item in items)


def numeric_bytes(sent: bytes) -> bytes:
    """A numeric's stored form (without header) from what ``numeric_send`` gives."""
    count, weight, sign, scale = struct.unpack(">hhHH", sent[:8])
    digits = struct.pack(f"<{count}h", *struct.unpack(f">{count}h", sent[8 : 8 + 2 * count]))
    if sign >= 0xC000:  # NaN and infinities: the sign alone
        return struct.pack("<H", sign)
    if scale <= 0x3F and -64 <= weight <= 63:
        header = 0x8000 | (0x2000 if sign else 0) | scale << 7 | (0x40 if weight < 0 else 0) | (weight & 0x3F)
        return struct.pack("<H", header) + digits
    return struct.pack("<Hh", sign | scale, weight) + digits


def _distinct_item(numbers: Sequence[int], count: float) -> bytes:
    return struct.pack(f"<di{len(numbers)}h", count, len(numbers), *numbers)


def _dependency_item(numbers: Sequence[int], degree: float) -> bytes:
    return struct.pack(f"<dh{len(numbers)}h", degree, len(numbers), *numbers)


def _numbers(key: str, numbers: Mapping[int, int]) -> list[int]:
    """Negative numbers stand for expressions and stay."""
    found = [int(part) for part in key.split(",")]
    return [number if number < 0 else numbers[number] for number in found]


def _dimension_info(dimension: Dimension) -> bytes:
    count = len(dimension.values)
    if dimension.by_value:
        stored, aligned = count * dimension.length, 0
    elif dimension.length > 0:
        stored, aligned = count * dimension.length, count * _align(dimension.length)
    else:
        stored = sum(4 + len(value) for value in dimension.values)
        aligned = sum(_align(4 + len(value)) for value in dimension.values)
    return struct.pack("<iiii?3x", count, stored, aligned, dimension.length, dimension.by_value)


def _stored(dimension: Dimension, value: bytes) -> bytes:
    return value if dimension.length > 0 else struct.pack("<I", len(value)) + value


def _mcv_item(places: Sequence[int | None], frequency: float, base: float) -> bytes:
    nulls = bytes(place is None for place in places)
    return nulls + struct.pack(f"<dd{len(places)}H", frequency, base, *(place or 0 for place in places))


def _align(size: int) -> int:
    return -(-size // 8) * 8
