"""Hostile texts in every argument, option, variable and file: refused or quoted, and nothing in them is carried out.

Every option that takes a value is found in the program itself, so a new one is attacked from its first day. Here each
text is tried once and each place at least once, in an order that no run changes.
"""

import json
from dataclasses import dataclass
from itertools import cycle

import psycopg
import pytest
import typer
from psycopg import sql

from indexpilot_cli.cli.app import build
from indexpilot_cli.render.units import visible
from indexpilot_cli.settings.keys import keys
from tests import hostile
from tests.cli.changes import CALM
from tests.cli.walking import LASTING, LOCAL, World, leaves

# What a command needs beside the attacked place, by the name of the argument or option.
BENIGN = {
    "table": "orders",
    "column": "note",
    "field": "note",
    "tenant": "7",
    "new_name": "later",
    "type": "int",
    "reason": "test",
    "job": "integrity",
    "plan": "P-ffff",
    "file": "s.ipsnap",
    "name": "a test",
}
ALSO = {"lifecycle watch": ["--rounds=1"], "recommend": ["workload.sql"], "analyze": ["workload.sql"]}
# Commands that read a file of the user's, and how it is given.
READERS = (
    ["analyze", "--source=sql"],
    ["recommend", "--source=sql"],
    ["analyze", "--source=log"],
    ["apply", "--yes"],
    ["doctor", "--twin"],
    ["schema-evolve", "check"],
    ["init", "--db-only", "--yes", "--from-schema"],
    ["discover", "--config"],
)
# Names that PostgreSQL takes. None ends like one of our own indexes.
LEGAL = (
    'quo"te',
    "apo'strophe",
    "semi;colon",
    "dot.ted",
    "select",
    "Mixed Case",
    "\U0001f4a9",
    "%s",
    "{brace}",
    "back\\slash",
    "new\nline",
    "esc\x1b[31m",
    "bidi\u202eright",
    "a" * 63,
    "--comment",
    "/*x*/",
    "[bold]x[/bold]",
    " lead",
)
# The same in every command: attacked in three of them.
EVERYWHERE = 20
CODES = {0, 2, 3, 4, 5, 6, 7, 9}  # of the documented ones all but "a fault of ours" and "an outcome nobody knows"


@dataclass(frozen=True)
class Place:
    """Where a text of the user's is taken: an argument or option of a command."""

    command: str
    name: str
    option: str | None
    needs: tuple[str, ...]

    def arguments(self, text):
        given = [text if need is None else need for need in self.needs]
        return [*ALSO.get(self.command, ()), *given, *(() if self.option is None else (f"{self.option}={text}",))]


def places():
    """Every place of every command that reaches a database."""
    found, count = [], {}
    for name, command in leaves(typer.main.get_command(build(whole=True))):
        if name in LOCAL | LASTING:
            continue
        for parameter in command.params:
            if getattr(parameter, "is_flag", False) or parameter.name == "help":
                continue
            count[parameter.name] = count.get(parameter.name, 0) + 1
            found.append(Place(name, parameter.name, _option(parameter), tuple(_needs(command, parameter))))
    common = {name for name, times in count.items() if times > EVERYWHERE}
    seen = dict.fromkeys(common, 0)
    kept = []
    for place in found:
        if place.name in common:
            seen[place.name] += 1
        if seen.get(place.name, 0) <= 3:
            kept.append(place)
    return kept


def _option(parameter):
    return None if parameter.param_type_name == "argument" else parameter.opts[-1]


def _needs(command, attacked):
    for parameter in command.params:
        if parameter is attacked and attacked.param_type_name == "argument":
            yield None
        elif parameter.required and parameter is not attacked:
            known = BENIGN[parameter.name]
            yield known if parameter.param_type_name == "argument" else f"{parameter.opts[-1]}={known}"


@dataclass(frozen=True)
class Attacked:
    """The world with something to lose, and a connection that sees whether it is lost."""

    world: World
    connection: psycopg.Connection

    def harmless(self, given, command, arguments, **environment):
        """Run it: nothing was carried out, no fault of ours, and what is printed steers no terminal."""
        ran = self.world.run(command, arguments, **environment)
        assert hostile.traces(self.connection, self.world.home) == [], given
        assert ran.code in CODES, (given, ran.code, ran.err)
        assert "Traceback" not in ran.err, (given, ran.err)
        assert visible(ran.out + ran.err) == ran.out + ran.err, (given, ran.out, ran.err)


@pytest.fixture(scope="module")
def attacked(world):
    with psycopg.connect(world.dsn, autocommit=True) as connection:
        connection.execute(hostile.CANARY)
        yield Attacked(world, connection)


def test_t10_every_place_and_every_text(attacked):
    found, texts = places(), hostile.payloads()
    assert len(texts) + len(hostile.CONTENTS) >= 200
    for _, place, text in zip(range(max(len(found), len(texts))), cycle(found), cycle(texts), strict=False):
        attacked.harmless((place.command, place.name, text), place.command, place.arguments(text))
        if place.command.startswith("bypass"):
            attacked.world.run("bypass enable", [])


def test_t10_contents_of_files(attacked):
    home = attacked.world.home
    for number, (text, (command, *options)) in enumerate(zip(hostile.CONTENTS, cycle(READERS), strict=False)):
        (home / f"hostile{number}.txt").write_text(text)
        attacked.harmless((command, options, text), command, [*options, f"hostile{number}.txt"])


def test_t10_plans_whose_texts_were_changed(attacked):
    home = attacked.world.home
    plan = json.loads((home / "plan.json").read_text())
    for number, text in enumerate(hostile.payloads()[::12]):
        (home / "changed.json").write_text(json.dumps(hostile.inside(plan, text, number)))
        attacked.harmless(("apply", number, text), "apply", ["changed.json", "--yes"])


def test_t10_settings_from_the_environment(attacked):
    variables = [key.variable for key in keys().values() if key.kind is str]  # what is no text ends when it is read
    for variable, text in zip(variables, hostile.payloads()[1::3], strict=False):
        attacked.harmless((variable, text), "discover", [], **{variable: text})


def _name(text):
    return sql.Identifier(text).as_string()


def test_t10_legal_names_work_from_advice_to_rollback(cli, database, connection, home):
    for text in LEGAL:
        connection.execute(f"CREATE TABLE {_name(text)} (id int PRIMARY KEY, {_name(text)} int, tenant_id int)")
        connection.execute(f"INSERT INTO {_name(text)} SELECT i, i % 2000, i % 9 FROM generate_series(1, 20000) i")
    connection.execute("ANALYZE")
    statements = (f"SELECT * FROM {_name(text)} WHERE {_name(text)} = 7;\n" for text in LEGAL)
    (home / "odd.sql").write_text("".join(statements))

    def ask(*arguments):
        ran = cli(*arguments, "-d", database, **CALM)
        assert ran.code == 0, (arguments, ran.err)
        assert "--json" in arguments or visible(ran.out + ran.err) == ran.out + ran.err, arguments
        return ran

    def indexed():
        rows = connection.execute(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " WHERE indisvalid AND NOT indisprimary AND relnamespace = 'public'::regnamespace"
        )
        return sorted(name for (name,) in rows)

    ask("init", "--yes", "--db-only")
    ask("discover", "--save")
    for text in LEGAL[:3]:
        ask("tenant", "enable", "7", _name(text), text)
        ask("genome", "set", _name(text), text, "--group=g", "--write")
    plan = ask("recommend", "--source", "sql", "odd.sql", "--json").json("recommend")["result"]["plan"]
    ask("apply", plan, "--yes")
    assert indexed() == sorted(LEGAL)
    ask("types", "--output", "rows.py")
    compile((home / "rows.py").read_text(), "rows.py", "exec")
    ask("lifecycle")
    ask("rollback", plan, "--yes")
    assert indexed() == []
