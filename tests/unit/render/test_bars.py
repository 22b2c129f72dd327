"""Charts on a terminal: in its width, beside their numbers, in ASCII where it has no blocks, and never in a pipe."""

import dataclasses

import pytest
from rich.cells import cell_len

from indexpilot_cli.render.bars import ASCII, BLOCKS, bar, glyphs, sparkline
from indexpilot_cli.render.document import Chart, ChartKind, ChartSeries, ChartUnit, Document
from indexpilot_cli.render.terminal import rich
from indexpilot_cli.render.text import markdown, plain
from tests.hostile import ODD

LONG = '"Mixed Case"."a_rather_long_table_name_that_no_terminal|loves"'
TABLES = Chart(
    ChartKind.PAIRS,
    "Tables and their indexes",
    ChartUnit.BYTES,
    "table",
    ("orders", LONG, "empty", "名前"),
    (ChartSeries("table", (4096.0, 1.0, 0.0, 2048.0)), ChartSeries("indexes", (2048.0, 0.0, 0.0, None))),
)
TIMES = Chart(
    ChartKind.BARS,
    "Time of the top statements",
    ChartUnit.MILLISECONDS,
    "template",
    tuple(f"q-{n:06x} SELECT * FROM orders WHERE customer_id = $1 AND status = $2" for n in range(40)),
    (ChartSeries("time", tuple(float(n) for n in range(40))),),
)
GROWTH = Chart(
    ChartKind.LINE,
    "Size of orders_pkey",
    ChartUnit.BYTES,
    "time",
    tuple(map(str, range(90))),
    (ChartSeries("size", tuple(None if n == 3 else 1e6 + n * 1e5 for n in range(90))),),
)


def shown(chart, width, charts=BLOCKS):
    return rich(Document((chart,)), width, color=False, charts=charts).splitlines()


def test_bars_are_as_long_as_their_numbers_are_large():
    title, heads, orders, name, long, empty, unknown = shown(TABLES, 80)
    assert title == "Tables and their indexes"
    assert heads.split() == ["table", "indexes"]
    full = orders.count("█")
    assert orders.split()[:3] == ["orders", "4.0", "kB"]
    assert full >= 20 and unknown.count("█") == pytest.approx(full / 3, abs=1)  # 4 kB and 2 kB, then 2 kB alone
    assert name == LONG  # never cut: its bars are in the next line
    assert long.split() == ["1", "B", "▏", "0", "B"]  # more than nothing is seen
    assert empty.split() == ["empty", "0", "B", "0", "B"]
    assert unknown.split()[-1] == "-"  # what is not known is no zero


@pytest.mark.parametrize("width", [40, 80, 100, 160])
@pytest.mark.parametrize("chart", [TABLES, TIMES, GROWTH], ids=lambda c: c.kind.value)
@pytest.mark.parametrize("charts", [BLOCKS, ASCII], ids=["blocks", "ascii"])
def test_no_line_is_wider_than_the_terminal(width, chart, charts):
    lines = shown(chart, width, charts)
    assert len(lines) <= 14
    assert max(cell_len(line) for line in lines if line != LONG) <= width
    if charts is ASCII:
        assert all(line.replace("…", "").isascii() for line in lines if "名" not in line)


def test_a_course_is_one_line_with_its_first_and_last_number():
    (line,) = shown(GROWTH, 80)
    assert line.startswith("Size of orders_pkey  ▁")
    assert line.endswith("█  976.6 kB to 9.4 MB")
    assert shown(dataclasses.replace(GROWTH, series=(ChartSeries("size", (None,) * 90),)), 80) == []


def test_marks_of_the_extremes():
    assert bar(0, 8, BLOCKS) == ""
    assert bar(1e-9, 8, BLOCKS) == "▏"
    assert bar(1.5, 8, BLOCKS) == "█" * 8
    assert bar(0.5, 8, ASCII) == "####"
    assert bar(1e-9, 8, ASCII) == "#"
    assert sparkline([1, None, 2], BLOCKS) == "▁ █"
    assert sparkline([5, 5], BLOCKS) == "▄▄"
    assert sparkline([], BLOCKS) == ""


def test_nothing_is_drawn_where_there_is_no_room_in_pipes_and_in_markdown():
    assert shown(TIMES, 39) == []
    document = Document((TABLES, GROWTH))
    assert plain(document).strip() == markdown(document).strip() == ""
    assert rich(document, 10_000, color=True) == ""
    assert shown(dataclasses.replace(TABLES, told=False), 80) == []


def test_a_chart_cannot_steer_the_terminal():
    for name in ODD:
        chart = dataclasses.replace(TABLES, title=name, labels=(name, "\x1b[31m", "a\nb", "\u202e"))
        assert "\x1b" not in rich(Document((chart,)), 80, color=False, charts=BLOCKS)


@pytest.mark.parametrize(
    ("encoding", "term", "expected"),
    [
        ("utf-8", "xterm-256color", BLOCKS),
        ("utf-8", "dumb", ASCII),
        ("utf-8", "linux", ASCII),
        ("utf-8", None, ASCII),
        ("ascii", "xterm", ASCII),
        ("iso-8859-1", "xterm", ASCII),
        ("nonsense", "xterm", ASCII),
        (None, "xterm", ASCII),
    ],
)
def test_blocks_only_where_the_terminal_has_them(encoding, term, expected):
    assert glyphs(encoding, {} if term is None else {"TERM": term}) is expected
