"""Every question is a file that somebody asks, and every question asked is a file."""

import ast
import re
from pathlib import Path

import pytest

import indexpilot_cli
from indexpilot_cli.db import queries as sql
from indexpilot_cli.db.statements import Recogniser, normalise

ROOT = Path(indexpilot_cli.__file__).parent
VERSIONS = [major * 10000 for major in range(12, 19)]
FILES = sorted((ROOT / "db" / "queries").glob("*/*.sql"))
QUERIES = sorted({f"{path.parent.name}/{re.sub(r'_pg[0-9]+$', '', path.stem)}" for path in FILES})
METHODS = {"rows", "one", "value", "execute", "get"}


def asked():
    """String constants given to a session or to ``sql.get`` that look like a name of a question."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield path, node.func, argument.value


def is_query_call(function):
    return (isinstance(function, ast.Attribute) and function.attr in METHODS - {"get"}) or (
        isinstance(function, ast.Attribute)
        and function.attr == "get"
        and isinstance(function.value, ast.Name)
        and function.value.id in {"sql", "queries"}
    )


def test_every_question_asked_exists():
    names = {
        (path.name, text)
        for path, function, text in asked()
        if is_query_call(function) and re.fullmatch(r"[a-z]+/[a-z0-9_]+", text)
    }
    assert names and {(p, n) for p, n in names if n not in QUERIES} == set()


def test_every_file_is_asked_for():
    """By its name as a constant."""
    trees = (ast.parse(path.read_text()) for path in ROOT.rglob("*.py"))
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert set(QUERIES) - texts == set()


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
        assert ";" not in re.sub(r"'[^']*'|--[^\n]*", "", entry.read_text()), entry.name


@pytest.mark.parametrize("version", VERSIONS)
def test_our_questions_are_recognised_as_the_server_shows_them(version):
    own = Recogniser("indexpilot")
    for name in QUERIES:
        shown = sql.get(name, version).replace("%%", "%")
        for number, parameter in enumerate(dict.fromkeys(re.findall(r"%\(\w+\)s", shown)), 1):
            shown = shown.replace(parameter, f"${number}")
        shown = re.sub(r"\{\w+\}", '"Some Schema"."thing"', shown)
        assert own.matches(re.sub(r"'[^']*'", "$9", shown)), name


def test_the_metadata_schema_is_ours_and_others_are_not():
    own = Recogniser("Index Pilot")
    assert own.matches('INSERT INTO "Index Pilot".mutation_log VALUES ($1)')
    assert not own.matches("SELECT * FROM indexpilot.orders") and not own.matches("SELECT 1")
    assert not Recogniser("pilot").matches('SELECT * FROM "autopilot".t JOIN autopilot.u USING (id)')
    assert Recogniser("pilot").matches("SELECT * FROM pilot.t")


def test_normalising():
    assert (
        normalise("SELECT  a\nFROM t WHERE b = 'it''s' AND c IN (1, 2.5, $3);")
        == "SELECT a FROM t WHERE b = ? AND c IN (?)"
    )
    assert normalise("c IN ($1 /*, ... */)") == normalise("c IN ( 'a',  'b')") == "c IN (?)"
    assert normalise("t1.c2") == "t1.c2"
