"""A session for statements nobody vouches for: libpq without its waiting, in bounded memory.

Rows of untrusted statements come one at a time and are thrown away, notices are counted and cut, and every wait has
an end. https://www.postgresql.org/docs/current/libpq-async.html
"""

from __future__ import annotations

import json
import select
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import OperationalError, pq
from psycopg.conninfo import make_conninfo
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, PollingStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogObject, SqlError
from indexpilot_cli.db import queries as sql
from indexpilot_cli.errors import UnreachableError

MOST_NOTICES = 2000
MOST_TEXT = 4000  # characters kept of one message
MOST_ROWS = 2_000_000  # rows of an answer to a question of ours
# Seconds between two looks at the watch; the answer itself wakes the wait at once.
_TICK = 0.25
_STATUS = {
    TransactionStatus.IDLE: "I",
    TransactionStatus.INTRANS: "T",
    TransactionStatus.ACTIVE: "T",
    TransactionStatus.INERROR: "E",
}


class Overrun(Exception):
    """The watch said that a statement has to end. ``reason`` says why."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Gone(Exception):
    """The server ended the session. ``error`` is its last word."""

    def __init__(self, error: SqlError | None):
        super().__init__(error.message if error else "the connection was lost")
        self.error = error


@dataclass(frozen=True, slots=True)
class Message:
    """A notice, warning or debug message: ``level`` as the server spells it in English."""

    level: str
    sqlstate: str
    text: str


@dataclass
class SessionAnswer:
    """What came back: ``sets`` of rows (texts, None for NULL), one for each tag, where they were wanted.

    ``overrun`` is why it was interrupted. ``milliseconds`` it took, without the time that no processor was
    free for it.
    """

    sets: list[list[tuple[str | None, ...]]] = field(default_factory=lambda: [[]])
    tags: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    error: SqlError | None = None
    overrun: str | None = None
    milliseconds: float = 0.0


Watch = Callable[[], None]  # called while waiting; raises Overrun when the wait has to end


class WatchedSession:
    """A connection of one role to one database of a server of ours that trusts its socket's directory."""

    def __init__(self, directory: Path, port: int, user: str, database: str, *, options: str = "", timeout: float = 30):
        self._answer = SessionAnswer()
        self._last: SqlError | None = None
        conninfo = make_conninfo(
            host=str(directory),
            port=port,
            user=user,
            dbname=database,
            options=options,
            client_encoding="UTF8",
            application_name="indexpilot",
        )
        end = time.monotonic() + timeout
        try:
            self._connection = _connected(conninfo, lambda: _until(end))
        except (OperationalError, Overrun) as error:
            raise UnreachableError("the clone's server refused a session", detail=str(error).strip()) from None
        # A send must not block either: the server may have stopped reading.
        self._connection.nonblocking = 1
        self._connection.notice_handler = self._notice
        self.pid = self._connection.backend_pid

    @property
    def status(self) -> str:
        """I outside a transaction, T inside one, E inside one that failed."""
        return _STATUS.get(TransactionStatus(self._connection.transaction_status), "I")

    def close(self) -> None:
        """End the session; the server notices at its next wait."""
        self._connection.finish()

    def ask(self, text: str, watch: Watch) -> SessionAnswer:
        """Several statements of ours in one message; their rows are kept. Raises Overrun and Gone."""
        return self._exchange(lambda: self._connection.send_query(_bytes(text)), watch, keep=True)

    def run(self, text: str, watch: Watch) -> SessionAnswer:
        """Exactly one statement of theirs; its rows are thrown away. Raises Overrun and Gone."""
        # The extended protocol takes one statement: a second one behind a semicolon is refused by the server.
        return self._exchange(lambda: self._connection.send_query_params(_bytes(text), None), watch, keep=False)

    def settle(self, watch: Watch) -> SessionAnswer:
        """Read what an interrupted statement still says, until the session is ready again."""
        self._answer = SessionAnswer()
        self._collect(watch, keep=False)
        return self._answer

    # -- inside

    def _exchange(self, send: Callable[[], None], watch: Watch, *, keep: bool) -> SessionAnswer:
        self._answer = answer = SessionAnswer()
        began, stalled = time.monotonic(), self._stalled()
        try:
            send()
            if not keep:
                # Else libpq would collect the whole result before giving the first row.
                self._connection.set_single_row_mode()
        except OperationalError:
            raise Gone(self._last) from None
        self._collect(watch, keep=keep)
        answer.milliseconds = max(0.0, (time.monotonic() - began) * 1000 - (self._stalled() - stalled))
        return answer

    def _stalled(self) -> float:
        """Milliseconds that the server's process and our thread could not go on because others had the processors."""
        return _run_delay(f"/proc/{self.pid}/schedstat") + _run_delay("/proc/thread-self/schedstat")

    def _collect(self, watch: Watch, *, keep: bool) -> None:
        kept = 0
        while True:
            self._await(watch)
            result = self._connection.get_result()
            if result is None:
                break
            self._take(result, watch, keep=keep)
            kept += result.ntuples
            if keep and kept > MOST_ROWS:
                raise Overrun("the catalog is too large to be compared")
        if self._connection.status != ConnStatus.OK:
            raise Gone(self._last)

    def _await(self, watch: Watch) -> None:
        """Until the next result is whole, or the watch ends it."""
        try:
            while True:
                unsent = self._connection.flush()
                if not unsent and not self._connection.is_busy():
                    return
                watch()
                socket = self._connection.socket
                readable, _, _ = select.select([socket], [socket] if unsent else [], [], _TICK)
                if readable:
                    self._connection.consume_input()
        except OperationalError:
            raise Gone(self._last) from None

    def _take(self, result: PGresult, watch: Watch, *, keep: bool) -> None:
        answer, status = self._answer, result.status
        if status in (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE):
            self._last = _error(result)
            answer.error = answer.error or self._last
        elif status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            answer.sets[-1].extend(_rows(result) if keep else ())
            answer.tags.append((result.command_status or b"").decode("utf-8", "replace"))
            answer.sets.append([])
        elif status == ExecStatus.COPY_IN:
            # COPY FROM STDIN waits for data that nobody has: none, and it goes on.
            self._connection.put_copy_end()
        elif status == ExecStatus.COPY_OUT:
            self._skip_copy(watch)

    def _skip_copy(self, watch: Watch) -> None:
        while True:
            length, _ = self._connection.get_copy_data(1)
            if length < 0:
                return
            if length == 0:
                self._await(watch)

    def _notice(self, result: PGresult) -> None:
        answer = self._answer
        if len(answer.messages) >= MOST_NOTICES:
            return
        level, code = _field(result, DiagnosticField.SEVERITY_NONLOCALIZED), _field(result, DiagnosticField.SQLSTATE)
        text = _field(result, DiagnosticField.MESSAGE_PRIMARY) or ""
        answer.messages.append(Message(level or "", code or "", _plain(text)))


def _run_delay(path: str) -> float:
    """Milliseconds on a run queue; 0 where the system does not tell.

    https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
    """
    try:
        return int(Path(path).read_text().split()[1]) / 1e6
    except (OSError, IndexError, ValueError):
        return 0.0


def _connected(conninfo: str, watch: Watch) -> PGconn:
    connection: PGconn = pq.PGconn.connect_start(conninfo.encode())
    while True:
        if connection.status == ConnStatus.BAD:
            raise OperationalError(connection.get_error_message())
        state = connection.connect_poll()
        if state == PollingStatus.OK:
            return connection
        if state == PollingStatus.FAILED:
            raise OperationalError(connection.get_error_message())
        socket = [connection.socket]
        reading = state == PollingStatus.READING
        select.select(socket if reading else [], [] if reading else socket, [], _TICK)
        watch()


def _until(end: float) -> None:
    if time.monotonic() > end:
        raise Overrun("no answer in time")


def _bytes(text: str) -> bytes:
    # libpq takes a C string: a NUL would cut the statement short.
    return text.replace("\0", "").encode("utf-8", "replace")


def _rows(result: PGresult) -> list[tuple[str | None, ...]]:
    fields = range(result.nfields)
    return [tuple(_value(result.get_value(row, column)) for column in fields) for row in range(result.ntuples)]


def _value(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")


def _field(result: PGresult, name: DiagnosticField) -> str | None:
    value = result.error_field(name)
    return None if value is None else value.decode("utf-8", "replace")


def _error(result: PGresult) -> SqlError:
    position = _field(result, DiagnosticField.STATEMENT_POSITION) or ""
    detail, hint = _field(result, DiagnosticField.MESSAGE_DETAIL), _field(result, DiagnosticField.MESSAGE_HINT)
    return SqlError(
        sqlstate=_field(result, DiagnosticField.SQLSTATE) or "",
        message=_plain(_field(result, DiagnosticField.MESSAGE_PRIMARY) or ""),
        detail=None if detail is None else _plain(detail),
        hint=None if hint is None else _plain(hint),
        position=int(position) if position.isdigit() else None,
    )


def _plain(text: str) -> str:
    """The beginning of a message, without characters that steer a terminal."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:MOST_TEXT])


BOUND = ("clone/relations", "clone/columns", "clone/constraints", "clone/indexes", "clone/attached")
FREE = ("clone/free",)

Texts = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class KnownObject:
    """An object and the oid of the relation it belongs to; 0 for what stands by itself."""

    object: CatalogObject
    relation: int


def questions(version: int, relations: Iterable[int] | None, *, free: bool) -> list[str]:
    """The questions for the objects of these relations (None: of all), and with ``free`` for everything else."""
    wanted = "NULL" if relations is None else "'{" + ",".join(str(int(oid)) for oid in sorted(relations)) + "}'"
    names = BOUND + (FREE if free else ())
    return [sql.get(name, version).replace("{relations}", wanted) for name in names]


def known_object(row: Texts) -> KnownObject:
    """A row of any of the questions."""
    kind, identity, relation, path, table, definition, facts = row
    read = json.loads(facts or "{}")
    return KnownObject(
        CatalogObject(
            kind=kind or "",
            identity=identity or "",
            path=tuple(json.loads(path or "[]")),
            definition=definition or "",
            table=QualifiedName(*json.loads(table)) if table else None,
            facts=tuple((name, _fact(value)) for name, value in sorted(read.items())),
        ),
        int(relation or 0),
    )


def _fact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
