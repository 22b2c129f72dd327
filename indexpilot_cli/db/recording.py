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
            began = time.perf_counter()
            try:
                result = super().execute(query, params, **options)
            except BaseException:
                notes.failed()
                raise
            _note(notes, self, query, time.perf_counter() - began, not raw and params is not None)
            return result

        def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
            began = time.perf_counter()
            try:
                super().executemany(query, params_seq, **options)
            except BaseException:
                notes.failed()
                raise
            _note(notes, self, query, time.perf_counter() - began, not raw)

    return RecordingCursor


def recording_async_cursor(notes: StatementNotes, base: type[Any] = psycopg.AsyncCursor) -> type[Any]:
    """The same for asynchronous connections. A statement whose task is cancelled counts as failed."""
    raw = issubclass(base, _RAW)

    class AsyncRecordingCursor(base):  # type: ignore[misc]
        async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                result = await super().execute(query, params, **options)
            except BaseException:
                notes.failed()
                raise
            _note(notes, self, query, time.perf_counter() - began, not raw and params is not None)
            return result

        async def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
            began = time.perf_counter()
            try:
                await super().executemany(query, params_seq, **options)
            except BaseException:
                notes.failed()
                raise
            _note(notes, self, query, time.perf_counter() - began, not raw)

    return AsyncRecordingCursor


def _note(notes: StatementNotes, cursor: Any, query: Any, seconds: float, placeholders: bool) -> None:
    connection = cursor.connection
    # In a pipeline execute returns before the server has begun.
    if is_streamed(cursor) or connection.pgconn.pipeline_status != PipelineStatus.OFF:
        notes.unmeasured()
        return
    notes.note(query if isinstance(query, str) else _text(query, connection), seconds, placeholders=placeholders)


def _text(query: Any, connection: Any) -> object:
    if isinstance(query, bytes):
        return query.decode(connection.info.encoding, errors="replace")
    return query.as_string(connection) if isinstance(query, Composable) else query
