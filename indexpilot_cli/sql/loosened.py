"""Statements that reach every row: the same work without the conditions."""

from __future__ import annotations

from indexpilot_cli.sql.parser import Unparsed, deparse, parse, parse_expression, set_child

_CONDITIONED = ("SelectStmt", "UpdateStmt", "DeleteStmt")


def loosened(text: str) -> str | None:
    """The statement with ``true`` for its outermost WHERE; None when it is of another kind or cannot be written."""
    statement = parse(text)
    if isinstance(statement, Unparsed) or statement.node.kind not in _CONDITIONED:
        return None
    if statement.node.child("where_clause") is None:
        return text
    try:
        return deparse(set_child(statement.node, "where_clause", parse_expression("true")))
    except ValueError:
        return None
