"""Small pieces of safer statements: names and column lists."""

from __future__ import annotations

import re
from collections.abc import Iterable

from indexpilot_cli.core.names import NAME_LIMIT, quote_identifier
from indexpilot_cli.sql.ddl.action import Act, Action

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_ON = re.compile(rf'"(?:[^"]|"")*"|\bON\s+(?:ONLY\s+)?(?P<table>{_NAME}(?:\s*\.\s*{_NAME})?)', re.IGNORECASE)


def table_sql(action: Action) -> str:
    """The table as it was written."""
    assert action.table is not None
    return dotted(action.schema, action.table)


def dotted(schema: str | None, name: str) -> str:
    """A name as SQL text, with its schema where there is one."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}" if schema else quote_identifier(name)


def alter(action: Action) -> str:
    """``ALTER TABLE t``, with the words that were written."""
    words = ["ALTER TABLE"]
    words += ["IF EXISTS"] if action.has("if_exists") and action.kind is not Act.DROP_COLUMN else []
    words += ["ONLY"] if action.has("only") else []
    return " ".join((*words, table_sql(action)))


def column_list(columns: Iterable[str]) -> str:
    """``a, b``."""
    return ", ".join(map(quote_identifier, columns))


def columns_sql(columns: Iterable[str]) -> str:
    """``(a, b)``."""
    return f"({column_list(columns)})"


def concurrently(words: re.Pattern[str], sql: str) -> str:
    """The statement with CONCURRENTLY behind its first words."""
    return words.sub(lambda m: m.group() + " CONCURRENTLY", sql, count=1)


def made_name(*parts: str) -> str:
    """A name out of parts, as the server would make it, cut to 63 bytes, the last part kept."""
    head, tail = "_".join(parts[:-1]), "_" + parts[-1]
    while len((head + tail).encode()) > NAME_LIMIT:
        head = head[:-1]
    return head + tail


def constraint_name(action: Action) -> str:
    """The name a constraint was given, or would get."""
    if action.object:
        return action.object
    assert action.table is not None
    suffix = {"primary_key": "pkey", "unique": "key", "check": "check", "foreign_key": "fkey", "not_null": "not_null"}
    middle = () if action.constraint == "primary_key" else action.columns
    if action.constraint == "check" and len(middle) != 1:
        middle = ()
    return made_name(action.table, *middle, suffix.get(action.constraint or "", "excl"))


def on_table(sql: str, table: str) -> str | None:
    """A CREATE INDEX text with another table; None where the table cannot be found in it."""
    match = next((m for m in _ON.finditer(sql) if m["table"]), None)
    if match is None:
        return None
    return sql[: match.start()] + f"ON {table}" + sql[match.end() :]
