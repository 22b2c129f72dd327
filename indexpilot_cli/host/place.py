"""Where the host's functions work: the process's pool, and the schema our tables are in."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from indexpilot_cli import __version__
from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import split_table
from indexpilot_cli.db import pool
from indexpilot_cli.db.conninfo import secrets_of
from indexpilot_cli.db.errors import StatementError, sqlstate
from indexpilot_cli.db.host_pool import HostPool
from indexpilot_cli.db.pool import MAXIMUM, MINIMUM, pool_conninfo, pool_session
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import PrerequisiteError, RefusedError, UsageError
from indexpilot_cli.guards.bypass import EMERGENCY, SETUP, SYSTEM, require_on
from indexpilot_cli.log.bookkeeping import LogPlace, Note, booked
from indexpilot_cli.log.metadata import SCHEMA, checked_schema
from indexpilot_cli.settings.load import load
from indexpilot_cli.settings.sections import Settings

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass
class _Place:
    schema: str = SCHEMA
    settings: Settings = field(default_factory=Settings)
    forgetful: list[Callable[[], None]] = field(default_factory=list)
    configured: list[Callable[[Settings], None]] = field(default_factory=list)


_place = _Place()


def set_metadata_schema(name: str) -> None:
    """Use another schema for our tables from now on. Raises UsageError for a name no schema can have."""
    _place.schema = checked_schema(name)
    schema_changed()


def metadata_schema() -> str:
    """The schema our tables are in."""
    return _place.schema


@contextmanager
def session(*, statement_timeout_ms: int = 60_000, lock_timeout_ms: int = 5_000) -> Iterator[Session]:
    """A session of the host's pool in one transaction. Raises PrerequisiteError for a table of ours that is not there.

    Nobody looks for it before: that would be a question more of every call.
    """
    try:
        # Without limits a thread of the host would hang behind any ALTER TABLE; so it gets 55P03 or 57014 and goes on.
        with pool_session(statement_timeout_ms=statement_timeout_ms, lock_timeout_ms=lock_timeout_ms) as opened:
            yield opened
    except StatementError as error:
        if sqlstate(error) != "42P01" or f"{metadata_schema()}." not in (error.detail or ""):
            raise
        raise PrerequisiteError(
            "a table of IndexPilot's is not in this database",
            detail=error.detail,
            hint="indexpilot init, with --upgrade where an older version made them",
            code="not_initialised",
        ) from error


def init_connection_pool(
    conninfo: str,
    minimum: int = MINIMUM,
    maximum: int = MAXIMUM,
    *,
    password: str | None = None,
    timeout: float = 30.0,
) -> None:
    """Open the process's pool, in place of one that was open. ``timeout`` is seconds, also for a borrower's wait.

    The configuration is read here, its switches (``bypass.*``: what is off stays off until the next call) and the
    limits of caches (``features.expression_profiles.*``). While a pool of the host's is configured
    (``configure_adapters``), that one is used and none is opened. Raises UsageError unless 1 <= minimum <= maximum,
    UnreachableError when the server cannot be reached, which the log is told when it can.
    """
    _configure()
    if pool.host_pool_in_use() is not None:
        return
    log = LogPlace(
        session, metadata_schema(), conninfo, secrets_of(conninfo, password), record_of("init_connection_pool")
    )
    with booked(log, MutationType.SYSTEM_CONFIG_CHANGE) as note:
        pool.init_connection_pool(conninfo, minimum, maximum, password=password, timeout=timeout)
        note.elsewhere = True  # that a pool was opened changes nothing: only a failure gets a row


def use_host_pool(lender: HostPool | None) -> None:
    """Borrow the host's connections from now on, and read the configuration as for a pool of ours; None: ours again."""
    if lender is not None:
        _configure()
    pool.borrow_from(lender)
    schema_changed()


def read_settings() -> Settings:
    """Files and environment as they are now; what cannot be read must not keep the host from starting."""
    try:
        return current_settings()
    except UsageError as error:
        logging.getLogger(__name__).warning("the configuration is not read: %s", error)
        return Settings()


def _configure() -> None:
    _place.settings = read_settings()
    for follow in _place.configured:
        follow(_place.settings)


def on_configured(follow: Callable[[Settings], None]) -> None:
    """Register what goes by the configuration; it is called when a pool is opened."""
    _place.configured.append(follow)


def collects() -> bool:
    """Whether statistics are recorded: neither they nor everything is switched off."""
    return _place.settings.bypass.features.stats_collection.enabled and not _place.settings.bypass.system.enabled


def is_on() -> bool:
    """Whether the whole system is not switched off by the configuration."""
    return not _place.settings.bypass.system.enabled


def logs() -> bool:
    """Whether the mutation log is written: neither it nor everything is switched off."""
    return _place.settings.bypass.logs


def skipped() -> str | None:
    """Why nothing is set up when a host starts, by the settings and by the switch of all processes; None when it is."""
    try:
        # By the settings first: what they switch off needs no database that answers.
        require_on(_place.settings.bypass, "initialization", SETUP)
        with session() as looking:
            require_on(_place.settings.bypass, "initialization", SETUP, looking, metadata_schema())
    except RefusedError as off:
        return off.text
    return None


def is_running(looking: Session) -> bool:
    """Whether neither the settings nor the switch of all processes have stopped the whole system at this moment."""
    try:
        require_on(_place.settings.bypass, "the system", {SYSTEM, EMERGENCY}, looking, metadata_schema())
    except RefusedError:
        return False
    return True


def record_of(function: str, settings: Settings | None = None) -> Record:
    """Who asks, for the log; by the settings where they were just read, else by those read with the pool."""
    bypass = (_place.settings if settings is None else settings).bypass
    return Record("host application", __version__, f"host {function}", bypass.logs)


def connection() -> Connection:
    """Where the open pool's sessions go, for work that needs sessions of its own. Raises PrerequisiteError without one.

    The pool's come inside a transaction, which CREATE INDEX CONCURRENTLY refuses (25001), and long work would keep one.
    """
    conninfo, password = pool_conninfo()
    return Connection(conninfo, password, metadata_schema=metadata_schema())


def current_settings() -> Settings:
    """The settings of files and environment as they are now. Raises UsageError that lists every mistake."""
    return load(os.environ, Path.cwd())


@contextmanager
def logged(kind: MutationType, function: str, **facts: Any) -> Iterator[Note]:
    """Run the block, then write its row through the pool, as commands do (``log.bookkeeping``)."""
    conninfo, password = pool_conninfo()
    log = LogPlace(session, metadata_schema(), conninfo, secrets_of(conninfo, password), record_of(function))
    with booked(log, kind, **facts) as note:
        yield note


def checked_name(name: object, what: str) -> str:
    """The name, when an identifier can be called so. Raises UsageError otherwise."""
    if isinstance(name, str) and name and "\0" not in name:
        with suppress(UnicodeEncodeError):  # half of a surrogate pair is no text that could be sent
            name.encode()
            return name
    raise UsageError(f"not the name of a {what}: {str(name)[:80]!r}", code="bad_name")


def checked_table(typed: str | None) -> tuple[str | None, str | None]:
    """Schema (None: any) and table of a typed name; both None when nothing was given. Raises UsageError."""
    if typed is None:
        return None, None
    schema_name, name = split_table(checked_name(typed, "table"))
    return schema_name, checked_name(name, "table")


def in_background(work: Callable[[], object], name: str) -> threading.Thread | None:
    """A thread that does it; None when none can be started: the system has no more, or the process ends."""
    # A daemon, because a server that does not answer must not keep the host's process from ending.
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def on_schema_change(forget: Callable[[], None]) -> None:
    """Register a cache's way to forget."""
    _place.forgetful.append(forget)


def schema_changed() -> None:
    """Empty every cache that knows names: the genome catalog was changed."""
    for forget in _place.forgetful:
        forget()


class TtlCache(Generic[K, V]):
    """At most ``size`` values, each for ``seconds``; the least recently used goes first. Safe for threads.

    ``evictions`` counts those that went for want of room.
    """

    def __init__(self, seconds: float, size: int, clock: Callable[[], float] = time.monotonic):
        self.seconds = seconds
        self.size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._generation = 0
        self.evictions = 0
        _caches.add(self)

    def peek(self, key: K) -> V | None:
        """The cached value; None when there is none."""
        with self._lock:
            found = self._found(key)
            return None if found is None else found[1]

    def put(self, key: K, value: V) -> None:
        """Keep a value."""
        with self._lock:
            self._keep(key, value)

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The cached value, or a new one from ``make``; one made before a ``clear`` is given but not kept."""
        with self._lock:
            found = self._found(key)
            if found is not None:
                return found[1]
            generation = self._generation
        # Made without the lock: one slow query must not hold up those who ask for other keys.
        value = make()
        with self._lock:
            if generation == self._generation:
                self._keep(key, value)
        return value

    def _found(self, key: K) -> tuple[float, V] | None:
        found = self._values.get(key)
        if found is None or self._clock() - found[0] >= self.seconds:
            return None
        self._values.move_to_end(key)
        return found

    def _keep(self, key: K, value: V) -> None:
        if self.seconds <= 0:
            return
        self._values[key] = (self._clock(), value)
        self._values.move_to_end(key)
        while len(self._values) > self.size:
            self._values.popitem(last=False)
            self.evictions += 1

    def renew_lock(self) -> None:
        """For a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._generation += 1

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)


_caches: WeakSet[TtlCache[Any, Any]] = WeakSet()


def _after_fork() -> None:
    for cache in tuple(_caches):
        cache.renew_lock()


os.register_at_fork(after_in_child=_after_fork)
