"""Server logs as a workload, streamed."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TextIO

from indexpilot_cli.core.files import UNREADABLE
from indexpilot_cli.core.units import listed
from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Stage, Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.sql.parser import fingerprint
from indexpilot_cli.workload.clock import LogClock
from indexpilot_cli.workload.csvlog import csv_records, csv_shape, lines_of, names_columns
from indexpilot_cli.workload.executions import Assembler, Execution, parse_parameters
from indexpilot_cli.workload.packed import lines, opened
from indexpilot_cli.workload.records import LINE, SYSLOG, Broken, LogEntry, stderr_records, syslog_records
from indexpilot_cli.workload.wrapped import json_records

LIMIT = 20_000  # distinct statements kept apart; beyond it they join one of the same shape
_MOST_TEXT = 64_000_000  # characters of them
_MOST_SHAPES = 5  # times the limit: beyond that statements of a new shape are only counted


# The statement, its parameters as the log writes them, and what is known of executions that were cancelled.
_Key = tuple[str, str, str]
_CANCELLED, _UNTIMED = "cancelled", "untimed"
# Cutting at the quotes and one pattern that begins with a character are quicker than patterns for both: 4.6 against
# 6.1 µs for a statement of 170 characters.
_NUMBER = re.compile(r"[ \n\t(=,<>+*/|-]\d[\d.]*")
_LIST = re.compile(r",\s*\?(?:\s*,\s*\?)*")


@dataclass(slots=True)
class StatementTally:
    """Sums of equal statements. Beyond ``limit`` distinct ones a new statement is added to one that differs
    in constants only, so that no calls are lost and memory follows the number of templates."""

    limit: int = LIMIT
    sums: dict[_Key, list[float | None]] = field(default_factory=dict)  # calls, milliseconds
    shapes: dict[str, _Key] = field(default_factory=dict)
    merged: float = 0.0
    lost: float = 0.0
    lost_ms: float = 0.0
    _text: int = 0

    def add(self, execution: Execution) -> None:
        """Count one execution."""
        text, calls, ms, detail, cancelled = execution
        key = (text, detail, (_UNTIMED if ms is None else _CANCELLED) if cancelled else "")
        known = self.sums.get(key) or self._new(key)
        if known is None:
            self.lost += calls
            self.lost_ms += ms or 0.0
            return
        known[0] += calls  # type: ignore[operator]
        if ms is not None:
            known[1] = ms + (known[1] or 0.0)

    def _new(self, key: _Key) -> list[float | None] | None:
        if len(self.sums) < self.limit and self._text < _MOST_TEXT:
            return self._keep(key)
        if not self.shapes:
            for kept in self.sums:
                self.shapes.setdefault(kept[2] + _shape(kept[0]), kept)
        shape = key[2] + _shape(key[0])
        known = self.shapes.get(shape)
        if known is not None:
            self.merged += 1
            return self.sums[known]
        if len(self.sums) >= _MOST_SHAPES * self.limit or self._text >= 2 * _MOST_TEXT:
            return None
        self.shapes[shape] = key
        return self._keep(key)

    def _keep(self, key: _Key) -> list[float | None]:
        self._text += len(key[0]) + len(key[1])
        found: list[float | None] = [0.0, None]
        self.sums[key] = found
        return found

    def all(self) -> tuple[ObservedStatement, ...]:
        """What was counted, in order of first sight."""
        return tuple(
            ObservedStatement(
                text, calls or 0.0, ms, parse_parameters(detail), cancelled=(calls or 0.0) if how else 0.0
            )
            for (text, detail, how), (calls, ms) in self.sums.items()
        )

    def left_out(self, name: str) -> tuple[Skipped, ...]:
        """The statements of too many shapes to be kept."""
        if not self.lost:
            return ()
        why = f"{name} holds statements of more than {_MOST_SHAPES * self.limit:,} shapes"
        return (Skipped("compressed", "", why, self.lost, self.lost_ms, Stage.READ),)


def _shape(text: str) -> str:
    """Equal for statements that differ in constants only. The parser is asked where a quote can mean something else:
    in comments, dollar quotes and escape strings."""
    if "--" in text or "/*" in text or "\\" in text or "$$" in text:
        return str(fingerprint(text))
    plain = _NUMBER.sub("?", "?".join(text.replace("''", "").split("'")[::2]))
    return _LIST.sub("", plain) if "?," in plain or ",?" in plain else plain


READERS: dict[str, Callable[[Iterable[str], Broken, LogClock], Iterator[LogEntry]]] = {
    "json": json_records,
    "csv": csv_records,
    "stderr": stderr_records,
    "syslog": syslog_records,
}
FORMATS = ("auto", *READERS)
EXPECTED = (
    "expected PostgreSQL's log, in English: stderr with any log_line_prefix, csvlog (or CSV that names its "
    "columns, log_time and message among them), jsonlog, syslog, or one of these in the JSON of a container or a cloud"
)
_JSON = re.compile(r"\{|\[\s*(?:[{\[]|$)")
_OWN_APPLICATION = re.compile(r"indexpilot(?:/|\Z)")
_LOOKED_AT = 50  # lines that tell the format
# The kubelet's files: time, stream, whether the line is complete (F) or goes on (P), text.
# https://kubernetes.io/docs/concepts/cluster-administration/logging/
_KUBELET = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\S+) (?:stdout|stderr) (?P<part>[FP]) ?(?P<text>.*)", re.DOTALL)
# What docker compose, `kubectl logs --prefix` and their --timestamps put before every line, coloured or not.
_COLOUR = r"(?:\x1b\[[\d;]*m)*"
_CAPTION = re.compile(
    rf"{_COLOUR}(?:\[pod/[\w./-]+\] |[\w.-]+ +\|{_COLOUR} )?(?:\d{{4}}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) )?"
)


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the server that wrote a log knows of it: its ``log_timezone`` and the least timeouts that are configured, in
    milliseconds by their first word (statement, lock)."""

    zone: str | None = None
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Seen:
    """What the filters met on the way; ``others`` counts statements of other databases."""

    first: datetime | None = None
    last: datetime | None = None
    anonymous: bool = False
    records: int = 0
    undated: int = 0
    others: Counter[str] = field(default_factory=Counter)
    own: int = 0


def read_log(
    source: Path | TextIO,
    *,
    format: str = "auto",
    database: str | None = None,
    since: datetime | None = None,
    limit: int = LIMIT,
    settings: LogSettings = LogSettings(),
) -> Workload:
    """Statements of a PostgreSQL log with calls, times in milliseconds and parameters.

    ``format`` is auto, json, csv, stderr or syslog; packed files are unpacked. ``database`` keeps entries of that
    database and those that name none; ``since`` (aware) drops older entries. Memory is bounded by ``limit`` distinct
    statements. Entries that cannot be read are counted in ``skipped``.
    Raises UsageError when the file cannot be read, and when nothing in it is an entry of a log.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown log format {format!r}", hint=f"one of {', '.join(FORMATS)}")
    name = str(source) if isinstance(source, Path) else "standard input"
    tally, broken, seen, clock = StatementTally(limit), Broken(), _Seen(), LogClock(settings.zone)
    try:
        with opened(source) as stream:
            wanted = filter(_Wanted(seen, database, since), _entries(stream, format, broken, clock))
            _count(wanted, Assembler(settings.limits), tally, seen)
    except UNREADABLE as error:
        raise UsageError(f"cannot read {name}", detail=str(error)) from error
    if not seen.records and (broken.count or broken.foreign):
        raise UsageError(f"{name} is no log that can be read", hint=EXPECTED, code="unknown_log")
    skipped = (*_skipped(broken, seen, name), *tally.left_out(name))
    notes = (*_notes(seen, tally, database, name, since), *(f"{name}: {note}" for note in clock.notes()))
    return Workload(SourceKind.LOG, tally.all(), skipped, seen.first, seen.last, notes)


class _Wanted:
    """Keeps the entries of one database from one time on."""

    def __init__(self, seen: _Seen, database: str | None, since: datetime | None) -> None:
        self._seen, self._database, self._since = seen, database, since

    def __call__(self, entry: LogEntry) -> bool:
        seen, time = self._seen, entry.time
        seen.records += 1
        if time is None:
            seen.undated += 1
        elif self._since is not None and time < self._since:
            return False
        if entry.database is not None and entry.database != self._database:
            seen.others[entry.database] += _holds_statement(entry)
            if self._database is not None:
                return False
        if _OWN_APPLICATION.match(entry.application):
            seen.own += _holds_statement(entry)
            return False
        if time is not None:
            seen.first = time if seen.first is None or time < seen.first else seen.first
            seen.last = time if seen.last is None or time > seen.last else seen.last
        return True


def _holds_statement(entry: LogEntry) -> bool:
    head = entry.message[:60]
    if entry.level != "LOG":
        return entry.message.startswith("canceling statement")
    return "statement: " in head or "execute " in head or "  plan:" in head


def _entries(stream: TextIO, format: str, broken: Broken, clock: LogClock) -> Iterator[LogEntry]:
    plain = _without_kubelet(lines(stream))
    head = list(itertools.islice(filter(str.strip, plain), _LOOKED_AT))
    kind = guess_format(head) if format == "auto" else format
    return READERS[kind](itertools.chain(head, plain), broken, clock)


def looks_like_log(begin: str) -> bool:
    """Whether a text, which may as well be SQL, begins like a log."""
    head = [line for line in begin.split("\n")[:_LOOKED_AT] if line.strip()]
    return bool(head) and (_JSON.match(head[0]) is not None or any(map(_begins_entry, head)))


def _begins_entry(line: str) -> bool:
    found = LINE.match(line)
    plain = found is not None and line[found.end("level") :].startswith(":  ") and found["prefix"].find("--") < 0
    return plain or csv_shape([line]) is not None


def guess_format(head: Sequence[str]) -> str:
    """json, csv, syslog or stderr by most of the first lines that are not empty: before a log there may be anything."""
    if head and _JSON.match(head[0]):
        return "json"
    if head and names_columns(head[0]):
        return "csv"
    votes = Counter(filter(None, _kinds(head)))
    return max(votes, key=lambda kind: votes[kind], default="stderr")


def _kinds(head: Sequence[str]) -> Iterator[str]:
    """The format of each line; lines within a row's quotes tell nothing, whatever they look like."""
    quoted = False
    for line in head:
        odd = line.count('"') % 2 == 1
        if quoted:
            quoted = not odd
            continue
        kind = _kind(line)
        yield kind
        quoted = kind == "csv" and odd


def _kind(line: str) -> str:
    """The format of a line; empty for one that goes on with another."""
    if _JSON.match(line):
        return "json"
    if SYSLOG.match(line):
        return "syslog"
    if csv_shape([line]) is not None:
        return "csv"
    if LINE.match(line) is None:
        return "json" if '{"' in line else ""
    return "stderr"


def _without_kubelet(plain: Iterator[str]) -> Iterator[str]:
    first = next(plain, None)
    if first is None:
        return
    every = itertools.chain([first], plain)
    if _KUBELET.match(first) is None:
        captioned = _CAPTION.match(first)
        yield from _without_captions(every) if captioned and captioned.end() else every
        return
    begun = ""
    for line in every:
        found = _KUBELET.match(line)
        begun += line if found is None else found["text"]
        if found is None or found["part"] == "F":
            yield from lines_of(begun, found["time"] if found else "")
            begun = ""
    if begun:
        yield begun


def _without_captions(every: Iterable[str]) -> Iterator[str]:
    """Lines that go on with an entry, without what stands before their tab; that of an entry may hold its time."""
    for line in every:
        caption = _CAPTION.match(line)
        end = caption.end() if caption else 0
        yield line[end:] if line[end : end + 1] == "\t" else line


def _count(entries: Iterable[LogEntry], assembler: Assembler, tally: StatementTally, seen: _Seen) -> None:
    for entry in entries:
        for execution in assembler.add(entry):
            tally.add(execution)
            seen.anonymous |= entry.database is None
    for execution in assembler.finish():
        tally.add(execution)


def _skipped(broken: Broken, seen: _Seen, name: str) -> Iterator[Skipped]:
    if broken.count:
        yield Skipped("unparsed", "", f"{broken.count} broken lines in {name}")
    if seen.own:
        yield Skipped("own", "", f"sent by indexpilot ({name})", float(seen.own))


def _notes(
    seen: _Seen, tally: StatementTally, database: str | None, name: str, since: datetime | None
) -> tuple[str, ...]:
    notes = []
    if database is not None and seen.anonymous and tally.sums:
        notes.append(f"{name} does not say which database a statement is from; those of others may be among them")
    others = +seen.others
    if database is None and len(others) > 1:
        names = ", ".join(n for n, _ in others.most_common(3))
        notes.append(f"{name}: statements of {len(others)} databases ({names}); --log-database NAME reads one")
    elif database is not None and others:
        notes.append(_of_others(others, others.total(), database, name, alone=not tally.sums))
    elif seen.records and not tally.sums:
        how = "set log_min_duration_statement or load auto_explain, with lc_messages in English"
        notes.append(f"{name} holds no statements; {how}")
    if since is not None and seen.undated:
        notes.append(f"{name}: {seen.undated:,} entries have no time, so --since leaves them in")
    if tally.merged:
        notes.append(f"{name}: {tally.merged:.0f} statements counted with one that differs in constants only")
    return tuple(notes)


def _of_others(others: Counter[str], count: int, database: str, name: str, *, alone: bool) -> str:
    most = others.most_common()
    names = listed((n for n, _ in most), 3)
    of = f"database {names}" if len(others) == 1 else f"databases {names}"
    option = f"--log-database {most[0][0]} reads them"
    many = "1 statement" if count == 1 else f"{count:,} statements"
    if alone:
        return f"{name}: {many}, all of {of} (you are on {database}); {option}"
    return f"{name}: {many} of {of} left out (you are on {database}); {option}"
