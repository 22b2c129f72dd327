"""Charts on a terminal: bars and sparklines of block elements, or of ASCII, each beside its number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from indexpilot_cli.render.document import Chart, ChartKind, ChartSeries
from indexpilot_cli.render.units import Measure, measured, one_line, shorten, visible

GAP = "  "
_LEAST_WIDTH = 40  # columns below which numbers alone say more
_LEAST_BAR, _LONGEST_BAR = 6, 40
_LINES = 12
# Names are never cut; what else labels a bar is told in full elsewhere.
_NAMES = ("table", "index")
# The console of Linux has no eighths in its fonts. https://man7.org/linux/man-pages/man4/console_codes.4.html
_PLAIN_TERMINALS = ("", "dumb", "linux")


@dataclass(frozen=True, slots=True)
class Glyphs:
    """``bar`` from the least part of a cell to a whole one, ``heights`` from the lowest to the highest."""

    bar: str
    heights: str


BLOCKS = Glyphs("▏▎▍▌▋▊▉█", "▁▂▃▄▅▆▇█")
ASCII = Glyphs("#", "_.-:=+*#")


def glyphs(encoding: str | None, environment: Mapping[str, str]) -> Glyphs:
    """What the terminal can show."""
    if environment.get("TERM", "") in _PLAIN_TERMINALS:
        return ASCII
    try:
        (BLOCKS.bar + BLOCKS.heights).encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return ASCII
    return BLOCKS


def bar(share: float, cells: int, shown: Glyphs) -> str:
    """A bar of that share of the cells; what is more than nothing has at least the least mark."""
    parts = len(shown.bar)
    length = min(max(round(share * cells * parts), share > 0), cells * parts)
    whole, rest = divmod(length, parts)
    return shown.bar[-1] * whole + (shown.bar[rest - 1] if rest else "")


def sparkline(values: Sequence[float | None], shown: Glyphs) -> str:
    """One mark a value between the least and the greatest; a blank where nothing is known."""
    known = [v for v in values if v is not None]
    least, most = (min(known), max(known)) if known else (0.0, 0.0)
    last = len(shown.heights) - 1
    if most == least:
        return "".join(" " if v is None else shown.heights[last // 2] for v in values)
    return "".join(" " if v is None else shown.heights[round((v - least) / (most - least) * last)] for v in values)


def chart_lines(chart: Chart, width: int, shown: Glyphs, measure: Measure) -> Iterator[str]:
    """The chart below its title in at most ``width`` columns, as far as names allow; nothing where there is no room."""
    if width < _LEAST_WIDTH:
        return
    if chart.kind is ChartKind.LINE:
        yield from _courses(chart, width, shown, measure)
    else:
        yield from _bars(chart, width, shown, measure)


def _courses(chart: Chart, width: int, shown: Glyphs, measure: Measure) -> Iterator[str]:
    """``title  ▁▂▄█  8.0 MB to 9.5 MB``, a line for each series; a title that is too long has one of its own."""
    for series in chart.series:
        known = [v for v in series.values if v is not None]
        if not known:
            continue
        name = visible(chart.title if len(chart.series) == 1 else f"{chart.title}: {series.name}")
        ends = f"{measured(known[0], chart.unit)} to {measured(known[-1], chart.unit)}"
        if measure(name) + len(ends) + 2 * len(GAP) + _LEAST_BAR > width:
            yield name
            name = ""
        room = max(width - measure(name) - len(ends) - 2 * len(GAP), _LEAST_BAR)
        drawn = sparkline([series.values[n] for n in _spread(len(series.values), room)], shown)
        yield f"{name}{GAP}{drawn}{GAP}{ends}"


def _bars(chart: Chart, width: int, shown: Glyphs, measure: Measure) -> Iterator[str]:
    """A line for each label: a number and a bar of each series, all to one scale."""
    rows = _spread(len(chart.labels), _LINES)
    labels = [one_line(visible(chart.labels[n])) for n in rows]
    whole, most = chart.axis in _NAMES, width * 2 // 5
    left = min(max((n for n in map(measure, labels) if n <= most or not whole), default=0), most)
    room = (width - left) // len(chart.series)
    drawn = [_column(series, rows, room, chart, shown) for series in chart.series]
    yield visible(chart.title)
    heads = "".join(f"{GAP}{visible(s.name):<{len(c[0])}}" for s, c in zip(chart.series, drawn, strict=True))
    if len(chart.series) > 1:
        yield (" " * left + heads).rstrip()
    for label, *cells in zip(labels, *drawn, strict=True):
        yield from _labelled(label, GAP + GAP.join(cells), left, measure, whole=whole)


def _column(series: ChartSeries, rows: Sequence[int], room: int, chart: Chart, shown: Glyphs) -> list[str]:
    """The number and the bar of each row, all equally wide."""
    values = [series.values[n] for n in rows]
    numbers = [measured(value, chart.unit) for value in values]
    wide = max(map(len, numbers))
    cells = min(max(room - len(GAP) - wide - 1, _LEAST_BAR), _LONGEST_BAR)
    most = max((v for s in chart.series for v in s.values if v is not None), default=0.0)
    bars = [bar(max(value or 0.0, 0.0) / most, cells, shown) if most > 0 else "" for value in values]
    return [f"{number:>{wide}} {drawn:<{cells}}" for number, drawn in zip(numbers, bars, strict=True)]


def _labelled(label: str, rest: str, left: int, measure: Measure, *, whole: bool) -> Iterator[str]:
    """The label before the rest; a name that is too long keeps all its letters and a line of its own."""
    if measure(label) > left and whole:
        yield label
        label = ""
    cut = shorten(label, left, measure)
    yield (cut + " " * (left - measure(cut)) + rest).rstrip()


def _spread(number: int, most: int) -> list[int]:
    """At most so many of the places, evenly spread, the first and the last among them."""
    if number <= most:
        return list(range(number))
    return [round(n * (number - 1) / (most - 1)) for n in range(most)]
