"""Guards: what a file refuses by itself (``IF … THEN RAISE``), and reads that fail only on an empty clone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from indexpilot_cli.core.dml import Select, any_row
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeKind
from indexpilot_cli.evolve.review.probes.shape import MAY_FAIL
from indexpilot_cli.evolve.review.probes.tables import Tables
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.safe.values import SafeText

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
# RAISE of NOTICE and the like only speaks; without a level it is EXCEPTION and ends the block (P0001).
# https://www.postgresql.org/docs/current/plpgsql-errors-and-messages.html
_GUARD = re.compile(
    r"\bIF\b(?P<condition>(?:(?!\bTHEN\b|\bIF\b).)+?)\bTHEN\s+RAISE\b(?!\s+(?:NOTICE|WARNING|INFO|LOG|DEBUG)\b)"
    r"(?P<rest>.*?)\bEND\s+IF\b",
    re.I | re.S,
)
_BRANCHES = re.compile(r"\b(IF|LOOP|FOR|WHILE|CASE|EXCEPTION|FOREACH)\b", re.I)
_INTO = re.compile(
    r"\bSELECT\b(?P<what>[^;]*?)\bINTO\s+(?P<strict>STRICT\s+)?(?P<name>\w+)\b(?P<source>[^;]*);", re.I | re.S
)
_ASSIGNED = re.compile(r"\b(?P<name>\w+)\s*:=\s*(?P<value>[^;]+);", re.I | re.S)
_HERE = QualifiedName("", "")


def guard_questions(actions: Sequence[Action], failed: bool, tables: Tables, number: int) -> Iterator[Probe]:
    """The conditions under which a DO block raises; for a SELECT that failed on the clone, the SELECT itself."""
    for action in actions:
        if action.kind is Act.DO and action.expression and action.type == "plpgsql":
            yield from _raised(action.expression, tables, number)
        if action.kind in (Act.CREATE_TABLE_AS, Act.CREATE_MATVIEW) and action.expression:
            found = tables.query(action.expression) if MAY_FAIL.search(action.expression) else None
            if found is not None:
                yield _failing("its query fails on the data", found, number)
    # A division by the count of no rows, for one, fails on empty tables only: the data decides.
    if failed and len(actions) == 1 and actions[0].kind is Act.SELECT:
        found = tables.query(actions[0].sql)
        if found is not None:
            yield _failing("the query fails on the data", found, number)


def _raised(body: str, tables: Tables, number: int) -> Iterator[Probe]:
    """Guards in a row, as long as nothing before them branches."""
    text = _COMMENT.sub(" ", body)
    values = _variables(text)
    yield from _strict(text, tables, number)
    place = 0
    for match in _GUARD.finditer(text):
        # Behind a branch nobody knows whether the guard is reached.
        if _BRANCHES.search(text[place : match.start()]) or re.search(r"\bELSE?I?F?\b", match["rest"], re.I):
            return
        place = match.end()
        condition = _substituted(match["condition"], values)
        found = tables.query(f"SELECT 1 WHERE ({condition})")
        if found is not None:
            words, sql = "the file itself raises an error on this data", any_row(f"({found.sql}) AS ip_q")
            yield _probe(ProbeKind.EXISTS, "P0001", words, sql, number)


def _strict(text: str, tables: Tables, number: int) -> Iterator[Probe]:
    """SELECT … INTO STRICT that does not find exactly one row, where nothing before it branches."""
    for match in _INTO.finditer(text):
        # Without STRICT no row means NULL and further rows are ignored; with it the block fails (P0002, P0003).
        # https://www.postgresql.org/docs/current/plpgsql-statements.html
        found = tables.query(f"SELECT {match['what']} {match['source']}") if match["strict"] else None
        if found is not None and not _BRANCHES.search(text[: match.start()]):
            sql = f"SELECT 1 WHERE ({Select('count(*)', f'({found.sql}) AS ip_q')}) <> 1"
            yield _probe(ProbeKind.EXISTS, "P0002", "a query of the file does not find exactly one row", sql, number)


def _variables(text: str) -> dict[str, str]:
    """What variables hold that are assigned once, from one query or expression."""
    found = [(m["name"].lower(), f"(SELECT {m['what']} {m['source']})") for m in _INTO.finditer(text)]
    found += [(m["name"].lower(), f"({m['value']})") for m in _ASSIGNED.finditer(text)]
    # A variable that is assigned twice has no one value.
    names = [name for name, _ in found]
    return {name: value for name, value in found if names.count(name) == 1}


def _substituted(condition: str, values: dict[str, str]) -> str:
    return re.sub(r"\b\w+\b", lambda m: values.get(m[0].lower(), m[0]), condition)


def _failing(words: str, found: SafeText, number: int) -> Probe:
    """The whole query, counted: every row of it is computed and none is given away."""
    return _probe(ProbeKind.CAST, "22000", words, Select("count(ip_q)", f"({found.sql}) AS ip_q"), number)


def _probe(kind: ProbeKind, state: str, words: str, sql: str, number: int) -> Probe:
    return Probe(number, kind, state, _HERE, words, sql)
