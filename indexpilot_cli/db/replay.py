"""A connection as an application has it: statements with ``$n``, values as text, prepared after some repetitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import psycopg

from indexpilot_cli.db.errors import connect_error, mapped

_APPLICATION = "indexpilot demo"


class Replay:
    """An autocommit connection for running statements that are not ours. Close it, or use it in a ``with`` block.

    The server infers parameter types itself, as with most drivers, and its log shows the statement with ``$n`` and
    the values bound. Every failure is an ``IndexPilotError``. One thread at a time, except ``cancel``.
    """

    def __init__(self, dsn: str, application: str = _APPLICATION):
        try:
            self._connection: psycopg.Connection[Any] = psycopg.connect(
                dsn, autocommit=True, application_name=application, cursor_factory=psycopg.RawCursor
            )
        except psycopg.Error as error:
            raise connect_error(error) from None

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def run(self, statement: str, values: Sequence[str | None] = ()) -> int:
        """Run one statement, fetch everything, and give the number of rows returned or touched."""
        with mapped(self._connection), self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return len(cursor.fetchall()) if cursor.description else cursor.rowcount

    def rows(self, query: str, values: Sequence[str | None] = ()) -> list[dict[str, Any]]:
        """All rows, each by column name."""
        with mapped(self._connection), self._connection.cursor() as cursor:
            cursor.execute(query, values or None)
            columns = [column.name for column in cursor.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def script(self, statements: Iterable[str]) -> None:
        """Run the statements one after another in one transaction."""
        with mapped(self._connection), self._connection.transaction():
            for statement in statements:
                self._connection.execute(statement)

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, by us or by the server as far as we noticed."""
        return self._connection.closed

    def cancel(self) -> None:
        """Ask the server to stop the running statement; may be called from another thread."""
        self._connection.cancel_safe(timeout=5)

    def close(self) -> None:
        """End the connection; closing twice is allowed."""
        self._connection.close()
