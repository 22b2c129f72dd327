"""A fixed file, run on a loaded table, leaves the schema and the rows that the file itself leaves."""

import psycopg
import pytest

from tests.benchmarks import migrations_fix as fixing
from tests.servers import new_database

SCHEMA = """
CREATE TABLE cu (id int PRIMARY KEY, email text);
CREATE TABLE od (id int PRIMARY KEY, cu_id int, status text, note text);
CREATE TABLE "Odd ""Table" ("ip page" int, "Per Cent" int);
CREATE TABLE logged (id int, changed int DEFAULT 0);
CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed := 1; RETURN NEW; END $$;
CREATE TRIGGER counted BEFORE UPDATE ON logged FOR EACH ROW EXECUTE FUNCTION count_up();
CREATE TABLE ev (id int, at int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM (0) TO (500);
CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM (500) TO (2000) PARTITION BY RANGE (id);
CREATE TABLE "ev 2a" PARTITION OF ev_2 DEFAULT;
CREATE TABLE pt (at int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE pt_1 PARTITION OF pt FOR VALUES FROM (0) TO (500);
CREATE TABLE pt_2 (at int NOT NULL CHECK (at >= 500 AND at < 900));
ALTER TABLE pt ATTACH PARTITION pt_2 FOR VALUES FROM (500) TO (900);
CREATE TABLE parent (id int);
CREATE TABLE child () INHERITS (parent);
CREATE SEQUENCE numbers;
CREATE FUNCTION seldom(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN nullif(n, 7); END $$;
INSERT INTO cu SELECT n, 'e' || n FROM generate_series(1, 900) n;
INSERT INTO od SELECT n, n, 'new', 'x' FROM generate_series(1, 900) n;
INSERT INTO "Odd ""Table" SELECT n, n FROM generate_series(1, 900) n;
INSERT INTO logged SELECT n FROM generate_series(1, 900) n;
INSERT INTO ev SELECT n, n FROM generate_series(1, 900) n;
INSERT INTO pt SELECT n FROM generate_series(1, 890) n;
INSERT INTO parent SELECT n FROM generate_series(1, 900) n;
INSERT INTO child SELECT n FROM generate_series(1, 900) n;
ANALYZE;
"""
SHEET = """
ALTER TABLE cu ADD COLUMN tok uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE cu ADD COLUMN nr int DEFAULT nextval('numbers') CHECK (nr > 0), ADD COLUMN plain int NOT NULL DEFAULT 5;
ALTER TABLE od ADD COLUMN seldom int DEFAULT seldom(7);
ALTER TABLE od ADD COLUMN nr serial, ADD COLUMN id2 bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE od ADD CHECK (status <> note), ADD CHECK (cu_id > 0), ADD FOREIGN KEY (cu_id) REFERENCES cu;
ALTER TABLE od ALTER COLUMN status SET NOT NULL, ADD UNIQUE (cu_id);
CREATE INDEX od_note ON od (note);
ALTER TABLE "Odd ""Table" ADD COLUMN "New ""Col" float NOT NULL DEFAULT random() CONSTRAINT "Is ""Fine" CHECK (1 > 0);
ALTER TABLE "Odd ""Table" ADD CONSTRAINT "Key %s" PRIMARY KEY ("ip page");
ALTER TABLE logged ADD COLUMN r float DEFAULT random();
ALTER TABLE ev ADD COLUMN made timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE pt DETACH PARTITION pt_1;
ALTER TABLE pt DETACH PARTITION pt_2;
ALTER TABLE parent ADD COLUMN u uuid NOT NULL DEFAULT gen_random_uuid();
BEGIN;
ALTER TABLE cu ADD COLUMN late uuid DEFAULT gen_random_uuid();
ALTER TABLE cu ADD CHECK (late IS NOT NULL);
COMMIT;
CREATE DOMAIN positive AS int;
"""


@pytest.fixture(scope="module")
def loaded(pg):
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA)
        snapshot = fixing.snapshot_of(dsn)
        yield dsn, snapshot


def test_schema_and_rows_are_those_of_the_file(pg, loaded):
    dsn, snapshot = loaded
    fixed = fixing.fixed_by_rules(SHEET, snapshot)
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    assert fixed.text.count("DO $fill$") == 9
    assert "CREATE INDEX CONCURRENTLY" in fixed.text
    assert any("triggers" in note for note in fixed.notes)
    assert fixing.broken(pg.dsn, name, SHEET, fixed.text, tag=f"_{name}") == []


def test_what_fails_goes_on_failing(pg, loaded):
    dsn, snapshot = loaded
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    for text in (
        "ALTER TABLE od ADD COLUMN seldom int NOT NULL DEFAULT seldom(7);",
        "ALTER TABLE od ADD COLUMN r float DEFAULT random() CHECK (r > 0.5);",
    ):
        fixed = fixing.fixed_by_rules(text, snapshot).text
        assert "DO $fill$" in fixed
        assert fixing.broken(pg.dsn, name, text, fixed, tag=f"_{name}") == []
