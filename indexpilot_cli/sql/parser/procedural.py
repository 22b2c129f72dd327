"""SQL inside PL/pgSQL bodies, found by PL/pgSQL's own parser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import postgast
from postgast.errors import check_error
from postgast.native import lib

from indexpilot_cli.sql.parser.native import MAX_BYTES, Unparsed

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
