"""A migration file, read by the real parser: statements with exact places, what each does, ignore comments."""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from indexpilot_cli.core import files
from indexpilot_cli.errors import UsageError
from indexpilot_cli.evolve.review.values import UnparsedFile
from indexpilot_cli.sql.ddl.action import Act, Action, Ignore, Migration, MigrationStatement
from indexpilot_cli.sql.ddl.action_of import read_actions
from indexpilot_cli.sql.ddl.psql_script import Files, Script, ScriptSource, read_script
from indexpilot_cli.sql.ddl.script import Comment, cutting_tool, marked_transaction
from indexpilot_cli.sql.parser import Unparsed, parse

_IGNORE = re.compile(
    r"indexpilot\s*:\s*ignore\s+(?P<ids>[A-Za-z]\d+(?:\s*,\s*[A-Za-z]\d+)*)\s*(?:(?:--|—|–|:|-)\s*)?(?P<reason>.*)",
    re.IGNORECASE | re.DOTALL,
)
_VARIABLE = re.compile(r"(?<![:\w]):(?:\w+|'\w+'|\"\w+\")|\$\{\w+\}|\{\{.*?\}\}")
_TOO_LONG = {"insert": Act.INSERT, "copy": Act.COPY, "update": Act.UPDATE, "delete": Act.DELETE, "do": Act.DO}
_SUFFIX = ".sql"
# Rails, golang-migrate and others keep the way back in a file of its own; it is not what will run.
_BACK = (".down.sql", "_down.sql", ".rollback.sql", ".undo.sql")


class UnreadableMigration(UsageError):
    """A file that is not SQL. ``problems`` are all its unreadable statements, at most one each."""

    default_code = "unparsed"

    def __init__(self, path: str, problems: tuple[UnparsedFile, ...], hint: str | None = None):
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            f"cannot read {first.path or path}:{first.line}:{first.column}: {first.message}{more}",
            detail="; ".join(map(_told, problems[1:])) or None,
            hint=hint,
        )
        self.path = path
        self.problems = problems


def _told(problem: UnparsedFile) -> str:
    where = f"{problem.path}:" if problem.path else ""
    return f"{where}{problem.line}:{problem.column}: {problem.message}"


class DiskFiles:
    r"""What ``\i`` and ``\cd`` find on this machine, from the working directory."""

    def read(self, path: str) -> str:
        """The text of a file. Raises OSError."""
        if not files.is_file(path):
            raise FileNotFoundError(0, f"there is no such file: {path} from the directory where psql is started")
        try:
            return files.read_text(path, files.INCLUDED)
        except UsageError as error:
            raise OSError(0, error.message) from None

    def is_folder(self, path: str) -> bool:
        """Whether it is a directory."""
        return files.is_directory(path)

    def home(self) -> str:
        """The user's."""
        return str(Path.home())


class NoFiles(DiskFiles):
    """For text that is no file of the user's: nothing is read because it says so."""

    def read(self, path: str) -> str:
        """Raises PermissionError."""
        raise PermissionError(1, f"{path} is not read")

    def is_folder(self, path: str) -> bool:  # noqa: ARG002 - part of the protocol
        """None is, for who asks."""
        return False

    def home(self) -> str:
        """Of nobody."""
        return "/"


def read_migration(
    path: str, text: str, *, one_transaction: bool | None = False, opened: Files | None = None
) -> Migration:
    r"""The statements a migration tool or psql would run, with their places in ``text`` as it is.

    Of psql's commands those are followed that a file decides (``\i``, ``\set``, ``\if`` …), what they read included;
    COPY data and the part that undoes (goose, sql-migrate, dbmate) are no statements. Marks of those tools decide about
    the transaction, else ``one_transaction`` does (None: unless there is one statement only). ``opened`` reads other
    files. Raises UnreadableMigration with every place that does not parse or that only psql could tell.
    """
    script = read_script(path, text, opened or DiskFiles())
    lines = [_Lines(source.text) for source in script.sources]
    problems = [_problem(script, lines, p.source, p.position, p.message) for p in script.problems]
    statements: list[MigrationStatement] = []
    for number, piece in enumerate(script.statements, 1):
        actions = _actions(piece.sql)
        if isinstance(actions, Unparsed):
            whole = piece.sql == script.sources[piece.source].text[piece.start : piece.end]
            within = max(actions.position - 1, 0) if whole else 0
            problems.append(_problem(script, lines, piece.source, piece.start + within, actions.message))
        else:
            place = lines[piece.source].place(piece.start)
            other = (script.sources[piece.source].path, *place) if piece.source else None
            end = piece.at if piece.source else piece.end
            at = lines[0].place(piece.at)
            statements.append(
                MigrationStatement(number, piece.sql, *at, piece.at, end, actions, source=other, ended=piece.ended)
            )
    if problems:
        problems.sort(key=lambda p: (p.path, p.line, p.column))
        raise UnreadableMigration(path, tuple(problems), _hint(script))
    comments = script.sources[0].comments
    marked = marked_transaction(comments)
    asked = len(statements) > 1 if one_transaction is None else one_transaction
    wrapped = asked if marked is None else marked
    migration = Migration(
        path, text, tuple(statements), wrapped, composed=script.composed, cutter=cutting_tool(comments)
    )
    for number, source in enumerate(script.sources):
        migration = _with_ignores(migration, source, lines[number], own=not number)
    return migration


def _problem(script: Script, lines: Sequence[_Lines], source: int, position: int, message: str) -> UnparsedFile:
    found = script.sources[source]
    line, column = lines[source].place(position)
    path, text = (found.path, found.text) if source else ("", "")
    return UnparsedFile(message, line, column, path=path, text=text)


def _actions(sql: str) -> tuple[Action, ...] | Unparsed:
    statement = parse(sql)
    if not isinstance(statement, Unparsed):
        return tuple(read_actions(statement.node, sql))
    if statement.reason == "too_long":
        kind = _TOO_LONG.get(sql.split(None, 1)[0].lower(), Act.OTHER)
        return (Action(kind, options=frozenset({"unread"}), sql=sql),)
    return statement


def _hint(script: Script) -> str | None:
    if any(_VARIABLE.search(piece.sql) for piece in script.statements):
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


def _with_ignores(migration: Migration, source: ScriptSource, lines: _Lines, *, own: bool) -> Migration:
    """The migration with the ignore comments of one of its files; stray ones only of the file itself."""
    mine = [s for s in migration.statements if (s.source is None if own else s.source and s.source[0] == source.path)]
    of: dict[int, tuple[Ignore, ...]] = {}
    stray = migration.stray_ignores
    for comment in source.comments:
        ignores = _ignores(comment, lines)
        if not ignores:
            continue
        number = _target(mine, comment, lines)
        if number is None:
            stray += ignores if own else ()
        else:
            of[number] = of.get(number, ()) + ignores
    statements = tuple(replace(s, ignores=s.ignores + of.get(s.number, ())) for s in migration.statements)
    return replace(migration, statements=statements, stray_ignores=stray)


def _ignores(comment: Comment, lines: _Lines) -> tuple[Ignore, ...]:
    match = _IGNORE.search(comment.text.removesuffix("*/"))
    if match is None:
        return ()
    reason = " ".join(match["reason"].split())
    line = lines.line(comment.start)
    return tuple(Ignore(i.strip().upper(), reason, line) for i in match["ids"].split(","))


def _target(statements: Sequence[MigrationStatement], comment: Comment, lines: _Lines) -> int | None:
    """The statement a comment speaks of: one it stands in or behind on the same line, else the next one."""
    line, column = lines.place(comment.start)
    around = [s for s in statements if _begin(s) < (line, column) and _begin(s)[0] + s.sql.count("\n") >= line]
    if around:
        return around[-1].number
    return next((s.number for s in statements if _begin(s) > (line, column)), None)


def _begin(statement: MigrationStatement) -> tuple[int, int]:
    return statement.source[1:] if statement.source else (statement.line, statement.column)


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A file's name as the user wrote it (``-`` for standard input) and its text."""

    path: str
    text: str


def read_files(names: Sequence[str], git_diff: str | None) -> tuple[MigrationFile, ...]:
    """Every file once, in the order in which migrations run: as given, directories sorted by name.

    Raises UsageError for what cannot be read, for text that is not UTF-8, and when nothing is left to review.
    """
    paths = tuple(_expand(names))
    if git_diff is not None:
        paths = tuple(_changed(git_diff, paths))
        return tuple(_read(path) for path in paths)
    if not paths:
        raise UsageError(
            "no migration to review", hint="give files, a directory or - ; or --git-diff BASE", code="no_migration"
        )
    return tuple(_read(path) for path in dict.fromkeys(paths))


def _expand(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        path = Path(name)
        if name != "-" and files.is_directory(path):
            found = [p for p in files.sql_below(path) if not _leads_back(p)]
            if not found:
                raise UsageError(f"no {_SUFFIX} files in {name}", code="no_migration")
            yield from map(str, found)
        else:
            yield name


def _leads_back(path: Path) -> bool:
    return path.name.removesuffix(path.suffix if path.suffix != _SUFFIX else "").endswith(_BACK)


def _changed(base: str, within: Sequence[str]) -> Iterator[str]:
    """Files added or changed since the merge base with the revision, those not committed yet included."""
    if base.startswith("-"):
        raise UsageError(f'"{base}" is not a revision', hint="such as  --git-diff origin/main")
    top = Path(_git("rev-parse", "--show-toplevel").strip())
    since = _git("merge-base", base, "HEAD").strip()
    listed = _git("diff", "--name-only", "--diff-filter=AMR", "-z", since, "--").split("\0")
    fresh = _git("ls-files", "--others", "--exclude-standard", "--full-name", "-z", str(top)).split("\0")
    wanted, here = {Path(name).resolve() for name in within}, Path.cwd()
    for name in sorted({*listed, *fresh} - {""}):
        path = top / name
        ours = files.plain_suffix(path) == _SUFFIX and not _leads_back(path) and files.is_file(path)
        if ours and (not wanted or path.resolve() in wanted):
            yield str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _git(*arguments: str) -> str:
    try:
        result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError("git does not answer", detail=str(error), hint="give the files by name") from None
    if result.returncode != 0:
        words = result.stderr.strip().splitlines()
        raise UsageError(
            f"git {arguments[0]} failed",
            detail=words[-1] if words else None,
            hint="give a revision such as origin/main",
        )
    return result.stdout


def _read(path: str) -> MigrationFile:
    return MigrationFile(path, files.read_text(path, files.MIGRATION))
