"""A pool that belongs to the application which hosts us: connections are borrowed and given back as they came."""

from __future__ import annotations

import inspect
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from indexpilot_cli.core import telemetry
from indexpilot_cli.db.dbapi import Psycopg2Connection, in_transaction, is_psycopg2
from indexpilot_cli.db.errors import clean
from indexpilot_cli.errors import IndexPilotError, UnreachableError, UsageError

# A pool whose server was restarted gives out dead connections until it has lent each once.
_MOST_DEAD = 100
_PATIENCE = 5.0  # seconds for a connection to come back to a pool that does not wait itself
_PAUSE = 0.01


class HostPool(ABC):
    """A host's pool. ``lent`` connections were borrowed so far, ``used`` are with us now, ``failures`` never came.

    Safe for threads as far as the pool is.
    """

    # Whether a connection may come with a transaction open: it is ours alone, and the pool itself began that.
    exclusive = False

    def __init__(self, pool: Any):
        self.pool = pool
        self.lent = self.used = self.failures = 0
        self.last_error: str | None = None
        self._lock = threading.Lock()
        self._target: tuple[str, str | None] | None = None

    @abstractmethod
    def get(self) -> Any:
        """A connection, as the pool lends it."""

    @abstractmethod
    def put(self, lent: Any, *, dead: bool = False) -> None:
        """Give it back; ``dead``: it does not answer."""

    def driver(self, lent: Any) -> Any:
        """The driver's own connection in it."""
        return lent

    def numbers(self) -> dict[str, int]:
        """``minimum``, ``maximum``, ``size``, ``free`` and ``waiting`` as far as the pool tells."""
        return {}

    def conninfo(self) -> tuple[str, str | None]:
        """Where its connections go: connection string and password. Raises UnreachableError when none comes."""
        if self._target is None:
            with self.connection() as connection:
                self._target = _target(connection)
        return self._target

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A live connection in a transaction that commits after the block; what we set on it is set back."""
        lent = self._live()
        with self._lock:
            self.lent, self.used = self.lent + 1, self.used + 1
        try:
            with _as_ours(self.driver(lent), exclusive=self.exclusive) as connection:
                yield connection
        finally:
            with self._lock:
                self.used -= 1
            try:
                self.put(lent)
            except Exception as error:  # noqa: BLE001 - the host's own code: our work is done, whatever it says
                self._failed(error)

    def _live(self) -> Any:
        try:
            for _ in range(_MOST_DEAD):
                lent = self.get()
                try:
                    if _answers(self.driver(lent)):
                        return lent
                except BaseException:
                    self.put(lent)
                    raise
                telemetry.count("pool.dead_connections")
                self.put(lent, dead=True)
        except IndexPilotError as error:
            self._failed(error)
            raise
        except Exception as error:  # noqa: BLE001 - the host's own code: each pool has errors of its own
            self._failed(error)
            raise UnreachableError(
                "the host's pool lent no connection", detail=self.last_error, code="pool_exhausted"
            ) from None
        raise UnreachableError("the connections of the host's pool do not answer", code="connection_lost")

    def forked(self) -> None:
        """For a forked child: what another thread of the parent held is not held here."""
        self._lock = threading.Lock()
        self.used = 0

    def _failed(self, error: Exception) -> None:
        telemetry.count("pool.failures")
        with self._lock:
            self.failures += 1
            self.last_error = clean(f"{type(error).__name__}: {error}")[:500]


class GetconnPool(HostPool):
    """A pool with ``getconn`` and ``putconn``: psycopg_pool's, psycopg2's, or the host's own."""

    def __init__(self, pool: Any):
        super().__init__(pool)
        closes = _parameters(pool.putconn)
        # psycopg2 is told by ``close``; psycopg_pool sees by itself that a connection is broken.
        self._closes = "close" in closes

    def get(self) -> Any:
        """A connection; psycopg2's pools refuse at once where others wait, so it is asked again for a while."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                return self.pool.getconn()
            except Exception as error:
                full = type(error).__module__ == "psycopg2.pool" and "exhausted" in str(error)
                if not full or time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)

    def put(self, lent: Any, *, dead: bool = False) -> None:
        """Give it back."""
        if dead and self._closes:
            self.pool.putconn(lent, close=True)
        else:
            self.pool.putconn(lent)

    def numbers(self) -> dict[str, int]:
        """psycopg_pool's own, psycopg2's limits."""
        if hasattr(self.pool, "get_stats"):
            found = self.pool.get_stats()
            names = {"pool_min": "minimum", "pool_max": "maximum", "pool_size": "size", "pool_available": "free"}
            numbers = {ours: found.get(theirs, 0) for theirs, ours in names.items()}
            return numbers | {"waiting": found.get("requests_waiting", 0)}
        limits = {"minimum": getattr(self.pool, "minconn", 0), "maximum": getattr(self.pool, "maxconn", 0)}
        return {name: value for name, value in limits.items() if isinstance(value, int)}


class EnginePool(HostPool):
    """The pool of an SQLAlchemy engine."""

    exclusive = True

    def get(self) -> Any:
        """A connection of its pool, behind SQLAlchemy's wrapper."""
        return self.pool.raw_connection()

    def put(self, lent: Any, *, dead: bool = False) -> None:
        """Give it back; a dead one is replaced by the pool."""
        if dead:
            lent.invalidate()
        lent.close()

    def driver(self, lent: Any) -> Any:
        """What psycopg or psycopg2 made."""
        return lent.driver_connection

    def numbers(self) -> dict[str, int]:
        """Those of a QueuePool; other pools keep none."""
        pool = self.pool.pool
        if not all(hasattr(pool, name) for name in ("size", "checkedin", "checkedout")):
            return {}
        free, used = pool.checkedin(), pool.checkedout()
        return {"maximum": pool.size() + max(0, getattr(pool, "_max_overflow", 0)), "size": free + used, "free": free}


def host_pool(pool: object) -> HostPool:
    """The pool as we use it. Raises UsageError for what lends no connections of PostgreSQL that we understand."""
    if callable(getattr(pool, "raw_connection", None)):
        dialect = getattr(pool, "dialect", None)
        kind = f"{getattr(dialect, 'name', '?')}+{getattr(dialect, 'driver', '?')}"
        if kind not in ("postgresql+psycopg", "postgresql+psycopg2"):
            raise _refused(f"an engine of {kind} cannot be used")
        _refuse_coroutines(pool, "raw_connection")
        return EnginePool(pool)
    missing = [name for name in ("getconn", "putconn") if not callable(getattr(pool, name, None))]
    if missing:
        raise _refused(f"the database adapter has no method {', '.join(missing)}: {type(pool).__name__}")
    _refuse_coroutines(pool, "getconn", "putconn")
    return GetconnPool(pool)


def _refused(message: str) -> UsageError:
    hint = "a pool of psycopg_pool or psycopg2, an SQLAlchemy engine with one of them, or getconn and putconn"
    return UsageError(message, hint=hint, code="bad_adapter")


def _refuse_coroutines(pool: object, *names: str) -> None:
    for name in names:
        if inspect.iscoroutinefunction(getattr(pool, name)):
            raise _refused(f"the database adapter's {name} is a coroutine, and we work in threads")


def _parameters(function: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _answers(connection: Any) -> bool:
    if isinstance(connection, psycopg.Connection):
        if connection.closed or connection.broken:
            return False
        if connection.info.transaction_status is TransactionStatus.IDLE:
            return _psycopg_answers(connection)
        return connection.info.transaction_status is not TransactionStatus.UNKNOWN
    if is_psycopg2(connection):
        return Psycopg2Connection(connection).answers()
    raise _refused(f"connections of {type(connection).__module__}.{type(connection).__name__} cannot be used")


def _psycopg_answers(connection: psycopg.Connection[Any]) -> bool:
    # An empty question asks the server for nothing but an answer, and opens no transaction.
    try:
        connection.pgconn.exec_(b"")
    except psycopg.Error:
        return False
    return connection.info.transaction_status is TransactionStatus.IDLE


@contextmanager
def _as_ours(connection: Any, *, exclusive: bool) -> Iterator[Any]:
    if not isinstance(connection, psycopg.Connection):
        with Psycopg2Connection(connection).borrowed(exclusive=exclusive) as shown:
            yield shown
        return
    if connection.info.transaction_status is not TransactionStatus.IDLE and not exclusive:
        raise in_transaction()
    found = connection.row_factory, connection.cursor_factory
    # A row factory or a cursor of the host's would change what our own questions answer.
    connection.row_factory, connection.cursor_factory = tuple_row, psycopg.Cursor
    try:
        if connection.autocommit:
            with connection.transaction():
                yield connection
        else:
            yield from _committed(connection)
    finally:
        connection.row_factory, connection.cursor_factory = found


def _committed(connection: psycopg.Connection[Any]) -> Iterator[Any]:
    # Not ``with connection``, which closes one that is of no pool of psycopg's.
    try:
        yield connection
    except BaseException:
        with suppress(psycopg.Error):
            connection.rollback()
        raise
    connection.commit()


def _target(connection: Any) -> tuple[str, str | None]:
    """Where the connection goes, with the name it bears, for sessions beside the pool."""
    if isinstance(connection, psycopg.Connection):
        given = connection.info.get_parameters()
        password, name = connection.info.password, connection.execute("SHOW application_name").fetchone()
        known = given | ({"application_name": name[0]} if name and name[0] else {})
        return make_conninfo("", **known), password or None
    conninfo: tuple[str, str | None] = connection.target()
    return conninfo
