"""Calls into the parser library, with its limits guarded."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from dataclasses import dataclass

import postgast
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from postgast.native import lib

MAX_BYTES = 1_000_000  # of one statement's text in UTF-8
MAX_NODES = 200_000  # of one parse tree
MAX_DEPTH = 1_000  # nested nodes: the deparser recurses on the C stack and would crash at several thousand
_JSON_DEPTH = 900


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
    if len(text) > MAX_BYTES or len(text.encode()) > MAX_BYTES:
        return Unparsed(f"statement text over {MAX_BYTES} bytes", "too_long")
    if "\0" in text:
        return Unparsed("NUL character in the text", position=text.index("\0") + 1)
    try:
        return postgast.parse(text)
    except postgast.PgQueryError as error:
        return _located(text, error)
    except DecodeError:
        return _from_json(text)


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
    try:
        found = postgast.scan(text).tokens
    except postgast.PgQueryError as error:
        return _located(text, error)
    names = postgast.pg_query_pb2.Token.DESCRIPTOR.values_by_number
    return tuple((str(names[t.token].name), int(t.start), int(t.end)) for t in found)


def fingerprint(text: str) -> str | Unparsed:
    """The structural fingerprint as hex digits."""
    try:
        return str(postgast.fingerprint(text).hex)
    except postgast.PgQueryError as error:
        return _located(text, error)


def normalised(text: str) -> str | None:
    """The parser's own normalised text, or None when the text does not parse."""
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
