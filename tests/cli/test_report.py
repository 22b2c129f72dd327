"""Reports as files of their own: made by real commands about hostile names, opened by a real browser."""

import subprocess
import sys
from datetime import UTC, datetime

import psycopg.sql
import pytest

from indexpilot_cli.render import html
from tests.browser import browser, needs_browser, opened, serious
from tests.cli.process import environment
from tests.hostile import XSS
from tests.unit.render.samples import outcomes

A4 = 703  # pixels between the margins: 186 mm of 96 in an inch
CUT = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.unseen')
    && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
NAMES = [name for name in XSS if "\0" not in name and len(name.encode()) < 60][:20]


@pytest.fixture
def hostile(connection, database):
    """A database of tables and columns named by whom we would rather not have named them."""
    for name in NAMES:
        statement = "CREATE TABLE {0} (id int PRIMARY KEY, {0} int)"
        connection.execute(psycopg.sql.SQL(statement).format(psycopg.sql.Identifier(name)))
    return database


def test_without_the_extra_nothing_is_begun_and_the_line_that_installs_it_is_told(home):
    code = (
        "import indexpilot_cli.cli.session as session\n"
        "from indexpilot_cli.cli import app\n"
        "session.find_spec = lambda name: None\n"
        "app.run(['recommend', '-d', 'host=/nowhere', '--output', 'report.html'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(home), check=False, cwd=home
    )
    assert done.returncode == 5
    assert done.stderr.splitlines() == [
        "error: pages need the extra serve",
        "hint: pip install 'indexpilot-cli[serve]'",
    ]
    assert not (home / "report.html").exists()


def test_the_command_line_stands_in_the_report_without_its_secrets(cli, home):
    done = cli("explain", "L01", "--format", "html", INDEXPILOT_DSN="postgresql://u:geheim@h/d")
    assert done.code == 0
    assert done.out.startswith("<!DOCTYPE html>")
    assert "<code>indexpilot explain L01 --format html</code>" in done.out
    assert "geheim" not in done.out


@needs_browser
@pytest.mark.server
def test_reports_are_harmless_readable_and_whole_in_a_browser(cli, home, hostile):
    queries = (f'SELECT * FROM "{n.replace(chr(34), chr(34) * 2)}" WHERE id = 1;' for n in NAMES)
    (home / "w.sql").write_text("\n".join(queries))
    for command in ("discover", "analyze w.sql"):
        done = cli(*command.split(), "-d", hostile, "--output", f"{command[:7]}.html")
        assert done.code == 0, done.err
    first = {name: document for name, _, document in reversed(outcomes())}
    facts = html.PageFacts(datetime(2026, 11, 30, tzinfo=UTC), warnings=XSS, next=XSS)
    (home / "samples.html").write_text(html.page("samples", *map(html.fragment, first.values()), facts=facts))
    with browser() as started:
        for file in sorted(home.glob("*.html")):
            with opened(started, file.as_uri(), width=360, scheme="dark") as (page, wrong):
                assert page.evaluate("document.documentElement.scrollWidth") == 360
                assert serious(page) == []
                page.set_viewport_size({"width": 1920, "height": 900})
                page.emulate_media(color_scheme="light")
                assert page.evaluate("document.documentElement.scrollWidth") == 1920
                assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
                assert serious(page) == []
                page.set_viewport_size({"width": A4, "height": 900})
                page.emulate_media(media="print")
                assert page.evaluate(CUT) == []
                assert page.pdf(format="A4").startswith(b"%PDF")
                assert page.evaluate("window.pwned") is None
                assert wrong == []
