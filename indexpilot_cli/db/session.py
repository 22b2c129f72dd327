"""One connection to a server, for looking (read-only) or for writing. The only door to psycopg."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeAlias

import psycopg
from psycopg import conninfo as libpq
from psycopg import sql as compose
from psycopg.errors import Diagnostic
from psycopg.rows import namedtuple_row

from indexpilot_cli.core.command import Connection
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.db import queries as sql
from indexpilot_cli.db.connection import end_connection, pipelined, require_transactions
from indexpilot_cli.db.conninfo import read_conninfo, secrets_of
from indexpilot_cli.db.errors import StatementError, connect_error, mapped
from indexpilot_cli.errors import IndexPilotError

Row: TypeAlias = Any  # a namedtuple whose fields are the query's columns
Query: TypeAlias = str | compose.Composable
Parameters: TypeAlias = Mapping[str, Any] | Sequence[Any]

_COMPILES = "jit"
_READ_ONLY = "default_transaction_read_only"
_TRACK = "pg_stat_statements.track"
_NAME = re.compile(r"[a-z]+/[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning or notice the server sent with a result. ``detail`` is empty where it gave none."""

    severity: str
    sqlstate: str | None
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Target:
    """How to connect, kept for connecting again."""

    dsn: str
    password: str | None
    options: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]

    def extra(self) -> dict[str, Any]:
        """Connection parameters beside the string itself."""
        return dict(self.options) | ({} if self.password is None else {"password": self.password})


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a connection knows of itself, also after its end."""

    version: int
    backend_pid: int
    answering_pid: int
    limits: str
    host: str | None
    port: int | None
    tls: bool


class Session:
    """A psycopg connection in autocommit mode. Close it, or use it in a ``with`` block.

    Queries are SQL text or the name of a file in ``queries/``. Every failure is an ``IndexPilotError``.
    One thread at a time, except ``cancel``.
    """

    def __init__(self, target: _Target, *, read_only: bool):
        self._target = target
        self._notices: list[Notice] = []
        self._after: list[Callable[[], None]] = []
        self._depth = 0
        self.read_only = read_only
        self._connection, self._facts = self._connect()

    # -- life

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; closing twice is allowed. The server has room for another one when this returns."""
        end_connection(self._connection)

    def reconnect(self) -> None:
        """A new connection with the same settings in place of this one."""
        self.close()
        self._connection, self._facts = self._connect()

    def another(self) -> Session:
        """One more session to the same server with the same settings."""
        return Session(self._target, read_only=self.read_only)

    def cancel(self) -> None:
        """Ask the server to stop the running statement; may be called from another thread."""
        self._connection.cancel_safe(timeout=10)

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, by us or by the server as far as we noticed."""
        return self._connection.closed

    # -- facts

    @property
    def version(self) -> int:
        """``server_version_num``, such as 150020."""
        return self._facts.version

    @property
    def backend_pid(self) -> int:
        """The process id the server (or a pooler in front of it) gave us when we connected."""
        return self._facts.backend_pid

    @property
    def pooled(self) -> bool:
        """Whether another backend answered than the one we connected to: a pooler that lends backends.

        What a session sets would stay with some backend, for whoever is lent it next, and be gone at our own next
        statement; so its settings hold for a transaction each.
        """
        return self._facts.answering_pid != self._facts.backend_pid

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self._facts.tls

    @property
    def host(self) -> str | None:
        """Host name or socket directory, None when unknown."""
        return self._facts.host

    @property
    def port(self) -> int | None:
        """Port, None when unknown."""
        return self._facts.port

    # -- questions

    def rows(self, query: Query, params: Parameters | None = None) -> list[Row]:
        """All rows, as named tuples. Without ``params`` a ``%`` in the text means itself."""
        with self._limited(), self._connection.cursor(row_factory=namedtuple_row) as cursor:
            cursor.execute(self._text(query), params)
            return cursor.fetchall() if cursor.description else []

    def one(self, query: Query, params: Parameters | None = None) -> Row | None:
        """The first row, or None."""
        return next(iter(self.rows(query, params)), None)

    def value(self, query: Query, params: Parameters | None = None) -> Any:
        """The first column of the first row, or None."""
        row = self.one(query, params)
        return None if row is None else row[0]

    def execute(self, statement: Query, params: Parameters | None = None) -> int:
        """Run exactly one statement and give the number of rows it touched (-1: none to count).

        The extended protocol carries it, so text holding two statements is refused by the server.
        """
        with self._limited(), self._connection.cursor() as cursor:
            # Asking for binary results makes psycopg use the extended protocol even without parameters.
            cursor.execute(self._text(statement), params, binary=True)
            return cursor.rowcount

    def explain(self, statement: str, params: Parameters | None = None) -> Mapping[str, Any]:
        """The ``Plan`` object of one ``EXPLAIN (FORMAT JSON ...)`` statement, sent as a single statement."""
        plan: Mapping[str, Any] = self.explain_whole(statement, params)["Plan"]
        return plan

    def explain_whole(self, statement: str, params: Parameters | None = None) -> Mapping[str, Any]:
        """Everything one ``EXPLAIN (FORMAT JSON ...)`` says: ``Plan``, and the times beside it with ANALYZE."""
        with self._limited(), self._connection.cursor() as cursor:
            row = cursor.execute(self._text(statement), params, binary=True).fetchone()
            return _document(row)

    def explain_in(self, statements: Sequence[str]) -> Mapping[str, Any]:
        """The plan that one of these statements answers with; all of them go in one round trip.

        Each is sent as a single statement. The first failure skips the rest and is raised.
        """
        answers = self.answers(statements)
        plan: Mapping[str, Any] = _document(answers[-1][0] if answers else None)["Plan"]
        return plan

    def explains(self, statements: Sequence[str]) -> list[Mapping[str, Any]]:
        """The plan of each of these ``EXPLAIN (FORMAT JSON ...)`` statements; all of them go in one round trip."""
        return [_document(rows[0])["Plan"] for rows in self.answers(statements)]

    def answers(self, statements: Sequence[Query]) -> list[list[tuple[Any, ...]]]:
        """The rows of each statement that gives some; all of them go in one round trip, as for ``explain_in``."""
        with self._limited():
            cursors = pipelined(self._connection, [self._text(statement) for statement in statements])
            return [cursor.fetchall() for cursor in cursors if cursor.description]

    @contextmanager
    def transaction(self, *, rollback: bool = False) -> Iterator[None]:
        """A transaction (or savepoint) around the block, rolled back on an error or when asked to."""
        kept = len(self._after)
        self._depth += 1
        try:
            with self._guard(), self._connection.transaction(force_rollback=rollback):
                if self.pooled and self._depth == 1:
                    self._set_limits()
                yield
        except BaseException:
            del self._after[kept:]
            raise
        finally:
            self._depth -= 1
        if rollback:
            del self._after[kept:]
        if not self._depth:
            self.committed()

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run it when what was done until here is committed: now, unless in a transaction; never if that is undone."""
        if self._depth:
            self._after.append(action)
        else:
            action()

    def committed(self) -> None:
        """Run what waits for a commit: for who has committed a transaction that this session did not begin."""
        waiting, self._after = self._after, []
        for action in waiting:
            action()

    def drain_notices(self) -> tuple[Notice, ...]:
        """The notices received since the last call."""
        taken = tuple(self._notices)
        self._notices.clear()
        return taken

    # -- inside

    def _connect(self) -> tuple[psycopg.Connection[Any], _Facts]:
        target = self._target
        try:
            # Nothing is prepared behind our back: a pooler in transaction mode may send the next run
            # to a backend that does not know the statement.
            connection = psycopg.connect(target.dsn, autocommit=True, prepare_threshold=None, **target.extra())
        except psycopg.Error as error:
            raise connect_error(error, target.secrets) from None
        connection.add_notice_handler(self._keep_notice)
        try:
            with mapped(connection, target.secrets):
                facts = _begin(connection, dict(target.settings), looks=self.read_only)
                if facts.answering_pid != facts.backend_pid:
                    require_transactions(connection)
        except IndexPilotError:
            end_connection(connection)
            raise
        return connection, facts

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with mapped(self._connection, self._target.secrets):
            yield

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """For what is asked outside a transaction: through a pooler it gets one of its own, and our settings in it."""
        with self._guard():
            if not self.pooled or self._depth:
                yield
                return
            with self._connection.transaction():
                self._set_limits()
                yield

    def _set_limits(self) -> None:
        self._connection.execute(self._facts.limits)

    def _text(self, query: Query) -> Any:
        if isinstance(query, str) and _NAME.fullmatch(query):
            query = sql.get(query, self.version)
        return sql.marked(query)

    def _keep_notice(self, notice: Diagnostic) -> None:
        words = (notice.message_primary or "", notice.message_detail or "")
        self._notices.append(Notice(notice.severity_nonlocalized or "", notice.sqlstate, *words))


def open_session(
    conninfo: str,
    *,
    password: str | None = None,
    read_only: bool = True,
    statement_timeout_ms: int | None = 5000,
    lock_timeout_ms: int | None = 100,
    application_name: str = "indexpilot",
    connect_timeout: int | None = 10,
) -> Session:
    """A session; use it in a ``with`` block. Timeouts of None leave the server's own setting, 0 means none.

    ``conninfo`` is a database name, a URI or key=value pairs and goes to libpq as it is; the application name
    and the connect timeout (seconds) count only where nothing else sets them.
    Raises UsageError (unreadable conninfo), UnreachableError or PrerequisiteError (no CONNECT privilege).
    """
    given = read_conninfo(conninfo)
    dsn = libpq.make_conninfo("", dbname=conninfo) if given.get("dbname") == conninfo else conninfo
    settings = {
        # The server itself then refuses whatever would write.
        _READ_ONLY: "on" if read_only else None,
        "statement_timeout": statement_timeout_ms,
        "lock_timeout": lock_timeout_ms,
        # Questions about a catalog of thousands of indexes look dear enough to compile, which takes the server ten
        # times as long as their answer.
        _COMPILES: "off" if read_only else None,
    }
    target = _Target(
        dsn=dsn,
        password=password,
        options=_options(given.keys(), application_name, connect_timeout),
        settings=tuple((name, str(value)) for name, value in settings.items() if value is not None),
        secrets=secrets_of(dsn, password),
    )
    return Session(target, read_only=read_only)


def session_to(
    connection: Connection,
    *,
    statement_timeout_ms: int | None,
    read_only: bool = True,
    lock_timeout_ms: int | None = 100,
    application_name: str = "indexpilot",
) -> Session:
    """``open_session`` to the server of the connection."""
    return open_session(
        connection.conninfo,
        password=connection.password,
        read_only=read_only,
        statement_timeout_ms=statement_timeout_ms,
        lock_timeout_ms=lock_timeout_ms,
        application_name=application_name,
        connect_timeout=connection.connect_timeout,
    )


def _options(given: Set[str], application_name: str, connect_timeout: int | None) -> tuple[tuple[str, str], ...]:
    options = [("fallback_application_name", application_name)]
    # The string, a service and PGCONNECT_TIMEOUT (which stands in libpq's defaults) win over us.
    elsewhere = {o.keyword.decode() for o in psycopg.pq.Conninfo.get_defaults() if o.val is not None}
    if connect_timeout is not None and not {"connect_timeout", "service"} & (given | elsewhere):
        options.append(("connect_timeout", str(connect_timeout)))
    return tuple(options)


def _facts_of(connection: psycopg.Connection[Any], answering_pid: int, limits: str = "") -> _Facts:
    info = connection.info
    return _Facts(
        version=info.server_version,
        backend_pid=info.backend_pid,
        answering_pid=answering_pid,
        limits=limits,
        host=info.host or None,
        port=info.port or None,
        tls=bool(connection.pgconn.ssl_in_use),
    )


def _begin(connection: psycopg.Connection[Any], settings: Mapping[str, str], *, looks: bool) -> _Facts:
    """Apply the settings, and stay unseen where it only ``looks``, on a backend of our own; learn who answers.

    Thousands of our EXPLAINs would push the workload out of pg_stat_statements, and make indexes look used.
    """
    text = sql.get("session/begin", connection.info.server_version)
    given = {"names": [*settings], "values": [*settings.values()], "looks": looks, "own": connection.info.backend_pid}
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        row: Row = cursor.execute(compose.SQL(text), given).fetchone()
    local = {("transaction_read_only" if name == _READ_ONLY else name): value for name, value in settings.items()}
    local |= {name: value for name, value in (("track_counts", row.counts), (_TRACK, row.track)) if value is not None}
    # Statements of their own, because after a SELECT a transaction could not choose its isolation level.
    limits = "; ".join(f"SET LOCAL {name} = {quote_literal(value)}" for name, value in local.items())
    return _facts_of(connection, row.pid, limits)


def _document(row: tuple[Any, ...] | None) -> Mapping[str, Any]:
    if row is None:
        raise StatementError("the server gave no plan")
    document: Mapping[str, Any] = row[0][0]
    return document
