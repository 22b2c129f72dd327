"""Entries of PostgreSQL's log in its three formats.

https://www.postgresql.org/docs/current/runtime-config-logging.html
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

_LEVELS = r"LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DEBUG[1-5]?"
_PARTS = r"DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION|BACKTRACE"
_LINE = re.compile(rf"(?P<prefix>.*?)(?<![A-Za-z])(?P<level>{_LEVELS}|{_PARTS}):  (?P<text>.*)", re.DOTALL)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:[A-Z]{2,5}\b|[+-]\d\d(?::?\d\d)?))?")
_EPOCH = re.compile(r"\b\d{10}\.\d{3}\b")
_DATABASE = re.compile(r"(?:\b(?:db|database|dbname)=|[\w\]]@)(?P<name>[\w.$-]+)")
_PID = re.compile(
    r"\[(?P<a>\d+)(?:-\d+)?\]|\b(?:pid|process)=(?P<b>\d+)|\((?P<c>\d+)\)|\b(?P<d>[0-9a-f]{8}\.[0-9a-f]+)\b"
)
_ZONE = re.compile(r"(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)?$")
_FIELD_LIMIT = 16 * 1024 * 1024
# Up to the detail; later versions only append: backend_type in 13, leader_pid and query_id in 14.
# https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-LOGGING-CSVLOG
_CSV_FIELDS = 15
_MAX_LINES = 200_000  # of one entry: a broken file must not be read into memory as one


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One log entry. ``session`` tells processes apart; ``database`` and ``time`` are None where not logged."""

    session: str
    message: str
    detail: str = ""
    database: str | None = None
    time: datetime | None = None
    level: str = "LOG"


@dataclass(slots=True)
class Broken:
    """How many entries could not be read, and the first of them."""

    count: int = 0
    example: str = ""

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
    """Entries of a jsonlog (PostgreSQL 15 and newer)."""
    for line in lines:
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            message = str(entry.get("message", ""))
        except (ValueError, AttributeError, RecursionError):
            broken.add(line)
            continue
        session = str(entry.get("session_id") or entry.get("pid") or "")
        time, level = parse_time(str(entry.get("timestamp", ""))), str(entry.get("error_severity", "LOG"))
        yield LogEntry(session, message, str(entry.get("detail", "")), entry.get("dbname"), time, level)


def csv_records(lines: Iterable[str], broken: Broken) -> Iterator[LogEntry]:
    """Entries of a csvlog."""
    # The default of 128 kB is less than one long IN list.
    csv.field_size_limit(_FIELD_LIMIT)
    # A server that was killed can leave NUL bytes at the end of its log.
    rows = csv.reader((line.replace("\0", "") for line in lines), strict=False)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            broken.add(str(error))
            continue
        if len(row) < _CSV_FIELDS or not _TIME.match(row[0]):
            if row:
                broken.add(",".join(row))
            continue
        yield LogEntry(row[5] or row[3], row[13], row[14], row[2] or None, parse_time(row[0]), row[11])


def stderr_records(lines: Iterable[str], broken: Broken) -> Iterator[LogEntry]:
    """Entries of a plain log, whatever ``log_line_prefix`` is, as long as messages are in English."""
    current: LogEntry | None = None
    for text in _entries(lines):
        match = _LINE.match(text)
        if match is None:
            broken.add(text)
        # The values of the parameters follow in an entry of their own.
        elif match["level"] == "DETAIL" and current is not None:
            current = replace(current, detail=match["text"])
        elif re.fullmatch(_LEVELS, match["level"]):
            if current is not None:
                yield current
            current = _record(match["prefix"], match["level"], match["text"])
    if current is not None:
        yield current


def _entries(lines: Iterable[str]) -> Iterator[str]:
    """Lines put together: those that begin with a tab continue the entry before."""
    parts: list[str] = []
    for line in lines:
        text = line.rstrip("\r\n")
        if text.startswith("\t") and parts and len(parts) < _MAX_LINES:
            parts.append(text[1:])
            continue
        if parts:
            yield "\n".join(parts)
        parts = [text] if text.strip() else []
    if parts:
        yield "\n".join(parts)


def _record(prefix: str, level: str, text: str) -> LogEntry:
    time = _TIME.search(prefix)
    rest = prefix[: time.start()] + prefix[time.end() :] if time else prefix
    epoch = None if time else _EPOCH.search(prefix)
    when = parse_time(time.group()) if time else (datetime.fromtimestamp(float(epoch.group()), UTC) if epoch else None)
    pid, database = _PID.search(rest), _DATABASE.search(rest)
    session = next((g for g in pid.groups() if g), "") if pid else ""
    return LogEntry(session, text, "", database["name"] if database else None, when, level)


def parse_time(text: str) -> datetime | None:
    """A log's timestamp in UTC. Zone abbreviations other than UTC and GMT count as UTC: they are ambiguous."""
    clock = text.strip().replace(",", ".").replace("T", " ", 1) if "T" in text[:11] else text.strip().replace(",", ".")
    zone = _ZONE.search(clock[19:])
    head = re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?", clock)
    if head is None:
        return None
    suffix = f"{zone['sign']}{zone['hours']}:{zone['minutes'] or '00'}" if zone else "+00:00"
    return datetime.fromisoformat(head.group() + suffix).astimezone(UTC)


READERS: dict[str, Callable[[Iterable[str], Broken], Iterator[LogEntry]]] = {
    "json": json_records,
    "csv": csv_records,
    "stderr": stderr_records,
}
