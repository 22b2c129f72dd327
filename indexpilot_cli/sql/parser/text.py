"""From text to trees and back, and the SQL that stands inside PL/pgSQL bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import postgast
from postgast.errors import check_error
from postgast.native import lib

from indexpilot_cli.core.workload import StatementKind
from indexpilot_cli.sql.parser import native
from indexpilot_cli.sql.parser.native import MAX_BYTES, MAX_DEPTH, MAX_NODES, ONEOF, Node, Unparsed

pb = postgast.pg_query_pb2

_KINDS = {
    "SelectStmt": StatementKind.SELECT,
    "InsertStmt": StatementKind.INSERT,
    "UpdateStmt": StatementKind.UPDATE,
    "DeleteStmt": StatementKind.DELETE,
    "MergeStmt": StatementKind.MERGE,
}
_ESCAPED = frozenset("'\\")
_SMALL = 2_000  # a shorter text cannot reach MAX_DEPTH or MAX_NODES


@dataclass(frozen=True, slots=True)
class Statement:
    """One parsed statement. ``kind`` is None for utility statements; ``node`` is the statement itself."""

    text: str
    node: Node
    kind: StatementKind | None


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement's text in a script (its leading comments included) and where it starts, in characters."""

    text: str
    offset: int


def parse(text: str) -> Statement | Unparsed:
    """The single statement a text holds, or why it does not hold exactly one we can use."""
    result = native.tree(text)
    if isinstance(result, Unparsed):
        return result
    if len(result.stmts) != 1:
        return Unparsed("no statement", "empty") if not result.stmts else _several(text, result.stmts[1].stmt_location)
    node = Node(result.stmts[0]).child("stmt")
    if node is None:
        return Unparsed("no statement", "empty")
    if len(text) > _SMALL:
        nodes, depth = node.extent()
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            return Unparsed(f"statement too large ({nodes} nodes, nested {depth} deep)", "too_long")
    return Statement(text, node, _KINDS.get(node.kind))


def _several(text: str, offset: int) -> Unparsed:
    return Unparsed("more than one statement", "multiple", native.characters(text, offset) + 1)


def split(text: str) -> tuple[Piece, ...]:
    """The statements of a script. One that the scanner cannot read ends with the next semicolon at a line's end."""
    text = native.SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    data = text.encode()
    plain = text.isascii()
    result, position, offset = [], 0, 0
    for end in (*_all_ends(text), len(data)):
        piece = text[position:end] if plain else data[position:end].decode()
        if piece.strip():
            result.append(Piece(piece, offset))
        offset += len(piece) + 1
        position = end + 1
    return tuple(result)


def _all_ends(text: str) -> list[int]:
    """Byte offsets of the semicolons that end statements, also behind what cannot be read."""
    ends: list[int] = []
    start = before = 0  # of what is still to be read: the character, the byte
    for _ in range(_MOST_RESCANS):
        rest = text[start:]
        found = native.tokens(rest)
        if not isinstance(found, Unparsed):
            return [*ends, *(before + end for end in _ends(found))]
        bad = max(found.position - 1, 0)
        head = native.tokens(rest[:bad])
        ends += [] if isinstance(head, Unparsed) else [before + end for end in _ends(head)]
        close = _CLOSED.search(rest, bad)
        if close is None:
            return ends
        before += len(rest[: close.start()].encode())
        ends.append(before)
        before += 1
        start += close.start() + 1
    return ends


_MOST_RESCANS = 100
_CLOSED = re.compile(r";[ \t]*(?:--[^\n]*)?\r?(?=\n)")


def _ends(tokens: Sequence[tuple[str, int, int]]) -> Iterator[int]:
    """Not those of SQL function bodies, nor those inside the parentheses of CREATE RULE. Elsewhere an open parenthesis
    is a mistake, which must not take the statements behind it along."""
    depth, body, before, first, rule = 0, 0, "", "", False
    for name, start, _ in tokens:
        first = first or name
        rule = rule or (name == "RULE" and first == "CREATE")
        depth = max(depth + (name == "ASCII_40") - (name == "ASCII_41"), 0) if rule else 0
        if name == "ATOMIC" and before == "BEGIN_P":
            body = 1
        elif body and name in ("CASE", "END_P"):
            body += 1 if name == "CASE" else -1
        if name == "ASCII_59" and not body and not depth:
            yield start
            first, rule = "", False
        before = name


def deparse(node: Node) -> str:
    """SQL text of a statement; raises ValueError when the tree cannot be written."""
    result = pb.ParseResult()
    getattr(result.stmts.add().stmt, ONEOF[node.kind]).CopyFrom(node.message)
    return native.deparse(result)


def deparse_expression(node: Node) -> str:
    """SQL text of an expression, without outer parentheses; raises ValueError when it cannot be written."""
    plain = _plain_constant(node) if node.kind == "A_Const" else None
    if plain is not None:
        return plain
    result = pb.ParseResult()
    target = result.stmts.add().stmt.select_stmt.target_list.add().res_target
    getattr(target.val, ONEOF[node.kind]).CopyFrom(node.message)
    return native.deparse(result).removeprefix("SELECT").strip()


def _plain_constant(node: Node) -> str | None:
    """The SQL text of a whole number, or of a string without anything to escape; None for other constants.

    The library would be asked for a statement with each of them: they are most of what is ever written.
    """
    match node.message.WhichOneof("val"):
        case "ival":
            return str(node.message.ival.ival)
        case "sval" if _ESCAPED.isdisjoint(node.message.sval.sval):
            return f"'{node.message.sval.sval}'"
    return None


def deparse_type(node: Node) -> str:
    """SQL text of a type name (``varchar(10)``, ``s.mood[]``); raises ValueError when it cannot be written."""
    result = pb.ParseResult()
    target = result.stmts.add().stmt.select_stmt.target_list.add().res_target
    target.val.type_cast.arg.a_const.isnull = True
    target.val.type_cast.type_name.CopyFrom(node.message)
    return native.deparse(result).removeprefix("SELECT NULL::").removeprefix("pg_catalog.").strip()


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Node:
    """The tree of one expression; raises ValueError when the text is not one."""
    statement = parse("SELECT " + text)
    if isinstance(statement, Unparsed):
        raise ValueError(statement.message)
    targets = statement.node.children("target_list")
    value = targets[0].child("val") if len(targets) == 1 else None
    plain = statement.kind is StatementKind.SELECT and not statement.node.children("from_clause")
    if value is None or not plain or statement.node.child("where_clause") or targets[0].text("name"):
        raise ValueError("not an expression")
    return value


_SQL = {
    "PLpgSQL_stmt_execsql": "sqlstmt",
    "PLpgSQL_stmt_perform": "expr",
    "PLpgSQL_stmt_fors": "query",
    "PLpgSQL_stmt_return_query": "query",
    "PLpgSQL_stmt_call": "expr",
    "PLpgSQL_stmt_open": "query",
}
_ACTION_KEY = '"action":'
_ACTION = _ACTION_KEY + '{"PLpgSQL_stmt_block"'
_DYNAMIC = {
    "PLpgSQL_stmt_dynexecute": "query",
    "PLpgSQL_stmt_dynfors": "query",
    "PLpgSQL_stmt_return_query": "dynquery",
    "PLpgSQL_stmt_open": "dynquery",
}


@dataclass(frozen=True, slots=True)
class Embedded:
    """A statement of a body, or (``dynamic``) the expression whose value EXECUTE runs. ``line`` is the body's."""

    text: str
    dynamic: bool = False
    line: int = 0


def embedded_sql(text: str) -> tuple[Embedded, ...] | Unparsed:
    """The SQL of a ``DO`` or ``CREATE FUNCTION … LANGUAGE plpgsql`` statement, in the order of its lines.

    Conditions, assignments and other expressions are left out: they only read.
    """
    if len(text) > MAX_BYTES:
        return Unparsed(f"statement text over {MAX_BYTES} bytes", "too_long")
    if native.SURROGATE.search(text):
        return Unparsed("half a character in the text")
    result = lib.pg_query_parse_plpgsql(text.encode())
    try:
        check_error(result)
        return tuple(_embedded(_body(result.plpgsql_funcs.decode()), 0))
    except (postgast.PgQueryError, json.JSONDecodeError, RecursionError) as error:
        return Unparsed(str(error))
    finally:
        lib.pg_query_free_plpgsql_parse_result(result)


def _body(found: str) -> object:
    """The tree of the body. The list of variables before it is no valid JSON for trigger functions: stepped over."""
    start = found.find(_ACTION)
    return json.JSONDecoder().raw_decode(found, start + len(_ACTION_KEY))[0] if start >= 0 else None


def _embedded(value: object, line: int) -> Iterator[Embedded]:
    if isinstance(value, list):
        for item in value:
            yield from _embedded(item, line)
    elif isinstance(value, dict):
        for key, inner in value.items():
            here = _line(inner, line)
            yield from _of(key, inner, here)
            yield from _embedded(inner, here)


def _line(value: object, line: int) -> int:
    found = value.get("lineno") if isinstance(value, dict) else None
    return found if isinstance(found, int) else line


def _of(kind: str, value: object, line: int) -> Iterator[Embedded]:
    if not isinstance(value, dict):
        return
    for fields, dynamic in ((_SQL, False), (_DYNAMIC, True)):
        text = _query(value.get(fields.get(kind, "")))
        if text is not None:
            yield Embedded(text, dynamic, line)


def _query(value: object) -> str | None:
    expression = value.get("PLpgSQL_expr") if isinstance(value, dict) else None
    text = expression.get("query") if isinstance(expression, dict) else None
    return text if isinstance(text, str) else None
