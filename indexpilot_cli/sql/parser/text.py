"""From text to trees and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import postgast

from indexpilot_cli.core.workload import StatementKind
from indexpilot_cli.sql.parser import native
from indexpilot_cli.sql.parser.native import MAX_DEPTH, MAX_NODES, ONEOF, Node, Unparsed

pb = postgast.pg_query_pb2

_KINDS = {
    "SelectStmt": StatementKind.SELECT,
    "InsertStmt": StatementKind.INSERT,
    "UpdateStmt": StatementKind.UPDATE,
    "DeleteStmt": StatementKind.DELETE,
    "MergeStmt": StatementKind.MERGE,
}
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
    """The statements of a script. A text the scanner cannot read (an open quote) is one piece."""
    ends = _statement_ends(text)
    data = text.encode()
    plain = text.isascii()
    result, position, offset = [], 0, 0
    for end in (*ends, len(data)):
        piece = text[position:end] if plain else data[position:end].decode()
        if piece.strip():
            result.append(Piece(piece, offset))
        offset += len(piece) + 1
        position = end + 1
    return tuple(result)


def _statement_ends(text: str) -> list[int]:
    """Byte offsets of the semicolons that end statements: not those of SQL function bodies or in parentheses."""
    found = native.tokens(text)
    if isinstance(found, Unparsed):
        return []
    ends, depth, body, before = [], 0, 0, ""
    for name, start, _ in found:
        depth = max(depth + (name == "ASCII_40") - (name == "ASCII_41"), 0)
        if name == "ATOMIC" and before == "BEGIN_P":
            body = 1
        elif body and name in ("CASE", "END_P"):
            body += 1 if name == "CASE" else -1
        if name == "ASCII_59" and not body and not depth:
            ends.append(start)
        before = name
    return ends


def fingerprint(text: str) -> str | Unparsed:
    """Hex digits that are equal for statements that differ only in constants and IN-list lengths."""
    return native.fingerprint(text)


def skeleton(text: str) -> str | None:
    """The text with every constant as ``$n`` (layout and comments kept), or None when it cannot be read."""
    return native.normalised(text)


def deparse(node: Node) -> str:
    """SQL text of a statement; raises ValueError when the tree cannot be written."""
    result = pb.ParseResult()
    getattr(result.stmts.add().stmt, ONEOF[node.kind]).CopyFrom(node.message)
    return native.deparse(result)


def deparse_expression(node: Node) -> str:
    """SQL text of an expression, without outer parentheses; raises ValueError when it cannot be written."""
    result = pb.ParseResult()
    target = result.stmts.add().stmt.select_stmt.target_list.add().res_target
    getattr(target.val, ONEOF[node.kind]).CopyFrom(node.message)
    return native.deparse(result).removeprefix("SELECT").strip()


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
