"""Charts as pictures: SVG that follows the reader's light or dark, without scripts, the same for the same numbers.

Drawn by pygal, which comes with the extra ``serve``. Its pictures are interactive pages of their own; what is for that
(scripts, tooltips, the date of drawing) is taken out here.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pygal
from pygal.style import Style

from indexpilot_cli.core.units import DASH
from indexpilot_cli.render.document import Chart, ChartKind, ChartSeries, ChartUnit
from indexpilot_cli.render.units import measured, plural, shorten, visible

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

WIDE = 860
NARROW = 340
MOST = 20  # bars in a picture: what is behind them stands in the table only
_FONT = 13
_MARGIN = 8
_LETTER = 0.56 * _FONT  # width of a letter on average, as pygal reckons
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")  # https://www.w3.org/TR/xml/#charsets
_CSS = """inline:
svg {
  --text: #1c2128; --muted: #555f6b; --grid: #d3d9e0; --first: #6f7f91; --second: #0a6fc2; --third: #b35c00;
  font-variant-numeric: tabular-nums;
}
@media (prefers-color-scheme: dark) {
  svg { --text: #e4e8ed; --muted: #a3adb8; --grid: #333c47; --first: #8896a6; --second: #5aa9f5; --third: #f0a04b; }
}
.background { fill: none; }
.color-0 { fill: var(--first); stroke: var(--first); }
.color-1 { fill: var(--second); stroke: var(--second); }
.color-2 { fill: var(--third); stroke: var(--third); }
.single .color-0 { fill: var(--second); stroke: var(--second); }
.bar rect { stroke: none; }
.series path { fill: none; stroke-width: 2; stroke-linejoin: round; }
text { fill: var(--text); stroke: none; }
.axis .line { stroke: var(--grid); fill: none; }
.axis.x text { text-anchor: middle; }
.axis.y text { text-anchor: end; }
.text-overlay text.value { text-anchor: start; fill: var(--muted); }
"""


def svg(chart: Chart, width: int = WIDE) -> str:
    """The picture, with its title and a description; empty where there is no number to show."""
    chart = replace(chart, series=tuple(ChartSeries(s.name, tuple(map(_known, s.values))) for s in chart.series))
    if all(value is None for series in chart.series for value in series.values):
        return ""
    graph = _bars(chart, width) if chart.kind in (ChartKind.BARS, ChartKind.PAIRS) else _curve(chart, width)
    graph.add_xml_filter(lambda root: _told(_still(root), chart))
    return str(graph.render(is_unicode=True))


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def picture(chart: Chart) -> dict[str, str]:
    """Addresses for a page that hold the picture themselves, for wide and for narrow screens; none without numbers."""
    drawn = ((name, svg(chart, width)) for name, width in (("wide", WIDE), ("narrow", NARROW)))
    return {name: "data:image/svg+xml;base64," + b64encode(t.encode()).decode() for name, t in drawn if t}


def description(chart: Chart) -> str:
    """What the picture shows, in one sentence for those who cannot see it."""
    ranges = (_range(series.name, series.values, chart.unit) for series in chart.series)
    return f"{chart.title}, for {plural(len(chart.labels), chart.axis)}: {'; '.join(ranges)}"


def _range(name: str, values: Sequence[float | None], unit: ChartUnit) -> str:
    known = [value for value in map(_known, values) if value is not None]
    return f"{name} {measured(min(known), unit)} to {measured(max(known), unit)}" if known else f"{name} unknown"


def _settings(width: int, height: int, chart: Chart) -> dict[str, Any]:
    """What all pictures have in common."""
    family = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
    sizes = ("label", "major_label", "value", "legend")
    style: dict[str, Any] = {f"{name}_font_size": _FONT for name in sizes}
    style |= {f"{name}_font_family": family for name in sizes}
    several = len(chart.series) > 1
    return {
        "width": width,
        "height": height + (36 if several else 0),
        "style": Style(**style, font_family=family),
        "css": [_CSS],
        "js": [],
        "classes": ["chart" if several else "chart single"],
        "no_prefix": True,
        "explicit_size": True,
        "disable_xml_declaration": True,
        "show_legend": several,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": len(chart.series),
        "truncate_legend": -1,
        "truncate_label": -1,
        "margin": _MARGIN,
        "value_formatter": lambda value: measured(value, chart.unit) if value else "0",
        "strict": True,
    }


def _bars(chart: Chart, width: int) -> Any:
    """One bar of each series for each label, the first on top, each with its value behind it."""
    letters = int(width * 0.38 / _LETTER)
    labels = [shorten(label, letters) for label in _bar_labels(chart)]
    known = [v for s in chart.series for v in s.values[:MOST] if v is not None]
    space = width - 2 * _MARGIN - max(map(len, labels)) * _LETTER
    behind = (max(len(measured(v, chart.unit)) for v in known) + 2) * _LETTER
    graph = pygal.HorizontalBar(
        **_settings(width, len(labels) * (10 + 20 * len(chart.series)) + 16, chart),
        range=(min(0, *known), max(known) * space / (space - behind) or 1),
        print_values=True,
        print_values_position="top",
        show_x_guides=False,
        show_y_guides=False,
        show_x_labels=False,  # those of the values, which stand behind the bars
    )
    graph.x_labels = labels[::-1]
    for series in chart.series:
        graph.add(_clean(series.name), list(series.values[:MOST][::-1]))
    return graph


def _bar_labels(chart: Chart) -> Iterator[str]:
    """The labels; a bar that is missing, for nothing is known, is told from one of length 0."""
    for at, label in enumerate(chart.labels[:MOST]):
        unknown = all(series.values[at] is None for series in chart.series)
        yield ("unknown: " if unknown else "") + _clean(label)


def _curve(chart: Chart, width: int) -> Any:
    """Lines from point to point, or steps where a value holds until the next place."""
    stepped = chart.kind is ChartKind.STEPS
    places = chart.places or tuple(float(n) for n in range(len(chart.labels)))
    known = [v for s in chart.series for v in s.values if v is not None]
    graph = pygal.XY(
        **_settings(width, 260, chart),
        show_dots=not stepped and len(chart.labels) <= 30,
        allow_interruptions=not stepped,
        margin_right=round(len(chart.labels[-1]) * _LETTER / 2) + _MARGIN,
    )
    graph.y_labels = ticks(max(known), chart.unit)
    graph.x_labels = [{"value": places[n], "label": _clean(chart.labels[n])} for n in _apart(places, chart, width)]
    for series in chart.series:
        points = list(zip(places, series.values, strict=True))
        graph.add(_clean(series.name), _stepped(points) if stepped else points)
    return graph


def _stepped(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """The corners of a staircase through the points."""
    corners = list(points[:1])
    for (_, before), (place, value) in pairwise(points):
        corners += [(place, before), (place, value)]
    return [*corners, (points[-1][0] * 1.02, points[-1][1])]  # it holds for more, too


def _apart(places: Sequence[float], chart: Chart, width: int) -> list[int]:
    """Which labels of the axis can stand beside each other without touching, from the first on."""
    span = (max(places) - min(places)) or 1.0
    shown: list[int] = []
    free = -math.inf
    for n, place in sorted(enumerate(places), key=lambda item: item[1]):
        middle = (place - min(places)) / span * width * 0.8
        half = (len(chart.labels[n]) + 2) * _LETTER / 2
        if middle - half >= free:
            shown.append(n)
            free = middle + half
    return shown


def ticks(top: float, unit: ChartUnit) -> list[float]:
    """Round values from 0 to a little above ``top``, in the unit's own steps."""
    if top <= 0:
        return [0.0, 1.0]
    factor = 1024.0 ** int(math.log(top, 1024)) if unit is ChartUnit.BYTES and top >= 1 else 1.0
    rough = top / factor / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough) * factor
    return [n * step for n in range(math.ceil(top / step - 1e-9) + 1)]


def _clean(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", visible(" ".join(text.split()))) or DASH


def _still(root: Element) -> Element:
    """The picture without what is for moving over it with a pointer, and without when it was made."""
    for parent in list(root.iter()):
        for child in list(parent):
            comment = not isinstance(child.tag, str)
            if comment or child.tag in ("script", "desc", "title") or child.get("class") == "plot tooltip-overlay":
                parent.remove(child)
    for element in root.iter():
        element.attrib.pop("id", None)
    return root


def _told(root: Element, chart: Chart) -> Element:
    """The picture with its name and what it shows, as SVG says it to those who cannot see it."""
    for at, (tag, text) in enumerate((("title", chart.title), ("desc", description(chart)))):
        element = root.makeelement(tag, {})
        element.text = _clean(text)
        root.insert(at, element)
    root.set("role", "img")
    return root
