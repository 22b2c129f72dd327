"""The same few entries in every form a log comes in: each is read as the plain log is."""

import bz2
import csv
import gzip
import io
import json
import lzma
import shutil
import subprocess
import sys
from datetime import date

import pytest

from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.errors import UsageError
from indexpilot_cli.workload.collect import _is_log
from indexpilot_cli.workload.csvlog import COLUMNS
from indexpilot_cli.workload.logs import read_log

NOTE = 'it\'s\n\tthe \\ "note"; 1,000'
PLAN = "duration: 7 ms  plan:\nQuery Text: SELECT 1\nFROM wide\nSeq Scan on wide  (cost=0.00..1.00 rows=1)"
BOUND = "duration: 2.5 ms  execute S_1: SELECT * FROM wide WHERE b = $1"
VALUES = "parameters: $1 = '" + NOTE.replace("'", "''") + "'"
# (second, process, level, message, detail, statement)
ENTRIES = [
    (1, "71", "LOG", "duration: 50.1 ms  statement: SELECT *\nFROM wide\n\tWHERE a = 'x,\"y'", "", ""),
    (2, "72", "LOG", BOUND, VALUES, ""),
    (3, "71", "LOG", "checkpoint starting: time", "", ""),
    (4, "71", "ERROR", "canceling statement due to statement timeout", "", "SELECT c\nFROM wide"),
    (5, "72", "LOG", PLAN, "", ""),
]  # fmt: skip
READ = [
    ("SELECT *\nFROM wide\n\tWHERE a = 'x,\"y'", 1, 50.1, (), 0),
    ("SELECT * FROM wide WHERE b = $1", 1, 2.5, (NOTE,), 0),
    ("SELECT c\nFROM wide", 1, None, (), 1),
    ("SELECT 1\nFROM wide", 1, 7.0, (), 0),
]
READ.sort()


def shown(found):
    return sorted((s.text, s.calls, s.total_ms, s.parameters, s.cancelled) for s in found.statements)


def read(text, **options):
    return read_log(io.StringIO(text), **options)


def texts(prefix):
    """Entry by entry the lines of a plain log, as the server puts them together."""
    for second, pid, level, message, detail, statement in ENTRIES:
        head = prefix.format(s=second, pid=pid)
        parts = [(level, message), ("DETAIL", detail), ("STATEMENT", statement)]
        yield [head + f"{name}:  {text}".replace("\n", "\n\t") for name, text in parts if text]


def plain(prefix="2026-11-29 01:00:0{s}.250 UTC [{pid}] app@shop ", end="\n"):
    return "".join(f"{text}\n".replace("\n", end) for entry in texts(prefix) for text in entry)


def wrapped(wrap, prefix="2026-11-29 01:00:0{s}.250 UTC [{pid}] app@shop "):
    """One object for each line, as those make it that only see lines."""
    return "".join(json.dumps(wrap(line)) + "\n" for line in plain(prefix).splitlines())


def whole(wrap, prefix):
    """One object for each entry or part of it, lines and all."""
    return [wrap(text) for entry in texts(prefix) for text in entry]


def structured():
    for second, pid, level, message, detail, statement in ENTRIES:
        time = f"2026-11-29 01:00:0{second}.250 UTC"
        yield dict(zip(COLUMNS, [time, "app", "shop", pid, "", f"{pid}.x", "1", "SELECT", time, "", "0", level, "57014",
                                 message, detail, "", "", "", "", statement], strict=True))  # fmt: skip


def cloudnativepg():
    out = json.dumps({"level": "info", "ts": "2026-11-29T01:00:00Z", "msg": "Starting workload"}) + "\n"
    for record in structured():
        given = {k: v for k, v in record.items() if v} | {"logging_pod": "c-1"}
        out += json.dumps({"level": "info", "ts": "x", "logger": "postgres", "msg": "record", "record": given}) + "\n"
    return out


def jsonlog():
    names = {"log_time": "timestamp", "database_name": "dbname", "query": "statement", "sql_state_code": "state_code"}
    return [{names.get(k, k): v for k, v in record.items() if v} for record in structured()]


def azure():
    prefix = "2026-11-29 01:00:01 UTC-{session}-"
    for record in structured():
        inside = {"timestamp": record["log_time"], "processId": int(record["process_id"]), "sqlerrcode": "57014"}
        inside |= {"errorLevel": record["error_severity"], "detail": record["detail"], "statement": record["query"]}
        inside["message"] = (
            f"{prefix.format(session='65f.' + record['process_id'])}{record['error_severity']}:  {record['message']}"
        )
        yield {"time": "2026-11-29T01:00:01Z", "category": "PostgreSQLLogs", "properties": inside}


AZURE = "2026-11-29 01:00:0{s} UTC-65f.{pid}-"


def azure_parts():
    """Each line that begins with a level as a record of its own, as the server's text comes to the collector."""
    for number, entry in enumerate(texts(AZURE)):
        for text in entry:
            inside = {"timestamp": "2026-11-29 01:00:01.000 UTC", "processId": int(ENTRIES[number][1])}
            yield {"properties": inside | {"errorLevel": ENTRIES[number][2], "message": text}}


def azure_tables():
    for record in structured():
        inside = {"errorLevel_s": record["error_severity"], "processId_d": int(record["process_id"])}
        yield (
            inside
            | {"Message": record["message"], "detail_s": record["detail"], "statement_s": record["query"]}
            | {"timestamp_s": "2026-11-29 01:00:01.000 UTC"}
        )


def exported(columns=COLUMNS, header=True, **dialect):
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", **dialect)
    if header:
        writer.writeheader()
    writer.writerows(structured())
    return out.getvalue()


def syslog(octal=True, split=True, numbered=True):
    """What syslog makes of it: the pieces of the entries of two processes come mixed."""
    lines = []
    for number, entry in enumerate(texts("app@shop "), 1):
        pid = ENTRIES[number - 1][1]
        pieces = "\n".join(entry).split("\n")
        if not split:
            pieces = ["#012".join(pieces).replace("\t", "#011")]
        for piece, text in enumerate(pieces, 1):
            mark = f"[{number}-{piece}] " if numbered else ""
            text = text.replace("\t", "#011") if octal else text
            lines.append(f"Nov 29 01:00:0{number} db1 postgres[{pid}]: {mark}{text}")
    # The second entry's first piece comes before the last piece of the first.
    if split:
        lines[2], lines[3] = lines[3], lines[2]
    return "\n".join(lines) + "\n"


CLOUD_SQL = "2026-11-29 01:00:0{s}.250 UTC [{pid}]: [2-1] db=shop,user=app "
RDS = "2026-11-29 01:00:0{s} UTC:10.1.2.3(5{pid}):app@shop:[{pid}]:"
FORMS = {
    "docker": lambda: wrapped(lambda line: {"log": line + "\n", "stream": "stderr", "time": "2026-11-29T01:00:01Z"}),
    "docker of jsonlog": lambda: "".join(
        json.dumps({"log": json.dumps(o) + "\n", "stream": "stderr"}) + "\n" for o in jsonlog()
    ),
    "kubelet": lambda: "".join(f"2026-11-29T01:00:01.1Z stderr F {line}\n" for line in plain().splitlines()),
    "docker compose": lambda: "".join(f"db-1  | {line}\n" for line in plain().splitlines()),
    "docker compose in colours": lambda: "".join(f"\x1b[36mdb-1  |\x1b[0m {line}\n" for line in plain().splitlines()),
    "docker logs -t": lambda: "".join(f"2026-11-29T01:00:01.123456789Z {line}\n" for line in plain().splitlines()),
    "kubectl logs --prefix": lambda: "".join(f"[pod/pg-0/postgres] {line}\n" for line in plain().splitlines()),
    "kubelet of cloudnativepg": lambda: "".join(
        f"2026-11-29T01:00:01.1Z stdout F {line}\n" for line in cloudnativepg().splitlines()
    ),
    "kubectl": lambda: "".join(f"[pod/c-1/postgres] {line}\n" for line in cloudnativepg().splitlines()),
    "cloudnativepg": cloudnativepg,
    "jsonlog": lambda: "".join(json.dumps(o) + "\n" for o in jsonlog()),
    "jsonlog of jq": lambda: "\n".join(json.dumps(o, indent=2) for o in jsonlog()),
    "jsonlog in one line": lambda: "".join(json.dumps(o) for o in jsonlog()),
    "jsonlog as a list": lambda: json.dumps(list(jsonlog()), indent=4),
    "azure": lambda: "".join(json.dumps(o) + "\n" for o in azure()),
    "azure, a record for each part": lambda: "".join(json.dumps(o) + "\n" for o in azure_parts()),
    "azure, parts in one text": lambda: json.dumps(
        {
            "records": [
                {"properties": {"errorLevel": ENTRIES[number][2], "message": "\n".join(entry)}}
                for number, entry in enumerate(texts(AZURE))
            ]
        }
    ),
    "azure tables": lambda: "".join(json.dumps(o) + "\n" for o in azure_tables()),
    "azure event hub": lambda: json.dumps({"records": list(azure())}),
    "google": lambda: "".join(
        json.dumps(o) + "\n"
        for o in whole(lambda t: {"insertId": "s", "severity": "INFO", "textPayload": t}, CLOUD_SQL)
    ),
    "gcloud": lambda: json.dumps(
        whole(lambda t: {"insertId": "s", "resource": {"labels": {"a": "{"}}, "textPayload": t}, CLOUD_SQL), indent=2
    ),
    "google without tabs": lambda: "".join(
        json.dumps(o) + "\n" for o in whole(lambda t: {"textPayload": t}, CLOUD_SQL)
    ),
    "aws get-log-events": lambda: json.dumps(
        {
            "events": whole(lambda t: {"timestamp": 1795914001000, "message": t, "ingestionTime": 1}, RDS),
            "nextForwardToken": "f/1",
        },
        indent=4,
    ),
    "aws subscription": lambda: "".join(
        json.dumps({"messageType": "DATA_MESSAGE", "subscriptionFilters": ["x"], "logEvents": [o]})
        for o in whole(lambda t: {"id": "3", "timestamp": 1795914001000, "message": t}, RDS)
    ),
    "aws insights": lambda: json.dumps(
        {
            "results": whole(
                lambda t: [
                    {"field": "@timestamp", "value": "2026-11-29 01:00:01.000"},
                    {"field": "@message", "value": t},
                ],
                RDS,
            ),
            "status": "Complete",
        }
    ),
    "aws s3": lambda: "".join(f"2026-11-29T01:00:01.000Z {t}\n" for t in whole(str, RDS)),
    "aws download": lambda: json.dumps({"LogFileData": plain(RDS), "Marker": "1:2", "AdditionalDataPending": False}),
    "rds": lambda: plain(RDS),
    "journal": lambda: "".join(
        json.dumps({"_PID": "7", "__REALTIME_TIMESTAMP": "1795914001000000", "MESSAGE": t}) + "\n"
        for t in whole(str, "[{pid}] app@shop ")
    ),
    "loki": lambda: json.dumps(
        {
            "data": {
                "resultType": "streams",
                "result": [
                    {"stream": {"app": "x"}, "values": [["1795914001000000000", t] for t in whole(str, CLOUD_SQL)]}
                ],
            }
        }
    ),
    "elastic": lambda: json.dumps(
        {"hits": {"hits": [{"_source": {"event": {"original": t}}} for t in whole(str, CLOUD_SQL)]}}
    ),
    "syslog": syslog,
    "syslog with tabs": lambda: syslog(octal=False),
    "syslog, not split": lambda: syslog(split=False),
    "syslog without numbers": lambda: syslog(numbered=False),
    "syslog of 2009": lambda: "".join(
        f"<134>1 2026-11-29T01:00:01.1Z db1 postgres {ENTRIES[n][1]} - - [{n}-{m}] {t}\n"
        for n, e in enumerate(texts("app@shop "))
        for m, t in enumerate("\n".join(e).replace("\t", "#011").split("\n"), 1)
    ),
    "heroku": lambda: "".join(
        f"2026-11-29T01:00:01+00:00 app[postgres.{ENTRIES[n][1]}]: [GREEN] [{n}-{m}] {t}\n"
        for n, e in enumerate(texts(" sql_error_code = 00000 app@shop "))
        for m, t in enumerate("\n".join(e).split("\n"), 1)
    ),
    "csvlog": lambda: exported(header=False),
    "csv with a header": exported,
    "csv of other columns": lambda: exported(
        ["message", "log_time", "query", "detail", "database_name", "error_severity", "sql_state_code", "process_id"]
    ),
    "csv with semicolons": lambda: exported(delimiter=";", quoting=csv.QUOTE_ALL),
    "csv with tabs": lambda: exported(delimiter="\t"),
    "csv with other quotes": lambda: exported(quotechar="'"),
    "csv with backslashes": lambda: exported(doublequote=False, escapechar="\\"),
    "csv without a header, all quoted": lambda: exported(header=False, quoting=csv.QUOTE_ALL),
    "csv of two columns": lambda: (
        "@timestamp,@message\n"
        + "".join(
            f'2026-11-29 01:00:01.000,"{t}"\n'.replace('"y', '""y').replace('"note"', '""note""')
            for t in whole(str, RDS)
        )
    ),
    "carriage returns": lambda: plain(end="\r\n"),
    "blanks for tabs": lambda: plain().replace("\n\t", "\n        "),
}


YEARLESS = ("syslog", "syslog with tabs", "syslog, not split", "syslog without numbers")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_as_the_plain_log(form):
    found = read(FORMS[form]())
    assert (found.skipped, [n for n in found.notes if "without a zone" not in n]) == ((), [])
    assert shown(found) == READ
    # Syslog leaves out the year: it is the last one with that day in it, whenever the test runs.
    year = found.since.year if form in YEARLESS else 2026
    assert form in ("journal", "elastic") or found.since.date() == date(year, 11, 29)


def test_the_database_is_known_in_every_structured_form():
    for form in ("cloudnativepg", "jsonlog", "csvlog", "csv of other columns", "google", "rds", "heroku", "docker"):
        assert len(read(FORMS[form](), database="shop").statements) == 4, form
        assert read(FORMS[form](), database="other").statements == (), form


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_the_byte_order(tmp_path, encoding):
    path = tmp_path / "a.log"
    path.write_bytes(plain().encode(encoding))
    assert shown(read_log(path)) == READ


PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("how", [*PACK, "zst"])
@pytest.mark.parametrize("named", [True, False])
def test_packed_files_are_known_by_what_they_begin_with(tmp_path, how, named):
    if how == "zst" and shutil.which("zstd") is None:
        pytest.skip("no zstd on this machine")
    data = plain().encode()
    packed = (
        PACK[how](data)
        if how in PACK
        else subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout
    )
    path = tmp_path / (f"a.log.{how}" if named else "a.log")
    path.write_bytes(packed)
    assert shown(read_log(path)) == READ
    path.write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(UsageError, match="cannot read"):
        read_log(path)


def test_a_form_nobody_knows_is_one_error_that_names_what_was_expected():
    pooler = "2026-11-29 16:08:54.775 3392 LOG listening on 127.0.0.1:6432\n"
    for text in (pooler, "a;b;c\n1;2;3\n", '{"msg": "x"}\n', "\x7fELF\0\0\n", "<html><body>not found</body></html>"):
        with pytest.raises(UsageError, match="is no log that can be read") as raised:
            read(text)
        assert all(word in raised.value.hint for word in ("stderr", "csvlog", "jsonlog", "syslog", "JSON"))
    assert read("").statements == ()


@pytest.mark.parametrize(
    ("name", "text", "is_log"),
    [
        ("postgresql.log.2026-11-29-01", plain(RDS), True),
        ("PT1H.json", "", True),
        ("000000", plain(RDS), True),
        ("postgresql.csv.gz", "", True),
        ("queries.txt", "-- WARNING: slow\nSELECT 'LOG: x' FROM t;\n", False),
        ("queries", "SELECT '[{' FROM t", False),
        ("a.sql", plain(), False),
    ],
)
def test_what_is_a_log(tmp_path, name, text, is_log):
    path = tmp_path / name
    path.write_text(text)
    assert _is_log(path, None) is is_log
    assert _is_log(path, SourceKind.LOG) and not _is_log(path, SourceKind.SQL)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_is_looked_at_and_still_read_whole(monkeypatch, pack):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(pack(plain().encode())))))
    assert _is_log(sys.stdin, None)
    assert shown(read_log(sys.stdin)) == READ
    assert not sys.stdin.buffer.closed
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"SELECT 1;\nSELECT 2"))))
    assert not _is_log(sys.stdin, None)
    assert sys.stdin.read() == "SELECT 1;\nSELECT 2"


def test_pieces_of_docker_and_of_the_kubelet():
    long = "SELECT " + ", ".join(f"c{n}" for n in range(9000))
    line = f"2026-11-29 01:00:01.000 UTC [7] LOG:  duration: 1 ms  statement: {long}"
    pieces = [line[i : i + 16384] for i in range(0, len(line), 16384)]
    docker = "".join(json.dumps({"log": p}) + "\n" for p in [*pieces[:-1], pieces[-1] + "\n"])
    kubelet = (
        "".join(f"2026-11-29T01:00:01Z stderr P {p}\n" for p in pieces[:-1])
        + f"2026-11-29T01:00:01Z stderr F {pieces[-1]}\n"
    )
    assert [s.text for s in read(docker).statements] == [s.text for s in read(kubelet).statements] == [long]


def test_broken_lines_cost_themselves_only():
    lines = FORMS["jsonlog"]().splitlines()
    lines[2] = lines[2][:70]
    found = read("\n".join(lines))
    assert (shown(found), found.skipped[0].detail) == (READ, "1 broken lines in standard input")
    rows = exported(header=False).replace("\r", "").split("2026-11-29 01:00:03.250 UTC,app", 1)
    cut = read(rows[0] + '2026-11-29 01:00:03.250 UTC,app,shop,71,,"71.x\n2026-11-29 01:00:03.250 UTC,app' + rows[1])
    assert (shown(cut), cut.skipped[0].detail) == (READ, "1 broken lines in standard input")


@pytest.mark.parametrize(
    ("prefix", "database"),
    [
        ("%s [7]: user=app,db=my shop,app=psql,client=[local] ", "my shop"),
        ("%s [7] db=données-1 ", "données-1"),
        ("%s [7] bob@corp.com@shop ", "shop"),
        ("%s:user=app,db=Shop.2,app=x,client=10.1.1.1 pid=7 ", "Shop.2"),
        ("[%s] (7) shop/db=shop|x ", "shop"),
        ("%s app[7] db=[unknown],user=[unknown] ", None),
        ("%s 7123 app ", None),
        ("%s [7] app@shop", "shop"),  # nothing between the last name and the level
        ("%s;7;db=shop_2", "shop_2"),
    ],
)
def test_prefixes_and_names(prefix, database):
    line = prefix.replace("%s", "2026-11-29 01:00:01.000 UTC") + "LOG:  duration: 1 ms  statement: SELECT 1\n"
    assert len(read(line, database=database or "any").statements) == 1
    assert len(read(line, database="other").statements) == (database is None)


def test_statement_and_duration_of_sessions_known_by_a_bare_number():
    lines = [(81, "statement: SELECT 1"), (82, "statement: SELECT 2"), (81, "duration: 5 ms"), (82, "duration: 6 ms")]
    text = "".join(f"2026-11-29 01:00:01 UTC {pid} LOG:  {message}\n" for pid, message in lines)
    assert [(s.text, s.total_ms) for s in read(text).statements] == [("SELECT 1", 5.0), ("SELECT 2", 6.0)]


def test_parts_of_mixed_sessions_go_to_their_own_entries():
    head = "2026-11-29 01:00:01.000 UTC [%d] "
    lines = [(1, "LOG:  duration: 1 ms  execute a: SELECT $1"), (2, "LOG:  duration: 2 ms  execute a: SELECT $1, 2"),
             (1, "DETAIL:  parameters: $1 = 'one'"), (2, "DETAIL:  parameters: $1 = 'two'")]  # fmt: skip
    found = read("".join(head % pid + text + "\n" for pid, text in lines))
    assert [s.parameters for s in found.statements] == [("one",), ("two",)]


def test_an_execute_is_the_statement_that_was_prepared():
    prepared = "PREPARE p AS SELECT * FROM t WHERE a = $1"
    text = f"[7] LOG:  duration: 3 ms  statement: EXECUTE p(5)\n[7] DETAIL:  prepare: {prepared}\n"
    assert [(s.text, s.total_ms) for s in read(text).statements] == [(prepared, 3.0)]


# A statement whose literal holds what looks like the begin of another entry, in this form and in others.
SLOW = "duration: 9 ms  statement: SELECT 9"
FALSE_LINES = (
    f"2026-11-29 01:00:09.250 UTC [99] LOG:  {SLOW}",
    f"2026-11-29 01:00:09 UTC-65f.99-LOG:  {SLOW}",
    *(
        d.join(f"2026-11-29 01:00:09.250 UTC,app,shop,99,h,s,1,SELECT,x,v,0,LOG,00000,{SLOW}{',' * 12}".split(","))
        for d in ",;\t|"
    ),
)
FALSE = "SELECT * FROM wide WHERE a = '\n" + "\n".join(FALSE_LINES) + "\n'"
ROW = {
    "log_time": "2026-11-29 01:00:01.000 UTC",
    "user_name": "app",
    "database_name": "shop",
    "process_id": "71",
    "session_id": "71",
    "error_severity": "LOG",
    "sql_state_code": "00000",
    "message": f"duration: 5 ms  statement: {FALSE}",
}
SERVER = (*COLUMNS, "location", "application_name", "backend_type", "leader_pid", "query_id", "end")[:26]


def rows(header, **dialect):
    out = io.StringIO()
    writer = csv.DictWriter(out, SERVER, **dialect)
    if header:
        writer.writeheader()
    writer.writerows([ROW] * 3)
    return out.getvalue()


def objects(*names):
    kept = {"processId": 71, "errorLevel": "LOG", "timestamp": ROW["log_time"], "message": ROW["message"]}
    return "".join(json.dumps({"properties": {k: v for k, v in kept.items() if k in names}}) + "\n" for _ in range(3))


@pytest.mark.parametrize(
    "text",
    [rows(header, delimiter=d, quoting=q) for header in (True, False) for d in ",;\t|" for q in (0, 1)]
    + [objects("processId", "errorLevel", "timestamp", "message"), objects("errorLevel", "message")],
)
def test_a_false_line_in_a_literal_is_no_entry(text):
    found = read(text)
    assert (found.skipped, [(s.text, s.calls, s.total_ms) for s in found.statements]) == ((), [(FALSE, 3, 15.0)])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_row_cut_short_costs_itself_only_whatever_separates(delimiter):
    whole = rows(header=False, delimiter=delimiter)
    cut = whole[: whole.index("SELECT * FROM wide") + 10] + "\n"
    found = read(cut + whole)
    assert sum(s.calls for s in found.statements if s.text == FALSE) == 3
