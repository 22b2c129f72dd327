"""Statistics' values, which come as PostgreSQL text, as something that can be compared and measured."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_NUMBERS = {"int2", "int4", "int8", "oid", "float4", "float8", "numeric", "money"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK = re.compile(r"(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?")
_TEXTS = {"text", "varchar", "bpchar", "name", "char", "uuid", "citext"}


def comparable(value: str, base_type: str) -> float | str | None:
    """A number for numbers, times (seconds) and booleans, the text for texts, None for what has no simple order.

    ``base_type`` is the type's short name as in ``Column.base_type``.
    """
    if base_type in _NUMBERS:
        return _number(value)
    if base_type in ("date", "timestamp", "timestamptz"):
        return _moment(value)
    if base_type in ("time", "interval"):
        found = _CLOCK.match(value)
        return _seconds(found) if found else None
    if base_type == "bool":
        return 1.0 if value in ("t", "true") else 0.0
    return value if base_type in _TEXTS else None


def _seconds(found: re.Match[str]) -> float:
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds or 0)


def _number(value: str) -> float | None:
    try:
        return float(value.replace("$", "").replace(",", ""))
    except ValueError:
        return None


def _moment(value: str) -> float | None:
    if value in ("infinity", "-infinity"):
        return float(value.replace("infinity", "inf"))
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) / timedelta(seconds=1)
