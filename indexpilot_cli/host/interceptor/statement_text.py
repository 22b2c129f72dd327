"""Statements as they are compared: one spelling for each, one template for those that differ in values.

The parser is imported when a text is read for the first time: a host that only imports us need not load it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from indexpilot_cli.db.plans import PLANNED_WORDS

Values: TypeAlias = Sequence[Any] | Mapping[str, Any]
# As psycopg reads a query with parameters: https://www.psycopg.org/psycopg3/docs/basic/params.html
_PLACEHOLDER = re.compile(r"%(?:%|\((?P<name>[^)]*)\)[stb]?|[stb](?![A-Za-z]))")
_CONSTANTS = frozenset(("SCONST", "ICONST", "FCONST", "BCONST", "XCONST", "USCONST", "PARAM"))
# E'…', $$…$$, U&'…' and two texts in a row are texts, too; "name" and U&"name" are names.
_WRITTEN_IN_WAYS = frozenset(("SCONST", "USCONST", "IDENT", "UIDENT"))
_PLAIN = re.compile(r"'(?:[^'\\]|'')*'|\w[^'\"&]*")
_COMMENTS = frozenset(("SQL_COMMENT", "C_COMMENT"))
_TIGHT_BEFORE = frozenset(",).;[]:") | {"::"}
_TIGHT_AFTER = frozenset("(.[") | {"::"}
# Equal values in a row, and equal rows of them; drivers write the types of parameters behind them.
_LIST = re.compile(r"(\?(?:::[\w.]+(?:\[\])?)?)(?:, \1)+(?![\w:.\[])")
_ROWS = re.compile(r"(\((?:\?(?:::[\w.]+(?:\[\])?)?(?:, )?)+\))(?:, \1)+")
# Utility statements that run what only the server knows.
_HIDING = frozenset(("DoStmt", "CallStmt", "ExecuteStmt", "RefreshMatViewStmt"))


class StatementUse(StrEnum):
    """What EXPLAIN can do with a statement: plan it; nothing, as it reads no rows; nothing, though it may."""

    PLANNED = "planned"
    WITHOUT_PLAN = "without_plan"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class ReadStatement:
    """One statement of a text.

    ``sql`` is what is planned, with ``%(p0)s``, ``%(p1)s`` … for the parameters whose places (numbers or names) stand
    in ``wanted``; ``normal`` its one spelling with values, ``template`` the one without; ``digest`` names the first,
    ``template_id`` the second.
    """

    sql: str
    wanted: tuple[int | str, ...]
    normal: str
    template: str
    digest: str
    template_id: str
    use: StatementUse

    def values(self, params: Values | None) -> list[Any]:
        """The values of the parameters in their order. Raises LookupError when one is missing."""
        if params is None:
            if self.wanted:
                raise LookupError("the statement has parameters, and no values were given")
            return []
        return [params[place] for place in self.wanted]  # type: ignore[index]


def read_text(sql: str, with_params: bool) -> tuple[ReadStatement, ...]:
    """The statements of a text; ``with_params``: ``%s``, ``%(name)s`` or ``$1`` in it stand for parameters.

    A text in which ``$1`` stands outside quotes means a ``%`` as it is. Raises ValueError for what no scanner reads.
    """
    from indexpilot_cli.sql.parser import split

    native = "$" in sql and any(name == "PARAM" for name, _ in _tokens(sql))
    names: list[int | str] = []
    text = _numbered(sql, names) if with_params and not native else sql
    pieces = [piece.text for piece in split(text)] if ";" in text.rstrip().rstrip(";") else [text.rstrip().rstrip(";")]
    found = (_read(piece, names) for piece in pieces)
    return tuple(statement for statement in found if statement is not None)


def _numbered(sql: str, names: list[int | str]) -> str:
    """The text with ``$n`` for its placeholders, whose places are appended to ``names``."""
    known: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match.group() == "%%":
            return "%"
        name = match["name"]
        if name in known:
            return f"${known[name]}"
        names.append(len(names) if name is None else name)
        if name is not None:
            known[name] = len(names)
        return f"${len(names)}"

    return _PLACEHOLDER.sub(number, sql)


def _read(piece: str, names: Sequence[int | str]) -> ReadStatement | None:
    """The statement of a piece; None where there is none, but comments perhaps."""
    words = tuple(_tokens(piece))
    normal, template = _normal(words), _template(words)
    if not normal:
        return None
    first = next((text for _, text in words if text != "("), "")
    # What begins as a query is for the server to judge, also where it is newer than our parser.
    use, planned = (StatementUse.PLANNED, piece) if first in PLANNED_WORDS else _of_utility(piece)
    sql, wanted = _renamed(planned, names)
    return ReadStatement(sql, wanted, normal, template, _digest(normal), _digest(template), use)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def _of_utility(piece: str) -> tuple[StatementUse, str]:
    """What can be done with a statement that is no query, and the query in it."""
    from indexpilot_cli.sql.parser import Unparsed, deparse, parse
    from indexpilot_cli.sql.utility import AROUND, QUERY_NODES

    found = parse(piece)
    if isinstance(found, Unparsed):
        return StatementUse.HIDDEN, piece
    node = found.node
    around = AROUND | {"ExplainStmt": "query"}
    inner = node.child(around[node.kind]) if node.kind in around else None
    if node.kind in _HIDING or (inner is not None and inner.kind in _HIDING):
        return StatementUse.HIDDEN, piece
    if inner is None or inner.kind not in QUERY_NODES:
        return StatementUse.WITHOUT_PLAN, piece
    return StatementUse.PLANNED, deparse(inner)


def parameter_name(number: int) -> str:
    """The name of a parameter in ``ReadStatement.sql``: every driver takes names, and one name for several places."""
    return f"p{number}"


def _renamed(sql: str, names: Sequence[int | str]) -> tuple[str, tuple[int | str, ...]]:
    """A piece of a text with its parameters named, and where their values stand."""
    if "$" not in sql:
        return sql, ()
    numbers: dict[int, int] = {}  # as they stand in the text, and as they are named
    parts: list[str] = []
    data, end = sql.encode(), 0
    for name, start, stop in _spans(sql):
        if name == "PARAM":
            number = numbers.setdefault(int(data[start + 1 : stop]), len(numbers))
            parts += [_escaped(data[end:start]), f"%({parameter_name(number)})s"]
            end = stop
    if not numbers:
        return sql, ()
    places = tuple(names[n - 1] if names else n - 1 for n in numbers)
    return "".join(parts) + _escaped(data[end:]), places


def _escaped(text: bytes) -> str:
    return text.decode().replace("%", "%%")


def _spans(sql: str) -> tuple[tuple[str, int, int], ...]:
    from indexpilot_cli.sql.parser import Unparsed
    from indexpilot_cli.sql.parser.native import tokens

    found = tokens(sql) if "\0" not in sql else Unparsed("NUL character in the text")
    if isinstance(found, Unparsed):
        raise ValueError(found.message)
    return found


def _tokens(sql: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each token but the comments, in one spelling."""
    # The scanner counts bytes.
    data = sql.encode()
    spans = iter([span for span in _spans(sql) if span[0] not in _COMMENTS])
    behind = next(spans, None)
    while behind is not None:
        (name, start, stop), behind = behind, next(spans, None)
        if behind is not None and behind[0] == "UESCAPE":  # U&"d!0061" UESCAPE '!' is one word
            _, _, stop = next(spans, behind)
            behind = next(spans, None)
        yield name, _spelled(name, data[start:stop].decode())


def _spelled(name: str, text: str) -> str:
    """Words in lower case, names without quotes that need none, texts in plain quotes: however they were written."""
    from indexpilot_cli.sql.parser import deparse_expression, parse_expression

    if name not in _WRITTEN_IN_WAYS or _PLAIN.fullmatch(text):
        return text if name in _CONSTANTS else text.lower()
    return deparse_expression(parse_expression(text))


def _normal(words: Iterable[tuple[str, str]]) -> str:
    return _joined(text for _, text in words).rstrip("; ")


def _template(words: Iterable[tuple[str, str]]) -> str:
    return _collapsed(_joined("?" if name in _CONSTANTS else text for name, text in words).rstrip("; "))


def _collapsed(text: str) -> str:
    """Lists of values of any length are one, and so are rows of them."""
    return _ROWS.sub(r"\1", _LIST.sub(r"\1", text))


def _joined(words: Iterator[str]) -> str:
    parts: list[str] = []
    before = "("
    for word in words:
        tight = word in _TIGHT_BEFORE or before in _TIGHT_AFTER or (word == "(" and before[-1:].isalnum())
        parts += [word] if tight else [" ", word]
        before = word
    return "".join(parts)


def normal_form(pattern: str) -> str:
    """The one spelling of a statement: no comments, single spaces, words in lower case. Raises ValueError.

    Placeholders of any style are ``?``, as in templates.
    """
    return _collapsed(_normal(_tokens(_PLACEHOLDER.sub("?", pattern))))


def exactly(value: Any) -> object:
    """A value itself, as a part of a key."""
    return type(value).__name__, value if isinstance(value, str | int | float) else repr(value)


def kind_of_value(value: Any) -> object:
    """A key that is equal for values that the planner treats alike as a rule.

    Sizes count by their power of two, times by that of their distance from now, texts by length and by a leading
    wildcard. Short words and small numbers are themselves: codes and states differ much in how frequent they are.
    """
    found = _KINDS.get(type(value))
    if found is not None:
        return found(value)
    if isinstance(value, Mapping):
        return "json", len(value).bit_length()
    if isinstance(value, list | tuple | set | frozenset):
        first = next(iter(value), None)
        return type(value).__name__, len(value).bit_length(), kind_of_value(first)
    return exactly(value)


def _of_text(value: str) -> object:
    if len(value) <= _WORD_LENGTH and not any(map(str.isdigit, value)):
        return value
    return "text", len(value).bit_length(), value[:1] in ("%", "_"), "%" in value


def _of_number(value: Any) -> object:
    # Neither NaN, which alone is not itself, nor infinity has a size.
    if value != value or abs(value) in (float("inf"), Decimal("Infinity")):
        return str(value)
    size = int(abs(value))
    return type(value).__name__, value if size <= _SMALL_NUMBER else (value < 0, size.bit_length())


def _of_time(value: date) -> object:
    now = datetime.now(value.tzinfo) if isinstance(value, datetime) else date.today()
    distance = (value - now) / timedelta(hours=1)
    return type(value).__name__, distance < 0, int(abs(distance)).bit_length()


_WORD_LENGTH = 12
_SMALL_NUMBER = 10
_KINDS: dict[type, Callable[[Any], object]] = {
    type(None): lambda _: None,
    bool: lambda value: value,
    str: _of_text,
    int: _of_number,
    float: _of_number,
    Decimal: _of_number,
    UUID: lambda _: "uuid",
    bytes: lambda value: ("bytes", len(value).bit_length()),
    date: _of_time,
    datetime: _of_time,
}
