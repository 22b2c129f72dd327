"""Typed values that stand for classes of parameters, from the statistics of the compared column."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.workload.fold.slots import Slot

_ARRAY_ELEMENTS = 10
# Where in the histogram (0 to 1) an end of a range lies for each class: both ends given, or only one.
_PAIRED = {"low": {"typical": 0.45, "newest": 0.95}, "high": {"typical": 0.55, "newest": 1.0}}
_SINGLE = {"low": {"typical": 0.5, "newest": 0.95}, "high": {"typical": 0.5, "newest": 0.05}}
_FREQUENT = 0.01  # below this share the most common value is no class of its own


def class_shares(found: Sequence[Slot]) -> tuple[tuple[str, float], ...]:
    """The classes worth planning and their shares: from the frequencies of the first equality's common values.

    Only ranges: typical and newest, half each. Nothing when no slot has values.
    """
    known = [s for s in found if _has_values(s)]
    equal = [s for s in known if not s.end and s.column.statistics and s.column.statistics.most_common_freqs]
    if equal and equal[0].column.statistics is not None:
        return _by_frequency(equal[0].column.statistics)
    if any(not s.end for s in known):
        return (("typical", 1.0),)
    return (("typical", 0.5), ("newest", 0.5)) if known else ()


def _by_frequency(statistics: ColumnStatistics) -> tuple[tuple[str, float], ...]:
    frequencies = statistics.most_common_freqs
    rest = max(1.0 - statistics.null_frac - sum(frequencies), 0.0) if statistics.histogram_bounds else 0.0
    first = frequencies[0]
    others = sum(frequencies) - first
    shares = {"common": first, "typical": rest, "rare": others}
    if first < _FREQUENT:
        shares = {"common": first + others, "typical": rest}
    total = sum(shares.values()) or 1.0
    return tuple((label, share / total) for label, share in shares.items() if share > 0)


def _has_values(slot: Slot) -> bool:
    statistics = slot.column.statistics
    return statistics is not None and bool(statistics.most_common_vals or statistics.histogram_bounds)


def class_value(slot: Slot, label: str) -> str | None:
    """The SQL literal for a slot in a class, or None when the statistics hold no value."""
    statistics = slot.column.statistics
    if statistics is None or not _has_values(slot):
        return None
    if slot.end:
        return _range_end(slot, statistics, label)
    if slot.array:
        values = _spread(statistics.most_common_vals or statistics.histogram_bounds, _ARRAY_ELEMENTS)
        return quote_literal("{" + ",".join(map(_element, values)) + "}")
    return quote_literal(_equal_value(statistics, label, slot.position))


def _equal_value(statistics: ColumnStatistics, label: str, position: int) -> str:
    common, bounds = statistics.most_common_vals, statistics.histogram_bounds
    if label == "common" and common:
        return common[position % len(common)]
    if label == "rare" and common:
        return common[-1 - position % len(common)]
    values = bounds or common
    return values[(len(values) // 2 + position) % len(values)]


def _range_end(slot: Slot, statistics: ColumnStatistics, label: str) -> str:
    values = statistics.histogram_bounds or tuple(sorted(statistics.most_common_vals))
    places = (_PAIRED if slot.paired else _SINGLE)[slot.end]
    return quote_literal(values[round(places.get(label, places["typical"]) * (len(values) - 1))])


def _spread(values: Sequence[str], count: int) -> Sequence[str]:
    step = max(len(values) // count, 1)
    return values[::step][:count]


def _element(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
