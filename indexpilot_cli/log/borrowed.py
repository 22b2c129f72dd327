"""A session on a connection that the process's pool lends us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import psycopg

from indexpilot_cli.db.pool import get_connection
from indexpilot_cli.db.session import Session, _Facts, _facts_of, _Target
from indexpilot_cli.errors import PrerequisiteError


class Borrowed(Session):
    """A session in the borrower's transaction: everything is kept or undone when the connection goes back."""

    def __init__(self, connection: psycopg.Connection[Any]):
        self._borrowed = connection
        super().__init__(_Target("", None, (), (), ()), read_only=False)

    def close(self) -> None:
        """Nothing: the pool takes the connection back."""

    def reconnect(self) -> NoReturn:
        """Refused: the pool decides about its connections."""
        raise PrerequisiteError("a borrowed connection cannot be replaced", code="borrowed")

    def another(self) -> NoReturn:
        """Refused: borrow one more instead."""
        raise PrerequisiteError("a borrowed connection has no twin", code="borrowed")

    def _connect(self) -> tuple[psycopg.Connection[Any], _Facts]:
        return self._borrowed, _facts_of(self._borrowed, self._borrowed.info.backend_pid)


@contextmanager
def pool_session(*, statement_timeout_ms: int = 60_000, lock_timeout_ms: int = 5_000) -> Iterator[Session]:
    """A session of the pool, in one transaction that commits after the block.

    Raises PrerequisiteError when no pool is open, UnreachableError when no connection comes free.
    """
    with get_connection() as connection:
        session = Borrowed(connection)
        limits = {"statement": f"{statement_timeout_ms}ms", "lock": f"{lock_timeout_ms}ms"}
        session.rows("log/limits", limits)
        yield session
