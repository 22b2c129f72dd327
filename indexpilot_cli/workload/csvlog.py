"""Entries of a csvlog: as the server writes it, and as somebody exported it again."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from indexpilot_cli.workload.clock import TIME, LogClock
from indexpilot_cli.workload.records import LEVELS, LINE, MAX_ENTRY, Broken, LogEntry, PrefixReader, stderr_records

# Up to the statement; later versions only append: backend_type in 13, leader_pid and query_id in 14.
# https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-LOGGING-CSVLOG
COLUMNS = (
    "log_time", "user_name", "database_name", "process_id", "connection_from", "session_id", "session_line_num",
    "command_tag", "session_start_time", "virtual_transaction_id", "transaction_id", "error_severity",
    "sql_state_code", "message", "detail", "hint", "internal_query", "internal_query_pos", "context", "query",
)  # fmt: skip
_PLACES = {name: place for place, name in enumerate(COLUMNS)} | {"application_name": 22}
_LEAST = 14  # columns of a row's first line: up to the message
_NOWHERE = 40  # a place behind every row, always empty
_EMPTY = [""] * (_NOWHERE + 1)
# What exports call the columns that matter.
_NAMES = {
    "timestamp": "log_time", "time": "log_time", "@timestamp": "log_time", "date": "log_time", "user": "user_name",
    "username": "user_name", "dbname": "database_name", "database": "database_name", "datname": "database_name",
    "pid": "process_id", "level": "error_severity", "severity": "error_severity", "errorlevel": "error_severity",
    "error_level": "error_severity", "state_code": "sql_state_code", "sqlstate": "sql_state_code",
    "sqlerrcode": "sql_state_code", "statement": "query", "@message": "message", "textpayload": "message",
}  # fmt: skip
_DELIMITERS = ",;\t|"
_ROW = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [\w+-]+"
_WIDTHS = frozenset((23, 24, 26))  # columns of PostgreSQL 9.0, 13 and 14
_MOST_INSIDE = 50  # lines within a quoted text that look like the begin of a row, before the text counts as cut short
_LOOKED_AT = 20  # lines that tell separators and quotes
_NO_PREFIX = re.compile(r"[\"'\n]|\A(?:duration: |statement: |execute |parse |bind |\w+ statement )")
_DIGITS = re.compile(r"\d+")
_NULL = frozenset(("\\N", "NULL", "null"))
_LOGGED = ("", "", "")  # what stands beside errors only


def csv_shape(head: Sequence[str]) -> dict[str, Any] | None:
    """How to read a file that begins so: keyword arguments of ``csv.reader``; None when it is none of a csvlog."""
    sample = "\n".join(head)
    for delimiter in _DELIMITERS:
        single, double = (len(re.findall(f"(?:^|{re.escape(delimiter)}){mark}", sample, re.M)) for mark in "'\"")
        shape: dict[str, Any] = {"delimiter": delimiter, "quotechar": "'" if single > double else '"'}
        if '\\"' in sample and '""' not in sample:
            shape |= {"escapechar": "\\", "doublequote": False}
        row = next(csv.reader(head, **shape), [])
        if _header(row) or (len(row) >= _LEAST and row[11] in LEVELS and row[0][:4].isdigit()):
            return shape
    return None


def names_columns(line: str) -> bool:
    """Whether the line is the first of an exported csvlog."""
    return any(_header(line.replace('"', "").split(delimiter)) for delimiter in _DELIMITERS)


def _header(row: Sequence[str]) -> dict[str, int] | None:
    """Where the columns are, if the row names them."""
    names = [cell.strip().lower().replace(" ", "_").removesuffix("_s") for cell in row]
    found = {_NAMES.get(name, name): place for place, name in reversed(list(enumerate(names)))}
    return found if {"message", "log_time"} <= found.keys() else None


def csv_records(lines: Iterable[str], broken: Broken, clock: LogClock) -> Iterator[LogEntry]:
    """Entries of a csvlog, with or without a line that names its columns, in any order; and of a file of two columns, a
    time and the line of a plain log, as query tools of clouds export them.
    """
    # The default of 128 kB is less than one long IN list.
    csv.field_size_limit(MAX_ENTRY)
    # A server that was killed can leave NUL bytes at the end of its log.
    stream = (line.replace("\0", "") for line in lines)
    head = list(islice(stream, _LOOKED_AT))
    shape = csv_shape(head) or {}
    places = _header(next(csv.reader(head[:1], **shape), []))
    if places is None:
        yield from _entries(_rows(chain(head, stream), shape, broken), _PLACES, broken, clock)
        return
    rows = _readable(csv.reader((f"{line}\n" for line in chain(head[1:], stream)), **shape), broken)
    if "error_severity" in places:
        yield from _entries(rows, places, broken, clock)
    else:
        yield from stderr_records(_texts(rows, places), broken, clock)


def _rows(lines: Iterable[str], shape: dict[str, Any], broken: Broken) -> Iterator[list[str]]:
    """The rows of a csvlog as the server writes it: how they begin is known, so one cut short swallows no other."""
    quote, delimiter = shape.get("quotechar", '"'), shape.get("delimiter", ",")
    begin = re.compile(f"{quote}?{_ROW}{quote}?{re.escape(delimiter)}")
    escaped = shape.get("escapechar", "\0") + '"'
    source, waiting = iter(lines), deque[str]()
    row: list[str] = []
    quotes = inside = 0
    while True:
        line = waiting.popleft() if waiting else next(source, None)
        if row and (line is None or quotes % 2 == 0 or inside > _MOST_INSIDE):
            end = _end(row, begin, shape)
            yield from _readable(csv.reader(["\n".join(row[:end])], **shape), broken)
            waiting.extendleft(reversed([*row[end:], *([] if line is None else [line])]))
            row, quotes, inside = [], 0, 0
            continue
        if line is None:
            return
        quotes += line.count(quote) - line.count(escaped)
        if not row and quotes % 2 == 0:  # most rows are one line
            yield from _readable(csv.reader((line,), **shape), broken)
            quotes = 0
            continue
        inside += bool(row) and begin.match(line) is not None
        row.append(line)


def _end(row: Sequence[str], begin: re.Pattern[str], shape: dict[str, Any]) -> int:
    """How many of the lines are one row: those up to the line that begins another, if it was cut short before that.

    A literal of a statement may hold such a line too; with it the row has as many columns as the server writes.
    """
    others = [place for place, line in enumerate(row) if place and begin.match(line)]
    found = list(_readable(csv.reader(["\n".join(row)], **shape), Broken())) if others else []
    return len(row) if not others or [len(cells) in _WIDTHS for cells in found] == [True] else others[0]


def _readable(rows: Iterator[list[str]], broken: Broken) -> Iterator[list[str]]:
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            broken.count += 1
            continue
        if row is None:
            return
        if row:
            yield row


def _entries(
    rows: Iterable[list[str]], places: Mapping[str, int], broken: Broken, clock: LogClock
) -> Iterator[LogEntry]:
    """The rows as entries; a row that one cut short has swallowed has something else where its level should be."""
    reader = PrefixReader(clock)
    time, level, message = (places[name] for name in ("log_time", "error_severity", "message"))
    least = max(time, level, message)
    names = ("session_id", "process_id", "database_name", "detail")
    session, process, database, detail = (places.get(name, _NOWHERE) for name in names)
    beside = [places.get(name, _NOWHERE) for name in ("query", "context", "sql_state_code")]
    application = places.get("application_name", _NOWHERE)
    exported = places is not _PLACES
    for cells in rows:
        if len(cells) <= least or not cells[time][:4].isdigit() or not cells[level].isupper():
            broken.count += 1
            continue
        row = ["" if cell in _NULL else cell for cell in cells] if exported else cells
        row += _EMPTY[len(row) :]
        known, when = row[database] or None, clock.time(row[time])
        statement, context, state = _LOGGED if row[level] == "LOG" else (row[place] for place in beside)
        who = row[session] or row[process]
        said = (statement, context, state, row[application])
        entry = LogEntry(who, row[message], row[detail], known, when, row[level], *said)
        yield without_prefix(entry, reader) if exported else entry


def without_prefix(entry: LogEntry, reader: PrefixReader) -> LogEntry:
    """An entry whose message is the line of a plain log, with what its prefix says where nothing else does."""
    line = LINE.match(entry.message)
    # What looks like a line inside a statement's literal is none: a prefix holds no quotes and no message of its own.
    if line is None or _NO_PREFIX.search(line["prefix"]):
        return entry
    session, database, time = reader.read(line["prefix"])
    found = entry._replace(message=line["text"], level=line["level"], time=time or entry.time)
    return found._replace(session=session or entry.session, database=entry.database or database)


def _texts(rows: Iterable[Sequence[str]], places: Mapping[str, int]) -> Iterator[str]:
    time, message = places["log_time"], places["message"]
    for row in rows:
        if len(row) > max(time, message):
            yield from lines_of(row[message], row[time])


def lines_of(text: str, time: str) -> Iterator[str]:
    """The lines of a plain log in somebody's wrapping, where an entry of several lines may have lost its tabs; ``time``
    is the wrapping's, for one that has none.
    """
    head, *more = text.rstrip("\r\n").split("\n")
    line = LINE.match(head)
    yield f"{time} {head}" if line is not None and time and not TIME.search(line["prefix"]) else head
    shape = None if line is None else _DIGITS.sub("0", line["prefix"])
    for piece in more:
        begins = LINE.match(piece)
        own = begins is not None and shape in (None, _DIGITS.sub("0", begins["prefix"]))
        yield piece if piece.startswith("\t") or own else f"\t{piece}"
