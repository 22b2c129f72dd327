"""``types``: source that mypy takes strictly, the same for the same schema, and a check for CI."""

import subprocess
import sys

import pytest

from indexpilot_cli import host
from indexpilot_cli.errors import UsageError
from tests.waiting import LIMIT

STYLES = ("typeddict", "dataclass", "pydantic")
SCHEMA = r"""
CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"', E'a\\b\n', 'é');
CREATE TYPE nothing AS ENUM ();
CREATE TYPE address AS (street text, "class" varchar(10), no int, feeling mood);
CREATE TYPE nested AS (home address, others address[], "from" daterange);
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN must AS int NOT NULL;
CREATE DOMAIN musts AS must;
CREATE DOMAIN codes AS varchar(5)[];
CREATE TYPE floatrange AS RANGE (subtype = float8);
CREATE SCHEMA sales;
CREATE TABLE kinds (
  id bigserial PRIMARY KEY, small smallint, price numeric(10,2) NOT NULL, r real, ok bool,
    name varchar(200), c char(3), t text, b bytea, u uuid,
  d date, tm time, tz timetz, ts timestamp, tsz timestamptz(3), iv interval, j json, jb jsonb, ip inet,
    net cidr, mac macaddr, bits bit(3),
  x xml, tv tsvector, p point, m money, o oid, q "char", tags text[], grid int[][], moods mood[],
    feeling mood, empty nothing, home address, homes address[], n nested,
  mail email NOT NULL, must must, musts musts, codes codes, ir int4range, nr numrange, dr daterange,
    tr tstzrange, fr floatrange, mr int4multirange, rc regclass, ivec int2vector);
CREATE TABLE sales.kinds (id int, whole public.nested);
CREATE TABLE "Mixed Case" ("Select" int NOT NULL, "group" text, "two words" date, "1st" int, "class" int,
    "a""b\c" text, "ﬁ" int, __private int, _x int);
CREATE TABLE "order" (id int, int int, str text, date date, datetime timestamp, list int[], "Mood" int,
    _datetime date, schema text, json json, copy int, model_x int, "None" int, self int);
CREATE TABLE "Order" (id int);
CREATE TABLE nothing_in_it ();
CREATE TABLE "1 2" (a int);
CREATE TABLE "日本" ("名" text);
CREATE TABLE "!!" (a int);
CREATE TABLE gen (id int GENERATED ALWAYS AS IDENTITY,
    dbl int GENERATED ALWAYS AS (id * 2) STORED) PARTITION BY RANGE (id);
CREATE TABLE gen_1 PARTITION OF gen DEFAULT;
CREATE MATERIALIZED VIEW mv AS SELECT id, feeling FROM kinds;
"""
COLUMNS = {
    "small": "int | None",
    "price": "_decimal.Decimal",
    "u": "_uuid.UUID | None",
    "tsz": "_datetime.datetime | None",
    "j": "_typing.Any",
    "tags": "list[str] | None",
    "grid": "list[list[int]] | None",
    "moods": "list[Mood] | None",
    "feeling": "Mood | None",
    "home": "Address | None",
    "homes": "list[Address] | None",
    "n": "Nested | None",
    "mail": "str",
    "must": "int",
    "musts": "int",
    "codes": "list[str] | None",
    "dr": "_Range[_datetime.date] | None",
    "fr": "_Range[float] | None",
    "mr": "_Multirange[int] | None",
}


@pytest.fixture
def typed(cli, connection, database, home):
    connection.execute("SET search_path TO public")
    connection.execute(SCHEMA)

    def run(*arguments, code=0):
        ran = cli("types", *arguments, "-d", database)
        assert ran.code == code, (arguments, ran.out, ran.err)
        return ran

    return run


def test_t7_every_kind_of_type_passes_mypy_and_is_imported(typed, home):
    files = [home / f"rows_{style}.py" for style in STYLES]
    for style, file in zip(STYLES, files, strict=True):
        typed("--style", style, "--output", str(file))
        text = file.read_text()
        typed("--style", style, "--output", str(file))
        assert file.read_text() == text == typed("--style", style).out
        typed("--style", style, "--output", str(file), "--check")
        subprocess.run([sys.executable, "-W", "error", file], check=True, timeout=LIMIT)
    lines = files[0].read_text().partition("class KindsRow(")[2].splitlines()
    found = {
        name.strip(): kind for name, _, kind in (line.partition("  # ")[0].partition(": ") for line in lines[2:50])
    }
    assert {name: found[name] for name in COLUMNS} == COLUMNS
    text = files[0].read_text()
    assert 'Mood: _typing.TypeAlias = _typing.Literal["sad", "it\'s \\"ok\\"", "a\\\\b\\n", "é"]' in text
    assert '        "two words": _datetime.date | None,  # date' in text
    assert "class GenRow(" in text and "Gen1Row" not in text and "class MvRow(" in text
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(home / "cache"), *map(str, files)]
    checked = subprocess.run(mypy, capture_output=True, text=True, check=False, cwd=home, timeout=300)
    assert checked.returncode == 0, checked.stdout


def test_t7_check_ends_with_1_when_the_schema_moved(typed, connection, home):
    file = str(home / "rows.py")
    assert typed("--output", file, "--check", code=1).out.startswith(f"--- {file}")  # it is not there yet
    typed("--output", file)
    assert typed("--output", file, "--check").out == f"{file} is up to date\n"
    connection.execute("ALTER TABLE gen ADD later date NOT NULL DEFAULT now(); ALTER TYPE nothing ADD VALUE 'one'")
    before = (home / "rows.py").read_text()
    drift = typed("--output", file, "--check", "--json", code=1).json("types")
    assert "+    later: _datetime.date  # date" in drift["result"]["diff"] and drift["status"] == "findings"
    assert '+Nothing: _typing.TypeAlias = _typing.Literal["one"]' in drift["result"]["diff"]
    assert (home / "rows.py").read_text() == before
    for wrong in (("--check",), ("--table", "kind"), ("--table", "kinds"), ("--schema", "sale")):
        typed(*wrong, code=2)
    only = typed("--table", "sales.kinds", "--json").json("types")["result"]
    assert only["tables"] == [{"schema": "sales", "name": "kinds"}] and "class Nested" not in only["source"]
    assert "Nested = _typing.TypedDict(" in only["source"]


def test_t7_the_library_writes_the_same(typed, database, tmp_path):
    host.init_connection_pool(database, 1, 2)
    try:
        host.create_metadata_tables()
        text = host.generate_all_types(tmp_path / "a.py")
        assert (tmp_path / "a.py").read_text() == text == typed().out
        assert "class IndexpilotGenomeCatalogRow(" in text
        assert "Indexpilot" not in typed("--no-metadata").out
        own = host.generate_all_indexpilot_types(style="dataclass")
        assert "class IndexpilotMutationLogRow:" in own and "KindsRow" not in own
        assert "class SalesKindsRow(" in host.generate_types_for_table("kinds", "sales")
        assert host.generate_types_for_table("Mixed Case") == host.generate_all_types(tables=["Mixed Case"])
        for wrong in (lambda: host.generate_types_for_table("kind"), lambda: host.generate_all_types(style="xml")):
            with pytest.raises(UsageError):
                wrong()
    finally:
        host.close_connection_pool()
