"""A definition or query as it may leave the company."""

import re
from pathlib import Path

import pytest

from indexpilot_cli.sql.literals import map_literals, redacted
from indexpilot_cli.sql.parser import Unparsed, parse, split

PLANTED = "planted"
CASES = """CREATE FUNCTION f(a text DEFAULT 'planted') RETURNS text LANGUAGE sql SET app.x TO 'planted' AS $$ planted $$
CREATE FUNCTION g() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT 'planted'; END
CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW WHEN (new.a = 'planted') EXECUTE FUNCTION f('planted')
CREATE SERVER s TYPE 'planted' VERSION 'planted' FOREIGN DATA WRAPPER w OPTIONS (password 'planted')
CREATE FOREIGN DATA WRAPPER w OPTIONS (password 'planted')
CREATE FOREIGN TABLE x (a int OPTIONS (column_name 'planted')) SERVER s OPTIONS (table_name 'planted')
CREATE AGGREGATE a(int) (SFUNC = int4pl, STYPE = int, INITCOND = 'planted')
CREATE TYPE b (INPUT = f, OUTPUT = g, DEFAULT = 'planted')
CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple, stopwords = 'planted')
CREATE DOMAIN d AS text DEFAULT 'planted' CHECK (VALUE ~ 'planted')
CREATE TABLE p1 PARTITION OF p FOR VALUES IN ('planted')
CREATE POLICY p ON a USING (x = 'planted') WITH CHECK (x <> 'planted')
CREATE VIEW v WITH (x='planted') AS SELECT 'planted'
CREATE INDEX i ON t (x) WITH (y='planted') WHERE a = 'planted'
SELECT E'planted', U&'planted', $$planted$$, B'1', date 'planted' FROM t WHERE a LIKE 'planted%' LIMIT 3"""
REFUSED = """ALTER FOREIGN TABLE x ALTER COLUMN a OPTIONS (column_name 'planted')
CREATE RULE r AS ON INSERT TO x DO ALSO NOTIFY n, 'planted'
ALTER ROLE x PASSWORD 'planted'
CREATE USER MAPPING FOR x SERVER s OPTIONS (password 'planted')
CREATE SUBSCRIPTION s CONNECTION 'planted' PUBLICATION p
COMMENT ON TABLE x IS 'planted'
DO $$ planted $$
EXPLAIN SELECT 'planted'
SELECT 'planted"""


@pytest.mark.parametrize("text", CASES.splitlines())
def test_no_text_of_somebody_stays(text):
    found = redacted(text, lambda _: "x")
    assert found is not None and PLANTED not in found
    assert not isinstance(parse(found), Unparsed)


@pytest.mark.parametrize("text", REFUSED.splitlines())
def test_other_kinds_go_whole(text):
    assert redacted(text, lambda _: None) is None


def test_what_holds_no_text_stays_as_it_is():
    files = sorted(Path(__file__).parents[2].joinpath("corpus").rglob("*.sql"))
    texts = [piece.text for file in files for piece in split(file.read_text())]
    compared = 0
    for text in texts:
        found = redacted(text, lambda _: None)
        if found is not None and not re.search(r"\bfunction\b|\bprocedure\b", text, re.IGNORECASE):
            assert found == map_literals(text, lambda _: None)
            compared += 1
    assert compared > 500
