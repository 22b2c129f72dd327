"""A real browser that looks at our pages, and what it must never see there."""

from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.browser import CHROMIUM, browser
from tests.waiting import LIMIT, eventually

# What a page of ours never holds: our templates have none of these, so each came out of data.
FOREIGN = """() => [...document.querySelectorAll('*')].filter(one =>
    ['IFRAME', 'OBJECT', 'EMBED', 'BASE', 'MATH', 'MARQUEE', 'VIDEO', 'AUDIO', 'APPLET', 'STYLE', 'TEMPLATE', 'FRAME',
     'PORTAL', 'X', 'ISINDEX', 'XSS', 'IMAGE', 'KEYGEN', 'PLAINTEXT', 'XMP', 'LISTING', 'BGSOUND', 'LAYER', 'BODY2',
     'DIALOG', 'SLOT', 'SVG', 'svg'].includes(one.tagName)
    || (one.tagName === 'SCRIPT' && !(one.src && new URL(one.src).pathname.startsWith('/static/')))
    || (one.tagName === 'IMG' && !(one.getAttribute('src') || '').startsWith('data:image/svg+xml'))
    || (one.tagName === 'META' && one.httpEquiv && one.closest('noscript') === null)
    || (one.tagName === 'LINK' && new URL(one.href).origin !== location.origin)
    || [...one.attributes].some(a => a.name.startsWith('on') || a.name === 'style' || a.name === 'srcdoc'
        || (['href', 'src', 'action', 'formaction', 'xlink:href'].includes(a.name)
            && /^\\s*(javascript|vbscript|data:text)/i.test(a.value)))
    ).map(one => one.outerHTML.slice(0, 200))"""


@contextmanager
def chromium():
    """A headless Chromium; the test is skipped where there is none."""
    pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    with browser() as started:
        yield started


# Bodies as they came, whether over the wire or out of the browser's cache.
TRANSFERRED = """() => ['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
    .reduce((sum, one) => sum + one.encodedBodySize, 0)"""


class Watched:
    """A page whose requests, messages and dialogs are remembered: ``faults`` are those that must not be."""

    def __init__(self, browser, url, **context):
        self.url = url
        self.faults = []
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(1000 * LIMIT)
        self.context.route("**", self._route)
        self.page = self.context.new_page()
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("dialog", self._dialog)

    def go(self, path):
        """The page at that path, loaded."""
        answer = self.page.goto(self.url + path)
        return answer.status

    def click(self, selector):
        """A click that leads to another page: it is there as a whole afterwards, not only its beginning."""
        with self.page.expect_navigation():
            self.page.click(selector)
        # A page with a fragment counts as arrived while it is still being parsed.
        eventually(lambda: self.page.evaluate("document.readyState") == "complete")

    def text(self, selector):
        """The words of an element as the page has them: ``inner_text`` of what is not on screen yet is empty, since
        parts of pages are laid out as they are looked at.
        """
        return " ".join(self.page.text_content(selector).split())

    @property
    def transferred(self):
        """Bytes that the page shown now has fetched, by and by."""
        return self.page.evaluate(TRANSFERRED)

    def settle(self, most=1000 * LIMIT):
        """Wait until nothing on the page is being worked out any more."""
        self.page.wait_for_function("() => !document.querySelector('[aria-busy], .spinner')", timeout=most)

    def close(self):
        """The page and what it kept."""
        self.context.close()

    def _route(self, route):
        address = route.request.url
        if address.startswith("data:") or urlsplit(address).netloc == urlsplit(self.url).netloc:
            route.continue_()
        else:
            self.faults.append(f"foreign request: {address}")
            route.abort()

    def _told(self, message):
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _dialog(self, dialog):
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()
