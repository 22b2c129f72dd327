"""What is done with psycopg's connection itself: to end it, to send much at once, to see what a pooler makes of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg

from indexpilot_cli.db.errors import clean
from indexpilot_cli.errors import PrerequisiteError

_PARTING = 1.0  # seconds


def end_connection(connection: psycopg.Connection[Any], seconds: float = _PARTING) -> None:
    """Close, and wait so long at most until the backend has gone: until then it counts as a session."""
    if connection.closed:
        return
    # libpq closes its socket without a wait. The kernel closes the other end when the backend has ended, so that a
    # copy of ours reads its end then.
    with socket.socket(fileno=os.dup(connection.fileno())) as other:
        connection.close()
        other.settimeout(seconds)
        with suppress(OSError):
            while other.recv(4096):
                pass


def require_transactions(connection: psycopg.Connection[Any]) -> None:
    """PrerequisiteError behind a pooler that lends a backend for a single statement."""
    try:
        with connection.transaction():
            pass
    except psycopg.Error as error:
        raise PrerequisiteError(
            "a statement-mode pooler stands between: nothing can be limited or read together through it",
            detail=clean(str(error)),
            hint="connect to the server directly",
            code="pooler",
        ) from None


def pipelined(connection: psycopg.Connection[Any], statements: Sequence[Any]) -> list[psycopg.Cursor[Any]]:
    """One cursor per statement. The first error is caught inside the pipeline, which would log it otherwise."""
    first: psycopg.Error | None = None
    cursors: list[psycopg.Cursor[Any]] = []
    try:
        with connection.pipeline():
            try:
                cursors = [connection.execute(text, None, binary=True) for text in statements]
            except psycopg.Error as error:
                first = error
    except psycopg.Error as error:
        first = first or error
    if first is not None:
        raise first
    return cursors
