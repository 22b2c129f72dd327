"""The workload a command asks for: from the server, a snapshot, logs, SQL files, standard input or flags."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from indexpilot_cli.core import files
from indexpilot_cli.core.command import WorkloadRequest
from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Workload
from indexpilot_cli.errors import PrerequisiteError, UsageError
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.sql.parser import split
from indexpilot_cli.sql.utility import kept

if TYPE_CHECKING:
    from indexpilot_cli.workload.logs import LogSettings

_LOG_SUFFIXES = (".json", ".csv", ".log", ".jsonlog", ".csvlog")


def collect(source: Source, request: WorkloadRequest) -> tuple[Workload, ...]:
    """One workload per place the statements come from.

    Without files and flags: the snapshot's workload, else ``pg_stat_statements`` of the connected database. What was
    recorded in ``query_stats`` comes with real statements: those of the files, else of ``pg_stat_statements`` where it
    can be read. Raises UsageError for files that cannot be read and for a request that no source can answer.
    """
    found: list[Workload] = []
    recorded = (_recorded(source, request),) if request.source is SourceKind.QUERY_STATS else ()
    if request.queries:
        statements = tuple(ObservedStatement(text, origin="--query") for text in request.queries)
        found.append(Workload(SourceKind.SQL, statements))
    if request.files:
        found += [_read_file(name, request, source) for name in request.files]
    elif not request.queries:
        found += _also_counted(source) if recorded else (_observed(source, request),)
    # Recorded rows hold no text of a statement: what is skipped of them is told in words of ours.
    return (*recorded, *map(without_utilities, found))


def without_utilities(workload: Workload) -> Workload:
    """The workload in which utility statements have left nothing but their kind, among the skipped."""
    queries, skipped = [], [replace(s, text=kept(s.text).text if s.text else "") for s in workload.skipped]
    for observed in chain.from_iterable(map(_apart, workload.statements)):
        found = kept(observed.text)
        if not found.reason:
            queries.append(observed if found.text == observed.text else replace(observed, text=found.text))
        else:
            place = f" ({observed.origin})" if observed.origin else ""
            ms = observed.total_ms or 0.0
            skipped.append(Skipped(found.reason, found.text, found.detail + place, observed.calls, ms))
    return replace(workload, statements=tuple(queries), skipped=tuple(skipped))


def _apart(observed: ObservedStatement) -> tuple[ObservedStatement, ...]:
    """The statements of a text that was sent with several; its queries share its time evenly: no log divides it."""
    text = observed.text.strip().rstrip(";")
    pieces = [piece.text.strip() for piece in split(text)] if ";" in text and not observed.parameters else []
    queries = sum(not kept(piece).reason for piece in pieces)
    if len(pieces) < 2 or not queries:
        return (observed,)
    part = None if observed.total_ms is None else observed.total_ms / queries
    return tuple(replace(observed, text=p, total_ms=0.0 if part and kept(p).reason else part) for p in pieces)


def _observed(source: Source, request: WorkloadRequest) -> Workload:
    if request.source in (SourceKind.LOG, SourceKind.SQL):
        raise UsageError(
            f"--source {request.source.value} needs a file", hint=f"indexpilot recommend --source {request.source} FILE"
        )
    if source.snapshot is not None:
        if source.snapshot.workload is None:
            raise UsageError("the snapshot holds no workload", hint="give SQL or log files as arguments")
        return source.snapshot.workload
    return _counted(source)


def _also_counted(source: Source) -> Iterator[Workload]:
    """What the server counted, where it counts and lets us read."""
    with suppress(PrerequisiteError):
        yield _counted(source)


def _counted(source: Source) -> Workload:
    from indexpilot_cli.db.statements import read_statements

    assert source.session is not None
    return read_statements(source.session, with_paths=source.siblings is not None)


def _recorded(source: Source, request: WorkloadRequest) -> Workload:
    if source.session is None:
        raise UsageError("recorded query_stats are in the database, not in a snapshot", hint="give a connection")
    from indexpilot_cli.workload.recorded import recorded_workload

    return recorded_workload(source, since=request.since)


def _read_file(name: str, request: WorkloadRequest, source: Source) -> Workload:
    from indexpilot_cli.workload.exported import begins_exported, read_export
    from indexpilot_cli.workload.logs import read_log

    stream = sys.stdin if name == "-" else Path(name)
    database = request.log_database or source.catalog.database or None
    told = request.source in (None, SourceKind.QUERY_STATS) and begins_exported(stream)
    if told or request.source is SourceKind.STATEMENTS:
        return read_export(name, database=database)
    if _is_log(stream, request.source):
        return read_log(stream, database=database, since=request.since, settings=_log_settings(source))
    if name == "-":
        return read_sql(text=files.read_text(name, files.SQL))
    return read_sql((Path(name),))


def _log_settings(source: Source) -> LogSettings:
    from indexpilot_cli.workload.logs import LogSettings

    row = None if source.session is None else source.session.one("workload/log_settings")
    if row is None:
        return LogSettings()
    limits = {"statement": row.statement_timeout, "lock": row.lock_timeout}
    return LogSettings(row.zone, {name: ms for name, ms in limits.items() if ms})


def _is_log(stream: Path | TextIO, kind: SourceKind | None) -> bool:
    """As asked, else by the name, else by how it begins: rotated logs and those of clouds are called anything."""
    from indexpilot_cli.workload.logs import looks_like_log
    from indexpilot_cli.workload.packed import begin_of

    if kind not in (None, SourceKind.QUERY_STATS):
        return kind is SourceKind.LOG
    if isinstance(stream, Path):
        suffix = files.plain_suffix(stream)
        if suffix in _LOG_SUFFIXES or suffix == ".sql" or stream.is_dir():
            return suffix in _LOG_SUFFIXES
    try:
        begin = begin_of(stream)
        # Nothing can be told of a packed stream whose first block is long; what is packed is nearly always a log.
        return looks_like_log(begin) or (not begin and not isinstance(stream, Path))
    except OSError as error:
        raise UsageError(f"cannot read {stream}", detail=error.strerror or str(error)) from error


def merged(workloads: Sequence[Workload]) -> Workload:
    """Several workloads as one; the kind is that of the first."""
    return Workload(
        workloads[0].source if workloads else SourceKind.SQL,
        tuple(chain.from_iterable(w.statements for w in workloads)),
        tuple(chain.from_iterable(w.skipped for w in workloads)),
        min((w.since for w in workloads if w.since), default=None),
        max((w.until for w in workloads if w.until), default=None),
        tuple(chain.from_iterable(w.notes for w in workloads)),
    )


_NOTE = re.compile(r"--\s*(?P<key>freq|calls|ms)\s*[:=]\s*(?P<value>\d+(?:\.\d+)?)\b", re.IGNORECASE)
_COMMENT = re.compile(r"\s*(?:--[^\n]*(?:\n|\Z)|/\*.*?\*/)", re.DOTALL)
# Backslash commands of psql; ``\.`` is none, it ends the data of COPY.
_META = re.compile(r"^\\(?!\.)[^\n]*", re.MULTILINE)
_COPY_DATA = re.compile(r"^(?P<copy>\s*COPY\b[^;]*\bFROM\s+stdin\b[^;]*;)[^\n]*\n.*?^\\\.[^\n]*", re.I | re.M | re.S)


def read_sql(paths: Sequence[Path] = (), *, text: str | None = None) -> Workload:
    """The statements of SQL files, of directories (every ``*.sql`` below, packed or not, by name) and of a text.

    A comment ``-- freq: N`` before a statement (or behind it on its line) says how often it runs, ``-- ms: N``
    how many milliseconds a call takes; otherwise it runs once and no times are known. psql's backslash
    commands and COPY data are ignored. Raises UsageError when a path cannot be read.
    """
    statements: list[ObservedStatement] = []
    for file in chain.from_iterable(map(_files, paths)):
        statements += _statements(_read(file), str(file))
    if text is not None:
        statements += _statements(text, "standard input")
    return Workload(SourceKind.SQL, tuple(statements))


def _files(path: Path) -> list[Path]:
    if not files.is_directory(path):
        return [path]
    found = files.sql_below(path)
    if not found:
        raise UsageError(f"no .sql files in {path}")
    return found


def _read(path: Path) -> str:
    # A dump may hold texts of several encodings: a wrong byte in one statement must not end the reading.
    return files.read_bytes(path, files.SQL).decode("utf-8-sig", errors="replace")


def _statements(text: str, name: str) -> Iterator[ObservedStatement]:
    """Statements with their places; notes behind a semicolon go to the statement that it ends."""
    plain = _META.sub("", _COPY_DATA.sub(lambda m: m["copy"] + "\n" * m.group().count("\n"), text))
    last: ObservedStatement | None = None
    for piece in split(plain):
        body = _without_comments(piece.text)
        head = piece.text[: len(piece.text) - len(body)]
        behind, _, before = head.partition("\n") if last is not None else ("", "", head)
        if last is not None:
            yield _noted(last, behind)
        line = plain.count("\n", 0, piece.offset + len(head)) + 1
        last = _noted(ObservedStatement(body.strip(), origin=f"{name}:{line}"), before + body) if body.strip() else None
    if last is not None:
        yield last


def _without_comments(text: str) -> str:
    position = 0
    while match := _COMMENT.match(text, position):
        position = match.end()
    return text[position:].lstrip()


def _noted(observed: ObservedStatement, comment: str) -> ObservedStatement:
    notes = {m["key"].lower(): float(m["value"]) for m in _NOTE.finditer(comment)}
    calls = notes.get("freq", notes.get("calls", observed.calls))
    each = notes.get("ms")
    if each is None and observed.total_ms is not None:
        each = observed.total_ms / observed.calls
    return replace(observed, calls=calls, total_ms=None if each is None else each * calls)
