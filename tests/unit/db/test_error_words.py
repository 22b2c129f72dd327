"""What a failure is called, from its SQLSTATE or from libpq's words."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.db.catalog import options_of, without_parentheses
from indexpilot_cli.db.conninfo import secrets_of
from indexpilot_cli.db.errors import MASK, clean, connect_error, sqlstate, statement_error
from indexpilot_cli.errors import PrerequisiteError, RefusedError, UnreachableError

WORDS = {
    'connection to server at "h" failed: FATAL:  password authentication failed for user "u"': "authentication_failed",
    'FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption': "authentication_failed",
    "fe_sendauth: no password supplied": "authentication_failed",
    'FATAL:  database "d" does not exist': "database_missing",
    'could not translate host name "h" to address: Name or service not known': "host_unknown",
    "[Errno -2] Name or service not known": "host_unknown",
    "connection timeout expired": "timeout",
    "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?": "connection_refused",
    "FATAL:  sorry, too many clients already": "too_many_connections",
    "FATAL:  remaining connection slots are reserved": "too_many_connections",
    "FATAL:  the database system is starting up": "not_ready",
    "server does not support SSL, but SSL was required": "tls_failed",
    'root certificate file "x" does not exist': "tls_failed",
    'definition of service "x" not found': "service_missing",
    "server closed the connection unexpectedly": "connection_lost",
    "something nobody has seen": "unreachable",
}


@pytest.mark.parametrize(("text", "code"), WORDS.items())
def test_connecting(text, code):
    error = connect_error(psycopg.OperationalError(text))
    assert isinstance(error, UnreachableError) and error.code == code and error.hint
    assert "\n" not in error.detail and error.__cause__ is None


STATES = {
    "42501": (PrerequisiteError, "privilege_missing"),
    "57014": (UnreachableError, "timeout"),
    "57P01": (UnreachableError, "connection_lost"),
    "55P03": (RefusedError, "lock_timeout"),
    "25006": (RefusedError, "read_only"),
    "53100": (PrerequisiteError, "out_of_resource"),
}


@pytest.mark.parametrize(("state", "expected"), STATES.items())
def test_statements(state, expected):
    cause = psycopg.errors.lookup(state)("words")
    error = statement_error(cause)
    assert (type(error), error.code) == expected
    error.__cause__ = cause
    assert sqlstate(error) == state and sqlstate(None) is None


@given(st.text("abc%'\\", min_size=1), st.text("012 \n\t"), st.text("012 \n\t"))
def test_no_secret_survives(secret, before, after):
    line = clean(f"{before}{secret}{after}{secret}", (secret,))
    assert secret not in line and MASK in line and "\n" not in line


def test_secrets_come_from_everywhere(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "from env")
    assert set(secrets_of("postgresql://u:in%20dsn@h/d", "given")) == {"in dsn", "given", "from env"}
    assert secrets_of("not = readable = at all", "given") == ("from env", "given")


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("(a = 1)", "a = 1"),
        ("((a + 1))", "a + 1"),
        ("(a) AND (b)", "(a) AND (b)"),
        ("((a) AND (b))", "(a) AND (b)"),
        ("(a = ')')", "a = ')'"),
        ("(a = '(') AND (b = ')')", "(a = '(') AND (b = ')')"),
        ('("o)dd" > 1)', '"o)dd" > 1'),
        ("lower(a)", "lower(a)"),
        ("(a = 'it''s)')", "a = 'it''s)'"),
        ("", ""),
    ],
)
def test_outer_parentheses(text, bare):
    assert without_parentheses(text) == bare


def test_storage_parameters():
    assert options_of(["fillfactor=70", "fastupdate=off", "x=a=b"]) == (
        ("fillfactor", "70"),
        ("fastupdate", "off"),
        ("x", "a=b"),
    )
    assert options_of(None) == ()
