"""A migration file's text, cut into statements with exact places.

What is not SQL (psql's backslash commands, COPY data, the half that undoes) is stepped over, never cut out, so
every place is one of the file's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_WORD = r"[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*"
_TOKEN = re.compile(
    rf"""
      (?P<space>[\s\ufeff]+)
    | (?P<line_comment>--[^\r\n]*)
    | (?P<block_comment>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z))
    | (?P<string>'(?:[^']|'')*(?:'|\Z))
    | (?P<identifier>"(?:[^"]|"")*(?:"|\Z))
    | (?P<dollar>\$(?:{_WORD})?\$)
    | (?P<word>{_WORD}|\d[\w.]*)
    | (?P<meta>\\[^\r\n]*)
    | (?P<semicolon>;)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_SENDS = re.compile(r"\\(?:g|gx|gexec|gset|gdesc|crosstabview|watch)\b")
_COPY = re.compile(r"copy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.DOTALL)
_COPY_END = re.compile(r"^\\\.[ \t]*\r?$", re.MULTILINE)
_DOWN = re.compile(
    r"--\s*(?:\+(?:goose|migrate)\s+down|migrate:down|rambler\s+down|down\s+migration|-- create above / drop below)\b",
    re.IGNORECASE,
)
_UP = re.compile(
    r"^--\s*(?:\+(?:goose|migrate)\s+up|migrate:up|rambler\s+up|up\s+migration)\b", re.IGNORECASE | re.MULTILINE
)
# goose, sql-migrate, dbmate, Atlas; goose obeys its mark wherever it stands, behind Down too. sqlx and graphile-migrate
# look at the first line only. https://pressly.github.io/goose/documentation/annotations/
_WRAPPED = re.compile(r"--\s*(?:\+(?:goose|migrate)\s+up|migrate:up|atlas:txmode\s+(?:file|all))\b", re.IGNORECASE)
_ALONE = re.compile(
    r"--\s*(?:\+goose\s+no\s+transaction|\+migrate\s+up\s+notransaction|migrate:up\s.*transaction:\s*false"
    r"|atlas:txmode\s+none\b|--\s*tern:\s*disable-tx\b)",
    re.IGNORECASE,
)
_FIRST_ALONE = re.compile(r"--!?\s*no-transaction\b", re.IGNORECASE)
_GOOSE_ALONE = re.compile(r"^--[ \t]*\+goose[ \t]+no[ \t]+transaction\b", re.IGNORECASE | re.MULTILINE)
# These two cut their files themselves and refuse one whose last statement has no semicolon, unless it is marked as one.
_CUTTING = re.compile(r"--\s*\+(goose|migrate)\s+up\b", re.IGNORECASE)
_BLOCK_END = re.compile(r"--[ \t]*\+(?:goose|migrate)[ \t]+statementend\b", re.IGNORECASE)


class ScriptPart(StrEnum):
    """What a stretch of text is."""

    SPACE = "space"
    COMMENT = "comment"
    META = "meta"
    SEMICOLON = "semicolon"
    OPEN = "open"
    CLOSE = "close"
    WORD = "word"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters ``start`` to ``end`` of the text."""

    part: ScriptPart
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment with its marks."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The statements of a text as (start, end) without the comments around them, and all its comments."""

    statements: tuple[tuple[int, int], ...]
    comments: tuple[Comment, ...]


_PARTS = {
    "space": ScriptPart.SPACE,
    "line_comment": ScriptPart.COMMENT,
    "block_comment": ScriptPart.COMMENT,
    "meta": ScriptPart.META,
    "semicolon": ScriptPart.SEMICOLON,
    "open": ScriptPart.OPEN,
    "close": ScriptPart.CLOSE,
    "word": ScriptPart.WORD,
}


def stretch(text: str, position: int) -> Stretch:
    """The piece that starts at a place, as PostgreSQL and psql read it."""
    match = _TOKEN.match(text, position)
    assert match is not None  # the last alternative takes any character
    kind = match.lastgroup or "other"
    return Stretch(_PARTS.get(kind, ScriptPart.OTHER), position, _end(text, kind, match))


def _end(text: str, kind: str, match: re.Match[str]) -> int:
    if kind == "block_comment":
        return _comment_end(text, match.end())
    if kind == "dollar":
        closing = text.find(match.group(), match.end())
        return len(text) if closing < 0 else closing + len(match.group())
    return match.end()


def _comment_end(text: str, position: int) -> int:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(text, position):
        depth += 1 if edge.group() == "/*" else -1
        if not depth:
            return edge.end()
    return len(text)


class Cutter:
    """Collects statements while the stretches go by."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.statements: list[tuple[int, int]] = []
        self.comments: list[Comment] = []
        self.start = self.end = -1
        self.depth = self.body = self.position = 0
        self.before = ""

    def run(self) -> Cut:
        while self.position < len(self.text):
            piece = stretch(self.text, self.position)
            self.position = piece.end
            self._take(piece)
        self.close()
        return Cut(tuple(self.statements), tuple(self.comments))

    def _take(self, piece: Stretch) -> None:
        if piece.part is ScriptPart.COMMENT:
            self._comment(piece)
        elif piece.part is ScriptPart.SEMICOLON and not self.depth and not self.body:
            self.close(piece.end)
        elif piece.part is ScriptPart.META:
            self.meta(piece)
        elif piece.part is not ScriptPart.SPACE:
            self._grow(piece)

    def meta(self, piece: Stretch) -> None:
        """A command of psql to the end of its line: here only whether it sends what stands before it."""
        if _SENDS.match(self.text, piece.start):
            self.close()

    def block_end(self) -> None:
        """A migration tool's mark that ends the statement before it."""
        self.close()

    def _comment(self, piece: Stretch) -> None:
        if _BLOCK_END.match(self.text, piece.start):
            self.block_end()
        if _DOWN.match(self.text, piece.start):
            self.close()
            up = _UP.search(self.text, piece.end)
            self.position = up.start() if up else len(self.text)
            hidden = _GOOSE_ALONE.finditer(self.text, piece.end, self.position)
            self.comments += [Comment(mark.group(), *mark.span()) for mark in hidden]
        else:
            self.comments.append(Comment(self.text[piece.start : piece.end], piece.start, piece.end))

    def _grow(self, piece: Stretch) -> None:
        self.start = piece.start if self.start < 0 else self.start
        self.end = piece.end
        self.depth = max(self.depth + (piece.part is ScriptPart.OPEN) - (piece.part is ScriptPart.CLOSE), 0)
        word = self.text[piece.start : piece.end].lower() if piece.part is ScriptPart.WORD else ""
        if word == "atomic" and self.before == "begin":
            self.body = 1
        elif self.body and word in ("case", "end"):
            self.body += 1 if word == "case" else -1
        self.before = word

    def close(self, semicolon: int | None = None) -> None:
        """End the statement, behind its semicolon where it has one."""
        if self.start >= 0:
            self.statements.append((self.start, self.end))
            if semicolon is not None and _COPY.match(self.text, self.start, self.end):
                self.position = data_end(self.text, semicolon)
        self.start = self.end = -1
        self.depth = self.body = 0
        self.before = ""


def data_end(text: str, position: int) -> int:
    """Where the data behind a ``COPY … FROM stdin;`` ends."""
    line = text.find("\n", position)
    closing = _COPY_END.search(text, line + 1) if line >= 0 else None
    return closing.end() if closing else len(text)


def cut(text: str) -> Cut:
    """The statements and comments of a text, but for what stands between a down mark and the next up mark."""
    return Cutter(text).run()


def marked_transaction(comments: tuple[Comment, ...]) -> bool | None:
    """What the marks of migration tools say: one transaction, none, or nothing (None)."""
    marks = [c for c in comments if c.text.startswith("--")]
    if any(_ALONE.match(c.text) or (not c.start and _FIRST_ALONE.match(c.text)) for c in marks):
        return False
    return True if any(_WRAPPED.match(c.text) for c in marks) else None


def cutting_tool(comments: tuple[Comment, ...]) -> str:
    """The tool whose marks the file bears and which refuses a statement without a semicolon; empty for none."""
    found = next(filter(None, (_CUTTING.match(c.text) for c in comments)), None)
    return {"goose": "goose", "migrate": "sql-migrate"}[found[1].lower()] if found else ""
