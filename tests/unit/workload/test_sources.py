import csv
import gzip
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.errors import UsageError
from indexpilot_cli.workload.clock import LogClock
from indexpilot_cli.workload.collect import read_sql, without_utilities
from indexpilot_cli.workload.executions import parse_parameters
from indexpilot_cli.workload.logs import _shape, read_log

VALUE = st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20))


def brief(workload):
    return [(s.text, s.calls, s.total_ms, s.parameters) for s in workload.statements]


def log(text, **options):
    return read_log(io.StringIO(text), **options)


@pytest.mark.parametrize(
    "prefix",
    [
        "2024-05-01 10:00:00.123 UTC [77] ",
        "2024-05-01 10:00:00.123 CEST [77-1] bob@shop ",
        "2024-05-01 10:00:00 +02:user=bob,db=shop,app=x,client=[local] pid=77 ",
        "1714557600.123 (77) ",
        "May  1 10:00:00 host postgres[77]: [3-1] ",
        "",
    ],
)
def test_stderr_prefixes(prefix):
    text = (
        f"{prefix}LOG:  duration: 1.500 ms  statement: SELECT *\n\tFROM t\n"
        f'{prefix}ERROR:  column "x" does not exist at character 8\n{prefix}STATEMENT:  SELECT x\n'
        f"{prefix}LOG:  duration: 0.5 ms  parse <unnamed>: SELECT $1\n"
        f"{prefix}LOG:  duration: 2 ms  execute S_1: SELECT $1\n{prefix}DETAIL:  parameters: $1 = 'a''b\n\tc'\n"
    )
    assert brief(log(text)) == [("SELECT *\nFROM t", 1, 1.5, ()), ("SELECT $1", 1, 2.0, ("a'b\nc",))]


def test_statement_and_duration_in_two_entries():
    text = (
        "2024-05-01 10:00:00 UTC [1] LOG:  statement: SELECT 1\n"
        "2024-05-01 10:00:00 UTC [2] LOG:  execute <unnamed>: SELECT 2\n"
        "2024-05-01 10:00:00 UTC [1] LOG:  duration: 5.0 ms\n"
        "2024-05-01 10:00:00 UTC [2] LOG:  duration: 7.0 ms\n"
        "2024-05-01 10:00:00 UTC [2] LOG:  duration: 9.0 ms\n"
        "2024-05-01 10:00:00 UTC [1] LOG:  statement: SELECT 3\n"
    )
    assert brief(log(text)) == [("SELECT 1", 1, 5.0, ()), ("SELECT 2", 1, 7.0, ()), ("SELECT 3", 1, None, ())]


def test_a_cursor_fetch_takes_time_but_is_no_call():
    text = (
        "x LOG:  duration: 1 ms  execute S_1/C_2: SELECT 1\n"
        "x LOG:  duration: 4 ms  execute fetch from S_1/C_2: SELECT 1\n"
    )
    assert brief(log(text)) == [("SELECT 1", 1, 5.0, ())]


def test_auto_explain_counts_once():
    plan = "\tSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n\t  Filter: (a = 1)\n"
    text = (
        f"[1] LOG:  duration: 1.0 ms  plan:\n\tQuery Text: SELECT 1\n\tFROM t\n{plan}"
        "[1] LOG:  duration: 1.2 ms  statement: SELECT 1\n\tFROM t\n"
        "[1] LOG:  duration: 2.0 ms  execute s: SELECT 2\n"
        f"[1] LOG:  duration: 1.9 ms  plan:\n\tQuery Text: SELECT 2\n{plan}"
        f"[2] LOG:  duration: 3.0 ms  plan:\n\tQuery Text: SELECT $1\n\tQuery Parameters: $1 = 'x'\n{plan}"
        '[3] LOG:  duration: 4.0 ms  plan:\n\t{\n\t  "Query Text": "SELECT 4",\n\t  "Plan": {}\n\t}\n'
    )
    assert sorted(brief(log(text))) == [
        ("SELECT $1", 1, 3.0, ("x",)),
        ("SELECT 1\nFROM t", 1, 1.2, ()),
        ("SELECT 2", 1, 2.0, ()),
        ("SELECT 4", 1, 4.0, ()),
    ]


def entry(message, database="shop", minute=0, session="s"):
    return {
        "timestamp": f"2024-05-01 10:{minute:02}:00.000 UTC",
        "dbname": database,
        "session_id": session,
        "error_severity": "LOG",
        "message": message,
    }


def test_json_filters_and_broken_lines():
    lines = [
        json.dumps(entry("duration: 1 ms  statement: SELECT 1")),
        '{"timestamp": "2024-05-01',
        json.dumps(entry("duration: 1 ms  statement: SELECT 2", database="other")),
        json.dumps(entry("duration: 1 ms  statement: SELECT 3", minute=30)),
        "",
    ]
    found = log("\n".join(lines), database="shop")
    assert [s.text for s in found.statements] == ["SELECT 1", "SELECT 3"]
    assert [(s.reason, s.detail) for s in found.skipped] == [("unparsed", "1 broken lines in standard input")]
    assert (found.since, found.until) == (
        datetime(2024, 5, 1, 10, tzinfo=UTC),
        datetime(2024, 5, 1, 10, 30, tzinfo=UTC),
    )
    late = log("\n".join(lines), since=datetime(2024, 5, 1, 10, 15, tzinfo=UTC))
    assert [s.text for s in late.statements] == ["SELECT 3"]


LINE = "2026-11-29 01:00:01.000 UTC [100] app@prod LOG:  duration: 52.300 ms  statement: select * from wide"


@pytest.mark.parametrize("number", [1, 2])
def test_a_log_of_another_database_says_whose_and_how_to_read_it(number):
    found = log("".join(f"{LINE} where a = {n};\n" for n in range(number)), database="staging")
    assert found.statements == ()
    many = "1 statement" if number == 1 else "2 statements"
    told = f"{many}, all of database prod (you are on staging); --log-database prod reads them"
    assert found.notes == (f"standard input: {told}",)
    assert len(log(LINE, database="prod").statements) == 1


def test_some_statements_of_other_databases_are_counted_too():
    text = f"{LINE}\n{LINE.replace('prod', 'staging')}\n{LINE.replace('prod', 'test')}\n{LINE}\n"
    found = log(text + LINE.replace("LOG:", "ERROR:") + "\n", database="staging")
    assert len(found.statements) == 1
    assert "3 statements of databases prod, test left out (you are on staging)" in found.notes[0]


PLAIN = "2026-11-29 01:00:01.000 UTC [100] LOG:  duration: 50.1 ms  statement: select * from wide where a = 5"
RECORD = {"log_time": "2026-11-29 01:00:01.000 UTC", "database_name": "app", "process_id": "600"}
RECORD |= {"error_severity": "LOG", "message": PLAIN.partition("LOG:  ")[2]}
AZURE = "2026-11-29 01:00:01 UTC-65f.1-LOG:  duration: 50.1 ms  statement: select * from wide where a = 5"
GOOGLE = "[600]: [2-1] db=app,user=x LOG:  duration: 50.1 ms  statement: select * from wide where a = 5"


@pytest.mark.parametrize(
    "wrapped",
    [
        {"level": "info", "ts": 1.0, "logger": "postgres", "msg": "record", "record": RECORD},
        {"log": PLAIN + "\n", "stream": "stderr", "time": "2026-11-29T01:00:01.1Z"},
        {"time": "2026-11-29T01:00:01Z", "category": "PostgreSQLLogs", "properties": {"message": AZURE}},
        {"insertId": "s", "severity": "INFO", "textPayload": GOOGLE, "timestamp": "2026-11-29T01:00:01.382318Z"},
        {"id": "3", "timestamp": 1795914001, "message": PLAIN},
    ],
    ids=["cloudnativepg", "docker", "azure", "google", "cloudwatch"],
)
def test_a_log_in_somebody_s_json(wrapped):
    found = log(json.dumps(wrapped) + "\n")
    assert brief(found) == [("select * from wide where a = 5", 1, 50.1, ())]
    assert ("timestamp" in wrapped and isinstance(wrapped["timestamp"], int)) or found.since.hour == 1
    assert found.skipped == ()


def test_wrapped_entries_of_several_lines():
    docker = [f"{PLAIN}\n", "\tand b = 6\n", "2026-11-29 01:00:02.000 UTC [100] LOG:  checkpoint starting: time\n"]
    assert brief(log("".join(json.dumps({"log": line}) + "\n" for line in docker))) == [
        ("select * from wide where a = 5\nand b = 6", 1, 50.1, ())
    ]
    cloud = log(json.dumps({"textPayload": f"{GOOGLE}\n  and b = 6"}))
    assert [s.text for s in cloud.statements] == ["select * from wide where a = 5\n  and b = 6"]
    kubernetes = f"2026-11-29T01:00:01.1Z stderr F {PLAIN}\n2026-11-29T01:00:01.1Z stderr F \tand b = 6\n"
    assert brief(log(kubernetes))[0][0].endswith("\nand b = 6")
    syslog = "Nov 29 01:00:01 host postgres[7]: [3-1] LOG:  duration: 1 ms  statement: select 1,\n"
    syslog += "Nov 29 01:00:01 host postgres[7]: [3-2] #011 2\nNov 29 01:00:01 host postgres[7]: [3-3] , 3\n"
    assert brief(log(syslog))[0][0] == "select 1,\n 2, 3"


def test_json_of_somebody_else_is_named():
    with pytest.raises(UsageError, match="standard input is no log that can be read") as raised:
        log('{"level": "info", "msg": "reconciling"}\n')
    assert "jsonlog" in raised.value.hint and "csvlog" in raised.value.hint


@pytest.mark.parametrize("form", ["json", "csv"])
def test_statements_of_our_own_sessions_are_set_aside(form):
    def line(application, text):
        message = f"duration: 5.0 ms  statement: {text}"
        if form == "json":
            facts = {"timestamp": "2026-01-01 10:00:00.000 UTC", "dbname": "shop", "error_severity": "LOG"}
            return json.dumps({**facts, "message": message, "application_name": application})
        row = ["2026-01-01 10:00:00.000 UTC", "u", "shop", "7", "", "s", "1", "", "", "", "0", "LOG", "0", message]
        out = io.StringIO()
        csv.writer(out).writerow([*row, *[""] * 8, application, "client backend"])
        return out.getvalue().strip()

    names = ("indexpilot", "indexpilot/5d0a", "shop", "indexpilot demo", "indexpiloted")
    found = log("\n".join(line(name, f"SELECT {n}") for n, name in enumerate(names)))
    assert [s.text for s in found.statements] == ["SELECT 2", "SELECT 3", "SELECT 4"]
    assert [(s.reason, s.text, s.calls) for s in found.skipped] == [("own", "", 2.0)]


def test_csv_with_lines_inside_fields():
    out = io.StringIO()
    writer = csv.writer(out)
    row = ["2024-05-01 10:00:00.000 UTC", "bob", "shop", "7", "", "s1", "1", "SELECT", "", "", "0", "LOG", "00000"]
    writer.writerow([*row, 'duration: 1.0 ms  execute a: SELECT\n$1, "x"', "Parameters: $1 = 'a, b'", *[""] * 8])
    writer.writerow(["cut", "short"])
    found = log(out.getvalue())
    assert brief(found) == [('SELECT\n$1, "x"', 1, 1.0, ("a, b",))]
    assert found.skipped[0].reason == "unparsed"


def test_memory_is_bounded_and_no_call_is_lost():
    text = "".join(f"[1] LOG:  duration: 1 ms  statement: SELECT * FROM t WHERE a = {i}\n" for i in range(500))
    text += "[1] LOG:  duration: 1 ms  statement: SELECT * FROM u\n"
    found = log(text, limit=10)
    assert len(found.statements) == 11
    assert sum(s.calls for s in found.statements) == 501
    assert any("differs in constants only" in n for n in found.notes)


def test_texts_of_too_many_shapes_are_counted_and_not_kept():
    text = "".join(f"[1] LOG:  duration: 1 ms  statement: SELECT * FROM t WHERE a{i} = 1\n" for i in range(100))
    found = log(text, limit=10)
    assert len(found.statements) == 50
    assert [(s.reason, s.calls, s.total_ms) for s in found.skipped] == [("compressed", 50, 50.0)]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("SELECT * FROM t WHERE a IN (1, 2) AND b = 'x'", "SELECT * FROM t WHERE a IN (1) AND b = 'it''s'", True),
        ("SELECT * FROM orders_17 WHERE a = 5", "SELECT * FROM orders_18 WHERE a = 5", False),
        ("SELECT 1 -- it's\nFROM t WHERE a = 'x'", "SELECT 1 -- it's\nFROM u WHERE a = 'x'", False),
        ("SELECT $$a'b$$ FROM t WHERE a = 'x'", "SELECT $$a'b$$ FROM u WHERE a = 'x'", False),
    ],
)
def test_what_differs_in_constants_only(one, other, alike):
    assert (_shape(one) == _shape(other)) is alike


def test_files_packed_missing_and_of_unknown_format(tmp_path):
    packed = tmp_path / "postgresql.log.gz"
    packed.write_bytes(gzip.compress(b"x LOG:  duration: 1 ms  statement: SELECT '\xff'\n"))
    assert len(read_log(packed).statements) == 1
    with pytest.raises(UsageError, match="cannot read"):
        read_log(tmp_path / "missing.log")
    with pytest.raises(UsageError, match="cannot read"):
        (tmp_path / "broken.gz").write_bytes(gzip.compress(b"x LOG:  duration: 1 ms  statement: SELECT 1\n" * 99)[:-20])
        read_log(tmp_path / "broken.gz")
    with pytest.raises(UsageError, match="unknown log format"):
        log("", format="xml")


def test_statements_sent_together_share_the_time_evenly():
    text = "BEGIN; SELECT 1 FROM t; UPDATE t SET a = ';'; COMMIT"
    sent = log(f"2024-05-01 10:00:00 UTC [1] LOG:  duration: 8.0 ms  statement: {text}\n")
    found = without_utilities(sent)
    assert brief(found) == [("SELECT 1 FROM t", 1, 4.0, ()), ("UPDATE t SET a = ';'", 1, 4.0, ())]
    assert [(s.reason, s.text, s.total_ms) for s in found.skipped] == [
        ("transaction", "BEGIN", 0.0),
        ("transaction", "COMMIT", 0.0),
    ]


def test_a_log_without_statements_says_what_to_set():
    found = log("2024-05-01 10:00:00 UTC [1] LOG:  database system is ready\n")
    assert found.statements == ()
    assert "log_min_duration_statement" in found.notes[0]
    assert log("").statements == ()


@given(st.lists(VALUE, min_size=1, max_size=5))
def test_parameters_round_trip(values):
    shown = ["NULL" if v is None else "'" + v.replace("'", "''") + "'" for v in values]
    detail = "parameters: " + ", ".join(f"${i} = {v}" for i, v in enumerate(shown, 1))
    cut = any(v is not None and v.endswith("...") for v in values)
    assert parse_parameters(detail) == (() if cut else tuple(values))


@pytest.mark.parametrize(
    "detail", ["", "prepare: PREPARE x AS SELECT 1", "parameters: $1 = 'abc...'", "parameters: $2 = '1'"]
)
def test_no_parameters(detail):
    assert parse_parameters(detail) == ()


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2024-05-01 10:00:00 UTC", 10), ("2024-05-01 10:00:00.5 +02", 8), ("2024-05-01T10:00:00-03:30", 13)],
)
def test_times_are_utc(text, hour):
    assert LogClock().time(text).hour == hour


def test_sql_text_with_notes():
    text = (
        "-- freq: 10\nSELECT 1 FROM t; -- ms: 2\n\\set x 1\n/* b */ SELECT 'a;b';\n"
        "COPY t FROM stdin;\n1;2\n\\.\nSELECT 4 -- freq: 2 ms\n;\nSELEC x"
    )
    found = read_sql(text=text)
    assert found.source is SourceKind.SQL
    assert [(s.text, s.calls, s.total_ms, s.origin) for s in found.statements] == [
        ("SELECT 1 FROM t", 10, 20.0, "standard input:2"),
        ("SELECT 'a;b'", 1, None, "standard input:4"),
        ("COPY t FROM stdin", 1, None, "standard input:5"),
        ("SELECT 4 -- freq: 2 ms", 2, None, "standard input:8"),
        ("SELEC x", 1, None, "standard input:10"),
    ]


def test_sql_files_and_directories(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.sql").write_text("SELECT 2;")
    (tmp_path / "deep" / "a.sql").write_bytes("\ufeffSELECT 'ü'".encode())
    (tmp_path / "notes.txt").write_text("SELECT 3")
    assert [s.text for s in read_sql((tmp_path,)).statements] == ["SELECT 2", "SELECT 'ü'"]
    with pytest.raises(UsageError, match="cannot read"):
        read_sql((tmp_path / "none.sql",))
    with pytest.raises(UsageError, match=r"no \.sql files"):
        read_sql((tmp_path / "deep" / "..", _empty(tmp_path)))


def _empty(path):
    (path / "empty").mkdir()
    return path / "empty"
