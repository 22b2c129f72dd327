"""Statements that a timeout or somebody cancelled: in every form of a log, with what is known of their time."""

import csv
import io
import json

import pytest

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.workload.fold import fold
from indexpilot_cli.workload.logs import LogSettings, read_log
from tests.unit.workload.shop import CATALOG

SQL = "SELECT * FROM orders WHERE note = 'x'"
TIMEOUT = "canceling statement due to statement timeout"
BOTH = LogSettings(limits={"statement": 5000.0, "lock": 700.0})


def stderr(*entries):
    """(second, level, text) as a plain log."""
    return "".join(
        f"2026-11-29 01:00:{second:06.3f} UTC [7] app@shop {level}:  {text}\n" for second, level, text in entries
    )


def csvlog(second, level, message, statement="", context="", state="57014"):
    out = io.StringIO()
    time = f"2026-11-29 01:00:{second:06.3f} UTC"
    head = [time, "app", "shop", "7", "", "s1", "1", "SELECT", time, "", "0", level, state, message]
    csv.writer(out).writerow([*head, "", "", "", "", context, statement, "", "", "psql", "client backend", "", "0"])
    return out.getvalue()


def jsonlog(second, level, message, statement="", context="", state="57014"):
    time = f"2026-11-29 01:00:{second:06.3f} UTC"
    entry = {"timestamp": time, "dbname": "shop", "session_id": "s1", "error_severity": level, "message": message}
    return json.dumps(entry | {"state_code": state, "statement": statement, "context": context}) + "\n"


def shown(text, **options):
    found = read_log(io.StringIO(text), **options).statements
    return [(s.text, s.calls, s.total_ms, s.parameters, s.cancelled) for s in found]


FORMS = {
    "stderr": stderr((1, "ERROR", TIMEOUT), (1, "STATEMENT", SQL)),
    "csv": csvlog(1, "ERROR", TIMEOUT, SQL),
    "json": jsonlog(1, "ERROR", TIMEOUT, SQL),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_timeout_counts_with_the_least_timeout_configured(form):
    assert shown(FORMS[form], settings=BOTH) == [(SQL, 1, 5000.0, (), 1)]
    assert shown(FORMS[form]) == [(SQL, 1, None, (), 1)]


@pytest.mark.parametrize(
    ("message", "ms"),
    [
        ("canceling statement due to lock timeout", 700.0),
        ("canceling statement due to user request", None),
        ("canceling statement due to conflict with recovery", None),
        ("terminating connection due to administrator command", None),
        ('temporary file size exceeds "temp_file_limit" (1024kB)', None),
    ],
)
def test_other_ends_from_without_count_too(message, ms):
    text = stderr((1, "ERROR", message), (1, "CONTEXT", 'while updating tuple (0,1) in relation "orders"'))
    assert shown(text + stderr((1, "STATEMENT", SQL)), settings=BOTH) == [(SQL, 1, ms, (), 1)]
    assert shown(csvlog(1, "FATAL", message, SQL), settings=BOTH) == [(SQL, 1, ms, (), 1)]


def test_an_error_of_its_own_and_an_idle_session_count_not():
    assert shown(stderr((1, "ERROR", "division by zero"), (1, "STATEMENT", SQL))) == []
    assert shown(stderr((1, "FATAL", "terminating connection due to administrator command"))) == []
    assert shown(stderr((1, "ERROR", "canceling autovacuum task"), (1, "CONTEXT", "automatic vacuum of table"))) == []


def test_messages_of_another_language_by_their_code():
    assert shown(csvlog(1, "ERROR", "storniere Anfrage wegen Zeitüberschreitung der Anfrage", SQL)) == [
        (SQL, 1, None, (), 1)
    ]


def test_the_log_s_own_announcement_gives_the_time_and_is_no_second_call():
    announced = stderr((1.25, "LOG", f"statement: {SQL}"), (9.25, "ERROR", TIMEOUT), (9.25, "STATEMENT", SQL))
    assert shown(announced + stderr((9.5, "LOG", "statement: SELECT 2")), settings=BOTH) == [
        (SQL, 1, 7999.0, (), 1),
        ("SELECT 2", 1, None, (), 0),
    ]
    # Without fractions the two times may be nearly a second closer than they look.
    whole = announced.replace(".250", "")
    assert shown(whole)[0][2] == 7000.0
    hidden = stderr((1.25, "LOG", f"statement: {SQL}"), (9.25, "ERROR", TIMEOUT))
    assert shown(hidden) == [(SQL, 1, 7999.0, (), 1)]


def test_a_statement_with_an_error_of_its_own_does_not_wait_for_a_duration():
    text = stderr((1, "LOG", f"statement: {SQL}"), (1, "ERROR", "division by zero"), (1, "STATEMENT", SQL))
    assert shown(text + stderr((2, "LOG", "duration: 3 ms"))) == []


@pytest.mark.parametrize("who", ["unnamed portal", 'portal "C_1"', "extended query"])
def test_bound_statements_with_their_parameters(who):
    sql = "SELECT * FROM orders WHERE note = $1 AND id = $2"
    context = f"{who} with parameters: $1 = 'a''b\n\tc', $2 = NULL"
    text = stderr((1, "ERROR", TIMEOUT), (1, "CONTEXT", context), (1, "STATEMENT", sql))
    assert shown(text) == [(sql, 1, None, ("a'b\nc", None), 1)]
    bound = stderr(
        (1, "LOG", f"duration: 0.1 ms  bind <unnamed>: {sql}"), (1, "DETAIL", "Parameters: $1 = 'q', $2 = '3'")
    )
    ended = stderr((3.5, "ERROR", TIMEOUT), (3.5, "STATEMENT", sql))
    assert shown(bound + ended) == [(sql, 1, 2499.0, ("q", "3"), 1)]
    assert shown(jsonlog(1, "ERROR", TIMEOUT, sql, context.replace("\t", "")))[0][3] == ("a'b\nc", None)


def test_an_announcement_of_another_statement_gives_no_time():
    text = stderr((1, "LOG", "statement: SELECT 2"), (9, "ERROR", TIMEOUT), (9, "STATEMENT", SQL))
    assert (SQL, 1, None, (), 1) in shown(text)


def folded(text, catalog: Catalog = CATALOG):
    found = fold((read_log(io.StringIO(text), database="shop"),), catalog)
    return {t.text: (t.calls, t.total_ms, t.cancelled) for t in found.templates}, found.notes


def test_without_any_time_it_counts_as_long_as_the_longest_that_finished():
    other = "SELECT * FROM users WHERE id = 1"
    finished = stderr(
        (1, "LOG", f"duration: 40 ms  statement: {other}"), (1, "LOG", f"duration: 9 ms  statement: {SQL}")
    )
    ended = stderr((2, "ERROR", TIMEOUT), (2, "STATEMENT", SQL.replace("'x'", "'y'")))
    found, notes = folded(finished + ended)
    assert found["SELECT * FROM orders WHERE note = $1"] == (2, 18.0, 1)
    assert notes == (
        "1 cancelled statement has no time in the log; each counts as long as the longest of its kind that finished, "
        "or of any",
    )
    never = stderr((2, "ERROR", TIMEOUT), (2, "STATEMENT", "SELECT * FROM orders WHERE status = 'z'"))
    found, _ = folded(finished + never)
    assert found["SELECT * FROM orders WHERE status = $1"] == (1, 40.0, 1)
    alone, notes = folded(ended)
    assert (list(alone.values()), notes) == ([(1, None, 1)], ())
