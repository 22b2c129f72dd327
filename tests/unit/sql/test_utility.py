"""What is kept of an observed text: queries, and the kind of everything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.sql.utility import kept

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "shown", "reason"),
    [
        ("ALTER ROLE app PASSWORD 'hunter2'", "ALTER ROLE", "utility"),
        ("alter user app with encrypted password 'hunter2' valid", "ALTER USER", "utility"),
        ("/* a */ CREATE USER MAPPING FOR x SERVER y OPTIONS (password 'hunter2')", "CREATE USER MAPPING", "utility"),
        ("CREATE SUBSCRIPTION s CONNECTION 'password=hunter2' PUBLICATION p", "CREATE SUBSCRIPTION", "utility"),
        ("COMMENT ON TABLE t IS 'hunter2'", "COMMENT", "utility"),
        ("DO $x$ BEGIN PERFORM 'hunter2'; END $x$", "DO", "utility"),
        ("SET app.key = 'hunter2'", "SET", "utility"),
        ("CREATE OR REPLACE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''hunter2'''",
         "CREATE OR REPLACE FUNCTION", "utility"),
        ("CREATE VIEW v AS SELECT 'hunter2'", "CREATE VIEW", "utility"),
        ("EXPLAIN SELECT 'hunter2'", "EXPLAIN", "utility"),
        ("EXECUTE p('hunter2')", "EXECUTE", "utility"),
        ("CALL s.p('hunter2', 5, now())", "CALL s.p(NULL, 0, now())", "utility"),
        ("COPY t FROM PROGRAM 'curl -u u:hunter2'", "COPY", "utility"),
        ("ALTR ROLE app PASSWORD 'hunter2'", "unknown command", "unparsed"),
        ("SELECT 1; ALTER ROLE app PASSWORD 'hunter2'", "SELECT 1; ALTER ROLE", "unparsed"),
        ("SELECT 1; ALTER ROLE app 'hunter2'", "SELECT 1; ALTER ROLE", "unparsed"),
        ("COPY (SELECT id FROM t) TO PROGRAM 'x hunter2'", "SELECT id FROM t", ""),
        ("DECLARE c CURSOR FOR SELECT 1", "SELECT 1", ""),
        ("CREATE TABLE n AS SELECT 1", "SELECT 1", ""),
        ("COMMIT PREPARED 'hunter2'", "COMMIT PREPARED", "transaction"),
        ("hunter2", "unknown command", "unparsed"),
        ("(SELECT 1)", "(SELECT 1)", ""),
        ("SELECT ';'; ", "SELECT ';'; ", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_the_kind_alone_is_kept(text, shown, reason):
    found = kept(text)
    assert (found.text, found.reason) == (shown, reason)
    assert SECRET not in found.text and (SECRET not in found.detail or text == SECRET)
    again = kept(found.text)
    assert again.text == found.text or reason == "unparsed"


_WORDS = (
    "alter",
    "create",
    "role",
    "user",
    "on",
    "select",
    "do",
    "comment",
    "password",
    "with",
    "'hunter2'",
    "x",
    "$1",
)


@given(st.lists(st.sampled_from(_WORDS), min_size=1, max_size=6), st.sampled_from([" ", "\n", " /* */ ", ";"]))
def test_no_text_but_of_queries_survives(words, between):
    found = kept("alter " + between.join(words))
    assert SECRET not in found.text or "select" in words or "with" in words
