"""From a file to answers with a real clone in between: what a text hides, the clone sees."""

import pytest

from tests.server import probing
from tests.server.cloning import fresh, observe, open_clone
from tests.server.twinning import snapshot_of

HIDDEN = """
DO $$ DECLARE t text; BEGIN
    FOREACH t IN ARRAY ARRAY['children'] LOOP
        EXECUTE format('ALTER TABLE %I ALTER email SET NOT NULL', t);
    END LOOP;
END $$
"""
FUNCTION = """
CREATE FUNCTION tighten() RETURNS void LANGUAGE plpgsql AS $$
BEGIN ALTER TABLE children ADD CONSTRAINT positive CHECK (amount > 1); END $$
"""
KEY = "ALTER TABLE children ADD CONSTRAINT f FOREIGN KEY (parent_id) REFERENCES parents"
KEY_AGAIN = "parents DROP CONSTRAINT parents_code_key, ADD CONSTRAINT parents_code_key UNIQUE"
REPAIR = "UPDATE children SET email = 'x' WHERE email IS NULL"
COPY = "CREATE TABLE copied AS SELECT id, email FROM children"
LOOP = "FOR r IN SELECT * FROM children LOOP UPDATE children SET email = r.id; END LOOP; EXECUTE"
NAME = "parents DROP CONSTRAINT parents_name_check, ADD CONSTRAINT parents_name_check CHECK"
CASES = {
    "check of the same name": ([f"ALTER TABLE {NAME} (name <> 'n')"], 1),
    "the same check": ([f"ALTER TABLE {NAME} (name <> '')", "ALTER TABLE parents ALTER code SET NOT NULL"], 0),
    "key of the same name": ([f"ALTER TABLE {KEY_AGAIN} (name)"], 1),
    "values of the same type": (["ALTER TABLE parents ALTER name TYPE text USING ''"], 1),
    "type of a key": (["ALTER TABLE kept ALTER parent_id TYPE int USING parent_id + 100"], 1),
    "block": ([HIDDEN], 1),
    "function": ([FUNCTION, "SELECT tighten()"], 2),
    "copied": ([COPY, "ALTER TABLE copied ADD PRIMARY KEY (email)"], 2),
    "copied well": ([COPY, "ALTER TABLE copied ADD PRIMARY KEY (id)"], 0),
    "renamed": (["ALTER TABLE children RENAME email TO mail", "ALTER TABLE children ALTER mail SET NOT NULL"], 2),
    "attached": (["ALTER TABLE ranges ATTACH PARTITION incoming FOR VALUES FROM (100) TO (110)"], 1),
    "guard": (["DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM parents) THEN RAISE 'none'; END IF; END $$"], 0),
    "key": ([f"{KEY} NOT VALID", "ALTER TABLE children VALIDATE CONSTRAINT f"], 2),
    "repaired": ([REPAIR, "ALTER TABLE children ALTER email SET NOT NULL"], 0),
}  # fmt: skip


@pytest.fixture(scope="module")
def clone(dirty, twin_place):
    with open_clone(snapshot_of(dirty), cache_dir=twin_place) as opened:
        yield opened


@pytest.mark.parametrize("name", CASES)
def test_through_the_clone(dirty, clone, name):
    statements, expected = CASES[name]
    with fresh(clone):
        seen = observe(clone, *statements)
    found = probing.answers(dirty, probing.migration(*statements), seen)
    really = probing.truth(dirty, *statements)
    assert (really[0] if really else 0) == expected
    assert (probing.said(found) or 0) == expected and found


def test_hidden_changes_of_rows_leave_the_question_open(dirty, clone):
    text = HIDDEN.replace("EXECUTE", LOOP).replace("t text", "t text; r record")
    with fresh(clone):
        seen = observe(clone, text)
    found = probing.answers(dirty, probing.migration(text), seen)
    assert found and all(answer.found is None for answer in found)
