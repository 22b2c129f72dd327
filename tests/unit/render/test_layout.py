"""Narrow terminals: query text may shrink, names and DDL never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from indexpilot_cli.render.document import Document, TableBlock, TableColumn
from indexpilot_cli.render.terminal import fit, rich, shorten
from indexpilot_cli.render.text import plain
from tests.unit.render.samples import ORDERS, outcomes

COLUMNS = (
    TableColumn("#", "number"),
    TableColumn("id"),
    TableColumn("state", "state"),
    TableColumn("why", "text"),
    TableColumn("query", "query"),
)
KEPT_WHOLE = ("name", "number", "state", "short", "label")
names = st.text("abcdefghij_", min_size=1, max_size=40)
prose = st.lists(st.text("abcdefg", min_size=1, max_size=9), max_size=12).map(" ".join)
rows = st.lists(st.tuples(st.integers(0, 10**9).map(str), names, st.just("ok"), prose, prose), min_size=1, max_size=5)


def lines(table, width):
    return ["".join(cell.text for cell in line) for line in fit(table, width, cell_len)]


@given(rows, st.integers(20, 200))
def test_every_name_and_number_is_whole_and_nothing_is_wider_than_it_must_be(data, width):
    table = TableBlock(COLUMNS, tuple(data))
    shown = lines(table, width)
    text = "\n".join(shown)
    for number, name, *_ in data:
        assert number in text
        assert name in text
    assert all(len(line) <= max(width, 120) for line in shown)


@given(rows)
def test_a_wide_terminal_shows_everything_on_one_line_each(data):
    table = TableBlock(COLUMNS, tuple(data))
    shown = lines(table, 10_000)
    assert len(shown) == 1 + len(data)
    for row, line in zip(data, shown[1:], strict=True):
        assert all(cell in line for cell in row)


@given(st.text(max_size=50), st.integers(1, 60))
def test_shortening_keeps_the_width(text, width):
    cut = shorten(text, width, cell_len)
    assert cell_len(cut) <= max(width, 1)
    assert cut == text or cut.endswith("…")


@pytest.mark.parametrize("width", [40, 80, 100, 160])
@pytest.mark.parametrize(("name", "outcome", "document"), outcomes())
def test_views_fit_and_keep_identifiers(name, outcome, document, width):
    text = rich(document, width, color=False)
    assert "\x1b" not in text
    for table in (b for b in document.blocks if isinstance(b, TableBlock)):
        for row in table.rows:
            whole = [cell for cell, column in zip(row, table.columns, strict=True) if column.role in KEPT_WHOLE]
            assert all(cell in text for cell in whole)
    if width >= 100 and name in ("analyze", "doctor", "history"):
        assert max(map(cell_len, text.splitlines())) <= width


def test_plain_text_cuts_nothing():
    for _, _, document in outcomes():
        text = plain(document)
        for table in (b for b in document.blocks if isinstance(b, TableBlock)):
            assert all(cell in text for row in table.rows for cell in row)


def test_colour_is_only_added_never_the_meaning():
    for _, _, document in outcomes():
        coloured = rich(document, 100, color=True)
        import re

        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == rich(document, 100, color=False)


def test_control_characters_of_the_data_do_not_reach_the_terminal():
    table = TableBlock((TableColumn("q", "query"), TableColumn("n")), (("SELECT '\x1b[2J\x07'", f"{ORDERS}\x9b31m"),))
    for text in (rich(Document((table,)), 80, color=False), plain(Document((table,)))):
        assert not any(c in text for c in "\x1b\x07\x9b")


def test_a_name_as_wide_as_its_column_and_the_gap_does_not_touch_what_follows():
    for length in range(20, 60):
        table = TableBlock(
            (TableColumn("id", "short"), TableColumn("index"), TableColumn("state", "state")),
            (("M-1", "x" * length, "built"),),
        )
        for width in range(20, 70):
            lines = ["".join(cell.text for cell in line) for line in fit(table, width)]
            assert not any("xbuilt" in line for line in lines), (length, width)


def test_a_remedy_stands_behind_its_row_or_below_it_and_never_within():
    columns = (TableColumn("state", "state"), TableColumn("finding", "text"), TableColumn("fix", "after"))
    table = TableBlock(columns, (("ok", "one two three four five six", "->  VACUUM;"), ("no", "b", "")), header=False)
    assert lines(table, 44) == ["ok  one two three four five six  ->  VACUUM;", "no  b"]
    assert lines(table, 43) == ["ok  one two three four five six", "    ->  VACUUM;", "no  b"]
    narrow = lines(TableBlock(columns, (("ok", "word " * 12, "->  REINDEX INDEX a_long_name;"),), header=False), 36)
    assert narrow == [
        "ok  word word word word word word",
        "    word word word word word word",
        "    ->  REINDEX INDEX a_long_name;",
    ]
