"""Recorded queries on an empty database: errors, result columns, triggers; and nothing stays."""

from __future__ import annotations

import pytest

from indexpilot_cli.core.workload import PlanMode, Plannable
from indexpilot_cli.db.replay import QueryRehearsal

SCHEMA = """
CREATE TYPE mood AS ENUM ('fine', 'bad');
CREATE TABLE parent (id int PRIMARY KEY, mood mood NOT NULL DEFAULT 'bad');
CREATE TABLE child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent_id int NOT NULL REFERENCES parent,
    name varchar(10) NOT NULL CHECK (name <> ''), tags text[] NOT NULL,
    twice int GENERATED ALWAYS AS (parent_id * 2) STORED);
CREATE TABLE log (said text);
CREATE FUNCTION speak() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO log (said) VALUES (NEW.name); RETURN NEW; END $$;
CREATE TRIGGER speaks AFTER UPDATE ON child FOR EACH ROW EXECUTE FUNCTION speak();
"""
INSERT = "INSERT INTO child (parent_id, name, tags) VALUES (1, 'a', '{}') RETURNING id, name"


@pytest.fixture
def prepared(connection, database):
    connection.execute(SCHEMA)
    return database


def play(dsn, *texts, rows=False, parameters=0):
    with QueryRehearsal(dsn, 5000) as rehearsal:
        if rows:
            rehearsal.put_rows()
        mode = PlanMode.GENERIC if parameters else PlanMode.LITERAL
        return rehearsal.play([Plannable(text, mode, parameters) for text in texts])


def test_columns_have_names_and_types_and_references_do_not_matter(prepared):
    answers = play(
        prepared, "SELECT * FROM parent", INSERT, "UPDATE parent SET mood = 'fine' WHERE id = $1", parameters=0
    )
    assert answers[0].columns == ("id integer", "mood mood")
    assert answers[1].columns == ("id integer", "name character varying")
    assert answers[1].error is None


def test_parameters_are_null(prepared):
    assert play(prepared, "SELECT name FROM child WHERE id = $1", parameters=1)[0].columns == (
        "name character varying",
    )


def test_errors_are_kept_and_the_next_statement_runs_on_the_same_state(prepared):
    gone, ok, empty = play(prepared, "SELECT nothing FROM parent", "SELECT id FROM parent", INSERT.replace("'a'", "''"))
    assert (gone.error.sqlstate, gone.error.position) == ("42703", 8)
    assert ok.error is None
    assert empty.error.sqlstate == "23514"


def test_a_trigger_that_is_broken_shows_only_with_a_row(connection, prepared):
    update = "UPDATE child SET parent_id = parent_id"
    assert play(prepared, update, rows=True)[0].error is None
    connection.execute("ALTER TABLE log RENAME COLUMN said TO words")
    assert play(prepared, update)[0].error is None
    assert play(prepared, update, rows=True)[0].error.sqlstate == "42703"


def test_nothing_stays(connection, prepared):
    play(prepared, INSERT, rows=True)
    assert connection.execute("SELECT count(*) FROM child").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM pg_constraint WHERE contype IN ('f', 'c')").fetchone()[0] >= 2
