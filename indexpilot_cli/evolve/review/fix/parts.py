"""Small pieces of safer statements: names, column lists, steps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.sql.ddl.action import Action

NAME_BYTES = 63
NOT_NULL_NOT_VALID = 180000
DETACH_CONCURRENTLY = 140000
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_ON = re.compile(rf'"(?:[^"]|"")*"|\bON\s+(?:ONLY\s+)?(?P<table>{_NAME}(?:\s*\.\s*{_NAME})?)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a safer form. ``alone``: it refuses a transaction block.

    ``apart``: a transaction must end before it, or the lock of the step before would be held meanwhile.
    """

    sql: str
    alone: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """What is known where a safer form is made. ``version`` is ``server_version_num``, 0 when nobody knows."""

    catalog: Catalog | None = None
    version: int = 0

    def table(self, action: Action) -> Table | None:
        """The action's table in the database."""
        if self.catalog is None or action.table is None:
            return None
        return self.catalog.resolve(action.table, action.schema)

    def nullable(self, action: Action, column: str) -> bool:
        """Whether a column may hold NULL, as far as is known."""
        table = self.table(action)
        found = table.column(column) if table else None
        return found is not None and not found.not_null

    def partitioned(self, action: Action) -> bool:
        """Whether the action's table is a partitioned one."""
        table = self.table(action)
        return table is not None and table.kind == "p"


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
    words += ["IF EXISTS"] if action.has("if_exists") and action.kind.value != "drop_column" else []
    words += ["ONLY"] if action.has("only") else []
    return " ".join((*words, table_sql(action)))


def columns_sql(columns: Iterable[str]) -> str:
    """``(a, b)``."""
    return "(" + ", ".join(quote_identifier(c) for c in columns) + ")"


def made_name(*parts: str) -> str:
    """A name out of parts, as the server would make it, cut to 63 bytes, the last part kept."""
    head, tail = "_".join(parts[:-1]), "_" + parts[-1]
    while len((head + tail).encode()) > NAME_BYTES:
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
