"""Cursors of psycopg that tell how long each statement took."""

from __future__ import annotations

import time
from typing import Any, Protocol

import psycopg
from psycopg.pq import PipelineStatus
from psycopg.sql import Composable

_STREAMED = (psycopg.ServerCursor, psycopg.AsyncServerCursor)
_RAW = (psycopg.RawCursor, psycopg.AsyncRawCursor, psycopg.RawServerCursor, psycopg.AsyncRawServerCursor)


class StatementNotes(Protocol):
    """Takes what a cursor ran. It neither raises nor waits."""

    def note(self, text: object, seconds: float, *, placeholders: bool) -> None:
        """A statement that succeeded; ``placeholders``: the driver replaced ``%s`` in it, and ``%%``."""

    def failed(self) -> None:
        """One that raised."""

    def unmeasured(self) -> None:
        """One whose time this is not."""


def is_streamed(cursor: object) -> bool:
    """Whether it is a cursor on the server: its execute only declares it."""
    return isinstance(cursor, _STREAMED)


def recording_cursor(notes: StatementNotes, base: type[Any] = psycopg.Cursor) -> type[Any]:
    """A cursor class on the base, for ``cursor_factory``: ``execute`` and ``executemany`` are noted.

    A call of ``executemany`` is one statement. ``stream`` and ``copy`` are not noted: their time is the reader's.
    """
    raw = issubclass(base, _RAW)

    class RecordingCursor(base):  # type: ignore[misc]
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            with _Noted(notes, self, query, not raw and params is not None):
                return super().execute(query, params, **options)

        def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
            with _Noted(notes, self, query, not raw):
                super().executemany(query, params_seq, **options)

    return RecordingCursor


def recording_async_cursor(notes: StatementNotes, base: type[Any] = psycopg.AsyncCursor) -> type[Any]:
    """The same for asynchronous connections. A statement whose task is cancelled counts as failed."""
    raw = issubclass(base, _RAW)

    class AsyncRecordingCursor(base):  # type: ignore[misc]
        async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            with _Noted(notes, self, query, not raw and params is not None):
                return await super().execute(query, params, **options)

        async def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
            with _Noted(notes, self, query, not raw):
                await super().executemany(query, params_seq, **options)

    return AsyncRecordingCursor


class _Noted:
    """Around one statement."""

    __slots__ = ("_began", "_cursor", "_notes", "_placeholders", "_query")

    def __init__(self, notes: StatementNotes, cursor: Any, query: Any, placeholders: bool) -> None:
        self._notes, self._cursor, self._query, self._placeholders = notes, cursor, query, placeholders

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        seconds, connection, query = time.perf_counter() - self._began, self._cursor.connection, self._query
        if error is not None:
            self._notes.failed()
        # In a pipeline execute returns before the server has begun.
        elif is_streamed(self._cursor) or connection.pgconn.pipeline_status != PipelineStatus.OFF:
            self._notes.unmeasured()
        else:
            text = query if isinstance(query, str) else _text(query, connection)
            self._notes.note(text, seconds, placeholders=self._placeholders)


def _text(query: Any, connection: Any) -> object:
    if isinstance(query, bytes):
        return query.decode(connection.info.encoding, errors="replace")
    return query.as_string(connection) if isinstance(query, Composable) else query
