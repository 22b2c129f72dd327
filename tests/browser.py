"""A real browser without a network, where the machine has one."""

import contextlib
import shutil

import pytest

from tests.waiting import LIMIT

# The shell shows the same pages for half of the processor time: it has no window, no extensions and no profiles.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@contextlib.contextmanager
def browser():
    """Chromium, started for the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), timeout=1000 * LIMIT)
        try:
            yield started
        finally:
            started.close()


@contextlib.contextmanager
def opened(started, address, *, width=1024, scheme="light"):
    """The page, and what it did that a page of ours must not: requests beyond ``address``, errors, dialogs."""
    context = started.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(1000 * LIMIT)
    page = context.new_page()
    wrong = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda r: None if r.url.startswith(("data:", address)) else wrong.append(r.url))
    context.route(lambda url: not url.startswith(("data:", address)), lambda route: route.abort())
    try:
        page.goto(address)
        yield page, wrong
    finally:
        context.close()


def serious(page):
    """What axe calls a serious or critical violation: rule and where."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in found if v["impact"] in ("serious", "critical")]
