"""Runs that version 0.1.0 (commit 47d3c51) began, gone on with and taken back today.

The rows are the real ones: each was read from the log after that version was killed, or had ended. Only oids differ.
"""

import base64
import hashlib
import json
import zlib
from pathlib import Path

import psycopg
import pytest

from indexpilot_cli.core.command import Silent
from indexpilot_cli.evolve.change import execute as evolve_execute
from tests.server.applying import outcomes, run_rollback
from tests.server.evolving_change import prepare, refuse

RECORDED = json.loads(Path(__file__).with_name("rows_of_47d3c51.json").read_text())
TABLE = """
CREATE TABLE public.items (id int PRIMARY KEY, v int NOT NULL CHECK (v > 0), note text, name varchar(20));
CREATE INDEX items_v ON public.items (v);
INSERT INTO public.items SELECT i, i, repeat('x', 150), 'n' || i FROM generate_series(1, 3000) i;
"""
SWAPPED = """
ALTER TABLE public.items RENAME COLUMN v TO v_indexpilot_old;
DROP INDEX public.items_v;
ALTER TABLE public.items DROP CONSTRAINT items_v_check, ALTER v_indexpilot_old DROP NOT NULL, ADD COLUMN v bigint;
UPDATE public.items SET v = v_indexpilot_old;
ALTER TABLE public.items ALTER v SET NOT NULL, ADD CONSTRAINT items_v_check CHECK (v > 0);
CREATE INDEX items_v ON public.items (v);
COMMENT ON COLUMN public.items.v_indexpilot_old IS 'indexpilot:1b7e8194-c7b3-4b16-8b0a-6d079d0d103d';
"""


@pytest.fixture
def items(database):
    ground = prepare(database)
    ground.script(TABLE)
    return ground


def repacked(text, old, new):
    """The packed value with another oid in it, in the alphabet it came in."""
    plain = base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4))
    value = json.loads(zlib.decompress(plain).decode().replace(f'"relid": {old}', f'"relid": {new}'))
    packed = base64.b64encode(zlib.compress(json.dumps(value).encode())).decode()
    return packed if text.endswith("=") or set(text) & {"+", "/"} else packed.translate(str.maketrans("+/", "-_", "="))


def left_behind(ground, scenario):
    """The rows of that run in the log; gives them as they were read."""
    recorded = RECORDED[scenario]
    (relid,) = ground.sql("SELECT 'public.items'::regclass::oid::int8")[0]
    for row in recorded["rows"]:
        details = dict(row["details_json"])
        for key in {"change", "before", "undo", "packed"} & set(details):
            if details.get("step") != "swap":  # there undo is a sentence
                details[key] = repacked(details[key], recorded["relid"], relid)
        values = row | {"details_json": details} | ({"relid": relid} if "relid" in row else {})
        names = ", ".join(values)
        ground.sql(
            f"INSERT INTO indexpilot.mutation_log ({names})"
            f" SELECT {names} FROM json_populate_record(NULL::indexpilot.mutation_log, %s)",
            json.dumps(values),
        )
    return recorded["rows"]


def half_added(ground):
    add, default, *_ = left_behind(ground, "add")[0]["definition_sql"].split(";\n")
    ground.script(f"{add}; {default}; UPDATE public.items SET tok = DEFAULT WHERE id <= 100")


def half_filled(ground):
    """Second column and trigger as the old version made them; they are called by the oid of the table."""
    follow = next(r for r in left_behind(ground, "online_filling") if r["details_json"].get("step") == "follow")
    (relid,) = ground.sql("SELECT 'public.items'::regclass::oid::int8")[0]
    new = hashlib.sha256(f"{relid}.2".encode()).hexdigest()[:10]
    for statement in follow["details_json"]["sql"]:
        ground.script(statement.replace("74e64ff1fc", new))
    ground.script("UPDATE public.items SET note = note WHERE id <= 100")


def shape(ground):
    return ground.columns("public.items"), ground.sql(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = 'public.items'::regclass AND indisvalid ORDER BY 1"
    )


def test_a_column_half_added_is_gone_on_with(items):
    half_added(items)
    before = items.sql("SELECT id, tok FROM public.items WHERE id <= 100 ORDER BY id")
    wanted = {"type": "uuid", "default": "gen_random_uuid()", "not_null": True, "unique": True}
    done = items.change("add_column", "items", "tok", **wanted)
    assert (done.exit_code, done.result.outcome, done.result.resumed) == (0, "done", True)
    assert [s.outcome for s in done.result.steps] == ["skipped", *["done"] * 6]
    assert items.sql("SELECT id, tok FROM public.items WHERE id <= 100 ORDER BY id") == before
    assert items.sql("SELECT count(DISTINCT tok) FROM public.items") == [(3000,)]
    with pytest.raises(psycopg.errors.NotNullViolation):
        items.script("UPDATE public.items SET tok = NULL WHERE id = 1")
    items.rollback(f"M-{done.result.id}")
    assert "tok" not in items.columns("public.items")


def test_a_column_half_added_is_taken_back(items):
    before = shape(items)
    half_added(items)
    assert items.rollback().result.outcome == "done" and shape(items) == before


def test_a_type_half_changed_is_gone_on_with_finished_and_its_values_kept(items):
    half_filled(items)
    done = items.change("alter_type", "items", "v", type="bigint")
    assert (done.exit_code, done.result.outcome, done.result.resumed) == (0, "done", True)
    assert items.columns("public.items") == {
        "id": "integer",
        "v_indexpilot_old": "integer",
        "note": "text",
        "name": "character varying(20)",
        "v": "bigint",
    }
    assert items.sql("SELECT count(*) FROM public.items WHERE v = id") == [(3000,)]
    assert done.result.op_id == RECORDED["online_filling"]["rows"][0]["op_id"]


def test_a_type_half_changed_is_taken_back(items):
    before = shape(items)
    half_filled(items)
    assert items.rollback().result.outcome == "done" and shape(items) == before
    assert items.sql("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.items'::regclass") == [(0,)]


def test_a_type_changed_before_is_swapped_back_with_what_was_written_since(items):
    before = shape(items)
    left_behind(items, "online_swapped")
    items.script(SWAPPED + "UPDATE public.items SET v = 9000 WHERE id = 9")
    assert items.rollback().result.outcome == "done" and shape(items) == before
    assert items.sql("SELECT v FROM public.items WHERE id IN (8, 9) ORDER BY id") == [(8,), (9000,)]


def test_a_type_changed_before_is_finished(items):
    left_behind(items, "online_swapped")
    items.script(SWAPPED)
    done = evolve_execute.finish_change(items.request("alter_type", "items", "v"), Silent(), refuse)
    assert (done.exit_code, done.result.outcome) == (0, "done")
    assert list(items.columns("public.items")) == ["id", "note", "name", "v"]


STATES = {
    "drop": "CREATE TABLE indexpilot.saved_items_v_c17138 AS SELECT id, v FROM public.items;"
    " ALTER TABLE public.items DROP COLUMN v",
    "type": "ALTER TABLE public.items ALTER COLUMN name TYPE varchar(90)",
    "rename": "ALTER TABLE public.items RENAME COLUMN name TO title",
}


@pytest.mark.parametrize("scenario", STATES)
def test_a_change_made_before_is_taken_back(items, scenario):
    columns, indexes = shape(items)
    left_behind(items, scenario)
    items.script(STATES[scenario])
    done = items.rollback()
    assert (done.exit_code, done.result.outcome) == (0, "done")
    assert shape(items) == (columns, indexes)
    assert items.sql("SELECT count(*) FROM public.items WHERE v = id AND name = 'n' || id") == [(3000,)]


def test_an_index_whose_build_outlived_its_run_is_known_and_taken_back(items):
    left_behind(items, "build_started")
    items.script("CREATE INDEX items_note_part_ip_idx ON public.items (note) WHERE note = 'x'")
    undone = run_rollback(items.dsn, last=True)
    assert [m.outcome for m in undone.result.reconciled] == ["done"]
    assert outcomes(undone) == ["done"] and undone.result.mutations[0].index == "items_note_part_ip_idx"
    assert items.sql("SELECT to_regclass('public.items_note_part_ip_idx')") == [(None,)]


def test_a_build_of_which_nothing_is_left_is_closed(items):
    left_behind(items, "build_started")
    found = run_rollback(items.dsn, "M-2")
    assert [m.outcome for m in found.result.reconciled] == ["failed"] and found.result.skipped == "nothing_to_undo"
