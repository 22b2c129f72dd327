"""``analyze`` of files without any server: templates, shares and times, and what only a catalog knows is said."""

from pathlib import Path

import pytest

from indexpilot_cli.admin.analyze import AnalyzeRequest, run
from indexpilot_cli.core.command import Connection, Record, Silent, TableFilter, WorkloadRequest
from indexpilot_cli.errors import UnreachableError, UsageError
from indexpilot_cli.workload.logs import read_log
from indexpilot_cli.workload.templates import sketched

NOWHERE = Connection("host=/nowhere/at/all")
HEAD = "2026-11-29 01:00:01.000 UTC [100] app@{} "
LINES = [
    (
        "prod",
        'LOG:  duration: 52.5 ms  statement: SELECT * FROM wide w JOIN sales."Big, T" b ON b.id = w.b WHERE a = 32',
    ),
    ("prod", 'LOG:  duration: 0.5 ms  statement: SELECT * FROM wide w JOIN sales."Big, T" b ON b.id = w.b WHERE a = 7'),
    ("prod", "LOG:  duration: 30 ms  execute s: WITH q AS (SELECT 1) SELECT * FROM q, public.wide WHERE c = $1"),
    ("prod", "DETAIL:  parameters: $1 = 'x'"),
    ("prod", "LOG:  duration: 2 ms  statement: UPDATE wide SET a = 1 WHERE b = 2"),
    ("other", "LOG:  duration: 10 ms  statement: INSERT INTO t VALUES (1)"),
    ("prod", "LOG:  duration: 5 ms  statement: SELECT * FROM pg_class"),
]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "a server.log"
    path.write_text("".join(HEAD.format(database) + text + "\n" for database, text in LINES))
    return str(path)


def ask(*files, connection=NOWHERE, **more):
    return run(
        AnalyzeRequest(connection, workload=WorkloadRequest(files=files, **more.pop("workload", {})), **more), Silent()
    )


def test_templates_with_shares_times_and_tables(log):
    outcome = ask(log, record=Record("tester"))
    result = outcome.result
    assert [(t.kind, t.calls, t.total_ms, [str(r) for r in t.relations], t.reads) for t in result.templates] == [
        ("select", 2, 53.0, ["public.wide", 'sales."Big, T"'], None),
        ("select", 1, 30.0, ["public.wide"], None),
        ("insert", 1, 10.0, ["public.t"], None),
        ("update", 1, 2.0, ["public.wide"], None),
    ]
    assert [(s.reason, s.count) for s in result.skipped] == [("catalog_only", 1)]
    assert result.templates[0].share == pytest.approx(53 / 95)
    assert (outcome.status, outcome.exit_code, outcome.server) == ("ok", 0, None)
    assert outcome.next == (f"indexpilot recommend '{log}'",)
    first, second = outcome.warnings
    assert first.code == "no_catalog" and "how rows are found" in first.message
    assert "statements of 2 databases (prod, other)" in second.message


def test_one_database_and_one_table_of_the_log(log):
    of_other = ask(log, workload={"log_database": "other"})
    assert [t.kind for t in of_other.result.templates] == ["insert"]
    assert [t.kind for t in ask(log, filter=TableFilter(tables=("t",))).result.templates] == ["insert"]
    assert len(ask(log, filter=TableFilter(schemas=("sales",))).result.templates) == 1
    with pytest.raises(UsageError, match='no table "nowhere"'):
        ask(log, filter=TableFilter(tables=("nowhere",)))


def test_sql_files_and_nothing_to_read(tmp_path):
    path = tmp_path / "a.sql"
    path.write_text("SELECT 1;\nDELETE FROM x.y WHERE a = 1;\nSELEC;")
    outcome = ask(str(path))
    result = outcome.result
    assert outcome.next == (f"indexpilot recommend {path}",)
    assert [(t.kind, str(t.relations[0])) for t in result.templates] == [("delete", "x.y")]
    assert {s.reason for s in result.skipped} == {"no_table", "unparsed"}
    with pytest.raises(UsageError, match="cannot read"):
        ask(str(tmp_path / "none.log"))
    path.write_text("SELECT 1;\n")
    empty = ask(str(path))
    assert (empty.status, empty.result.templates, empty.next) == ("skipped", (), ())


def test_statements_of_the_server_need_it():
    with pytest.raises(UnreachableError):
        ask()


def test_without_a_connection_named_libpq_s_own_may_fail_as_it_likes(log, monkeypatch):
    monkeypatch.setenv("PGSERVICE", "no such service")
    assert len(ask(log, connection=Connection()).result.templates) == 4
    with pytest.raises(UnreachableError):
        ask(log, connection=Connection("service=nowhere"))


def test_the_tables_of_a_sketch(log):
    tables = sketched([read_log(Path(log))]).tables
    assert [str(t.name) for t in tables] == ["public.wide", 'sales."Big, T"', "public.t"]
