"""HTML: every document as pieces of a page and as a file of its own; hostile texts stay texts."""

import base64
import functools
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.render import html
from indexpilot_cli.render.document import (
    Chart,
    ChartKind,
    ChartSeries,
    ChartUnit,
    Code,
    Document,
    EntryBlock,
    Facts,
    Lines,
    PlanTree,
    PlanTrees,
    TableBlock,
    columns,
)
from indexpilot_cli.render.units import visible
from tests.hostile import XSS
from tests.unit.render.samples import SERVER, outcomes

NOW = datetime(2026, 11, 30, 1, 2, tzinfo=UTC)
VOID = {"meta", "img", "source", "br"}


class Read(HTMLParser):
    """Elements with their attributes, texts, and whether what is opened is closed in its order."""

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(text):
    reader = Read()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize(("name", "outcome", "document"), outcomes())
def test_every_result_is_a_page_that_fetches_and_runs_nothing(name, outcome, document):
    text = html.report(outcome, document, f"indexpilot {name}", NOW)
    page = read(text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "form", "base"}
    attributes = {name for _, attrs in page.elements for name, _ in attrs}
    assert not attributes & {"style", "href"}
    addresses = [value for _, attrs in page.elements for name, value in attrs if name in ("src", "srcset")]
    assert all(address.startswith("data:image/svg+xml;base64,") for address in addresses)
    assert not [name for name in attributes if name.startswith("on")]
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    metas = [dict(attrs) for tag, attrs in page.elements if tag == "meta"]
    policy = next(m["content"] for m in metas if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and f"'sha256-{digest}'" in policy


ROLES = ("number", "short", "name", "query", "text", "state", "label", "after")


def everywhere(text):
    """A document with the text wherever a document has a text."""
    heads = columns(*(f"{text}|{role}" for role in ROLES))
    series = (ChartSeries(text, (1.0, 2.0)), ChartSeries("x", (1.0, None)))
    chart = Chart(ChartKind.PAIRS, text, ChartUnit.COUNT, text, (text, text), series)
    return Document(
        (
            TableBlock(heads, ((text,) * len(ROLES),), title=text),
            TableBlock(heads, ((text,) * len(ROLES),), header=False),
            Facts(((text, text),)),
            Lines((text,)),
            *(Code(text, language) for language in ("sql", "diff", "")),
            EntryBlock(text, text, text, text, ((text, text), (text, Code(text)))),
            EntryBlock(text, text, "error", text, sql=True),
            PlanTrees((PlanTree(text, (text, f"  {text}"), (text,)),)),
            chart,
        )
    )


def shape(text):
    """What the templates make of it: elements, and which attributes they have."""
    outcome = Outcome("recommend", None, "ok", 0, SERVER, (Warn(text, text, f"{text}."),), (text,))
    page = read(html.report(outcome, everywhere(text), text, NOW))
    return [(tag, [name for name, _ in attrs]) for tag, attrs in page.elements], page


harmless = functools.cache(lambda: shape("x"))


@pytest.mark.parametrize("text", XSS)
def test_a_hostile_text_stays_a_text_in_every_kind_of_block(text):
    text = text.replace("\n", " ").replace("\r", " ").replace("|", "")  # columns part their titles at a bar
    plain, _ = harmless()
    found, page = shape(text)
    assert found == plain
    assert page.texts.count(visible(text)) >= 20
    assert not [t for t in page.texts if visible(t) != t]


def test_rows_are_named_by_what_they_are_about_and_cells_by_their_columns():
    table = TableBlock(columns("state|state", "check|label", "n|number"), (("warning", "disk", "5"),), header=False)
    text = html.fragment(Document((table,)))
    assert '<th scope="row" class="label" data-label="check">disk</th>' in text
    assert '<td class="state" data-label="state"><span class="state warn">warning</span></td>' in text
    assert '<td class="number" data-label="n">5</td>' in text
    assert '<caption class="unseen">state, check, n</caption>' in text


def test_nothing_to_show_makes_no_empty_blocks():
    empty = (TableBlock(columns("a"), ()), Facts(()), Lines(("",)))
    assert html.fragment(Document(empty)) == ""
    titled = html.fragment(Document((TableBlock(columns("a"), (), title="Recorded queries"),)))
    assert titled.strip() == '<p class="table-title">Recorded queries</p>'


def test_a_file_name_that_is_no_text_can_be_written():
    text = html.page("w\udcff.sql", html.fragment(Document((Lines(("\udcff",)),))), facts=html.PageFacts(NOW))
    assert text.encode().count(b"?") >= 2
