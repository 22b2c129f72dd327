"""Cursor factories for psycopg 3."""

from __future__ import annotations

from typing import Any

from indexpilot_cli.db import recording
from indexpilot_cli.host.hooks.recorder import StatementRecorder, Tenant


def recording_cursor(tenant: Tenant = None, base: type[Any] | None = None) -> type[Any]:
    """A cursor class whose statements are recorded: ``psycopg.connect(dsn, cursor_factory=recording_cursor())``.

    For a pool: ``ConnectionPool(dsn, kwargs={"cursor_factory": recording_cursor()})``. ``base`` is the class that the
    application would use (``ClientCursor``, ``RawCursor``); ``tenant`` as in ``record_sqlalchemy``. A call of
    ``executemany`` is one row; what a pipeline runs is counted, and not recorded. Named cursors, which psycopg makes by
    another factory, ``stream`` and ``copy`` are not seen.
    """
    notes = StatementRecorder(tenant)
    return recording.recording_cursor(notes) if base is None else recording.recording_cursor(notes, base)


def recording_async_cursor(tenant: Tenant = None, base: type[Any] | None = None) -> type[Any]:
    """The same for ``AsyncConnection.connect(dsn, cursor_factory=recording_async_cursor())``."""
    notes = StatementRecorder(tenant)
    return recording.recording_async_cursor(notes) if base is None else recording.recording_async_cursor(notes, base)
