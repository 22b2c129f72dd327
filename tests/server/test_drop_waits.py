"""A drop that keeps values, and its rollback, say before they are asked for who waits and for about how long."""

import re

import psycopg
import pytest

from indexpilot_cli.core.codec import to_document
from indexpilot_cli.core.command import Silent
from indexpilot_cli.evolve.change import execute as evolve_execute
from indexpilot_cli.render.document import Facts
from indexpilot_cli.render.views import schema_change
from tests.server.evolving_change import prepare

TABLES = """
CREATE TABLE public.target (id int PRIMARY KEY); INSERT INTO public.target VALUES (1);
CREATE TABLE public.rows (id int PRIMARY KEY, "no Te" text NOT NULL, other int NOT NULL);
INSERT INTO public.rows SELECT g, 'note ' || g, 1 FROM generate_series(1, 60000) g;
ALTER TABLE public.rows ADD FOREIGN KEY (other) REFERENCES public.target;
CREATE INDEX rows_note ON public.rows ("no Te");
ANALYZE public.rows
"""
LARGE = {"small_bytes": 1 << 20}


@pytest.fixture
def ground(initialised):
    found = prepare(initialised)
    found.script(TABLES)
    return found


def told(document):
    """What stands behind "Who waits" in a text."""
    facts = [fact for block in document.blocks if isinstance(block, Facts) for fact in block.rows]
    return [text for label, text in facts if label == "Who waits"]


@pytest.mark.parametrize("column", ["no Te", "other"])
def test_a_large_table_is_told_of_before_anybody_is_asked(ground, column):
    asked = []

    def confirm(planned):
        asked.append(planned)
        return True

    planned = ground.preview("drop_column", "rows", column, save=True, force=True, **LARGE).result
    save, back = planned.change.waits
    assert (save.when, save.who, back.when, back.who) == ("change", "writers", "rollback", "readers and writers")
    assert 0 < save.low < save.high and 0 < back.low < back.high
    request = ground.request("drop_column", "rows", column, save=True, force=True, confirmed=False, **LARGE)
    done = evolve_execute.run(request, Silent(), confirm).result
    for document in (schema_change.view(planned), schema_change.question(asked[0])):
        first, second = told(document)
        assert re.match(r"writers, about [\d.]+ m?s to [\d.]+ m?s: .* copied under SHARE ROW EXCLUSIVE", first)
        assert re.match(r"in a rollback readers and writers, about .* under ACCESS EXCLUSIVE", second)
    shown = ground.rollback(f"M-{done.id}", execute=False, **LARGE).result
    (wait,) = shown.waits
    assert (wait.when, wait.who, shown.steps[0].span) == ("rollback", "readers and writers", "long, blocks reads")
    assert ("rows_note built again" in wait.during) == (column == "no Te")
    assert told(schema_change.undo_view(shown))[0].startswith("in a rollback readers and writers, about ")
    assert ground.rollback(f"M-{done.id}", **LARGE).result.outcome == "done"


def test_those_who_wait_are_those_that_are_named(ground):
    planned = ground.preview("drop_column", "rows", "no Te", save=True, force=True, **LARGE).result
    copying = planned.steps[0].statements[:-1]
    done = ground.change("drop_column", "rows", "no Te", save=True, force=True, **LARGE).result
    rest = ground.rollback(f"M-{done.id}", execute=False, **LARGE).result.undo.statements
    assert waiting(ground, rest[:1]) == ["read", "write"]
    assert ground.rollback(f"M-{done.id}", **LARGE).result.outcome == "done"
    assert waiting(ground, copying) == ["write"]


def waiting(ground, statements):
    """Who cannot do what while the statements stand in an open transaction."""
    found = []
    with psycopg.connect(ground.dsn) as working, psycopg.connect(ground.dsn, autocommit=True) as other:
        for text in statements:
            working.execute(text)
        other.execute("SET lock_timeout = 100")
        for name, text in (("read", "SELECT FROM public.rows"), ("write", "DELETE FROM public.rows WHERE id = 0")):
            try:
                other.execute(text)
            except psycopg.errors.LockNotAvailable:
                found.append(name)
        working.rollback()
    return found


def test_nobody_is_told_to_wait_where_it_takes_no_time(ground):
    small = ground.preview("drop_column", "rows", "other", save=True, force=True).result
    unsaved = ground.preview("drop_column", "rows", "other", force=True, **LARGE).result
    assert (small.change.waits, unsaved.change.waits) == ((), ())


def test_the_document_says_it_too(ground):
    planned = ground.preview("drop_column", "rows", "other", save=True, force=True, **LARGE).result
    document = to_document(planned, schema_change.SchemaChangeDocument)
    assert [(w["when"], w["who"]) for w in document["waits"]] == [
        ("change", "writers"),
        ("rollback", "readers and writers"),
    ]
    assert all(0 < w["seconds_low"] < w["seconds_high"] for w in document["waits"])
