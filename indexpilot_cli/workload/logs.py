"""Server logs as a workload, streamed."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.sql.parser import fingerprint
from indexpilot_cli.workload.records import READERS, Broken, LogEntry, guess_format

FORMATS = ("auto", *READERS)
LIMIT = 20_000  # distinct statements kept apart; beyond it they join one of the same shape


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
    tally, broken, seen = StatementTally(limit), Broken(), _Seen()
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
    # One log can hold texts of databases in several encodings: a wrong byte must not end the reading.
    if source.suffix == ".gz":
        return gzip.open(source, "rt", encoding="utf-8", errors="replace", newline="")
    return source.open(encoding="utf-8", errors="replace", newline="")


class _Wanted:
    """Keeps the entries of one database from one time on."""

    def __init__(self, seen: _Seen, database: str | None, since: datetime | None) -> None:
        self._seen, self._database, self._since = seen, database, since

    def __call__(self, record: LogEntry) -> bool:
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
) -> Iterator[tuple[ObservedStatement, LogEntry | None]]:
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


def _notes(seen: _Seen, tally: StatementTally, database: str | None, name: str) -> tuple[str, ...]:
    notes = []
    if database is not None and seen.anonymous and tally.statements:
        notes.append(f"{name} does not say which database a statement is from; those of others may be among them")
    if seen.records and not tally.statements:
        notes.append(f"{name} holds no statements; set log_min_duration_statement or load auto_explain")
    if tally.merged:
        notes.append(f"{name}: {tally.merged:.0f} statements counted with one that differs in constants only")
    return tuple(notes)


_Key = tuple[str, tuple[str | None, ...]]


@dataclass(slots=True)
class StatementTally:
    """Sums of equal statements. Beyond ``limit`` distinct ones a new statement is added to one that differs
    in constants only, so that no calls are lost and memory follows the number of templates."""

    limit: int = LIMIT
    statements: dict[_Key, ObservedStatement] = field(default_factory=dict)
    shapes: dict[str, _Key] = field(default_factory=dict)
    merged: float = 0.0

    def add(self, observed: ObservedStatement) -> None:
        """Count one observation."""
        key: _Key = (observed.text, observed.parameters)
        if key not in self.statements and len(self.statements) >= self.limit:
            key = self._representative(observed.text, key)
        known = self.statements.get(key)
        self.statements[key] = observed if known is None else _sum(known, observed)

    def _representative(self, text: str, key: _Key) -> _Key:
        if not self.shapes:
            for kept in self.statements:
                self.shapes.setdefault(str(fingerprint(kept[0])), kept)
        shape = str(fingerprint(text))
        if shape in self.shapes:
            self.merged += 1
        return self.shapes.setdefault(shape, key)

    def all(self) -> tuple[ObservedStatement, ...]:
        """What was counted, in order of first sight."""
        return tuple(self.statements.values())


def _sum(one: ObservedStatement, other: ObservedStatement) -> ObservedStatement:
    total = one.total_ms if other.total_ms is None else (one.total_ms or 0.0) + other.total_ms
    return replace(one, calls=one.calls + other.calls, total_ms=total)


_DURATION = re.compile(r"duration: (?P<ms>\d+(?:\.\d+)?) ms(?:  (?P<rest>.*))?\s*", re.DOTALL)
# The extended protocol logs parse, bind and execute, each with its duration.
# https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-LOG-MIN-DURATION-STATEMENT
_STATEMENT = re.compile(
    r"(?:(?P<simple>statement)|(?P<step>parse|bind|execute) (?P<fetch>fetch from )?[^:]*): (?P<sql>.*)", re.DOTALL
)
_PLAN = re.compile(r"plan:\s*(?P<plan>.*)", re.DOTALL)
_PLAN_LINE = re.compile(r"^(?:\S.*\(cost=\d|Query Parameters: )", re.MULTILINE)
_PARAMETER = re.compile(r"\$(?P<number>\d+) = (?:NULL|'(?P<value>(?:[^']|'')*)')(?:, |$)")
# Beyond this many the longest waiting is given out without its duration.
_SESSIONS = 10_000
Waiting = OrderedDict[str, ObservedStatement]


@dataclass(slots=True)
class Assembler:
    """Turns entries, in order, into observed statements.

    ``log_duration`` writes a statement and its duration as two entries of one session: the first waits for
    the second. Where auto_explain and log_min_duration_statement both saw an execution, it counts once.
    """

    pending: Waiting = field(default_factory=OrderedDict)
    planned: Waiting = field(default_factory=OrderedDict)
    done: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def add(self, record: LogEntry) -> Iterator[ObservedStatement]:
        """What becomes known with this entry."""
        # Durations and statements are written at LOG; a statement beside an ERROR did not finish.
        if record.level != "LOG":
            return
        timed = _DURATION.fullmatch(record.message)
        if timed is None:
            yield from self._statement(record)
        elif timed["rest"] is None:
            yield from self._duration(record.session, float(timed["ms"]))
        elif timed["rest"].startswith("plan:"):
            yield from self._plan(record, timed["rest"], float(timed["ms"]))
        else:
            yield from self._complete(record, timed["rest"], float(timed["ms"]))

    def finish(self) -> Iterator[ObservedStatement]:
        """What was still waiting at the end of the log."""
        yield from self.pending.values()
        yield from self.planned.values()
        self.pending.clear()
        self.planned.clear()

    def _statement(self, record: LogEntry) -> Iterator[ObservedStatement]:
        observed = _logged(record.message, record.detail, None)
        if observed is not None:
            yield from self._release(record.session)
            yield from _put(self.pending, record.session, observed)

    def _duration(self, session: str, ms: float) -> Iterator[ObservedStatement]:
        waiting = self.pending.pop(session, None)
        if waiting is not None:
            yield from self._finished(session, replace(waiting, total_ms=ms))

    def _complete(self, record: LogEntry, rest: str, ms: float) -> Iterator[ObservedStatement]:
        observed = _logged(rest, record.detail, ms)
        if observed is not None:
            yield from self._release(record.session)
            yield from self._finished(record.session, observed)

    def _finished(self, session: str, observed: ObservedStatement) -> Iterator[ObservedStatement]:
        plan = self.planned.pop(session, None)
        if plan is not None and plan.text != observed.text:
            yield plan
        _remember(self.done, session, "" if plan is not None and plan.text == observed.text else observed.text)
        yield observed

    def _plan(self, record: LogEntry, rest: str, ms: float) -> Iterator[ObservedStatement]:
        observed = _explained(rest, ms)
        if observed is None:
            return
        if self.done.pop(record.session, None) == observed.text:
            return
        yield from self._release(record.session, only_plan=True)
        yield from _put(self.planned, record.session, observed)

    def _release(self, session: str, only_plan: bool = False) -> Iterator[ObservedStatement]:
        waiting = None if only_plan else self.pending.pop(session, None)
        if waiting is not None:
            yield waiting
        if only_plan and session in self.planned:
            yield self.planned.pop(session)


def _put(
    waiting: OrderedDict[str, ObservedStatement], session: str, observed: ObservedStatement
) -> Iterator[ObservedStatement]:
    waiting[session] = observed
    if len(waiting) > _SESSIONS:
        yield waiting.popitem(last=False)[1]


def _remember(done: OrderedDict[str, str], session: str, text: str) -> None:
    done[session] = text
    if len(done) > _SESSIONS:
        done.popitem(last=False)


def _logged(text: str, detail: str, ms: float | None) -> ObservedStatement | None:
    match = _STATEMENT.fullmatch(text)
    # The same statement is logged again when it executes.
    if match is None or match["step"] in ("parse", "bind"):
        return None
    # A fetch goes on with an execution that was counted when it began.
    calls = 0.0 if match["fetch"] else 1.0
    return ObservedStatement(match["sql"].strip(), calls, ms, parse_parameters(detail))


def _explained(rest: str, ms: float) -> ObservedStatement | None:
    match = _PLAN.fullmatch(rest)
    plan = match["plan"].strip() if match else ""
    if plan.startswith("{"):
        try:
            entry = json.loads(plan)
        except (ValueError, RecursionError):
            return None
        # auto_explain writes parameters from 16 on. https://www.postgresql.org/docs/current/auto-explain.html
        text, parameters = str(entry.get("Query Text", "")), str(entry.get("Query Parameters", ""))
        return ObservedStatement(text.strip(), 1.0, ms, parse_parameters(parameters)) if text else None
    if not plan.startswith("Query Text: "):
        return None
    body = plan.removeprefix("Query Text: ")
    end = _PLAN_LINE.search(body)
    text = body[: end.start()] if end else body
    first = body[end.start() :].partition("\n")[0] if end else ""
    return ObservedStatement(text.strip(), 1.0, ms, parse_parameters(first.removeprefix("Query ")))


def parse_parameters(detail: str) -> tuple[str | None, ...]:
    """Values of ``parameters: $1 = 'it''s', $2 = NULL``; empty when there are none or one was cut short."""
    body = detail.partition(": ")[2] if detail[:10].lower() == "parameters" else detail
    if not body.startswith("$1 = "):
        return ()
    values: list[str | None] = []
    position = 0
    while position < len(body):
        match = _PARAMETER.match(body, position)
        if match is None or int(match["number"]) != len(values) + 1:
            return ()
        value = match["value"]
        # log_parameter_max_length cut it short: half a value is none.
        if value is not None and value.endswith("..."):
            return ()
        values.append(None if value is None else value.replace("''", "'"))
        position = match.end()
    return tuple(values)
