"""One pool of connections for a process that hosts us; all functions may be called from any thread.

A forked child opens a pool of its own, like the parent's, when it first needs one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import psycopg
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from indexpilot_cli.core import telemetry
from indexpilot_cli.db.conninfo import read_conninfo, secrets_of
from indexpilot_cli.db.errors import clean, connect_error
from indexpilot_cli.db.host_pool import HostPool
from indexpilot_cli.db.session import Session, _Facts, _facts_of, _Target
from indexpilot_cli.errors import IndexPilotError, PrerequisiteError, UnreachableError, UsageError

MINIMUM = 2
MAXIMUM = 20
_LOOK_SECONDS = 3


@dataclass(frozen=True, slots=True)
class PoolStats:
    """``size`` connections exist now: ``used`` are lent, ``free`` wait; ``waiting`` borrowers queue."""

    minimum: int
    maximum: int
    size: int
    used: int
    free: int
    waiting: int


_Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class _Opening:
    """What a pool is opened with."""

    conninfo: str
    minimum: int
    maximum: int
    password: str | None
    timeout: float


@dataclass
class _State:
    """The open pool and how many of its connections are lent; the lock guards both.

    ``inherited`` are pools of the processes this one was forked from; the latest stands for one to be opened here.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    pool: ConnectionPool[_Connection] | None = None
    lent: int = 0
    opening: _Opening = _Opening("", MINIMUM, MAXIMUM, None, 0.0)
    host: HostPool | None = None
    inherited: list[ConnectionPool[_Connection]] = field(default_factory=list)
    to_open: bool = False
    reopening: threading.Lock = field(default_factory=threading.Lock)

    def swap(self, pool: ConnectionPool[_Connection] | None) -> ConnectionPool[_Connection] | None:
        """Put the pool in place and give the one before."""
        with self.lock:
            old, self.pool, self.lent, self.to_open = self.pool, pool, 0, False
        return old

    def count(self, pool: ConnectionPool[_Connection], change: int) -> None:
        """A connection of the pool was lent (1) or came back (-1)."""
        with self.lock:
            if self.pool is pool:
                self.lent += change


_state = _State()


def _after_fork() -> None:
    """The child shares the parent's sockets and must neither speak on them nor close them, which says good-bye to the
    server for the parent; so the pool is kept, untouched, for ever. Its threads and locks are of no use here either."""
    _state.lock, _state.reopening = threading.Lock(), threading.Lock()
    if _state.host is not None:
        _state.host.forked()
    if _state.pool is not None:
        _state.inherited.append(_state.pool)
        _state.pool, _state.lent, _state.to_open = None, 0, True


os.register_at_fork(after_in_child=_after_fork)


def init_connection_pool(
    conninfo: str,
    minimum: int = MINIMUM,
    maximum: int = MAXIMUM,
    *,
    password: str | None = None,
    timeout: float = 30.0,
) -> None:
    """Open the process's pool, in place of one that was open. ``timeout`` is seconds, also for a borrower's wait.

    Raises UsageError unless 1 <= minimum <= maximum, UnreachableError when the server cannot be reached.
    """
    if not 1 <= minimum <= maximum:
        raise UsageError(f"a pool needs 1 <= min <= max, not {minimum} and {maximum}", code="bad_pool_size")
    opening = _Opening(conninfo, minimum, maximum, password, timeout)
    secrets = secrets_of(conninfo, password)
    arguments = _arguments(conninfo, password)
    try:
        # The pool connects in the background and would report a wrong password as a timeout.
        psycopg.connect(**arguments).close()
    except psycopg.Error as error:
        raise connect_error(error, secrets) from None
    pool = ConnectionPool(
        kwargs=arguments,
        min_size=minimum,
        max_size=maximum,
        open=False,
        timeout=timeout,
        reset=_reset,
        name="indexpilot",
    )
    try:
        pool.open(wait=True, timeout=timeout)
    except PoolTimeout as error:
        raise _exhausted(error, opening) from None
    old = _state.swap(pool)
    _state.opening = opening
    if old is not None:
        old.close()


def borrow_from(host: HostPool | None) -> None:
    """Lend the host's connections from now on instead of ours, whose pool is closed; None: ours again."""
    if host is not None:
        close_connection_pool()
    _state.host = host


def host_pool_in_use() -> HostPool | None:
    """The host's pool that lends; None when ours does or none."""
    return _state.host


def pool_conninfo() -> tuple[str, str | None]:
    """Where the open pool's connections go: connection string and password. Raises PrerequisiteError without one.

    Of a host's pool one connection is asked, once: raises UnreachableError when it lends none.
    """
    if _state.host is not None:
        return _state.host.conninfo()
    _opened()
    return _state.opening.conninfo, _state.opening.password


@contextmanager
def get_connection() -> Iterator[psycopg.Connection[Any]]:
    """A live connection, in a transaction that commits after the block and rolls back on an exception.

    It waits for a free one. Whatever the borrower sets (autocommit, session settings) is undone afterwards.
    Of a host's pool it is one of the host's, which keeps its own settings; psycopg2's come in the shape of psycopg 3's.
    Raises PrerequisiteError without a pool, UnreachableError when none comes free in time or the server is gone.
    """
    if _state.host is not None:
        with _state.host.connection() as lent:
            yield lent
        return
    pool = _opened()
    try:
        connection = _live(pool)
    except (PoolTimeout, PoolClosed) as error:
        raise _exhausted(error, _state.opening) from None
    _state.count(pool, 1)
    try:
        with connection:
            yield connection
    finally:
        _state.count(pool, -1)
        pool.putconn(connection)


def close_connection_pool() -> None:
    """Close the pool if one is open; a later ``init_connection_pool`` may open another. A host's own stays open."""
    pool = _state.swap(None)
    if pool is not None:
        pool.close()


def get_pool_stats() -> PoolStats:
    """The pool's numbers at this moment; all zero when none is open.

    Of a host's pool ``used`` are those with us, the others as far as it tells them, else zero.
    """
    host = _state.host
    if host is not None:
        none = dict.fromkeys(("minimum", "maximum", "size", "free", "waiting"), 0)
        return PoolStats(used=host.used, **none | host.numbers())
    with _state.lock:
        pool, lent = _state.pool, _state.lent
    if pool is None:
        return PoolStats(0, 0, 0, 0, 0, 0)
    numbers = pool.get_stats()
    return PoolStats(
        minimum=pool.min_size,
        maximum=pool.max_size,
        size=numbers["pool_size"],
        used=lent,
        free=numbers["pool_available"],
        waiting=numbers["requests_waiting"],
    )


def _live(pool: ConnectionPool[_Connection]) -> _Connection:
    """A connection that answers; what the server closed while it lay idle is replaced. Raises PoolTimeout."""
    end = time.monotonic() + pool.timeout
    while True:
        connection = pool.getconn(timeout=max(0.0, end - time.monotonic()))
        try:
            ConnectionPool.check_connection(connection)
        except psycopg.Error:
            # What ended one has ended the others as a rule (a restart, a failover). The pool's own check waits longer
            # after each dead one it meets: 20 of them took more than a minute. So all are looked at now.
            telemetry.count("pool.dead_connections")
            pool.putconn(connection)
            pool.check()
        else:
            return connection


def _opened() -> ConnectionPool[_Connection]:
    with _state.lock:
        pool = _state.pool
    if pool is None and _state.to_open:
        pool = _opened_after_fork()
    if pool is None:
        raise PrerequisiteError(
            "the connection pool is not open", hint="call init_connection_pool first", code="no_pool"
        )
    return pool


def open_after_fork() -> None:
    """Open the pool of a forked child, when its parent had one and it has none yet. Raises as opening does."""
    if _state.to_open:
        _opened_after_fork()


def _opened_after_fork() -> ConnectionPool[_Connection] | None:
    with _state.reopening:
        if _state.to_open:
            like = _state.opening
            init_connection_pool(
                like.conninfo, like.minimum, like.maximum, password=like.password, timeout=like.timeout
            )
    return _state.pool


def _arguments(conninfo: str, password: str | None) -> dict[str, Any]:
    fallback: dict[str, Any] = {"fallback_application_name": "indexpilot", "prepare_threshold": None}
    return fallback | read_conninfo(conninfo) | ({} if password is None else {"password": password})


def _reset(connection: _Connection) -> None:
    """As new for the next borrower: no settings, locks, temporary tables, listeners; not in autocommit."""
    connection.autocommit = True
    # Refused inside a transaction block, hence autocommit around it.
    connection.execute("DISCARD ALL")
    connection.autocommit = False
    connection.isolation_level = connection.read_only = connection.deferrable = None
    connection.row_factory = tuple_row


def _exhausted(error: PoolTimeout | PoolClosed, opening: _Opening) -> IndexPilotError:
    telemetry.count("pool.exhausted")
    # A pool waits alike for connections that are lent and for a server that is gone: one more tells which it is.
    try:
        arguments = _arguments(opening.conninfo, opening.password)
        psycopg.connect(**{"connect_timeout": _LOOK_SECONDS} | arguments).close()
    except psycopg.Error as gone:
        return connect_error(gone, secrets_of(opening.conninfo, opening.password))
    return UnreachableError(
        "no connection of the pool came free in time",
        detail=clean(str(error)),
        hint="raise the pool's maximum, or look for connections that are never given back",
        code="pool_exhausted",
    )


class BorrowedSession(Session):
    """A session in the borrower's transaction: everything is kept or undone when the connection goes back."""

    def __init__(self, connection: psycopg.Connection[Any]):
        self._borrowed = connection
        super().__init__(_Target("", None, (), (), ()), read_only=False)
        self._depth = 1  # the borrower's transaction

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
        session = BorrowedSession(connection)
        limits = {"statement": f"{statement_timeout_ms}ms", "lock": f"{lock_timeout_ms}ms"}
        session.rows("log/limits", limits)
        yield session
    session.committed()
