"""Migrations that only rows make fail: what a review says of each. python -m tests.benchmarks.row_failures --dsn DSN.

Every case of tests/corpus/rows fails on its rows. *Foreseen*: the review calls the statement a failure; *listed*: a
line under Unchecked names the statement; *silent*: neither. The server is a superuser's; databases of our own are
made there and dropped again.
"""

import argparse
import re
import tempfile
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from indexpilot_cli.core.command import Connection, Record, Silent
from indexpilot_cli.evolve.requests import CheckRequest
from indexpilot_cli.evolve.review import check
from indexpilot_cli.evolve.review.values import Impact

FOLDER = Path(__file__).parents[1] / "corpus" / "rows"
_NAME = re.compile(r"^-- name: (\w+) (\w{5})\n", re.MULTILINE)


@dataclass(frozen=True)
class RowCase:
    """``sqlstate`` is what the server answers on the rows."""

    name: str
    sqlstate: str
    sql: str


def cases():
    """All of them, in the order of the file."""
    _, *parts = _NAME.split((FOLDER / "cases.sql").read_text())
    return [RowCase(name, state, text.strip()) for name, state, text in zip(*[iter(parts)] * 3, strict=True)]


@contextmanager
def database(dsn, template=None):
    """A new database of its own, with the rows or as a copy of the template."""
    name = f"rows_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        made = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            made += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        admin.execute(made)
        try:
            own = conninfo.make_conninfo(dsn, dbname=name)
            if not template:
                load(own)
            yield own
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def load(dsn):
    """The schema and its rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        whole, vacuum, _ = (FOLDER / "schema.sql").read_text().partition("VACUUM ANALYZE")
        connection.execute(whole)
        connection.execute(vacuum)


def happens(dsn, case):
    """The SQLSTATE with which the case really ends, on a copy of the database."""
    with database(dsn, conninfo.conninfo_to_dict(dsn)["dbname"]) as copy, psycopg.connect(copy) as connection:
        connection.autocommit = True
        for statement in case.sql.split(";\n") if "$$" in case.sql else case.sql.split(";"):
            try:
                if statement.strip():
                    connection.execute(statement)
            except psycopg.Error as error:
                return error.sqlstate
    return None


def said(dsn, case):
    """foreseen, listed or silent, and the words."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "m.sql"
        path.write_text(case.sql)
        request = CheckRequest(files=(str(path),), connection=Connection(dsn), record=Record(enabled=False))
        result = check.run(request, Silent()).result
    failing = [s for s in result.files[0].statements if s.verdict.impact is Impact.FAILS]
    if failing:
        return "foreseen", failing[0].verdict.why
    listed = [line for line in unchecked(result) if "m.sql:" in line]
    return ("listed", " | ".join(listed)) if listed else ("silent", "")


def unchecked(result):
    """The lines under Unchecked."""
    from indexpilot_cli.render.views.review.words import unchecked as lines

    return lines(result)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--truth", action="store_true")
    options = parser.parse_args()
    found = Counter()
    with database(options.dsn) as dsn:
        for case in cases():
            if options.only and case.name not in options.only.split(","):
                continue
            if options.truth:
                state = happens(dsn, case)
                print("ok  " if state == case.sqlstate else f"IS {state}", case.name, case.sqlstate)
                continue
            kind, words = said(dsn, case)
            found[kind] += 1
            print(f"{kind:9} {case.name}: {words}", flush=True)
    print(dict(found))


if __name__ == "__main__":
    main()
