"""Charts: SVG without scripts, the same for the same numbers, true to unknown values and to hostile names."""

from itertools import cycle
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.render.charts import NARROW, WIDE, description, picture, svg, ticks
from indexpilot_cli.render.document import Chart, ChartKind, ChartSeries, ChartUnit
from tests.hostile import XSS

NAMES = (
    "SELECT * FROM orders WHERE customer_id = $1 AND created_at > $2",
    '"<script>"',
    "\x1b]0;\u202eevil\x07",
    "q-4",
)
HALF = ChartSeries("before", (152_000.0, None, 3000.0, 0.0))
REST = ChartSeries("after", (9.5, 1.0, None, 0.0))
KINDS = (
    Chart(ChartKind.BARS, "Total time", ChartUnit.MILLISECONDS, "template", NAMES, (HALF,)),
    Chart(ChartKind.PAIRS, "Cost", ChartUnit.COST, "template", NAMES, (HALF, REST)),
    Chart(ChartKind.STEPS, "Cost of a budget", ChartUnit.COST, "budget", NAMES, (REST,), (0.0, 1e6, 2e6, 1e9)),
    Chart(ChartKind.LINE, "Size", ChartUnit.BYTES, "day", NAMES, (HALF, REST)),
)
DRAWN = {
    "class",
    "viewBox",
    "width",
    "height",
    "role",
    "type",
    "x",
    "y",
    "rx",
    "ry",
    "d",
    "transform",
    "text-anchor",
    "cx",
    "cy",
    "r",
}
ALLOWED = {"svg", "title", "desc", "defs", "style", "g", "rect", "path", "text", "circle"}


def tags(text):
    return [element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in ElementTree.fromstring(text).iter()]


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("chart", KINDS, ids=lambda chart: chart.kind.value)
def test_pictures_are_well_formed_still_and_the_same_each_time(chart, width):
    text = svg(chart, width)
    assert set(tags(text)) <= ALLOWED
    assert text == svg(chart, width)
    root = ElementTree.fromstring(text)
    assert [child.text for child in root][:2] == [chart.title, description(chart)]
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or "href" in name]
    assert "\x1b" not in text and "\u202e" not in text


def test_bars_come_from_the_top_with_their_values_and_what_is_unknown_is_told_from_nothing():
    texts = [e.text for e in ElementTree.fromstring(svg(KINDS[0])).iter() if e.tag.endswith("}text")]
    assert texts[:4] == [
        "q-4",
        "\ufffd]0;\ufffdevil\ufffd",
        'unknown: "<script>"',
        "SELECT * FROM orders WHERE customer_id = $1…",
    ]
    assert texts[4:] == ["0", "3.0 s", "2 min 32 s"]


def test_a_picture_of_nothing_known_is_none():
    chart = Chart(ChartKind.BARS, "t", ChartUnit.COUNT, "index", ("a",), (ChartSeries("n", (None,)),))
    assert svg(chart) == "" and picture(chart) == {}
    assert description(chart) == "t, for 1 index: n unknown"


@given(st.floats(1e-6, 1e15), st.sampled_from(ChartUnit))
def test_the_axis_begins_at_zero_and_holds_the_largest_value(top, unit):
    found = ticks(top, unit)
    assert found[0] == 0
    assert found[-1] >= top * (1 - 1e-6)
    assert 3 <= len(found) <= 7


@pytest.mark.parametrize(("text", "kind"), list(zip(XSS, cycle(ChartKind), strict=False)))
def test_a_hostile_text_stays_a_text_in_a_picture(text, kind):
    series = (ChartSeries(text, (1.0, 2.0)), ChartSeries("x", (1.0, None)))
    found = svg(Chart(kind, text, ChartUnit.COUNT, text, (text, text), series, (0.0, 1.0)), NARROW)
    assert set(tags(found)) <= ALLOWED
    attributes = {name for element in ElementTree.fromstring(found).iter() for name in element.attrib}
    assert attributes <= DRAWN
