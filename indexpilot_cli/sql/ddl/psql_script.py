r"""A file as ``psql -f`` reads it: branches chosen, variables put in, other files read where ``\i`` names them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from indexpilot_cli.sql.ddl.psql import SENDS, Command, Psql, UnknownToFiles, command_at
from indexpilot_cli.sql.ddl.script import Comment, Cutter, ScriptPart, Stretch, cut, data_end, stretch

MOST_DEEP = 16
_INCLUDES = frozenset({"i", "include", "ir", "include_relative"})
_LINE_END = re.compile(r"\r?\n|\Z")
_COPIED = re.compile(r"\b(?P<way>from|to)\s+(?:program\s+)?(?P<place>'(?:[^']|'')*'|\S+)", re.IGNORECASE)
_STANDARD = ("stdin", "stdout")


class Files(Protocol):
    r"""Where ``\i`` and ``\cd`` look; paths count from the directory in which psql would be started."""

    def read(self, path: str) -> str:
        """The text of a file. Raises OSError or ValueError."""

    def is_folder(self, path: str) -> bool:
        """Whether ``\\cd`` could go there."""

    def home(self) -> str:
        """Where ``\\cd`` without an argument goes, and what ``~`` means before a file's name."""


@dataclass(frozen=True, slots=True)
class ScriptSource:
    """A file that was read, with all its comments."""

    path: str
    text: str = field(repr=False)
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True)
class ScriptStatement:
    """A statement as it is sent. ``at`` is where the main file has it, or the command that reads its file in.

    ``ended``: a semicolon or a command of psql ends it, and not the end of its file.
    """

    source: int
    start: int
    end: int
    sql: str
    at: int
    ended: bool = True


@dataclass(frozen=True, slots=True)
class ScriptProblem:
    """A place of a source that cannot be understood, and why."""

    source: int
    position: int
    message: str


@dataclass
class Script:
    """What the reading of a file gave; ``sources`` begin with the file itself.

    ``composed``: the text alone is not what runs.
    """

    sources: list[ScriptSource] = field(default_factory=list)
    statements: list[ScriptStatement] = field(default_factory=list)
    problems: list[ScriptProblem] = field(default_factory=list)
    composed: bool = False


def read_script(path: str, text: str, files: Files) -> Script:
    """All statements that psql would send, in order; other files are read from ``files``."""
    script = Script()
    _Reader(script, Psql(), files, "" if path == "-" else path, (posixpath.normpath(path),)).read(path, text, None)
    return script


@dataclass
class _Reader:
    """Reads one file. ``name`` is what psql remembers of it: as it was named, from the directory of that moment."""

    script: Script
    psql: Psql
    files: Files
    name: str
    chain: tuple[str, ...]

    def read(self, path: str, text: str, at: int | None) -> None:
        number = len(self.script.sources)
        self.script.sources.append(ScriptSource(path, text))
        deep = len(self.psql.branches)
        cutter = _ScriptCutter(text, number, at, self)
        found = cutter.run()
        self.script.sources[number] = ScriptSource(path, text, found.comments)
        if len(self.psql.branches) > deep:
            cutter.problem(cutter.opened_at, r"\if has no \endif")
            del self.psql.branches[deep:]

    def include(self, command: Command, at: int) -> None:
        place = self.psql.place(command.rest)
        if not place:
            raise UnknownToFiles(f"\\{command.name} names no file")
        if place == "-":
            raise UnknownToFiles(f"\\{command.name} - reads what standard input gives when the file runs")
        name = self._named(place, relative=command.name in ("ir", "include_relative"))
        found = posixpath.join(self.psql.folder, name)
        same = posixpath.normpath(found)
        if same in self.chain or len(self.chain) >= MOST_DEEP:
            why = "it is being read already" if same in self.chain else f"files stand {MOST_DEEP} deep in each other"
            raise UnknownToFiles(f"{found} is not read: {why}")
        text = self.files.read(found)
        self.script.composed = True
        _Reader(self.script, self.psql, self.files, name, (*self.chain, same)).read(found, text, at)

    def _named(self, name: str, *, relative: bool) -> str:
        r"""A file's name as psql opens it: ``\ir`` puts it behind the folder in the name of the file it stands in.

        That name stays what it was when \cd goes elsewhere, so a relative one is then looked up from the new place.
        """
        if name == "~" or name.startswith("~/"):
            name = self.files.home() + name[1:]
        if relative:
            name = posixpath.join(posixpath.dirname(self.name), name)
        return posixpath.normpath(name)

    def change_folder(self, command: Command) -> None:
        place = self.psql.place(command.rest) or self.files.home()
        folder = posixpath.join(self.psql.folder, place)
        if not self.files.is_folder(folder):
            raise UnknownToFiles(f"\\cd {command.rest.strip()}: there is no directory {folder}")
        self.psql.folder = folder


class _ScriptCutter(Cutter):
    """Cuts one source; what psql does not send is left out of the statements."""

    def __init__(self, text: str, source: int, at: int | None, reader: _Reader) -> None:
        super().__init__(text)
        self.source, self.at, self.reader = source, at, reader
        self.holes: list[tuple[int, int]] = []
        self.opened_at = 0
        self.sent = False

    def problem(self, position: int, message: str) -> None:
        self.reader.script.problems.append(ScriptProblem(self.source, position, message))

    def _take(self, piece: Stretch) -> None:
        psql = self.reader.psql
        if piece.part in (ScriptPart.META, ScriptPart.SPACE, ScriptPart.COMMENT) or psql.active:
            super()._take(piece)
        elif self.start >= 0:
            self.holes.append((piece.start, piece.end))

    def _comment(self, piece: Stretch) -> None:
        edges = re.findall(r"/\*|\*/", self.text[piece.start : piece.end])
        if self.text.startswith("/*", piece.start) and edges.count("/*") > edges.count("*/"):
            self.problem(piece.start, "a comment without an end hides the rest of the file")
        super()._comment(piece)

    def meta(self, piece: Stretch) -> None:
        end = _LINE_END.search(self.text, piece.start)
        command = command_at(self.text, piece.start, end.start() if end else len(self.text))
        self.position = max(command.end, piece.start + 1)
        if self.start >= 0:
            self.holes.append((piece.start, self.position))
        try:
            self._command(command, piece)
        except (UnknownToFiles, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            self.problem(piece.start, f"\\{command.name} {command.rest.strip()}: {reason}" if reason else str(error))

    def _command(self, command: Command, piece: Stretch) -> None:
        name, psql = command.name, self.reader.psql
        if name in ("if", "elif", "else", "endif"):
            self.opened_at = piece.start if name == "if" else self.opened_at
            self.reader.script.composed = True
            psql.run(command)
        elif not psql.active or name in ("\\", "."):
            return
        elif name in SENDS or name == ";":
            psql.answered = psql.answered or name == "gset"
            self._send()
        elif name in ("r", "reset", "gdesc", "q", "quit"):
            self._forget()
            self.position = len(self.text) if name in ("q", "quit") else self.position
        elif name in _INCLUDES:
            self.reader.include(command, self._main(piece.start))
        elif name == "cd":
            self.reader.change_folder(command)
        elif name == "copy":
            self._copy(command, piece)
        else:
            if name == "gexec":
                self._forget()
            psql.run(command)

    def block_end(self) -> None:
        self.sent = self.start >= 0
        self.close()

    def _send(self) -> None:
        mine = [s for s in self.reader.script.statements if s.source == self.source]
        if self.start < 0 and mine:
            self.reader.script.statements.append(mine[-1])  # psql sends the last statement again
        self.sent = True
        self.close()

    def _forget(self) -> None:
        self.start, self.holes = -1, []
        Cutter.close(self)

    def _copy(self, command: Command, piece: Stretch) -> None:
        r"""``\copy`` is COPY with a file of psql's own side, which the server never sees."""
        found = next((m for m in _COPIED.finditer(command.rest) if _bare(command.rest, m.start())), None)
        if found is None:
            raise UnknownToFiles(r"\copy without FROM or TO")
        way, place = found["way"].upper(), found["place"]
        stream = "STDIN" if way == "FROM" else "STDOUT"
        sql = f"COPY {command.rest[: found.start()].strip()} {way} {stream}{command.rest[found.end() :].rstrip(' ;')}"
        self._add(piece.start, self.position, sql)
        self.reader.script.composed = True
        if place.lower().rstrip(";") == "stdin":
            self.position = data_end(self.text, self.position)

    def close(self, semicolon: int | None = None) -> None:
        start, end, holes = self.start, self.end, self.holes
        ended, self.holes, self.sent = semicolon is not None or self.sent, [], False
        super().close(semicolon)
        if start < 0:
            return
        try:
            sql = self._composed(start, end, holes)
            for piece in self._pieces(sql, self.text[start:end]):
                self._add(start, end, piece, ended=ended)
        except UnknownToFiles as error:
            self.problem(start, str(error))

    def _pieces(self, sql: str, written: str) -> Iterator[str]:
        """The statements of it: the value of a variable may hold a semicolon."""
        if sql == written:
            yield sql
            return
        for first, last in cut(sql).statements:
            yield sql[first:last]

    def _composed(self, start: int, end: int, holes: list[tuple[int, int]]) -> str:
        text = self.text[start:end]
        for first, last in holes:
            # Blanks in their place: what the parser says of a position stays true.
            blank = re.sub(r"[^\r\n]", " ", text[first - start : last - start])
            text = text[: first - start] + blank + text[last - start :]
        sql = self.reader.psql.substituted(text)
        self.reader.script.composed = self.reader.script.composed or sql != self.text[start:end]
        return sql

    def _add(self, start: int, end: int, sql: str, *, ended: bool = True) -> None:
        self.reader.script.statements.append(ScriptStatement(self.source, start, end, sql, self._main(start), ended))

    def _main(self, position: int) -> int:
        return position if self.at is None else self.at


def _bare(text: str, position: int) -> bool:
    """Whether a place stands outside of quotes and parentheses."""
    depth = at = 0
    while at < position:
        piece = stretch(text, at)
        depth += (piece.part is ScriptPart.OPEN) - (piece.part is ScriptPart.CLOSE)
        at = piece.end
    return at == position and depth == 0
