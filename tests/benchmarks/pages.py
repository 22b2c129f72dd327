"""The dashboard in a real browser: pictures of every page in every state, width and colour, and how soon they are seen.

    python -m tests.benchmarks.pages --server DSN --pictures DIRECTORY [--tables 900]

Of each page: bytes, and the time to the first paint as a multiple of that of a page of one word from another server on
this machine, the median of seven loads each in turn. Targets: 1.5 MB, 3 times. States: ten thousand indexes with
a plan, an empty database, and none that answers.
"""

import argparse
import contextlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.admin.init import run as init
from indexpilot_cli.core.command import Connection, Silent, WorkloadRequest
from indexpilot_cli.db.session import open_session
from indexpilot_cli.log import plans
from tests.benchmarks.lifecycle_scale import make, statements
from tests.browsing import Watched, chromium
from tests.serving import NOWHERE, serving
from tests.unit.render.samples import PLAN

PATHS = ("/", "/performance", "/health", "/decisions", "/plans", f"/plans/{PLAN.id}", "/migrations", "/history")
WIDTHS = (360, 1024, 1920)
SCHEMES = ("light", "dark")
LOADS = 7
PAINT = """() => new Promise((done) => {
    const seen = () => performance.getEntriesByName('first-contentful-paint')[0];
    const look = () => seen() ? done(seen().startTime) : setTimeout(look, 5);
    look();
})"""


class BarePage(BaseHTTPRequestHandler):
    """A page of one word."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        text = b"<!DOCTYPE html><title>bare</title><p>word"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Nothing is told."""


@contextlib.contextmanager
def bare_site():
    with ThreadingHTTPServer(("127.0.0.1", 0), BarePage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def database(server, name):
    """The DSN of a new database of the server, which is dropped afterwards."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextlib.contextmanager
def states(server, tables):
    """The request of each state, by its name."""
    with database(server, "pages_many") as many, database(server, "pages_none") as none:
        # Before our schema is there: it is where a role of the same name makes its tables.
        print(f"{make(many, tables):,} indexes", flush=True)
        init(InitRequest(Connection(many)), Silent())
        with open_session(many, read_only=False) as session:
            plans.store(session, replace(PLAN, database=""))
        queries = WorkloadRequest(queries=tuple(statements(60, tables)))
        yield {
            "data": {"connection": Connection(many), "workload": queries},
            "empty": {"connection": Connection(none)},
            "away": {"connection": NOWHERE},
        }


def paints(watched, address):
    watched.page.goto(address)
    return watched.page.evaluate(PAINT)


def measure(browser, state, url, bare, pictures):
    watched = Watched(browser, url)
    plain = Watched(browser, bare)
    plain.context.unroute_all()
    for path in PATHS:
        watched.go(path)
        watched.settle(300_000)
        watched.go(path)
        size = watched.transferred
        watched.context.unroute_all()  # which would time the tests' own look at each request
        times, others = [], []
        for _ in range(LOADS):
            times.append(paints(watched, url + path))
            others.append(paints(plain, bare))
        name = path.strip("/").replace("/", "-") or "overview"
        ratio = median(times) / median(others)
        print(f"{state:10} {path:16} {size / 1000:7.0f} kB  {median(times):6.0f} ms  {ratio:4.1f} x", flush=True)
        for scheme in SCHEMES:
            watched.page.emulate_media(color_scheme=scheme)
            for width in WIDTHS:
                watched.page.set_viewport_size({"width": width, "height": 900})
                watched.page.screenshot(path=pictures / f"{state}-{name}-{width}-{scheme}.png", full_page=width < 1920)
    for fault in watched.faults:
        print(f"{state}: {fault}")
    watched.close()
    plain.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="", help="conninfo of a superuser of a server to make databases on")
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--tables", type=int, default=900, help="of ten indexes each")
    asked = parser.parse_args()
    asked.pictures.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, bare_site() as bare, states(asked.server, asked.tables) as requests:
        for state, request in requests.items():
            with serving(**request) as url:
                measure(browser, state, url, bare, asked.pictures)


if __name__ == "__main__":
    main()
