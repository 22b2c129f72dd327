"""Reviews on a part of a schema, and the statement that is at fault when a recorded query suffers."""

from dataclasses import replace

import pytest

from indexpilot_cli.core.command import Connection, Silent, WorkloadRequest
from indexpilot_cli.core.observation import RunState
from indexpilot_cli.core.workload import SourceKind
from indexpilot_cli.db.capabilities import installed, nearest
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.evolve.requests import CheckRequest
from indexpilot_cli.evolve.review import check, run
from indexpilot_cli.evolve.review.clone import reach
from indexpilot_cli.evolve.review.migration import read_migration

FILE = """
ALTER TABLE sales.events ADD COLUMN note text DEFAULT 'x';
CREATE INDEX ON sales.events (note);
ALTER TABLE sales.customers DROP COLUMN email CASCADE;
DROP TYPE sales.status CASCADE;
CREATE TABLE sales.orders_2025 PARTITION OF sales.orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
ALTER TABLE "Odd Schema"."child" ADD CHECK (extra > 0);
ALTER TABLE sales.no_such ADD COLUMN a int;
DROP FUNCTION sales.half(int);
"""


def rehearsed(snapshot, text):
    return run.rehearse(snapshot, [read_migration("m.sql", text)], "no workload", run.RehearsalOptions(), Silent())


def told(found):
    """What was seen, without the numbers that the server gave."""
    return [
        (s.state, s.error and s.error.message, s.locks, s.held, s.work, [(c.kind, c.object.path) for c in s.changes])
        for s in found.observations[0].statements
    ]


def test_a_part_shows_what_the_whole_schema_shows(twin_snapshot, twin_cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(twin_cache))
    whole = rehearsed(twin_snapshot, FILE)
    monkeypatch.setattr(reach, "SMALL", -1)
    monkeypatch.setattr(reach, "_MOST", 1)
    parts = []
    original = reach.SchemaReach.part
    monkeypatch.setattr(reach.SchemaReach, "part", lambda *given: parts.append(original(*given)) or parts[-1])
    assert told(rehearsed(twin_snapshot, FILE)) == told(whole)
    assert parts and len(parts[0].objects) < len(twin_snapshot.objects)


def test_what_is_missing_in_the_part_is_looked_for_in_the_whole(twin_snapshot, twin_cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(twin_cache))
    monkeypatch.setattr(reach, "SMALL", -1)
    nothing = replace(twin_snapshot, objects=tuple(o for o in twin_snapshot.objects if o.kind == "SCHEMA"))
    monkeypatch.setattr(reach.SchemaReach, "with_statements", lambda *_: nothing)
    monkeypatch.setattr(reach.SchemaReach, "left_out", lambda _, message: "events" in message)
    found = rehearsed(twin_snapshot, "ALTER TABLE sales.events ADD COLUMN note text")
    assert [s.error for s in found.observations[0].statements] == [None]


def test_a_version_without_binaries_is_reviewed_on_the_nearest(twin_snapshot, twin_cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(twin_cache))
    absent = next(major for major in range(14, 30) if major not in {b.major for b in installed()})
    there = nearest(absent).major
    other = replace(twin_snapshot, server=replace(twin_snapshot.server, version_num=absent * 10000))
    found = rehearsed(other, "ALTER TABLE sales.events ADD COLUMN note text;")
    assert [s.state for s in found.observations[0].statements] == [RunState.RAN]
    assert found.not_checked[0] == f"the clone is PostgreSQL {there}, the server is {absent}"
    assert found.not_checked[1] == f"no statement is known to do on PostgreSQL {absent} what it does not do on {there}"
    with pytest.raises(PrerequisiteError, match=f"no PostgreSQL {absent}"):
        run.rehearse(
            other, [read_migration("m.sql", "SELECT 1")], "none", run.RehearsalOptions(version=absent), Silent()
        )


@pytest.fixture
def shop(database, connection):
    connection.execute(
        """CREATE TABLE cu (id bigint PRIMARY KEY, email text);
           CREATE TABLE od (id bigint PRIMARY KEY, cu_id bigint, status text, note text);
           INSERT INTO od SELECT i, i, 'new', 'n' FROM generate_series(1, 50) i"""
    )
    return database


QUERIES = """SELECT id FROM od WHERE note = 'x';
SELECT id FROM od WHERE cu_id = 5;
INSERT INTO od (id, cu_id, status) VALUES (1000, 2, 'new');
SELECT * FROM cu WHERE id = 4;
UPDATE od SET status = 'lost' WHERE id = 4;
DELETE FROM od WHERE id = 5;
"""
CHANGES = """ALTER TABLE od ALTER note TYPE int USING length(note);
DO $$ BEGIN EXECUTE 'ALTER TABLE od ALTER cu_id TYPE text'; END $$;
BEGIN;
ALTER TABLE cu ADD extra int;
CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nothing_there(); RETURN NEW; END $$;
CREATE TRIGGER no BEFORE DELETE ON od FOR EACH ROW EXECUTE FUNCTION no();
COMMIT;
ALTER TABLE od ADD must int;
UPDATE od SET must = 1;
ALTER TABLE od ALTER must SET NOT NULL;
COMMENT ON TABLE od IS 'x';
CREATE INDEX od_x ON od (status);
"""
AT_FAULT = {"note": 1, "cu_id = ": 2, "FROM cu": 4, "DELETE": 6, "INSERT": 10}
ON_ROWS = "ALTER TABLE cu ADD a int; ALTER TABLE od ADD CHECK (status <> 'lost'); ALTER TABLE od ADD b int;"


@pytest.mark.parametrize(("text", "wanted"), [(CHANGES, AT_FAULT), (ON_ROWS, {"UPDATE": 2, "FROM cu": 1})])
def test_every_broken_query_names_its_own_statement(shop, twin_cache, monkeypatch, tmp_path, text, wanted):
    monkeypatch.setenv("XDG_CACHE_HOME", str(twin_cache))
    (tmp_path / "m.sql").write_text(text)
    (tmp_path / "w.sql").write_text(QUERIES)
    request = CheckRequest(
        files=(str(tmp_path / "m.sql"),),
        connection=Connection(shop),
        workload=WorkloadRequest(source=SourceKind.SQL, files=(str(tmp_path / "w.sql"),)),
    )
    seen = check.run(request, Silent()).result.templates
    assert {part: t.statement for t in seen for part in wanted if part in t.sql} == wanted, seen
    assert len(seen) == len(wanted)
