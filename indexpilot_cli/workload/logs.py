"""Server logs as a workload, streamed."""

from __future__ import annotations

import bz2
import gzip
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TextIO

from indexpilot_cli.core.workload import Skipped, SourceKind, Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.workload.executions import Assembler
from indexpilot_cli.workload.records import READERS, Broken, LogEntry, guess_format
from indexpilot_cli.workload.tally import LIMIT, StatementTally

FORMATS = ("auto", *READERS)
_LONGEST_LINE = 16 * 1024 * 1024


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
    others: Counter[str] = field(default_factory=Counter)


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

    ``format`` is auto, json, csv or stderr; files that end in ``.gz`` or ``.bz2`` are unpacked. ``database`` keeps
    entries of that database and those that name none; ``since`` (aware) drops older entries. Memory is bounded by
    ``limit`` distinct statements. Entries that cannot be read are counted in ``skipped``.
    Raises UsageError when the file cannot be read or the format is unknown.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown log format {format!r}", hint=f"one of {', '.join(FORMATS)}")
    name = str(source) if isinstance(source, Path) else "standard input"
    tally, broken, seen = StatementTally(limit), Broken(), _Seen()
    try:
        with _opened(source) as stream:
            wanted = filter(_Wanted(seen, database, since), _entries(stream, format, broken))
            _count(wanted, Assembler(settings.limits), tally, seen)
    except (OSError, EOFError) as error:
        raise UsageError(f"cannot read {name}", detail=str(error)) from error
    skipped = (*_skipped(broken, name), *tally.left_out(name))
    notes = _notes(seen, tally, broken, database, name)
    return Workload(SourceKind.LOG, tally.all(), skipped, seen.first, seen.last, notes)


_PACKED = {".gz": gzip.open, ".bz2": bz2.open}


def _opened(source: Path | TextIO) -> AbstractContextManager[TextIO]:
    if not isinstance(source, Path):
        return nullcontext(source)
    # One log can hold texts of databases in several encodings: a wrong byte must not end the reading.
    unpack = _PACKED.get(source.suffix)
    if unpack is not None:
        return unpack(source, "rt", encoding="utf-8", errors="replace", newline="")  # type: ignore[no-any-return, operator]
    return source.open(encoding="utf-8", errors="replace", newline="")


class _Wanted:
    """Keeps the entries of one database from one time on."""

    def __init__(self, seen: _Seen, database: str | None, since: datetime | None) -> None:
        self._seen, self._database, self._since = seen, database, since

    def __call__(self, entry: LogEntry) -> bool:
        seen, time = self._seen, entry.time
        seen.records += 1
        if self._since is not None and time is not None and time < self._since:
            return False
        if self._database is not None and entry.database is not None and entry.database != self._database:
            seen.others[entry.database] += _holds_statement(entry)
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


def _entries(stream: TextIO, format: str, broken: Broken) -> Iterator[LogEntry]:
    # A line without an end (a disk image, say) must not be read into memory as one.
    lines = iter(lambda: stream.readline(_LONGEST_LINE), "")
    head = list(itertools.islice(lines, 1))
    while head and not head[-1].strip() and len(head) < 100:
        head += itertools.islice(lines, 1)
    kind = guess_format(head[-1]) if format == "auto" and head else format
    return READERS["stderr" if kind == "auto" else kind](itertools.chain(head, lines), broken)


def _count(entries: Iterable[LogEntry], assembler: Assembler, tally: StatementTally, seen: _Seen) -> None:
    for entry in entries:
        for execution in assembler.add(entry):
            tally.add(execution)
            seen.anonymous |= entry.database is None
    for execution in assembler.finish():
        tally.add(execution)


def _skipped(broken: Broken, name: str) -> tuple[Skipped, ...]:
    if not broken.count:
        return ()
    detail = f"{broken.count} broken lines in {name}"
    return (Skipped("unparsed", "", detail, calls=0.0),)


def _notes(seen: _Seen, tally: StatementTally, broken: Broken, database: str | None, name: str) -> tuple[str, ...]:
    notes = []
    if database is not None and seen.anonymous and tally.sums:
        notes.append(f"{name} does not say which database a statement is from; those of others may be among them")
    others = seen.others.total()
    if others:
        notes.append(_of_others(seen.others, others, database or "", name, alone=not tally.sums))
    elif seen.records and not tally.sums:
        notes.append(f"{name} holds no statements; set log_min_duration_statement or load auto_explain")
    if broken.foreign and not seen.records:
        notes.append(f"{name} is JSON, but not PostgreSQL's jsonlog, nor a wrapping of its log that is known here")
    if tally.merged:
        notes.append(f"{name}: {tally.merged:.0f} statements counted with one that differs in constants only")
    return tuple(notes)


def _of_others(others: Counter[str], count: int, database: str, name: str, *, alone: bool) -> str:
    most = others.most_common(3)
    names = ", ".join(n for n, _ in most) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    of = f"database {names}" if len(others) == 1 else f"databases {names}"
    option = f"--log-database {most[0][0]} reads them"
    many = "1 statement" if count == 1 else f"{count:,} statements"
    if alone:
        return f"{name}: {many}, all of {of} (you are on {database}); {option}"
    return f"{name}: {many} of {of} left out (you are on {database}); {option}"
