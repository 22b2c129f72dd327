"""Server logs as a workload, streamed."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.workload.sources.entries import Assembler
from indexpilot_cli.workload.sources.records import READERS, Broken, Record, guess_format
from indexpilot_cli.workload.sources.tally import LIMIT, Tally

FORMATS = ("auto", *READERS)


@dataclass(slots=True)
class _Seen:
    """What the filters met on the way."""

    first: datetime | None = None
    last: datetime | None = None
    anonymous: bool = False
    records: int = 0


def read_log(
    source: Path | TextIO,
    *,
    format: str = "auto",
    database: str | None = None,
    since: datetime | None = None,
    limit: int = LIMIT,
) -> Workload:
    """Statements of a PostgreSQL log with calls, times in milliseconds and parameters.

    ``format`` is auto, json, csv or stderr; files that end in ``.gz`` are unpacked. ``database`` keeps entries
    of that database and those that name none; ``since`` (aware) drops older entries. Memory is bounded by
    ``limit`` distinct statements. Entries that cannot be read are counted in ``skipped``.
    Raises UsageError when the file cannot be read or the format is unknown.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown log format {format!r}", hint=f"one of {', '.join(FORMATS)}")
    name = str(source) if isinstance(source, Path) else "standard input"
    tally, broken, seen = Tally(limit), Broken(), _Seen()
    try:
        with _opened(source) as lines:
            for observed, record in _observed(lines, format, broken, _Wanted(seen, database, since)):
                tally.add(observed)
                seen.anonymous = seen.anonymous or (record is not None and record.database is None)
    except (OSError, EOFError) as error:
        raise UsageError(f"cannot read {name}", detail=str(error)) from error
    return Workload(
        SourceKind.LOG, tally.all(), _skipped(broken, name), seen.first, seen.last, _notes(seen, tally, database, name)
    )


def _opened(source: Path | TextIO) -> AbstractContextManager[Iterable[str]]:
    if not isinstance(source, Path):
        return nullcontext(source)
    if source.suffix == ".gz":
        return gzip.open(source, "rt", encoding="utf-8", errors="replace", newline="")
    return source.open(encoding="utf-8", errors="replace", newline="")


class _Wanted:
    """Keeps the entries of one database from one time on."""

    def __init__(self, seen: _Seen, database: str | None, since: datetime | None) -> None:
        self._seen, self._database, self._since = seen, database, since

    def __call__(self, record: Record) -> bool:
        seen = self._seen
        seen.records += 1
        if self._since is not None and record.time is not None and record.time < self._since:
            return False
        if self._database is not None and record.database not in (None, self._database):
            return False
        if record.time is not None:
            seen.first = min(seen.first or record.time, record.time)
            seen.last = max(seen.last or record.time, record.time)
        return True


def _observed(
    lines: Iterable[str], format: str, broken: Broken, wanted: _Wanted
) -> Iterator[tuple[ObservedStatement, Record | None]]:
    stream = iter(lines)
    head = list(itertools.islice(stream, 1))
    while head and not head[-1].strip() and len(head) < 100:
        head += itertools.islice(stream, 1)
    kind = guess_format(head[-1]) if format == "auto" and head else format
    assembler = Assembler()
    for record in READERS["stderr" if kind == "auto" else kind](itertools.chain(head, stream), broken):
        if wanted(record):
            yield from ((observed, record) for observed in assembler.add(record))
    yield from ((observed, None) for observed in assembler.finish())


def _skipped(broken: Broken, name: str) -> tuple[Skipped, ...]:
    if not broken.count:
        return ()
    detail = f"{broken.count} broken lines in {name}"
    return (Skipped("unparsed", broken.example, detail, calls=0.0),)


def _notes(seen: _Seen, tally: Tally, database: str | None, name: str) -> tuple[str, ...]:
    notes = []
    if database is not None and seen.anonymous and tally.statements:
        notes.append(f"{name} does not say which database a statement is from; those of others may be among them")
    if seen.records and not tally.statements:
        notes.append(f"{name} holds no statements; set log_min_duration_statement or load auto_explain")
    if tally.merged:
        notes.append(f"{name}: {tally.merged:.0f} statements counted with one that differs in constants only")
    return tuple(notes)
