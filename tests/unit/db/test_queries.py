"""Every question is a file that somebody asks, and every question asked is a file."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import indexpilot_cli
from indexpilot_cli.core.workload import OWN_MARK, is_own
from indexpilot_cli.db import queries as sql
from indexpilot_cli.db.statements import _metadata

ROOT = Path(indexpilot_cli.__file__).parent
VERSIONS = [major * 10000 for major in range(12, 19)]
FILES = sorted((ROOT / "db" / "queries").glob("*/*.sql"))
QUERIES = sorted({f"{path.parent.name}/{re.sub(r'_pg[0-9]+$', '', path.stem)}" for path in FILES})
METHODS = {"rows", "one", "value", "execute", "get"}


@cache
def source():
    """What the package's source holds: names of questions given to a session or to ``sql.get``, and all constants."""
    asked, constants = set(), set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                constants.add(node.value)
            elif isinstance(node, ast.Call) and is_query_call(node.func):
                asked |= {(path.name, a.value) for a in node.args if isinstance(a, ast.Constant)}
    return {(path, text) for path, text in asked if re.fullmatch(r"[a-z]+/[a-z0-9_]+", str(text))}, constants


def is_query_call(function):
    return (isinstance(function, ast.Attribute) and function.attr in METHODS - {"get"}) or (
        isinstance(function, ast.Attribute)
        and function.attr == "get"
        and isinstance(function.value, ast.Name)
        and function.value.id in {"sql", "queries"}
    )


def test_every_question_asked_exists():
    names, _ = source()
    assert names and {(p, n) for p, n in names if n not in QUERIES} == set()


def test_every_file_is_asked_for():
    """By its name as a constant."""
    _, constants = source()
    assert set(QUERIES) - constants == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_question_has_an_answer_for_every_version(version):
    for name in QUERIES:
        assert sql.get(name, version).strip()


def test_the_nearest_older_variant_is_taken():
    assert "total_time" in sql.get("statements/read", 120000) and "toplevel" not in sql.get("statements/read", 130022)
    assert (
        sql.get("statements/read", 180000) == sql.get("statements/read", 140000) != sql.get("statements/read", 139999)
    )
    with pytest.raises(KeyError):
        sql.get("no_such_question", 150000)


def test_one_statement_per_file_without_a_semicolon():
    for entry in (ROOT / "db" / "queries").rglob("*.sql"):
        text = re.sub(r"\$body\$.*\$body\$", "", entry.read_text(), flags=re.DOTALL)  # of a function
        assert ";" not in re.sub(r"'[^']*'|--[^\n]*", "", text), entry.name


@pytest.mark.parametrize("version", VERSIONS)
def test_our_questions_carry_the_mark_that_the_server_keeps(version):
    for name in QUERIES:
        sent = sql.marked(sql.get(name, version))
        assert is_own(sent) and sent.count(OWN_MARK) == 1 and sent.replace(f" {OWN_MARK}", "") in sql.get(name, version)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("SELECT 1", "SELECT /* indexpilot */ 1"),
        ("-- why\n  -- more\n\nWITH a AS (SELECT 1) TABLE a", "WITH /* indexpilot */ a AS (SELECT 1) TABLE a"),
        ("EXPLAIN (FORMAT JSON) SELECT 1", "EXPLAIN /* indexpilot */ (FORMAT JSON) SELECT 1"),
        ("(SELECT 1)", "(SELECT 1)"),
        ("", ""),
    ],
)
def test_the_mark_stands_behind_the_first_word(text, sent):
    assert sql.marked(text) == sent


def test_what_touches_our_schema_is_ours():
    assert _metadata("Index Pilot").search('INSERT INTO "Index Pilot".query_stats VALUES ($1)')
    assert not _metadata("pilot").search('SELECT * FROM "autopilot".t JOIN autopilot.u USING (id)')
    assert _metadata("pilot").search("SELECT * FROM pilot.t")
