"""``serve`` as a process: what it refuses to begin with, and how it ends."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.cli.process import PROGRAM, environment
from tests.waiting import LIMIT, eventually


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "a token is needed"),
        (["--allow-apply"], "--allow-apply needs a token"),
        (["--host", "192.0.2.1", "--token-file", "good"], "cannot listen"),
        (["--port", "70000"], "--port"),
        (["--token-file", "missing"], "cannot be read"),
        (["--token-file", "short"], "at least 16"),
        (["--token-file", "empty"], "at least 16"),
    ],
)
def test_s3_what_it_does_not_begin(cli, home, arguments, said):
    (home / "good").write_text("0123456789abcdef\n")
    (home / "short").write_text("secret\n")
    (home / "empty").write_text("")
    found = cli("serve", "-d", "host=/nowhere", *arguments)
    assert found.code == 2
    assert said in found.err
    assert "secret" not in found.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_without_a_database_and_ends_on_a_signal(home, number):
    line = [*PROGRAM, "serve", "-d", "host=/nowhere", "--port", "0", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, env=environment(home), cwd=home, text=True, **pipes) as one:
        url = re.search(r"http://\S+", one.stderr.readline())[0]
        try:
            with urllib.request.urlopen(f"{url}healthz") as answer:
                assert answer.status == 200
        finally:
            one.send_signal(number)
        out, err = one.communicate(timeout=LIMIT)
    assert one.returncode == 128 + number
    assert f'"stopped_by": "{signal.Signals(number).name}"' in out
    assert "Traceback" not in err


def test_a_signal_that_comes_as_soon_as_the_address_is_told_ends_it_in_order(home):
    """Before the loop runs: who reads the address may be quicker than the loop."""
    text = (
        "import signal\n"
        "from indexpilot_cli.cli.commands import serve\n"
        "serve.serving = lambda *_: signal.raise_signal(signal.SIGTERM)\n"
        "from indexpilot_cli.__main__ import main\n"
        "main()\n"
    )
    line = [sys.executable, "-c", text, "serve", "-d", "host=/nowhere", "--port", "0"]
    ran = subprocess.run(line, env=environment(home), cwd=home, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (143, "error: terminated\n")
    assert ran.stdout.startswith("served ")


def test_e5_who_served_a_database_stands_in_its_log(world):
    line = [*PROGRAM, "serve", "-d", world.dsn, "--port", "0", "--quiet"]
    with subprocess.Popen(line, env=environment(world.home), cwd=world.home) as one:
        eventually(lambda: events(world.dsn) == ["started"])
        one.send_signal(signal.SIGTERM)
    assert events(world.dsn) == ["started", "stopped"]


def events(dsn):
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT details_json ->> 'event' FROM indexpilot.mutation_log"
            " WHERE details_json ->> 'command' = 'serve' ORDER BY id"
        )
        return [row[0] for row in rows]


def test_the_demo_and_its_pages_in_one_command_leave_nothing(home):
    line = [*PROGRAM, "demo", "--serve", "--rows", "12000", "--port", "0", "--output", "demo.json"]
    with subprocess.Popen(line, env=environment(home), cwd=home, text=True, stderr=subprocess.PIPE) as one:
        told = next(found for said in one.stderr if (found := re.search(r"http://\S+", said)))
        with httpx.Client(base_url=told[0], timeout=LIMIT, trust_env=False, headers={"Accept": "text/html"}) as site:
            assert eventually(lambda: site.get("readyz").status_code == 200)
            pages = {path: site.get(path) for path in ("", "performance", "health", "decisions", "plans", "history")}
        one.send_signal(signal.SIGTERM)
        _, err = one.communicate(timeout=LIMIT)
    assert {page.status_code for page in pages.values()} == {200}
    assert one.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in err
    folder = Path(re.search(r"private socket in (/[^,]+),", (home / "demo.json").read_text())[1])
    assert not folder.exists(), "the server is gone with all it had"
