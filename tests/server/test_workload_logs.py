"""Logs that a real server wrote, in all its formats."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from indexpilot_cli.core.command import Connection, Silent, WorkloadRequest
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.db.capabilities import installed
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from indexpilot_cli.snapshot.source import SourceRequest, open_source
from indexpilot_cli.workload.collect import collect
from indexpilot_cli.workload.logs import LogSettings, read_log
from tests.servers import SETTINGS
from tests.waiting import eventually

pytestmark = pytest.mark.server

VALUE = "it's, $2 = 'x'\nnew \\ line"
TEXT = "SELECT * FROM t WHERE a = $1 AND b = $2 AND c IS NOT DISTINCT FROM $3"
LITERAL = "SELECT * FROM t\nWHERE a = 1\n  AND b = 'it''s; \"quoted\"'"


def traffic(dsn, explained):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int, b text, c int)")
        connection.execute(LITERAL)
        for number in range(3):
            connection.execute(TEXT.replace("$1", "%s").replace("$2", "%s").replace("$3", "%s::int"),
                               (number, VALUE, None), prepare=True)  # fmt: skip
        if explained:
            connection.execute("SET auto_explain.log_format = json")
            connection.execute("SELECT count(*) FROM t WHERE a > 5")
            connection.execute("SET auto_explain.log_min_duration = -1")
        connection.execute("SET log_min_duration_statement = -1; SET log_duration = on; SET log_statement = 'all'")
        connection.execute("SELECT max(a) FROM t WHERE b = %s", ("q",))
        connection.execute("SELECT min(a) FROM t WHERE b = 'z'")
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT nope FROM t")
    announced = "-c log_statement=all -c log_duration=on"
    cancelled = [(announced, "SELECT *, pg_sleep(90) FROM (VALUES (%s)) AS v (x)", (n,)) for n in range(2)]
    with ThreadPoolExecutor() as sessions:
        list(sessions.map(lambda one: cut_off(dsn, *one), [*cancelled, ("", "SELECT pg_sleep(80)", None)]))
    with psycopg.connect(dsn, autocommit=True, dbname="template1") as connection:
        connection.execute("SELECT 'elsewhere'")


def cut_off(dsn, logged, text, values):
    """A statement that a timeout ends; of its second the server needs next to nothing until it logs the values."""
    quiet = f"-c log_min_duration_statement=-1 {logged} -c statement_timeout=1000"
    with (
        psycopg.connect(dsn, autocommit=True, options=quiet) as connection,
        pytest.raises(psycopg.errors.QueryCanceled),
    ):
        connection.execute(text, values)


@pytest.fixture(scope="module")
def logs():
    """Paths of the logs of one server by format, with auto_explain where the server has it."""
    found = max((b for b in installed() if (b.directory / "postgres").exists()), key=lambda b: (b.major == 15, b.major))
    explained = any(found.directory.parent.rglob("auto_explain.so"))
    home = new_home()
    formats = "stderr,csvlog,jsonlog" if found.major >= 15 else "stderr,csvlog"
    settings = SETTINGS | {
        "logging_collector": "on",
        "log_destination": formats,
        "log_directory": str(home / "logs"),
        "log_filename": "pg.log",
        "log_min_duration_statement": "0",
        "log_line_prefix": "%m,[%p],%q%u@%d,",
        "log_timezone": "Asia/Kolkata",
    }
    if explained:
        settings |= {"shared_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0"}
    with LocalServer(found, home, settings) as server:
        traffic(server.dsn(), explained)
        paths = {
            name: home / "logs" / f"pg.{end}" for name, end in (("stderr", "log"), ("csv", "csv"), ("json", "json"))
        }
        # The collector writes at its own pace, what was said last as the last.
        written = [path for name, path in paths.items() if name in formats]
        eventually(lambda: all(path.exists() and "elsewhere" in path.read_text() for path in written))
        yield {"dsn": server.dsn(), **paths}


@pytest.mark.parametrize("format", ["stderr", "csv", "json"])
def test_c11_what_was_sent_is_what_is_read(logs, format):
    if not logs[format].exists():
        pytest.skip(f"the server writes no {format} log")
    found = read_log(logs[format], database="postgres")
    assert found.skipped == ()
    literal = [s for s in found.statements if s.text == LITERAL]
    assert [s.calls for s in literal] == [1]
    assert literal[0].total_ms > 0
    bound = [s for s in found.statements if s.text.startswith("SELECT * FROM t WHERE a = $1")]
    assert sorted(s.parameters for s in bound) == [(str(i), VALUE, None) for i in range(3)]
    assert all(s.calls == 1 and s.total_ms > 0 for s in bound)
    single = {s.text: s for s in found.statements if s.text.startswith(("SELECT max", "SELECT min", "SELECT count"))}
    assert single["SELECT max(a) FROM t WHERE b = $1"].parameters == ("q",)
    assert all(s.calls == 1 and s.total_ms > 0 for s in single.values())
    assert not any("elsewhere" in s.text for s in found.statements)


@pytest.mark.parametrize("format", ["stderr", "csv", "json"])
def test_what_a_timeout_cancelled_counts_with_its_time(logs, format):
    if not logs[format].exists():
        pytest.skip(f"the server writes no {format} log")
    found = read_log(logs[format], settings=LogSettings(limits={"statement": 7.0}))
    cancelled = {(s.text, s.parameters): s for s in found.statements if s.cancelled}
    bound = [key for key in cancelled if key[0].startswith("SELECT *, pg_sleep")]
    assert sorted(parameters for _, parameters in bound) == [("0",), ("1",)]
    # From the entry of the bind, which a slow server writes late: by then a part of the timeout is over.
    assert all(7.0 != cancelled[key].total_ms < 90_000 and cancelled[key].calls == 1 for key in bound)
    assert cancelled["SELECT pg_sleep(80)", ()].total_ms == 7.0
    assert not any("pg_sleep" in s.text for s in found.statements if not s.cancelled)


def test_formats_agree(logs):
    paths = {name: path for name, path in logs.items() if name != "dsn"}
    read = [read_log(path, format=name) for name, path in paths.items() if path.exists()]
    shown = [sorted((s.text, s.calls, s.total_ms, str(s.parameters)) for s in w.statements) for w in read]
    assert all(s == shown[0] for s in shown)
    assert any("elsewhere" in row[0] for row in shown[0])


@pytest.mark.parametrize("format", ["stderr", "csv", "json"])
def test_since_is_the_servers_clock(logs, format):
    """The server writes its times in IST, which is Israel's, Ireland's and India's: it is asked which it means."""
    if not logs[format].exists():
        pytest.skip(f"the server writes no {format} log")
    now = datetime.now(UTC)

    def asked(since):
        request = WorkloadRequest(SourceKind.LOG, (str(logs[format]),), since=since)
        with open_source(SourceRequest(Connection(logs["dsn"])), Silent()) as source:
            return collect(source, request)[0]

    found = asked(now - timedelta(minutes=10))
    assert found.statements and not any("times in" in note for note in found.notes)
    assert now - timedelta(minutes=10) < found.since <= found.until <= now + timedelta(minutes=1)
    assert asked(now + timedelta(minutes=10)).statements == ()
    assert "India" in read_log(logs[format]).notes[-1]
