"""Reviews at the edges: sub-folders of a repository, runners that wrap files, what is left open, a whole history."""

import json
from itertools import chain

import pytest

from tests.cli.process import run

INDEX = "CREATE INDEX i ON od (a);\n"


@pytest.fixture
def inside(tmp_path):
    """Run a review by rules in a folder below the root of a repository."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "db" / "my migrations"
    folder.mkdir(parents=True)

    def review(files, *arguments, at="db"):
        for name, text in files.items():
            (folder / name).write_text(text)
        return run(tmp_path / at, "schema-evolve", "check", "--offline", *arguments)

    return review


def findings(ran):
    files = ran.json("schema-evolve")["result"]["files"]
    return [(f["id"], f["path"], f["line"]) for f in chain.from_iterable(file["findings"] for file in files)]


@pytest.mark.parametrize(
    ("at", "path"),
    [("db", "my migrations/1.sql"), ("db/my migrations", "1.sql"), ("db/my migrations", "../my migrations/1.sql")],
)
def test_sarif_and_annotations_name_files_from_the_repositorys_root(inside, at, path):
    sarif = json.loads(inside({"1.sql": INDEX, "2.sql": "SELEKT"}, path, "--format", "sarif", at=at).out)
    places = [r["locations"][0]["physicalLocation"]["artifactLocation"] for r in sarif["runs"][0]["results"]]
    assert {p["uri"] for p in places} == {"db/my%20migrations/1.sql"}
    annotated = inside({}, path, "--format", "github", at=at).out
    assert "file=db/my migrations/1.sql," in annotated
    assert path in inside({}, path, at=at).out.splitlines()[0]


def test_a_file_that_is_no_sql_and_an_absolute_path_are_named_from_the_root_too(inside, tmp_path):
    whole = str(tmp_path / "db/my migrations/2.sql")
    sarif = json.loads(inside({"2.sql": "SELEKT;"}, whole, "--format", "sarif").out)
    (found,) = sarif["runs"][0]["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "db/my%20migrations/2.sql"
    assert "file=db/my migrations/2.sql," in inside({}, whole, "--format", "github").out


def test_a_finding_of_a_file_that_is_read_in_stands_in_that_file(inside):
    files = {"all.sql": "SELECT 1;\n\\ir part.sql\n", "part.sql": f"\n\n{INDEX}"}
    ran = inside(files, "my migrations/all.sql", "--json")
    assert ("L01", "my migrations/part.sql", 3) in findings(ran)
    sarif = json.loads(inside({}, "my migrations/all.sql", "--format", "sarif").out)
    assert '"uri": "db/my%20migrations/part.sql"' in json.dumps(sarif)
    assert "my migrations/part.sql:3  error[L01" in inside({}, "my migrations/all.sql").out


@pytest.mark.parametrize("command", ["\\i nowhere.sql", "SELECT 1 \\gexec", "\\c other", "\\nonsense", "\\if :x"])
def test_a_command_that_is_not_understood_never_ends_with_0(inside, command):
    ran = inside({"1.sql": f"SELECT 1;\n{command}\n"}, "my migrations/1.sql")
    assert ran.code == 2
    assert "my migrations/1.sql:2:" in ran.out


@pytest.mark.parametrize(
    ("flag", "one", "two"),
    [
        (("--transaction", "per-statement"), 0, 0),
        (("--transaction", "as-written"), 0, 0),
        (("--transaction", "file"), 3, 3),
        (("--transaction", "single"), 3, 3),
        (("--transaction", "auto"), 0, 3),
    ],
)
def test_what_the_runner_wraps(inside, flag, one, two):
    concurrent = "CREATE INDEX CONCURRENTLY i ON od (a);\n"
    assert inside({"1.sql": concurrent}, "my migrations/1.sql", *flag).code == one
    assert inside({"2.sql": concurrent + "SELECT 1;\n"}, "my migrations/2.sql", *flag).code == two
    marked = "-- +goose NO TRANSACTION\n-- +goose Up\n" + concurrent + "SELECT 1;\n"
    assert inside({"3.sql": marked}, "my migrations/3.sql", *flag).code == 0


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ("-- +goose Up\n", 3),
        ("-- +migrate Up\n", 3),
        ("-- +migrate Up notransaction\n", 0),
        ("-- migrate:up\n", 3),
        ("-- migrate:up transaction:false\n", 0),
    ],
)
def test_what_the_tool_of_a_file_of_one_statement_wraps(inside, mark, code):
    files = {"1.sql": mark + "CREATE INDEX CONCURRENTLY i ON od (a);\n"}
    assert inside(files, "my migrations/1.sql", "--transaction", "auto").code == code


def test_a_transaction_left_open_is_told_at_its_begin(inside):
    text = "BEGIN;\nSELECT 1;\nCOMMIT;\nSELECT 2;\nBEGIN;\nSELECT 3;\nSELECT 4;\n"
    assert ("T03", "my migrations/1.sql", 5) in findings(inside({"1.sql": text}, "my migrations/1.sql", "--json"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SELECT 1;\nSELECT 2", 2),
        ("SELECT 1;\n\nSELECT 2 -- end\n", 3),
        ("-- +goose Up\nSELECT 1;\nSELECT 2\n-- +goose Down\nSELECT 3;\n", 3),
        ("-- +goose Up\nSELECT 2\n-- +goose Down\nSELECT 3;\n", 2),
        ("-- +migrate Up\nSELECT 2\n", 2),
    ],
)
def test_a_statement_without_an_end_is_a_warning(inside, text, line):
    assert ("T06", "my migrations/1.sql", line) in findings(inside({"1.sql": text}, "my migrations/1.sql", "--json"))


@pytest.mark.parametrize(
    "text", ["SELECT 1;\nSELECT 'x;\n", "SELECT 1;\nDO $$ x;\n", "SELECT 1;\n/* x;\n", 'SELECT 1;\nSELECT "x;']
)
def test_a_quote_or_comment_without_an_end_is_an_error(inside, text):
    ran = inside({"1.sql": text}, "my migrations/1.sql")
    assert ran.code == 2
    assert "my migrations/1.sql:2:" in ran.out


def test_a_whole_history_knows_its_own_tables(inside):
    history = {
        "1.sql": "CREATE TABLE od (id bigint PRIMARY KEY, a int);\n",
        "2.sql": "CREATE INDEX i ON od (a);\nALTER TABLE od ALTER a SET NOT NULL;\nALTER TABLE od RENAME TO odd;\n",
        "3.sql": "ALTER TABLE odd ADD CHECK (a > 0), ALTER a TYPE bigint, ADD b text NOT NULL;\nDROP TABLE odd;\n",
    }
    ran = inside(history, "my migrations", "--json")
    assert ran.code == 0
    assert findings(ran) == []
    alone = inside({}, "my migrations/2.sql", "--json")
    assert alone.code == 3


def test_forms_are_offered_where_they_are_made(cli):
    offered = cli("schema-evolve", "check", "--help").out
    assert "html, sarif or github" in " ".join(offered.replace("│", "").split())
    assert "sql" not in offered.partition("--format")[2].partition("--json")[0]
    assert "sql" in cli("recommend", "--help").out.partition("--format")[2].partition("--json")[0]
    assert "sarif" not in cli("discover", "--help").out.partition("--format")[2].partition("--json")[0]
