"""Entries of PostgreSQL's log in its three formats, bare or wrapped in the JSON of a container or a cloud.

https://www.postgresql.org/docs/current/runtime-config-logging.html
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

_LEVELS = "LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DEBUG[1-5]?"
_PARTS = "DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION|BACKTRACE"
_LINE = re.compile(rf"(?P<prefix>.*?)(?<![A-Za-z])(?P<level>{_LEVELS}|{_PARTS}):  (?P<text>.*)", re.DOTALL)
_LEVEL = re.compile(_LEVELS)
_WORD = re.compile(rf"(?<![A-Za-z])(?:{_LEVELS}|{_PARTS})\Z")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:[A-Z]{2,5}\b|[+-]\d\d(?::?\d\d)?))?")
_EPOCH = re.compile(r"\b\d{10}\.\d{3}\b")
_DATABASE = re.compile(r"(?:\b(?:db|database|dbname)=|[\w\]]@)(?P<name>[\w.$-]+)")
_PID = re.compile(
    r"\[(?P<a>\d+)(?:-\d+)?\]|\b(?:pid|process)=(?P<b>\d+)|\((?P<c>\d+)\)|\b(?P<d>[0-9a-f]{8}\.[0-9a-f]+)\b"
)
# syslog cuts an entry at its line ends and at some 900 bytes, and numbers the pieces; a tab is written as #011.
# https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-SYSLOG-SPLIT-MESSAGES
_PIECE = re.compile(r"\[\d+-(?!1\])\d+\] (?P<line>#011|\t)?(?P<text>.*)", re.DOTALL)
_CONTAINERD = re.compile(r"\S+ (?:stdout|stderr) [FP] ")
_ZONE = re.compile(r"(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?$")
_FIELD_LIMIT = 16 * 1024 * 1024
# Up to the detail; later versions only append: backend_type in 13, leader_pid and query_id in 14.
# https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-LOGGING-CSVLOG
_CSV_FIELDS = 15
_CSV_ERRORS = 20  # up to the statement beside an error
_MAX_ENTRY = 16 * 1024 * 1024  # characters of one entry: a broken file must not be read into memory as one
_REMEMBERED = 10_000  # prefixes


class LogEntry(NamedTuple):
    """One log entry. ``session`` tells processes apart; ``database`` and ``time`` are None where not logged.

    ``statement``, ``context`` and ``state`` (an SQLSTATE) stand beside errors only.
    """

    session: str
    message: str
    detail: str = ""
    database: str | None = None
    time: datetime | None = None
    level: str = "LOG"
    statement: str = ""
    context: str = ""
    state: str = ""


@dataclass(slots=True)
class Broken:
    """How many entries could not be read, and the first of them; ``foreign`` are JSON objects of somebody else's."""

    count: int = 0
    example: str = ""
    foreign: int = 0

    def add(self, text: str) -> None:
        """Count one."""
        self.count += 1
        self.example = self.example or text[:200]


def guess_format(line: str) -> str:
    """json, csv or stderr by the first line that is not empty."""
    if line.lstrip().startswith("{"):
        return "json"
    head = _TIME.match(line)
    comma = head is not None and line[head.end() : head.end() + 1] == ","
    return "csv" if comma and not _LINE.match(line) else "stderr"


def json_records(lines: Iterable[str], broken: Broken) -> Iterator[LogEntry]:
    """Entries of a jsonlog (PostgreSQL 15 and newer), or of what containers and clouds make of a log."""
    stream, clock = iter(lines), _Clock()
    for line in stream:
        found = _loaded(line, broken)
        if found is None:
            continue
        if _structured(found) is None and _text(found) is not None:
            yield from _unwrapped(chain((line,), stream), broken)
            return
        entry = _entry(found, clock)
        if entry is not None:
            yield entry
        else:
            broken.foreign += 1


def _loaded(line: str, broken: Broken) -> Mapping[str, Any] | None:
    if not line.strip():
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        broken.add(line)
        return None
    if not isinstance(found, dict):
        broken.add(line)
        return None
    return found


def _structured(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The object that has an entry's fields: itself, or CloudNativePG's ``record``."""
    if "error_severity" in found:
        return found
    record = found.get("record")
    return record if isinstance(record, dict) and "message" in record else None


def _entry(found: Mapping[str, Any], clock: _Clock) -> LogEntry | None:
    fields = _structured(found)
    if fields is None:
        return None
    session = str(fields.get("session_id") or fields.get("pid") or fields.get("process_id") or "")
    time = clock.time(str(fields.get("timestamp") or fields.get("log_time") or ""))
    database = fields.get("dbname") or fields.get("database_name")
    level = str(fields.get("error_severity", "LOG"))
    message, detail = str(fields.get("message", "")), str(fields.get("detail", ""))
    if level == "LOG":
        return LogEntry(session, message, detail, database, time, level)
    statement = str(fields.get("statement") or fields.get("query") or "")
    state = str(fields.get("state_code") or fields.get("sql_state_code") or "")
    return LogEntry(session, message, detail, database, time, level, statement, str(fields.get("context") or ""), state)


def _text(found: Mapping[str, Any]) -> str | None:
    """The log's own text in somebody's wrapping: Docker, Google, CloudWatch and others, Azure."""
    properties = found.get("properties")
    inner = properties if isinstance(properties, dict) else {}
    for value in (found.get("log"), found.get("textPayload"), found.get("message"), inner.get("message")):
        if isinstance(value, str):
            return value
    return None


def _unwrapped(lines: Iterable[str], broken: Broken) -> Iterator[LogEntry]:
    """Entries of the text inside. Docker cuts it at its line ends, others give an entry at once."""
    outer: list[datetime | None] = [None]
    texts = _texts(lines, broken, outer)
    first = next(texts, "")
    for entry in READERS[guess_format(first)](chain((first,), texts), broken):
        yield entry if entry.time is not None else entry._replace(time=outer[0])


def _texts(lines: Iterable[str], broken: Broken, outer: list[datetime | None]) -> Iterator[str]:
    """The lines inside; ``outer`` holds the time that the wrapping gives the last of them."""
    for line in lines:
        found = _loaded(line, broken)
        text = None if found is None else _text(found)
        if found is None or text is None:
            broken.foreign += found is not None
            continue
        outer[0] = parse_time(str(found.get("timestamp") or found.get("time") or ""))
        head, *more = text.rstrip("\n").split("\n")
        yield head
        # An entry of several lines given at once has them as the server wrote them, or without the tab.
        yield from (line if line.startswith("\t") or _LINE.match(line) else f"\t{line}" for line in more)


def csv_records(lines: Iterable[str], broken: Broken) -> Iterator[LogEntry]:
    """Entries of a csvlog."""
    # The default of 128 kB is less than one long IN list.
    csv.field_size_limit(_FIELD_LIMIT)
    # A server that was killed can leave NUL bytes at the end of its log.
    rows = csv.reader((line.replace("\0", "") for line in lines), strict=False)
    clock = _Clock()
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            broken.add(str(error))
            continue
        if len(row) < _CSV_FIELDS or not row[0][:4].isdigit():
            if row:
                broken.add(",".join(row))
            continue
        also = () if row[11] == "LOG" or len(row) < _CSV_ERRORS else (row[19], row[18], row[12])
        yield LogEntry(row[5] or row[3], row[13], row[14], row[2] or None, clock.time(row[0]), row[11], *also)


def stderr_records(lines: Iterable[str], broken: Broken) -> Iterator[LogEntry]:
    """Entries of a plain log, whatever ``log_line_prefix`` is, as long as messages are in English."""
    read = _Prefixes().read
    prefix = level = body = detail = statement = context = ""
    for entry in _entries(lines):
        colon = entry.find(":  ")
        if entry[colon - 4 : colon] in _PLAIN_LOG:
            start, here = colon - 3, "LOG"
        elif entry[colon - 7 : colon] == " DETAIL":
            start, here = colon - 6, "DETAIL"
        else:
            start, here = _level_of(entry, colon)
        if here == "LOG" or _LEVEL.fullmatch(here):
            if level:
                session, database, time = read(prefix)
                yield LogEntry(session, body, detail, database, time, level, statement, context)
            prefix, level, body, detail = entry[:start], here, entry[start + len(here) + 3 :], ""
            statement = context = ""
        elif here == "DETAIL":
            # The values of the parameters follow in an entry of their own.
            detail = entry[start + 9 :]
        elif here == "STATEMENT":
            statement = entry[start + 12 :]
        elif here == "CONTEXT":
            context = entry[start + 10 :]
        elif not here:
            broken.add(entry)
    if level:
        session, database, time = read(prefix)
        yield LogEntry(session, body, detail, database, time, level, statement, context)


def _level_of(entry: str, colon: int) -> tuple[int, str]:
    """Where the level begins, and the level; empty without one. ``colon`` is where the first ``:  `` stands."""
    if colon < 0:
        return 0, ""
    word = _WORD.search(entry, max(colon - 12, 0), colon)
    if word is not None:
        return word.start(), word.group()
    match = _LINE.match(entry)
    return (0, "") if match is None else (match.start("level"), match["level"])


_PLAIN_LOG = frozenset((" LOG", ":LOG", "-LOG", ",LOG", "|LOG", "]LOG"))


def _entries(lines: Iterable[str]) -> Iterator[str]:
    """Lines put together: those that begin with a tab, and syslog's later pieces, continue the entry before."""
    current, more, size = "", list[str](), 0
    kubernetes: bool | None = None
    for line in lines:
        text = line.rstrip("\r\n")
        if kubernetes is not False and text:
            kubernetes = _CONTAINERD.match(text) is not None if kubernetes is None else kubernetes
            text = _CONTAINERD.sub("", text, count=1)
        joint = "\n" if text.startswith("\t") else None
        if joint is None and ":  " not in text:
            joint, text = _piece(text)
        if joint is not None and current:
            rest = text.removeprefix("\t")
            size += len(rest) + 1
            if size <= _MAX_ENTRY:
                more += (joint, rest)
            continue
        if current:
            yield current + "".join(more) if more else current
        current, more, size = text if text.strip() else "", [], len(text)
    if current:
        yield current + "".join(more)


def _piece(text: str) -> tuple[str | None, str]:
    """What joins the line to the one before, and its text; None for a line that begins an entry."""
    if text.startswith(" "):  # a tab, on the way through somebody's editor
        return "\n", text
    piece = _PIECE.search(text)
    return (None, text) if piece is None else ("\n" if piece["line"] else "", piece["text"])


class _Prefixes:
    """Reads log_line_prefix. Behind its time it is the same for a session's entries, and so that is remembered."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str | None, str]] = {}
        self._clock = _Clock()

    def read(self, prefix: str) -> tuple[str, str | None, datetime | None]:
        """Session, database and time."""
        end = 23 if prefix[19:20] == "." else 19
        found = self._known.get(prefix[end:])
        if found is not None:
            session, database, zone = found
            return session, database, self._clock.at(prefix[:19], prefix[19:end], zone)
        time = _TIME.match(prefix) or _TIME.search(prefix)
        rest = prefix[: time.start()] + prefix[time.end() :] if time else prefix
        epoch = None if time else _EPOCH.search(prefix)
        if time:
            when = parse_time(time.group())
        else:
            when = datetime.fromtimestamp(float(epoch.group()), UTC) if epoch else None
        session, database = _session_and_database(rest)
        if len(self._known) >= _REMEMBERED:  # a prefix with a counter in it
            self._known.clear()
        if time and not time.start() and (end == 19 or _MILLISECONDS.fullmatch(prefix, 19, 23)):
            self._known[prefix[end:]] = session, database, time.group()[end:]
        return session, database, when


def _session_and_database(rest: str) -> tuple[str, str | None]:
    pid, database = _PID.search(rest), _DATABASE.search(rest)
    session = next((g for g in pid.groups() if g), "") if pid else ""
    return session, database["name"] if database else None


def parse_time(text: str) -> datetime | None:
    """A log's timestamp in UTC. Zone abbreviations other than UTC and GMT count as UTC: they are ambiguous."""
    clock = text.strip().replace(",", ".").replace("T", " ", 1) if "T" in text[:11] else text.strip().replace(",", ".")
    zone = _ZONE.search(clock[19:])
    head = re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?", clock)
    if head is None:
        return None
    suffix = f"{zone['sign']}{zone['hours']}:{zone['minutes'] or '00'}" if zone else "+00:00"
    try:
        return datetime.fromisoformat(head.group() + suffix).astimezone(UTC)
    except ValueError:  # the 31st of February
        return None


class _Clock:
    """``parse_time`` that remembers the second before: a busy server writes many entries in one."""

    def __init__(self) -> None:
        self._second = self._zone = ""
        self._time: datetime | None = None

    def time(self, text: str) -> datetime | None:
        """The time in UTC, None for what is none."""
        if _MILLISECONDS.fullmatch(text, 19, 23):
            return self.at(text[:19], text[19:23], text[23:])
        return parse_time(text)

    def at(self, second: str, fraction: str, zone: str) -> datetime | None:
        """The same of its parts; ``fraction`` is empty or like ``.123``."""
        if second != self._second or zone != self._zone:
            self._second, self._zone, self._time = second, zone, parse_time(second + zone)
        if not fraction or self._time is None:
            return self._time
        return self._time.replace(microsecond=int(fraction[1:]) * 1000)


_MILLISECONDS = re.compile(r"[.,]\d\d\d")

READERS: dict[str, Callable[[Iterable[str], Broken], Iterator[LogEntry]]] = {
    "json": json_records,
    "csv": csv_records,
    "stderr": stderr_records,
}
