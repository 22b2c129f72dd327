"""Calls into the parser library, with its limits guarded, and the nodes of its trees."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

import postgast
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from postgast.native import lib

MAX_BYTES = 1_000_000  # of one statement's text in UTF-8
MAX_NODES = 200_000  # of one parse tree
MAX_DEPTH = 1_000  # nested nodes: the deparser recurses on the C stack and would crash at several thousand
_JSON_DEPTH = 900
_MAX_CHAIN = 20_000  # tokens, two for each level at least
SURROGATE = re.compile("[\ud800-\udfff]")  # alone: what Python makes of bytes that are no UTF-8
_LONG = _MAX_CHAIN  # characters: shorter texts hold fewer tokens


@dataclass(frozen=True, slots=True)
class Unparsed:
    """Why a text is no statement we can use.

    ``reason`` is unparsed, too_long, empty or multiple. ``position`` is the 1-based character where the parser
    stopped (0: unknown), ``line`` and ``column`` are the same place.
    """

    message: str
    reason: str = "unparsed"
    position: int = 0
    line: int = 0
    column: int = 0


def allow_depth() -> None:
    """Lift protobuf's nesting limit of 100 for this process, where this build can."""
    with suppress(ImportError, AttributeError):
        from google._upb import _message

        _message.SetAllowOversizeProtos(True)


allow_depth()


def tree(text: str) -> Message | Unparsed:
    """The whole parse tree (a ``ParseResult``) of a text, or why there is none."""
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        return Unparsed(f"statement text over {MAX_BYTES} bytes", "too_long")
    if (surrogate := SURROGATE.search(text)) is not None:
        return _no_text(surrogate)
    if "\0" in text:
        return Unparsed("NUL character in the text", position=text.index("\0") + 1)
    if len(text) > _LONG and _longest_chain(text) > _MAX_CHAIN:
        return Unparsed("too many operators in a row", "too_long")
    try:
        return postgast.parse(text)
    except postgast.PgQueryError as error:
        return _located(text, error)
    except DecodeError:
        return _from_json(text)


def _no_text(surrogate: re.Match[str]) -> Unparsed:
    return Unparsed("half a character in the text", position=surrogate.start() + 1)


def _longest_chain(text: str) -> int:
    """Tokens of the longest stretch without a comma or semicolon, those around its parentheses included.

    The parser's own stack ends what nests to the right. ``a + a + …`` nests to the left, and the library writes such a
    tree by recursion on the C stack: 30,000 levels took the whole process down.
    """
    found = tokens(text)
    stretches, before, longest = [0], 0, 0  # of the levels of parentheses, and the sum of those around
    for name, _, _ in () if isinstance(found, Unparsed) else found:
        if name == "ASCII_40":
            before += stretches[-1]
            stretches.append(0)
        elif name == "ASCII_41" and len(stretches) > 1:
            stretches.pop()
            before -= stretches[-1]
        stretches[-1] = 0 if name in ("ASCII_44", "ASCII_59") else stretches[-1] + 1
        longest = max(longest, before + stretches[-1])
    return longest


def _from_json(text: str) -> Message | Unparsed:
    result = lib.pg_query_parse(text.encode())
    try:
        raw: bytes = ctypes.string_at(result.parse_tree)
        return json_format.Parse(raw, postgast.ParseResult(), max_recursion_depth=_JSON_DEPTH)
    except (json_format.ParseError, RecursionError):
        return Unparsed("too deeply nested for this parser build", "too_long")
    finally:
        lib.pg_query_free_parse_result(result)


def _located(text: str, error: postgast.PgQueryError) -> Unparsed:
    """The library counts characters in ``cursorpos`` (and bytes everywhere else)."""
    position = int(error.cursorpos)
    before = text[: max(position - 1, 0)]
    line = before.count("\n") + 1 if position else 0
    column = len(before) - (before.rfind("\n") + 1) + 1 if position else 0
    return Unparsed(error.message, "unparsed", position, line, column)


def characters(text: str, offset: int) -> int:
    """The character index of a byte offset into the text's UTF-8 form."""
    return offset if text.isascii() else len(text.encode()[: max(offset, 0)].decode(errors="ignore"))


def tokens(text: str) -> tuple[tuple[str, int, int], ...] | Unparsed:
    """(name, first byte, byte behind) of each token; names are the grammar's, such as ``ASCII_59`` for ``;``."""
    if (surrogate := SURROGATE.search(text)) is not None:
        return _no_text(surrogate)
    try:
        found = postgast.scan(text).tokens
    except postgast.PgQueryError as error:
        return _located(text, error)
    return tuple((_token_name(t.token), int(t.start), int(t.end)) for t in found)


def _token_name(number: int) -> str:
    """A character that no rule of the scanner takes (``{``, a control character) comes as its own number."""
    known = postgast.pg_query_pb2.Token.DESCRIPTOR.values_by_number.get(number)
    return f"ASCII_{number}" if known is None else str(known.name)


def fingerprint(text: str) -> str | Unparsed:
    """Hex digits that are equal for statements that differ only in constants and IN-list lengths."""
    if (surrogate := SURROGATE.search(text)) is not None:
        return _no_text(surrogate)
    try:
        return str(postgast.fingerprint(text).hex)
    except postgast.PgQueryError as error:
        return _located(text, error)


def skeleton(text: str) -> str | None:
    """The text with every constant as ``$n`` (layout and comments kept), or None when it cannot be read."""
    if len(text) > MAX_BYTES:
        return None
    try:
        return str(postgast.normalize(text))
    except postgast.PgQueryError:
        return None


def deparse(result: Message) -> str:
    """SQL text of a ``ParseResult``; raises ValueError when the tree is not deparsable."""
    try:
        return str(postgast.deparse(result))
    except postgast.PgQueryError as error:
        raise ValueError(error.message) from error


pb = postgast.pg_query_pb2

_WRAPPER = pb.Node
_MESSAGE = 11  # FieldDescriptor.TYPE_MESSAGE
ONEOF = {f.message_type.name: f.name for f in pb.Node.DESCRIPTOR.fields}
_NOTHING: frozenset[str] = frozenset()
_SUBQUERY = frozenset(("SubLink",))
_WORDS = frozenset(("String", "Integer", "Float", "Boolean", "BitString", "A_Star"))


def unwrapped(message: Message) -> Message | None:
    """The concrete message inside a ``Node`` wrapper; None for an empty one."""
    if type(message) is not _WRAPPER:
        return message
    which = message.WhichOneof("node")
    return getattr(message, which) if which else None


class Node:
    """A parse tree node. ``kind`` is its type in the server's sources, such as ``SelectStmt`` or ``A_Expr``.

    Field names are those of libpg_query's protobuf schema. A Node is a view: trees are not to be changed
    through it, editing functions make copies.
    """

    __slots__ = ("_all", "_below", "_fields", "_level", "kind", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.kind: str = type(message).__name__
        self._all: tuple[Node, ...] | None = None
        self._below: tuple[Node, ...] | None = None
        self._level: tuple[Node, ...] | None = None
        self._fields: dict[str, tuple[Node, ...]] = {}

    def child(self, field: str) -> Node | None:
        """The node in a singular field, or None."""
        found = self._fields.get(field)
        if found is None:
            inner = unwrapped(getattr(self.message, field)) if self.message.HasField(field) else None
            found = self._fields[field] = () if inner is None else (Node(inner),)
        return found[0] if found else None

    def children(self, field: str) -> tuple[Node, ...]:
        """The nodes of a repeated field (empty places left out)."""
        found = self._fields.get(field)
        if found is None:
            inner = [unwrapped(m) for m in getattr(self.message, field)]
            found = self._fields[field] = tuple(Node(m) for m in inner if m is not None)
        return found

    def text(self, field: str) -> str:
        """A text field ('' when not set)."""
        return str(getattr(self.message, field))

    def number(self, field: str) -> int:
        """A whole-number field."""
        return int(getattr(self.message, field))

    def flag(self, field: str) -> bool:
        """A boolean field."""
        return bool(getattr(self.message, field))

    def enum(self, field: str) -> str:
        """The symbol of an enumeration field, such as ``AEXPR_OP``."""
        descriptor = self.message.DESCRIPTOR.fields_by_name[field]
        return str(descriptor.enum_type.values_by_number[getattr(self.message, field)].name)

    def names(self, field: str) -> tuple[str, ...]:
        """The texts of a repeated field of String nodes (stars come as ``*``)."""
        return tuple("*" if n.kind == "A_Star" else n.text("sval") for n in self.children(field) if n.kind != "List")

    def below(self) -> tuple[Node, ...]:
        """The direct child nodes, those that only hold a word or a number left out."""
        if self._below is None:
            found: list[Node] = []
            for descriptor, value in self.message.ListFields():
                if descriptor.type == _MESSAGE:
                    single = isinstance(value, Message)
                    child = self.child(descriptor.name) if single else None
                    found += ((child,) if child else ()) if single else self.children(descriptor.name)
            self._below = tuple(n for n in found if n.kind not in _WORDS)
        return self._below

    def walk(self, stop: frozenset[str] = _NOTHING) -> Iterator[Node]:
        """This node and all below it, parents first; nodes of a kind in ``stop`` are given but not entered."""
        if stop:
            return self._walked(stop)
        if self._all is None:
            self._all = tuple(self._walked(stop))
        return iter(self._all)

    def _walked(self, stop: frozenset[str]) -> Iterator[Node]:
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            if node.kind not in stop or node is self:
                stack.extend(reversed(node.below()))

    def level(self) -> tuple[Node, ...]:
        """This node and all below it, but not what is inside subqueries."""
        if self._level is None:
            self._level = (self,) if self.kind in _SUBQUERY else tuple(self.walk(_SUBQUERY))
        return self._level

    def extent(self) -> tuple[int, int]:
        """(nodes, depth) of the tree."""
        count, deepest = 0, 0
        stack = [(self, 1)]
        while stack:
            node, depth = stack.pop()
            count, deepest = count + 1, max(deepest, depth)
            stack.extend((n, depth + 1) for n in node.below())
        return count, deepest

    def __repr__(self) -> str:
        return f"<{self.kind}>"


def walk_all(trees: Iterable[Node]) -> Iterator[Node]:
    """The nodes of all trees, one tree after the other."""
    return chain.from_iterable(tree.walk() for tree in trees)
