"""Every command of the program that it tells people to type is one that its own parser takes."""

import ast
import json
import re
from itertools import chain
from pathlib import Path

import pytest
import typer

import indexpilot_cli
from tests.cli.walking import parse

ROOT = Path(indexpilot_cli.__file__).parent
# Behind a command in a sentence; everything else behind one is part of it.
PROSE = re.compile(
    r" (?:lists|prints|shows|tells|takes|ends|builds|makes|does|finishes|continues|removes|drops|looks?|again|or|and|as"
    r"|is|fills|with|for|keeps|it|holds)(?= |$)"
)
PROGRAM = re.compile(r"""\bindexpilot [a-z{"'\\]""")  # not our package's name, and not ours alone
NAMED = re.compile(r"\bindexpilot (?=[a-z{][a-z-]*)")
# Headings and names of ours, no commands.
NOT_TYPED = re.compile(
    r"indexpilot (?:\{outcome\.command\}\{server\}|\{__version__\}|\{arguments\[0\]\}|rehearsal|twin|as an|in stage"
    r"|demo: end)"
)
ENDS = re.compile(r"  |\n|[;:,)|](?:\s|$)|\.(?:\s|$)| \(")
GIVEN = (
    (r"\{shlex\.join\(words\)\}(?= --execute)", "orders id --type bigint"),
    (r"\{ColumnChangeKind[^}]*\}", "alter-type"),
    (r"\{shlex\.join\(words\)\}|\{words\}(?= --online)", "orders id --type bigint"),
    (r"\{table\} \{request\.column\}", "orders id"),
    (r"\{(?:outcome\.|self\.)?command\}", "apply"),
    (r"\{next\(iter|\{close", "{"),
    (r"\{[^{}]*(?:plan|PLAN)[^{}]*\}", "P-7c1e"),
    (r"\{database\}", "-d shop"),
    (r"\{[^{}]*(?:log|file|safer)[^{}]*\}", "a.file"),
    (r"\{request\.source\}", "log"),
    (r"\{[^{}]*tenant\}", "7"),
    (r"\{[^{}]*state[^{}]*\}", "unused"),
    (r"\{what\}", "stop"),
    (r"\{keep\}\{parts\}", " --keep 30 --partition-by day"),
    (r"--to-version N", "--to-version 1"),
    (r"\{[^{}]*\}", "R-7f3a1c09"),
)


def texts(tree):
    """The texts of a module, those put together with their expressions in braces; no docstrings."""
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(child) for child in ast.walk(node) if child is not node}
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            inner.add(id(body[0].value))
    for node in ast.walk(tree):
        if id(node) in inner:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr) and any("indexpilot" in str(getattr(v, "value", "")) for v in node.values):
            parts = (v.value if isinstance(v, ast.Constant) else f"{{{ast.unparse(v.value)}}}" for v in node.values)
            yield node.lineno, "".join(map(str, parts))


def named(text):
    """The commands in a text, each up to where the sentence goes on."""
    text = text.replace("\\\n", " ")  # a line that goes on
    for match in NAMED.finditer(text):
        if NOT_TYPED.match(text, match.start()) or text[: match.start()].endswith("Result of "):
            continue
        rest = text[match.start() :]
        for pattern, value in GIVEN:
            rest = re.sub(pattern, value, rest)
        # What stands on a line of its own is the command as a whole.
        alone = text[: match.start()].endswith("\n  ")
        end = re.search(r"\n", rest) if alone else ENDS.search(rest)
        yield rest[: end.start()] if end else rest


def said(path):
    """Every command in the texts of a module, with its line."""
    for line, text in texts(ast.parse(path.read_text())):
        for command in named(text):
            yield line, command


# Each process of the tests collects: the texts are looked for in one of them, when the test runs.
MODULES = [path for path in sorted(ROOT.rglob("*.py")) if PROGRAM.search(path.read_text())]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_told_parse(path):
    for line, command in said(path):
        prose = PROSE.search(re.sub(r'"[^"]*"', lambda m: "x" * len(m.group()), command))
        try:
            parse(command[: prose.start()] if prose else command)
        except typer.BadParameter as error:
            # In a sentence the arguments may be left out: only the command's name and its options are looked at.
            told = f"line {line}: {command}: {error}"
            assert (type(error).__name__, prose is not None) == ("MissingParameter", True), told


@pytest.mark.parametrize(
    "command", ["recommend --nonsense", "plan shew", "nonsense", "schema-evolve alter-type t", "demo a b c"]
)
def test_a_wrong_command_is_noticed(command):
    with pytest.raises(Exception, match=r"(?i)no such|missing|unexpected|got|is not one of"):
        parse(f"indexpilot {command}")


def test_the_texts_are_found():
    commands = [command for _, command in chain.from_iterable(map(said, MODULES))]
    assert len(commands) > 120
    assert len({command.split()[1] for command in commands}) > 12


PINNED = sorted((Path(__file__).parent / "pins").glob("*.txt")) + sorted(
    (Path(__file__).parent / "golden").rglob("*.txt")
)


def test_every_next_step_of_the_transcripts_parses():
    """What was really printed: ``next`` lines and the JSON field of that name."""
    found = set()
    for path in PINNED:
        text = path.read_text()
        for line in re.findall(r"^next +(.*)$", text, re.M):
            found.update(line.split("  |  "))
        for block in re.findall(r'"next": \[([^\]]*)\]', text):
            found.update(json.loads(f"[{block}]"))
    assert len(found) > 20
    for command in sorted(found):
        parse(command)
