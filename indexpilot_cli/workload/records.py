"""Entries of PostgreSQL's log as text: bare, through syslog, or as CSV in any order of columns.

https://www.postgresql.org/docs/current/runtime-config-logging.html
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from indexpilot_cli.workload.clock import MILLISECONDS, SYSLOG_TIME, TIME, LogClock

_LEVELS = "LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DEBUG[1-5]?"
_PARTS = "DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION|BACKTRACE"
_PART_LEVELS = frozenset(_PARTS.split("|"))
LEVELS = frozenset((*_LEVELS.split("|")[:-1], "DEBUG", *(f"DEBUG{n}" for n in range(1, 6))))
# Two blanks behind the colon; one where somebody made all blanks one. A prefix that ends in %d leaves "shopLOG:  ".
_BEGINS = r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]+\d?:  ))"
LINE = re.compile(rf"(?P<prefix>.*?){_BEGINS}(?P<level>{_LEVELS}|{_PARTS}): {{1,2}}(?P<text>.*)", re.DOTALL)
_WORD = re.compile(rf"(?<![A-Z])(?:{_LEVELS}|{_PARTS})\Z")
_EPOCH = re.compile(r"\b\d{10}\.\d{3}\b")
# A name may hold blanks where a comma and another key end it; an address book's user has an @ too.
_DATABASE = re.compile(
    r"\b(?:db|database|dbname)=(?:(?P<spaced>[^,=\[]+?)(?=,\s?\w+=)|(?P<key>[^\s,;:|()\[\]]+))"
    r"|[\w\]][^\s,]*@(?P<at>[^\s,;:|@()\[\]]+)"
)
_PID = re.compile(
    r"\[(?:postgres\.)?(?P<a>\d+)(?:-\d+)?\]|\b(?:pid|process)=(?P<b>\d+)|\((?P<c>\d+)\)"
    r"|\b(?P<d>[0-9a-f]{8}\.[0-9a-f]+)\b"
)
_BARE_PID = re.compile(r"(?:^|[\s:,;|])(?P<pid>\d{2,10})(?=[\s:,;|]|$)")
MAX_ENTRY = 16 * 1024 * 1024  # characters of one entry: a broken file must not be read into memory as one
_REMEMBERED = 10_000  # prefixes
_OPEN = 64  # entries that wait for their parts, where those of several sessions are mixed


class LogEntry(NamedTuple):
    """One log entry. ``session`` tells processes apart; ``database`` and ``time`` are None where not logged.

    ``statement``, ``context`` and ``state`` (an SQLSTATE) stand beside errors only; ``application`` where it is logged.
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
    application: str = ""


_KEPT: dict[str, Callable[[LogEntry, str], LogEntry]] = {
    "DETAIL": lambda entry, text: entry._replace(detail=text),
    "STATEMENT": lambda entry, text: entry._replace(statement=text),
    "CONTEXT": lambda entry, text: entry._replace(context=text),
}


@dataclass(slots=True)
class Broken:
    """How many entries could not be read; ``foreign`` are JSON objects of somebody else's."""

    count: int = 0
    foreign: int = 0


def stderr_records(lines: Iterable[str], broken: Broken, clock: LogClock) -> Iterator[LogEntry]:
    """Entries of a plain log, whatever ``log_line_prefix`` is, as long as messages are in English."""
    return _records(_entries(lines), broken, clock)


def syslog_records(lines: Iterable[str], broken: Broken, clock: LogClock) -> Iterator[LogEntry]:
    """The same through syslog."""
    return _records(_syslog_entries(lines), broken, clock)


def _records(entries: Iterable[str], broken: Broken, clock: LogClock) -> Iterator[LogEntry]:
    """The entries, each with its parts."""
    return with_parts(_each(entries, broken, PrefixReader(clock)))


def _each(entries: Iterable[str], broken: Broken, reader: PrefixReader) -> Iterator[LogEntry]:
    for entry in entries:
        colon = entry.find(":  ")
        if entry[colon - 4 : colon] in _PLAIN_LOG:
            start, here = colon - 3, "LOG"
        elif entry[colon - 7 : colon] == " DETAIL":
            start, here = colon - 6, "DETAIL"
        else:
            start, here = _level_of(entry, colon)
            if not here:
                broken.count += 1
                continue
        session, database, time = reader.read(entry[:start])
        yield LogEntry(session, entry[start + len(here) + 2 :].removeprefix(" "), "", database, time, here)


def with_parts(entries: Iterable[LogEntry]) -> Iterator[LogEntry]:
    """An entry and its parts (the parameters' values, say) are entries of their own in the text, and those of several
    sessions may be mixed: each part goes to the last entry of its session."""
    waiting: list[LogEntry] = []
    last: dict[str, int] = {}  # where in it the last entry of a session is
    for entry in entries:
        if entry.level not in _PART_LEVELS:
            if len(waiting) >= 2 * _OPEN:
                yield from waiting[:_OPEN]
                del waiting[:_OPEN]
                last = {name: place - _OPEN for name, place in last.items() if place >= _OPEN}
            last[entry.session] = len(waiting)
            waiting.append(entry)
        elif entry.level in _KEPT and entry.session in last:
            place = last[entry.session]
            waiting[place] = _KEPT[entry.level](waiting[place], entry.message)
    yield from waiting


def _level_of(entry: str, colon: int) -> tuple[int, str]:
    """Where the level begins, and the level; empty without one. ``colon`` is where the first ``:  `` stands."""
    if colon >= 0:
        word = _WORD.search(entry, max(colon - 12, 0), colon)
        if word is not None:
            return word.start(), word.group()
    match = LINE.match(entry)
    return (0, "") if match is None else (match.start("level"), match["level"])


_PLAIN_LOG = frozenset((" LOG", ":LOG", "-LOG", ",LOG", "|LOG", "]LOG"))


def _entries(lines: Iterable[str]) -> Iterator[str]:
    """Lines put together: those that begin with a tab continue the entry before."""
    current, more, size = "", list[str](), 0
    for text in lines:
        # A tab, or what is left of it on the way through somebody's editor.
        if text[:1] in _TAB and current:
            size += len(text) + 1
            if size <= MAX_ENTRY:
                more.append(text[1:] if text[0] == "\t" else text.removeprefix(_BLANKS))
            continue
        if current:
            yield "\n".join((current, *more)) if more else current
        current, more, size = text if text.strip() else "", [], len(text)
    if current:
        yield "\n".join((current, *more)) if more else current


_TAB = ("\t", " ")
_BLANKS = " " * 8  # what an editor makes of a tab
# BSD's and the standard's form, with or without priority and host. Heroku's tag holds the process, too.
# https://www.rfc-editor.org/rfc/rfc3164 https://www.rfc-editor.org/rfc/rfc5424
_STAMP = rf"(?P<time>{SYSLOG_TIME.pattern}|\d{{4}}-\d\d-\d\dT\S+)"
SYSLOG = re.compile(
    rf"(?:<\d+>)?{_STAMP} +(?:[\w.:-]+ +)??[\w./-]+\[(?P<pid>[\w.]+)\]: ?(?P<text>.*)"
    r"|<\d+>\d (?P<time5>\S+) +\S+ +\S+ +(?P<pid5>\d+) +\S+ +(?:-|\[.*?\]) ?(?P<text5>.*)",
    re.DOTALL,
)
# syslog cuts an entry at its line ends and at some 900 bytes, and numbers the pieces.
# https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-SYSLOG-SPLIT-MESSAGES
_PIECE = re.compile(r"(?:\[[A-Z]\w*\] )?\[\d+-(?P<number>\d+)\] ?")


def _syslog_entries(lines: Iterable[str]) -> Iterator[str]:
    """Entries put together from the pieces of each process: those of several come mixed."""
    open_: OrderedDict[str, list[str]] = OrderedDict()
    pid = ""
    for line in lines:
        found = SYSLOG.match(line)
        if found is None:
            if line[:1] in _TAB and pid in open_:
                _joined(open_[pid], "\n" + line.removeprefix("\t"))
            continue  # of other programs, whose lines follow no rule
        time, pid, text = (found[n] or found[n + "5"] or "" for n in ("time", "pid", "text"))
        numbered = _PIECE.match(text)
        if numbered is not None:
            text = text[numbered.end() :]
        later = numbered is not None and int(numbered["number"]) > 1
        # Control characters arrive as octal numbers: a line's end and its tab.
        for piece in text.replace("#012", "\n").replace("#011", "\t").split("\n"):
            joint = "\n" if piece.startswith("\t") else "" if LINE.match(piece) is None else None
            if joint is not None and pid in open_ and (later or joint or numbered is None):
                _joined(open_[pid], joint + piece.removeprefix("\t"))
            elif joint is None:
                yield from _closed(open_.pop(pid, None))
                open_[pid] = [f"{time} [{pid.rpartition('.')[2]}] {piece}"]
                if len(open_) > _OPEN:
                    yield from _closed(open_.popitem(last=False)[1])
    for pieces in open_.values():
        yield from _closed(pieces)


def _joined(pieces: list[str], text: str) -> None:
    if len(pieces) < MAX_ENTRY // 900:
        pieces.append(text)


def _closed(pieces: list[str] | None) -> Iterator[str]:
    if pieces:
        yield "".join(pieces)


class PrefixReader:
    """Reads log_line_prefix. Behind its time it is the same for a session's entries, and so that is remembered."""

    def __init__(self, clock: LogClock) -> None:
        self._known: dict[str, tuple[str, str | None, str]] = {}
        self._clock = clock

    def read(self, prefix: str) -> tuple[str, str | None, datetime | None]:
        """Session, database and time."""
        end = 23 if prefix[19:20] == "." else 19
        found = self._known.get(prefix[end:])
        if found is not None:
            session, database, zone = found
            return session, database, self._clock.at(prefix[:19], prefix[19:end], zone)
        time = TIME.match(prefix) or SYSLOG_TIME.match(prefix) or TIME.search(prefix)
        rest = prefix[: time.start()] + prefix[time.end() :] if time else prefix
        epoch = None if time else _EPOCH.search(prefix)
        if time:
            when = self._clock.time(time.group())
        else:
            when = self._clock.epoch(float(epoch.group())) if epoch else None
            rest = rest.replace(epoch.group(), "", 1) if epoch else rest
        session, database = _session_and_database(rest)
        if len(self._known) >= _REMEMBERED:  # a prefix with a counter in it
            self._known.clear()
        if time and not time.start() and (end == 19 or MILLISECONDS.match(prefix, 19)) and prefix[:1].isdigit():
            self._known[prefix[end:]] = session, database, time.group()[end:]
        return session, database, when


def _session_and_database(rest: str) -> tuple[str, str | None]:
    pid, database = _PID.search(rest) or _BARE_PID.search(rest), _DATABASE.search(rest)
    session = next((g for g in pid.groups() if g), "") if pid else ""
    return session, next((g for g in database.groups() if g), None) if database else None
