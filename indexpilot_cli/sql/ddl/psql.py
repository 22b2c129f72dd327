"""psql's commands in a file, as far as a file alone can tell what they do.

What psql would only know in its session (the answer of a query, a program's output, the name of the database) is no
guess here: whoever needs it gets UnknownToFiles. https://www.postgresql.org/docs/current/app-psql.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from indexpilot_cli.sql.ddl.script import stretch

_VARIABLE = re.compile(
    r":(?:\{\?(?P<asked>[\w\u0080-\uffff]+)\}|'(?P<literal>[\w\u0080-\uffff]+)'"
    r'|"(?P<identifier>[\w\u0080-\uffff]+)"|(?P<plain>[\w\u0080-\uffff]+))'
)
_ARGUMENT = re.compile(
    r"""
      (?P<space>[ \t\r]+)
    | (?P<quoted>'(?:[^'\\]|''|\\.)*')
    | (?P<double>"(?:[^"])*")
    | (?P<program>`[^`]*`)
    | (?P<variable>:'[\w\u0080-\uffff]+'|:"[\w\u0080-\uffff]+")
    | (?P<bare>(?:(?!:['"])[^\s'"`\\])+)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"''|\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "b": "\b", "r": "\r", "f": "\f"}
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")

# They print, measure, or change how results look. \restrict and \unrestrict stand in every dump of a patched pg_dump.
_QUIET_TEXT = """
    a C conninfo copyright echo encoding errverbose f H h help html l l+ list list+ o out p print pset qecho restrict s
    setenv sf sf+ sv sv+ t T timing unrestrict w warn write x z z+ ?
"""
_QUIET = frozenset(_QUIET_TEXT.split())
_DESCRIBES = re.compile(r"d(?:[A-Za-z]{0,4}[S+x]{0,3})\Z")
SENDS = frozenset({"g", "gx", "gset", "crosstabview", "watch"})
# They are always set, to what the command line, .psqlrc, the server or the last statement made of them.
_SESSION_TEXT = """
    AUTOCOMMIT COMP_KEYWORD_CASE DBNAME ECHO ECHO_HIDDEN ENCODING ERROR FETCH_COUNT HIDE_TABLEAM
    HIDE_TOAST_COMPRESSION HISTCONTROL HISTSIZE HOST IGNOREEOF LAST_ERROR_MESSAGE LAST_ERROR_SQLSTATE
    ON_ERROR_ROLLBACK ON_ERROR_STOP PORT PROMPT1 PROMPT2 PROMPT3 QUIET ROW_COUNT SERVER_VERSION_NAME
    SERVER_VERSION_NUM SHOW_ALL_RESULTS SHOW_CONTEXT SINGLELINE SINGLESTEP SQLSTATE USER VERBOSITY VERSION
    VERSION_NAME VERSION_NUM
"""
_SESSION = frozenset(_SESSION_TEXT.split())
# What stands behind the command to the end of the line is its own, backslashes included.
_WHOLE_LINE = frozenset({"!", "copy", "ef", "ev", "h", "help", "sf", "sv"})
_REFUSED = {
    "gexec": r"\gexec runs what a query answers, which nobody knows before",
    "!": r"\! runs a program of its own",
    "e": r"\e opens an editor",
    "edit": r"\edit opens an editor",
    "ef": r"\ef opens an editor",
    "ev": r"\ev opens an editor",
    "bind": r"\bind gives parameters to the statement before it: write them into the statement",
    "bind_named": r"\bind_named runs a statement that was prepared before: write it out",
    "parse": r"\parse prepares a statement for later: write it out",
    "password": r"\password asks for a password and changes it",
    "lo_import": r"\lo_import writes a large object from a file: use a statement",
    "lo_unlink": r"\lo_unlink deletes a large object: use lo_unlink() in a statement",
    "lo_export": r"\lo_export writes a file",
    "startpipeline": r"\startpipeline sends statements without waiting for their answers: write them one by one",
}
_CONNECTS = r"\{} leaves this session: what follows runs in another one. Review it as a file of its own"


class UnknownToFiles(ValueError):
    """A command or value that only a running psql knows; the message says which."""


@dataclass(frozen=True, slots=True)
class Command:
    """A backslash command: its name, its arguments as written, and where its text ends."""

    name: str
    rest: str
    end: int


@dataclass
class Psql:
    """What a session of psql remembers between commands: variables (None: set, but to what is not known), branches.

    ``branches`` are the open ``\\if``: whether it is active, whether one of its branches was, whether it may be at all.
    ``answered``: a ``\\gset`` has set variables of which only the query's answer has the names.
    """

    variables: dict[str, str | None] = field(default_factory=dict)
    branches: list[tuple[bool, bool, bool]] = field(default_factory=list)
    folder: str = ""
    answered: bool = False

    @property
    def active(self) -> bool:
        """Whether what is read now is run."""
        return all(branch[0] for branch in self.branches)

    def substituted(self, text: str, within: tuple[str, ...] = ()) -> str:
        """SQL with its variables, but for those in quotes and comments; what nobody set stays, as psql leaves it.

        A value is read as SQL in its turn, with the variables in it; ``within`` are those whose values these are.
        """
        found, at = [], 0
        while at < len(text):
            match = _VARIABLE.match(text, at)
            if text.startswith("::", at):
                piece, at = "::", at + 2
            elif match is not None:
                piece, at = self._value(match), match.end()
                name = match["plain"]
                if name in within:  # psql expands no variable in itself
                    piece = match.group()
                elif name and piece != match.group():
                    piece = self.substituted(piece, (*within, name))
            else:
                end = stretch(text, at).end
                piece, at = text[at:end], end
            found.append(piece)
        return "".join(found)

    def _value(self, match: re.Match[str]) -> str:
        name = match["asked"] or match["literal"] or match["identifier"] or match["plain"]
        if match["asked"] and (name in self.variables or not self.answered):
            return "TRUE" if name in self.variables or name in _SESSION else "FALSE"
        if name not in self.variables and name not in _SESSION and not self.answered:
            return match.group()
        value = self.variables.get(name)
        if value is None:
            raise UnknownToFiles(f"the value of the psql variable {name} is known only when the file runs")
        if match["literal"]:
            return "'" + value.replace("'", "''") + "'"
        return '"' + value.replace('"', '""') + '"' if match["identifier"] else value

    # -- commands

    def run(self, command: Command) -> None:
        """What a command that neither sends nor reads anything does. Raises UnknownToFiles."""
        name = command.name
        if name in ("if", "elif", "else", "endif"):
            self._branch(name, command.rest)
        elif self.active:
            self._act(name, command)

    def _act(self, name: str, command: Command) -> None:
        if name in ("set", "unset", "getenv", "prompt"):
            self._set(name, command.rest)
        elif name in ("c", "connect"):
            raise UnknownToFiles(_CONNECTS.format(name))
        elif name in _REFUSED:
            raise UnknownToFiles(_REFUSED[name])
        elif name not in _QUIET and not _DESCRIBES.match(name):
            raise UnknownToFiles(f"\\{name} is no command of psql that a review understands")

    def _set(self, name: str, rest: str) -> None:
        if name == "prompt":
            given = rest.split()
            self.variables[given[-1] if given else ""] = None
            return
        words = list(_words(rest))
        target = self._word(words[0]) if words else ""
        if (
            target == "AUTOCOMMIT"
            and name == "set"
            and "".join(map("".join, words[1:])).lower() not in ("on", "1", "true")
        ):
            raise UnknownToFiles(r"\set AUTOCOMMIT off begins transactions that stand nowhere: write BEGIN")
        if target == "SINGLELINE" and name == "set":
            raise UnknownToFiles(r"\set SINGLELINE lets every line end a statement: end them with semicolons")
        if name == "unset":
            self.variables.pop(target, None)
        elif name == "getenv":
            self.variables[target] = None
        elif target:
            try:
                # Several words are joined without a blank between them, as psql does.
                self.variables[target] = "".join(map(self._word, words[1:]))
            except UnknownToFiles:
                self.variables[target] = None

    def arguments(self, rest: str) -> tuple[str, ...]:
        """The arguments with their quotes taken away and their variables given. Raises UnknownToFiles."""
        return tuple(map(self._word, _words(rest)))

    def place(self, rest: str) -> str:
        r"""What ``\i`` and ``\cd`` take, semicolons behind it left out; empty when none is named."""
        word = next(_words(rest), [""])
        return self._word(word).rstrip("" if word[-1][:1] in tuple("'\"`") else ";")

    def _word(self, pieces: Sequence[str]) -> str:
        return "".join(map(self._piece, pieces))

    def _piece(self, piece: str) -> str:
        if piece.startswith("'"):
            return _ESCAPE.sub(_unescaped, piece[1:-1])
        if piece.startswith("`"):
            raise UnknownToFiles(f"the answer of the program {piece} is known only when the file runs")
        return piece if piece.startswith('"') else _VARIABLE.sub(self._value, piece)

    def _branch(self, name: str, rest: str) -> None:
        if name == "if":
            possible = self.active
            self.branches.append((possible, possible, possible))
            truth = possible and self._truth(rest)
            self.branches[-1] = (truth, truth, possible)
            return
        if not self.branches:
            raise UnknownToFiles(f"\\{name} stands outside of an \\if")
        _, done, possible = self.branches.pop()
        if name == "elif":
            truth = possible and not done and self._truth(rest)
            self.branches.append((truth, done or truth, possible))
        elif name == "else":
            self.branches.append((possible and not done, True, possible))

    def _truth(self, rest: str) -> bool:
        text = " ".join(self.arguments(rest)).strip().lower()
        for words, truth in ((_TRUE, True), (_FALSE, False)):
            # psql takes every beginning of a word that no other word has; "o" alone could be both.
            if text and text != "o" and any(word.startswith(text) for word in words):
                return truth
        raise UnknownToFiles(f"whether \\if {rest.strip()} is true is known only when the file runs")


def command_at(text: str, position: int, end: int) -> Command:
    """The command whose backslash stands at a place, on the line that ends at ``end``."""
    match = re.compile(r"\\(?:[A-Za-z_]+[+Sx]*|[?!.;\\]|)").match(text, position)
    assert match is not None
    name = match.group()[1:]
    at = match.end()
    if name in (";", ".", "\\", ""):
        return Command(name, "", at)
    if name in _WHOLE_LINE:
        return Command(name, text[at:end], end)
    for word in _pieces(text, at, end):
        at += len(word)
    # An unquoted backslash begins the next command; two of them go back to SQL.
    after = at + 2 if text.startswith("\\\\", at) and at < end else at
    return Command(name, text[match.end() : at], after)


def _pieces(text: str, start: int, end: int) -> Iterator[str]:
    at = start
    while at < end and text[at] != "\\":
        match = _ARGUMENT.match(text, at, end)
        piece = match.group() if match else text[at]
        yield piece
        at += len(piece)


def _words(rest: str) -> Iterator[list[str]]:
    """Arguments, each as the pieces that stand without a blank between them, what is quoted in its quotes."""
    word: list[str] = []
    for piece in _pieces(rest, 0, len(rest)):
        if not piece.isspace():
            word.append(piece)
        elif word:
            yield word
            word = []
    if word:
        yield word


def _unescaped(match: re.Match[str]) -> str:
    if match.group() == "''":
        return "'"
    octal, hexadecimal, letter = match.groups()
    if octal or hexadecimal:
        return chr(int(octal, 8) if octal else int(hexadecimal, 16))
    return _LETTERS.get(letter, letter)
