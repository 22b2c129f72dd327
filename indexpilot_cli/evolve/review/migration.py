"""A migration file, read by the real parser: statements with exact places, what each does, ignore comments."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace

from indexpilot_cli.errors import UsageError
from indexpilot_cli.sql.ddl.action import Act, Action, Ignore, Migration, MigrationStatement
from indexpilot_cli.sql.ddl.action_of import read_actions
from indexpilot_cli.sql.ddl.script import Comment, Cut, cut, marked_transaction
from indexpilot_cli.sql.parser import Unparsed, parse

_IGNORE = re.compile(
    r"indexpilot\s*:\s*ignore\s+(?P<ids>[A-Za-z]\d+(?:\s*,\s*[A-Za-z]\d+)*)\s*(?:(?:--|—|–|:|-)\s*)?(?P<reason>.*)",
    re.IGNORECASE | re.DOTALL,
)
_VARIABLE = re.compile(r"(?<![:\w]):(?:\w+|'\w+'|\"\w+\")|\$\{\w+\}|\{\{.*?\}\}")
_TOO_LONG = {"insert": Act.INSERT, "copy": Act.COPY, "update": Act.UPDATE, "delete": Act.DELETE, "do": Act.DO}


@dataclass(frozen=True, slots=True)
class Problem:
    """A place the parser could not read; both numbers count from 1."""

    line: int
    column: int
    message: str


class UnreadableMigration(UsageError):
    """A file that is not SQL. ``problems`` are all its unreadable statements, at most one each."""

    default_code = "unparsed"

    def __init__(self, path: str, problems: tuple[Problem, ...], hint: str | None = None):
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            f"cannot read {path}:{first.line}:{first.column}: {first.message}{more}",
            detail="; ".join(f"{p.line}:{p.column}: {p.message}" for p in problems[1:]) or None,
            hint=hint,
        )
        self.path = path
        self.problems = problems


def read_migration(path: str, text: str, *, one_transaction: bool = False) -> Migration:
    """The statements a migration tool would run, with their places in ``text`` as it is.

    psql's backslash commands, COPY data and the part that undoes (goose, sql-migrate, dbmate) are no statements.
    Marks of those tools decide about the transaction, else ``one_transaction`` does. Raises UnreadableMigration
    with every place that does not parse.
    """
    found = cut(text)
    lines = _Lines(text)
    statements: list[MigrationStatement] = []
    problems: list[Problem] = []
    for number, (start, end) in enumerate(found.statements, 1):
        line, column = lines.place(start)
        sql = text[start:end]
        actions = _actions(sql)
        if isinstance(actions, Unparsed):
            problems.append(Problem(*lines.place(start + max(actions.position - 1, 0)), actions.message))
        else:
            statements.append(MigrationStatement(number, sql, line, column, start, end, actions))
    if problems:
        raise UnreadableMigration(path, tuple(problems), _hint(text, found))
    marked = marked_transaction(found.comments)
    migration = Migration(path, text, tuple(statements), one_transaction if marked is None else marked)
    return _with_ignores(migration, found, lines)


def _actions(sql: str) -> tuple[Action, ...] | Unparsed:
    statement = parse(sql)
    if not isinstance(statement, Unparsed):
        return tuple(read_actions(statement.node, sql))
    if statement.reason == "too_long":
        kind = _TOO_LONG.get(sql.split(None, 1)[0].lower(), Act.OTHER)
        return (Action(kind, options=frozenset({"unread"}), sql=sql),)
    return statement


def _hint(text: str, found: Cut) -> str | None:
    if any(_VARIABLE.search(text, start, end) for start, end in found.statements):
        return "give psql variables and template placeholders their values before the check"
    return None


class _Lines:
    """Lines and columns of places."""

    def __init__(self, text: str) -> None:
        self.starts = [0, *(m.end() for m in re.finditer(r"\r\n|\n|\r", text))]
        self.first = 1 if text.startswith("\ufeff") else 0

    def place(self, position: int) -> tuple[int, int]:
        line = bisect_right(self.starts, position)
        return line, position - self.starts[line - 1] + 1 - (self.first if line == 1 else 0)

    def line(self, position: int) -> int:
        return bisect_right(self.starts, position)


def _with_ignores(migration: Migration, found: Cut, lines: _Lines) -> Migration:
    of: dict[int, tuple[Ignore, ...]] = {}
    stray: tuple[Ignore, ...] = ()
    for comment in found.comments:
        ignores = _ignores(comment, lines)
        if not ignores:
            continue
        number = _target(migration, comment, lines)
        if number is None:
            stray += ignores
        else:
            of[number] = of.get(number, ()) + ignores
    statements = tuple(replace(s, ignores=of.get(s.number, ())) for s in migration.statements)
    return replace(migration, statements=statements, stray_ignores=stray)


def _ignores(comment: Comment, lines: _Lines) -> tuple[Ignore, ...]:
    match = _IGNORE.search(comment.text.removesuffix("*/"))
    if match is None:
        return ()
    reason = " ".join(match["reason"].split())
    line = lines.line(comment.start)
    return tuple(Ignore(i.strip().upper(), reason, line) for i in match["ids"].split(","))


def _target(migration: Migration, comment: Comment, lines: _Lines) -> int | None:
    """The statement a comment speaks of: one it stands in or behind on the same line, else the next one."""
    line = lines.line(comment.start)
    around = [s for s in migration.statements if s.offset < comment.start and lines.line(s.end) >= line]
    if around:
        return around[-1].number
    return next((s.number for s in migration.statements if s.offset > comment.start), None)
