"""What of an observed text may be kept: queries as they are, of every other statement nothing but its kind.

Utility statements hold what nobody wants in a plan, a log or a file: passwords of roles and user mappings, connection
strings of subscriptions, comments, whole bodies of code. No advice needs them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from indexpilot_cli.sql.parser import Node, Statement, Unparsed, deparse, parse, parse_expression, rewrite, split

_QUERIES = frozenset(("select", "with", "insert", "update", "delete", "merge", "values", "table"))
# Utility statements that run a query: the field it stands in. What pg_stat_statements counts for an EXECUTE is the text
# of its PREPARE.
AROUND = {"DeclareCursorStmt": "query", "CreateTableAsStmt": "query", "CopyStmt": "query", "PrepareStmt": "query"}
QUERY_NODES = frozenset(("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"))
_TRANSACTION_TEXT = """
    begin start commit end rollback abort savepoint release
"""
_TRANSACTION = frozenset(_TRANSACTION_TEXT.split())
_COMMANDS_TEXT = """
    abort alter analyse analyze begin call checkpoint close cluster comment commit copy create deallocate
    declare discard do drop end execute explain fetch grant import listen load lock move notify prepare reassign
    refresh reindex release reset revoke rollback savepoint security set show start truncate unlisten vacuum
"""
_COMMANDS = frozenset(_COMMANDS_TEXT.split())
_OBJECTS_TEXT = """
    access aggregate cast class collation column configuration constraint conversion current_role data database
    default dictionary domain event extension family foreign function global group index language large local
    mapping materialized method object operator or owned parser policy prepared privileges procedural
    procedure publication replace role routine rule schema search security sequence server session statistics
    subscription system table tablespace temp temporary text transaction transform trigger trusted type unique
    unlogged user view wrapper label recursive
"""
_OBJECTS = frozenset(_OBJECTS_TEXT.split())
_WRAPPING = frozenset(("declare", "create", "copy", "prepare"))
_FEW = 5  # words
_BLANK = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/|[(;])*", re.DOTALL)
_WORD = re.compile(r"[a-z_]+\b", re.IGNORECASE)
UNKNOWN = "unknown command"


@dataclass(frozen=True, slots=True)
class KeptStatement:
    """A text as it may be kept. ``reason`` is empty for a query, else a word of ``Skipped.reason``; ``detail`` why."""

    text: str
    reason: str = ""
    detail: str = ""


def kept(text: str) -> KeptStatement:
    """A query as it is, or the query within a utility statement; else the statement's kind.

    What is kept of CALL is the routine, for a review of migrations: its constants are blank.
    """
    pieces = split(text) if ";" in text.strip().rstrip(";") else ()
    if len(pieces) < 2:
        return _one(text)
    parts = [_one(piece.text) for piece in pieces]
    if not any(part.reason for part in parts):
        return KeptStatement(text)
    return KeptStatement("; ".join(part.text.strip() for part in parts), "unparsed", "more than one statement")


def _one(text: str) -> KeptStatement:
    word = _WORD.match(text, _start(text))
    first = word.group().lower() if word else ""
    if first in _QUERIES or not text.strip():
        return KeptStatement(text)
    if first not in _COMMANDS:
        return KeptStatement(UNKNOWN, *why_unparsed(parse(text)))
    inner = _query(text) if first in _WRAPPING else None
    if inner is not None:
        return KeptStatement(inner)
    kind = _kind(text)
    return KeptStatement(
        _call(text) if first == "call" else kind, "transaction" if first in _TRANSACTION else "utility", kind
    )


def why_unparsed(found: Statement | Unparsed) -> tuple[str, str]:
    """The word of ``Skipped.reason`` and a sentence with the place."""
    if not isinstance(found, Unparsed):
        return "utility", UNKNOWN
    reason = found.reason if found.reason in ("empty", "too_long") else "unparsed"
    place = f" (line {found.line}, column {found.column})" if found.line else ""
    return reason, found.message + place


def _start(text: str, position: int = 0) -> int:
    blank = _BLANK.match(text, position)
    return blank.end() if blank else position


def _query(text: str) -> str | None:
    statement = parse(text)
    if isinstance(statement, Unparsed) or statement.node.kind not in AROUND:
        return None
    inner = statement.node.child(AROUND[statement.node.kind])
    try:
        return deparse(inner) if inner is not None and inner.kind in QUERY_NODES else None
    except ValueError:
        return None


def _call(text: str) -> str:
    statement = parse(text)

    def blank(here: Node, _parent: Node) -> Node | None:
        if here.kind != "A_Const":
            return None
        return parse_expression("0" if here.child("ival") or here.child("fval") else "NULL")

    try:
        return "CALL" if isinstance(statement, Unparsed) else deparse(rewrite(statement.node, blank))
    except ValueError:
        return "CALL"


def _kind(text: str) -> str:
    """The first words, as far as they are words of PostgreSQL that tell kinds apart."""
    words: list[str] = []
    position = _start(text)
    while len(words) < _FEW and (found := _WORD.match(text, position)):
        if found.group().lower() not in (_OBJECTS if words else _COMMANDS):
            break
        words.append(found.group().upper())
        position = _start(text, found.end())
    return " ".join(words) or UNKNOWN
