"""Every command of the program, and a database with our tables and a plan on which any of them can be run."""

import json
import re
import shlex
from dataclasses import dataclass
from functools import cache

import psycopg
import pytest
import typer

from indexpilot_cli.cli.app import build, complete_values
from tests.cli.changes import CALM
from tests.cli.process import run
from tests.servers import new_database

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL, note text);
INSERT INTO orders
SELECT i, i % 5000, CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END FROM generate_series(1, 40000) i;
"""
# A timer's run that finds nothing to do gets a row when there is none within the hour.
AN_HOUR_LATER = """
SET session_replication_role = replica;
UPDATE indexpilot.mutation_log SET created_at = created_at - interval '1 hour';
"""
# Commands that reach no database of the user's.
LOCAL = {"config show", "config check", "schema", "completion", "demo", "lifecycle install"} | {
    f"simulate {word}" for word in ("baseline", "autoindex", "compare", "history")
}

LASTING = {"serve"}  # runs until it is stopped: test_serve.py


def leaves(command, path=()):
    """All commands that do something by themselves, each with its name."""
    if getattr(command, "invoke_without_command", True) and path:
        yield " ".join(path), command
    for name, sub in getattr(command, "commands", {}).items():
        yield from leaves(sub, (*path, name))


@cache
def command_line(word):
    """The parser of the command with that name."""
    return typer.main.get_command(build(word))


def parse(line):
    """Let the real parser read a command line, without running it."""
    words = shlex.split(re.sub(r" [<>|] .*$| \|\| exit$", "", line))
    assert words[0] == "indexpilot"
    command, rest = command_line(words[1]), complete_values(words[1:])
    context = None
    while True:
        name = command.name or "indexpilot"
        context = command.make_context(name, rest, parent=context, resilient_parsing="--help" in rest)
        left = [*getattr(context, "_protected_args", ()), *context.args]
        if not hasattr(command, "resolve_command") or not left or "--help" in rest:
            return
        _, command, rest = command.resolve_command(context, left)


@dataclass
class World:
    """A database with our tables and a plan, and the program in a home of its own."""

    dsn: str
    home: object
    cache: str
    names: dict

    def given(self, arguments):
        """The arguments with the names of what there is."""
        return [f"M-{self.newest()}" if a == "{newest}" else a.format_map(self.names) for a in arguments]

    def run(self, name, arguments, **environment):
        given = (*name.split(), "-d", self.dsn, *arguments)
        return run(self.home, *given, **{"XDG_CACHE_HOME": self.cache} | CALM | environment)

    def newest(self):
        with psycopg.connect(self.dsn) as connection:
            return connection.execute("SELECT coalesce(max(id), 0) FROM indexpilot.mutation_log").fetchone()[0]

    def an_hour_later(self):
        """The newest row, after all rows have become an hour older."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(AN_HOUR_LATER)
        return self.newest()


@pytest.fixture(scope="module")
def world(pg, cache, tmp_path_factory):
    home = tmp_path_factory.mktemp("walk")
    files = {
        "workload.sql": "SELECT * FROM orders WHERE customer_id = 7;",
        "good.sql": "ALTER TABLE orders ADD COLUMN later int;",
        "bad.sql": "ALTER TABLE orders ADD COLUMM later int;",
        "broken.sql": "SELEC * FORM orders;",
        "bad.json": "{}",
    }
    for name, text in files.items():
        (home / name).write_text(text)
    with new_database(pg) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(TABLES)
            connection.execute("ANALYZE")
        found = World(dsn, home, cache, {})
        assert found.run("init", ["--db-only", "--yes"]).code == 0
        advice = found.run("recommend", ["--source", "sql", "workload.sql", "--json", "--output", "plan.json"])
        assert advice.code == 0, advice.err
        result = json.loads((home / "plan.json").read_text())["result"]
        best = result["recommendations"][0]
        names = {"dsn": dsn, "P": result["plan"], "R": best["id"], "q": best["templates"][0]["id"], "file": "plan.json"}
        yield World(dsn, home, cache, names)
