"""A session for statements nobody vouches for: PostgreSQL's own protocol over a Unix socket, in bounded memory.

libpq keeps a whole answer in memory and waits as long as the server likes. Here rows of untrusted statements are
thrown away as they arrive, notices are counted and cut, and every wait has an end.
https://www.postgresql.org/docs/current/protocol-flow.html
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from indexpilot_cli.errors import UnreachableError
from indexpilot_cli.model.observation import SqlError

MOST_NOTICES = 2000
MOST_TEXT = 4000  # characters kept of one message
MOST_ANSWER = 256 * 1024 * 1024  # bytes of an answer to a question of ours
_TICK = 0.25
_CHUNK = 1 << 16
_PROTOCOL = 196608  # 3.0
_SHORT = 1 << 20  # messages up to this length are read as a whole, whatever they are


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
class Answer:
    """What came back: ``sets`` of rows (texts, None for NULL), one for each tag, where they were wanted.

    ``columns`` are the names and type oids of the result's columns; ``overrun`` is why it was interrupted.
    """

    sets: list[list[tuple[str | None, ...]]] = field(default_factory=lambda: [[]])
    tags: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    error: SqlError | None = None
    columns: tuple[tuple[str, int], ...] = ()
    lost_messages: int = 0
    overrun: str | None = None
    milliseconds: float = 0.0


Watch = Callable[[], None]  # called while waiting; raises Overrun when the wait has to end


class WireSession:
    """A connection of one role to one database of a server of ours that trusts its socket's directory."""

    def __init__(self, directory: Path, port: int, user: str, database: str, *, options: str = "", timeout: float = 30):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_TICK)
        self._buffer = b""
        self._head: tuple[bytes, int] | None = None  # kind and remaining length of the message being read
        self._last: SqlError | None = None
        self.pid = 0
        self.status = "I"
        end = time.monotonic() + timeout
        self._watch: Watch = lambda: _until(end)
        try:
            self._socket.connect(str(directory / f".s.PGSQL.{port}"))
            self._start(user, database, options)
        except (OSError, Overrun, Gone) as error:
            self._socket.close()
            raise UnreachableError("the clone's server refused a session", detail=str(error)) from None

    def close(self) -> None:
        """End the session; the server notices at its next wait."""
        with contextlib.suppress(OSError):
            self._socket.sendall(b"X\0\0\0\4")
        self._socket.close()

    def ask(self, text: str, watch: Watch) -> Answer:
        """Several statements of ours in one message; their rows are kept. Raises Overrun and Gone."""
        return self._exchange(_message(b"Q", _text(text)), watch, keep=True)

    def run(self, text: str, watch: Watch) -> Answer:
        """Exactly one statement of theirs; its rows are thrown away. Raises Overrun and Gone."""
        parts = (
            _message(b"P", b"\0" + _text(text) + b"\0\0"),
            _message(b"B", b"\0\0\0\0\0\0\0\0"),
            _message(b"D", b"P\0"),
            _message(b"E", b"\0\0\0\0\0"),
            _message(b"S", b""),
        )
        return self._exchange(b"".join(parts), watch, keep=False)

    def settle(self, watch: Watch) -> Answer:
        """Read what an interrupted statement still says, until the session is ready again."""
        answer = Answer()
        self._receive(answer, watch, keep=False)
        return answer

    # -- inside

    def _start(self, user: str, database: str, options: str) -> None:
        given = {"user": user, "database": database, "client_encoding": "UTF8", "application_name": "indexpilot"}
        given |= {"options": options} if options else {}
        body = b"".join(_text(name) + _text(value) for name, value in given.items()) + b"\0"
        self._socket.sendall(struct.pack("!ii", len(body) + 8, _PROTOCOL) + body)
        answer = Answer()
        self._receive(answer, self._watch, keep=False)
        if answer.error:
            raise Gone(answer.error)

    def _exchange(self, data: bytes, watch: Watch, *, keep: bool) -> Answer:
        answer = Answer()
        began = time.monotonic()
        self._send(data, watch)
        self._receive(answer, watch, keep=keep)
        answer.milliseconds = (time.monotonic() - began) * 1000
        return answer

    def _send(self, data: bytes, watch: Watch) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except TimeoutError:
                watch()
            except OSError:
                raise Gone(self._last) from None

    def _receive(self, answer: Answer, watch: Watch, *, keep: bool) -> None:
        self._watch = watch
        kept = 0
        while True:
            kind, length = self._header()
            row = kind == b"D" and keep
            kept += length if row else 0
            if kept > MOST_ANSWER:
                raise Overrun("the catalog is too large to be compared")
            # The rest of a long message is thrown away: what matters stands at its beginning.
            wanted = length if row else min(length, _SHORT) if kind in b"ENZCGKRT" else 0
            body = self._take(wanted)
            self._head = (b"?", length - wanted)  # an interrupted message is not taken for a new one
            if wanted or kind == b"G":
                self._handle(kind, body, answer)
            self._skip_rest()
            if kind == b"Z":
                return

    def _handle(self, kind: bytes, body: bytes, answer: Answer) -> None:
        if kind == b"Z":
            self.status = body.decode()
        elif kind == b"D":
            answer.sets[-1].append(_row(body))
        elif kind == b"C":
            answer.tags.append(body[:-1].decode("utf-8", "replace"))
            answer.sets.append([])
        elif kind == b"E":
            self._last = _error(body)
            answer.error = answer.error or self._last
        elif kind == b"N":
            self._notice(body, answer)
        elif kind == b"T":
            answer.columns = _columns(body)
        elif kind == b"G":
            # No rows follow. While it reads them the server ignores the Sync that is already on its way.
            self._send(_message(b"c", b"") + _message(b"S", b""), self._watch)
        elif kind == b"K":
            self.pid = struct.unpack("!i", body[:4])[0]

    @staticmethod
    def _notice(body: bytes, answer: Answer) -> None:
        if len(answer.messages) >= MOST_NOTICES:
            answer.lost_messages += 1
            return
        fields = _fields(body)
        answer.messages.append(Message(fields.get("V", ""), fields.get("C", ""), _plain(fields.get("M", ""))))

    def _header(self) -> tuple[bytes, int]:
        if self._head is None:
            head = self._take(5)
            self._head = (head[:1], int(struct.unpack("!i", head[1:])[0]) - 4)
        return self._head

    def _take(self, length: int) -> bytes:
        if len(self._buffer) >= length:
            taken, self._buffer = self._buffer[:length], self._buffer[length:]
            return taken
        parts, have = [self._buffer], len(self._buffer)
        self._buffer = b""
        try:
            while have < length:
                parts.append(self._read())
                have += len(parts[-1])
        except Overrun:
            self._buffer = b"".join(parts)  # the message goes on when the session is settled
            raise
        whole = b"".join(parts)
        self._buffer = whole[length:]
        return whole[:length]

    def _skip_rest(self) -> None:
        while self._head is not None and self._head[1] > 0:
            part = min(self._head[1], _CHUNK)
            self._take(part)
            self._head = (b"?", self._head[1] - part)
        self._head = None

    def _read(self) -> bytes:
        while True:
            self._watch()
            try:
                data = self._socket.recv(_CHUNK)
            except TimeoutError:
                continue
            except OSError:
                raise Gone(self._last) from None
            if not data:
                raise Gone(self._last)
            return data


def _until(end: float) -> None:
    if time.monotonic() > end:
        raise Overrun("no answer in time")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _text(value: str) -> bytes:
    return value.replace("\0", "").encode("utf-8", "replace") + b"\0"


def _row(body: bytes) -> tuple[str | None, ...]:
    (count,) = struct.unpack_from("!h", body)
    at = 2
    values: list[str | None] = []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        if length < 0:
            values.append(None)
            continue
        values.append(body[at : at + length].decode("utf-8", "replace"))
        at += length
    return tuple(values)


def _plain(text: str) -> str:
    """Words to print: no control characters, which a terminal would obey."""
    return "".join(c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:MOST_TEXT])


def _columns(body: bytes) -> tuple[tuple[str, int], ...]:
    (count,) = struct.unpack_from("!h", body)
    at, found = 2, []
    for _ in range(count):
        end = body.index(b"\0", at)
        (kind,) = struct.unpack_from("!i", body, end + 7)
        found.append((body[at:end].decode("utf-8", "replace"), int(kind)))
        at = end + 19
    return tuple(found)


def _fields(body: bytes) -> dict[str, str]:
    parts = body.split(b"\0")
    return {part[:1].decode("ascii", "replace"): part[1:].decode("utf-8", "replace") for part in parts if part}


def _error(body: bytes) -> SqlError:
    fields = _fields(body)
    position = fields.get("P", "")
    return SqlError(
        sqlstate=fields.get("C", ""),
        message=_plain(fields.get("M", "")),
        detail=_plain(fields["D"]) if "D" in fields else None,
        hint=_plain(fields["H"]) if "H" in fields else None,
        position=int(position) if position.isdigit() else None,
    )
