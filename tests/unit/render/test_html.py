"""HTML: every document as pieces of a page and as a file of its own; hostile texts stay texts."""

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from indexpilot_cli.render import html
from tests.unit.render.samples import outcomes

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
