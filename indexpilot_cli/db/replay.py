"""A connection as an application has it: statements with ``$n``, values as text, prepared after some repetitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from types import TracebackType
from typing import Any

import psycopg

from indexpilot_cli.core.observation import Played, SqlError
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db import queries as sql
from indexpilot_cli.db.connection import end_connection
from indexpilot_cli.db.errors import connect_error, mapped
from indexpilot_cli.errors import UnreachableError

_APPLICATION = "indexpilot demo"
_LINES = 1_000


# RawCursor sends ``$1`` as it stands; psycopg's own placeholders would have to be read into other people's text.
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

    def copy(self, statement: str, lines: Iterable[str]) -> int:
        """Send the lines to a ``COPY ... FROM STDIN`` and give the number of rows."""
        waiting = iter(lines)
        with mapped(self._connection), self._connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                # Joined here: each call of write costs as much as making several rows.
                while some := "".join(islice(waiting, _LINES)):
                    copy.write(some)
            return cursor.rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction around the block."""
        with mapped(self._connection), self._connection.transaction():
            yield

    def script(self, statements: Iterable[str]) -> None:
        """Run the statements one after another in one transaction."""
        with self.transaction():
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
        """End the connection; closing twice is allowed. What it counted is in the server's statistics then."""
        end_connection(self._connection)


_REHEARSAL = "indexpilot rehearsal"


class QueryRehearsal:
    """A connection to a clone. Use it in a ``with`` block; nothing it does stays.

    Foreign keys are gone here: on empty tables every reference would dangle.
    """

    def __init__(self, dsn: str, statement_timeout_ms: int):
        try:
            self._connection: psycopg.Connection[Any] = psycopg.connect(
                dsn, application_name=_REHEARSAL, cursor_factory=psycopg.RawCursor
            )
            self._connection.execute(f"SET LOCAL statement_timeout = {int(statement_timeout_ms)}")
        except psycopg.Error as error:
            raise connect_error(error) from None
        self._drop_constraints("f")

    def __enter__(self) -> QueryRehearsal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._connection.close()

    @property
    def backend_pid(self) -> int:
        """The process that runs the statements."""
        return self._connection.info.backend_pid

    def play(self, statements: Sequence[Plannable]) -> tuple[Played, ...]:
        """How each statement ends, every one on the same state. Raises UnreachableError when the session is lost."""
        return tuple(self._play(statement) for statement in statements)

    def put_rows(self) -> None:
        """One made-up row into every table that takes one: then triggers and functions have something to run on.

        Checks are gone from here on, and triggers do not fire for these rows.
        """
        self._drop_constraints("c")
        for name, insert in self._rows("rehearse/rows"):
            with suppress(psycopg.errors.Error), self._connection.transaction():
                # The host's triggers could refuse the made-up row, or write elsewhere.
                self._connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER USER")
                self._connection.execute(insert)
                self._connection.execute(f"ALTER TABLE {name} ENABLE TRIGGER USER")

    def _play(self, statement: Plannable) -> Played:
        try:
            with self._connection.transaction(force_rollback=True):
                cursor = self._connection.execute(statement.sql, [None] * statement.parameters or None)
                return Played(columns=self._columns(cursor))
        except psycopg.Error as error:
            if self._connection.closed:
                raise UnreachableError("the clone ended the session", detail=str(error).strip(), code="lost") from None
            return Played(_error(error))

    def _columns(self, cursor: psycopg.Cursor[Any]) -> tuple[str, ...]:
        described = cursor.description or ()
        names = self._types(tuple({column.type_code for column in described}))
        return tuple(f"{column.name} {names[column.type_code]}" for column in described)

    def _types(self, oids: Sequence[int]) -> dict[int, str]:
        question = "SELECT o, pg_catalog.format_type(o, NULL) FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS u (o)"
        return dict(self._connection.execute(question, [list(oids)]).fetchall()) if oids else {}

    def _drop_constraints(self, *types: str) -> None:
        for (drop,) in self._rows("rehearse/loosen", {"types": list(types)}):
            with suppress(psycopg.errors.Error), self._connection.transaction():
                self._connection.execute(drop)

    def _rows(self, name: str, parameters: dict[str, Any] | None = None) -> list[Any]:
        with psycopg.Cursor(self._connection) as cursor:
            cursor.execute(sql.get(name, self._connection.info.server_version), parameters or {})
            return cursor.fetchall()


def _error(error: psycopg.Error) -> SqlError:
    said = error.diag
    return SqlError(
        error.sqlstate or "XX000",
        said.message_primary or str(error).strip(),
        said.message_detail,
        said.message_hint,
        int(said.statement_position) if said.statement_position else None,
    )
