"""Lines that tell each key's rank within an error: as few as there can be, found in one pass.

For each line all slopes and intercepts are kept that pass every point so far within the error; the hulls of the points
moved up and down by it decide what the next point leaves of them (O'Rourke, CACM 24(9) 1981, as the PGM-index uses it).
A segment ends only where no line is left, so that no division into segments has fewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

SEGMENT_BYTES = 24  # a key, a slope and an intercept

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Segment:
    """A line over the keys from ``first`` on: ``rank`` there, and ``slope`` ranks for each unit of the key."""

    first: float
    rank: float
    slope: float

    def at(self, key: float) -> float:
        """The predicted rank of a key."""
        return self.rank + self.slope * (key - self.first)


def segments(keys: Iterable[float], epsilon: float) -> tuple[Segment, ...]:
    """The fewest lines that tell the first rank of each distinct key within ``epsilon``; ``keys`` never fall."""
    found: list[Segment] = []
    hull: _Hull | None = None
    for point in _first_ranks(keys):
        if hull is None or not hull.takes(*point):
            found += [hull.line()] if hull is not None else []
            hull = _Hull(*point, epsilon)
    return tuple(found + ([hull.line()] if hull is not None else []))


def _first_ranks(keys: Iterable[float]) -> Iterator[Point]:
    last = -inf
    for rank, key in enumerate(keys):
        if key > last:
            yield key, rank
            last = key


class _Hull:
    """The lines left after the points so far, by the two extreme ones: ``steep`` and ``flat`` each go through one
    point of the upper and one of the lower hull. Keys count from the first: differences keep their digits.
    """

    def __init__(self, key: float, rank: float, epsilon: float):
        self._first, self._rank, self._epsilon = key, rank, epsilon
        self._upper: list[Point] = [(0.0, epsilon)]
        self._lower: list[Point] = [(0.0, -epsilon)]
        self._upper_start = self._lower_start = 0
        self._flat = self._steep = ((0.0, epsilon), (0.0, -epsilon))
        self._points = 1

    def takes(self, key: float, rank: float) -> bool:
        """Whether a line is left that passes the point too; it is then one of the hull's."""
        above = (key - self._first, rank - self._rank + self._epsilon)
        below = (above[0], above[1] - 2 * self._epsilon)
        if self._points == 1:
            self._flat, self._steep = (self._upper[0], below), (self._lower[0], above)
            self._upper.append(above)
            self._lower.append(below)
        else:
            (flat_from, flat_to), (steep_from, steep_to) = self._flat, self._steep
            if _turn(flat_from, flat_to, above) < 0 or _turn(steep_from, steep_to, below) > 0:
                return False
            if _turn(steep_from, steep_to, above) < 0:
                self._lower_steep(above)
            if _turn(flat_from, flat_to, below) > 0:
                self._raise_flat(below)
        self._points += 1
        return True

    def _lower_steep(self, above: Point) -> None:
        """The steepest line is the one from the lower hull to this point that is the least steep."""
        place = _tangent(self._lower, self._lower_start, above, 1)
        self._steep, self._lower_start = (self._lower[place], above), place
        _extend(self._upper, self._upper_start, above, 1)

    def _raise_flat(self, below: Point) -> None:
        place = _tangent(self._upper, self._upper_start, below, -1)
        self._flat, self._upper_start = (self._upper[place], below), place
        _extend(self._lower, self._lower_start, below, -1)

    def line(self) -> Segment:
        """One of the lines that are left: through where the two extreme ones meet, between their slopes."""
        if self._points == 1:
            return Segment(self._first, self._rank, 0.0)
        flat, steep = _slope(*self._flat), _slope(*self._steep)
        x, y = self._flat[0]
        if steep > flat:
            # y + flat (x' - x) = y2 + steep (x' - x2)
            other = self._steep[0]
            meets = (y - other[1] + steep * other[0] - flat * x) / (steep - flat)
            x, y = meets, y + flat * (meets - x)
        slope = (flat + steep) / 2
        return Segment(self._first, self._rank + y - slope * x, slope)


def _turn(a: Point, b: Point, c: Point) -> float:
    """Positive where c lies above the line through a and b (a before b)."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _slope(a: Point, b: Point) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])


def _tangent(hull: Sequence[Point], start: int, point: Point, sign: int) -> int:
    """The place on the hull from which the line to the point has the least (sign 1) or greatest slope."""
    best = start
    for place in range(start + 1, len(hull)):
        # The other hull's point of the same key may stand there already.
        same = hull[place][0] == point[0]
        if same or sign * (_slope(hull[place], point) - _slope(hull[best], point)) > 0:
            break
        best = place
    return best


def _extend(hull: list[Point], start: int, point: Point, sign: int) -> None:
    while len(hull) >= start + 2 and sign * _turn(hull[-2], hull[-1], point) <= 0:
        hull.pop()
    hull.append(point)


@dataclass(frozen=True, slots=True)
class SegmentEstimate:
    """How many lines all keys of an index want, from those of ``runs`` runs of neighbours, ``keys`` keys in all."""

    epsilon: int
    least: float
    most: float
    runs: int
    keys: int

    @property
    def bytes(self) -> int:
        """What the lines would take at most, without the sorted keys that they stand for."""
        return round(self.most * SEGMENT_BYTES)


def estimated(runs: Sequence[Sequence[float]], rows: float, epsilon: int) -> SegmentEstimate:
    """The lines that ended within a run, and all that were begun, for each key that was read.

    Only runs of neighbours tell this: between the rows of a sample the ranks vary by far more than any epsilon.
    """
    keys = sum(map(len, runs))
    lines = sum(len(segments(run, epsilon)) for run in runs)
    if keys >= rows:
        return SegmentEstimate(epsilon, lines, lines, len(runs), keys)
    scale = rows / max(keys, 1)
    ended = lines - len(runs)
    # Where none ended, one may go on through all.
    return SegmentEstimate(epsilon, max(1.0, ended * scale), lines * scale, len(runs), keys)
