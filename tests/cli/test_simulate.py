"""``simulate`` as people type it: what is refused, how a run that shows nothing ends, and what a signal leaves."""

import signal
import subprocess
from contextlib import contextmanager

import psycopg
import pytest

from tests.cli.process import PROGRAM, environment, run
from tests.servers import new_database
from tests.waiting import LIMIT

TINY = ("--tenants", "2", "--contacts", "20", "--interactions", "50", "--queries", "10", "--rate", "200")
OURS = "SELECT datname FROM pg_database WHERE datname LIKE 'indexpilot\\_simulation\\_%'"


@pytest.fixture(scope="module")
def scratch(pg):
    """A database that says what it is for."""
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as server:
            server.execute(f"COMMENT ON DATABASE {server.info.dbname} IS 'SCRATCH'")
        yield dsn


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("-d", "shop"), 6, "add --scratch"),
        (("--scratch",), 2, "--scratch needs a database"),
        (("--tenants", "0"), 2, "--tenants is 0"),
        (("--rate", "nan"), 2, "--rate is nan"),
        (("--spikes", "1.5"), 2, "--spikes is 1.5"),
        (("--contacts", "1000000", "--tenants", "10000"), 2, "rows are too many"),
        (("--scenario", "huge"), 2, "huge"),
    ],
)
def test_what_cannot_be_simulated_is_refused_at_once(home, words, code, told):
    ran = run(home, "simulate", "compare", *words)
    assert ran.code == code, ran.err
    assert told in ran.err


def test_a_database_that_is_not_for_scratch_is_refused(home, pg):
    with new_database(pg) as dsn:
        ran = run(home, "simulate", "baseline", *TINY, "-d", dsn, "--scratch", "--json")
    assert ran.code == 6
    assert ran.json("error")["error"]["code"] == "not_scratch"


def test_runs_are_shown_kept_and_compared(home, scratch):
    ran = run(home, "simulate", "baseline", *TINY, "-d", scratch, "--scratch", "--json")
    first = ran.json("simulate")
    assert (ran.code, first["status"], first["result"]["passed"]) == (0, "ok", True), ran.err
    again = run(home, "simulate", "baseline", *TINY, "-d", scratch, "--scratch")
    assert "is sound" in again.out
    assert max(map(len, again.out.splitlines())) <= 100
    told = run(home, "simulate", "history", "--json").json("simulate_history")["result"]
    newest, oldest = told["simulations"]
    assert oldest["result"] == first["result"]
    assert newest["before"] == first["result"]["id"]
    assert newest["result"]["workload"] == first["result"]["workload"]
    digest = first["result"]["workload"]["digest"]
    assert run(home, "simulate", "history", "--workload", digest[:8], "--limit", "1").out.count(digest[:8]) == 1
    assert "no simulation is kept" in run(home, "simulate", "history", "--workload", "zz").out


def test_a_run_that_shows_nothing_ends_with_ten(home, scratch):
    off = {"INDEXPILOT_BYPASS_FEATURES_STATS_COLLECTION_ENABLED": "false"}
    ran = run(home, "simulate", "baseline", *TINY, "-d", scratch, "--scratch", "--no-keep", "--json", **off)
    document = ran.json("simulate")
    assert (ran.code, document["status"]) == (10, "failed"), ran.err
    failed = [check for check in document["result"]["checks"] if not check["passed"]]
    assert [check["text"] for check in failed] == ["query_stats has 0 rows of them"]
    assert run(home, "simulate", "history").out.count("S-") == 0


@contextmanager
def running(home, *words):
    arguments = [*PROGRAM, "simulate", "compare", *words, "--no-keep", "-v"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(arguments, cwd=home, env=environment(home), **streams) as process:
        yield process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_database(home, scratch, number, code):
    with running(home, *TINY, "--queries", "600", "--rate", "1", "-d", scratch, "--scratch") as process:
        next(line for line in process.stderr if line.startswith("running"))
        with psycopg.connect(scratch, autocommit=True) as server:
            theirs = server.execute(OURS).fetchall()
            assert len(theirs) >= 2  # the seeded one and the copy
            process.send_signal(number)
            assert process.wait(LIMIT) == code
            assert not set(theirs) & set(server.execute(OURS).fetchall())
