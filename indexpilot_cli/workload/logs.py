"""Server logs as a workload, streamed."""

from __future__ import annotations

import bz2
import gzip
import itertools
import json
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TextIO

from indexpilot_cli.core.workload import ObservedStatement, Skipped, SourceKind, Stage, Workload
from indexpilot_cli.errors import UsageError
from indexpilot_cli.sql.parser import fingerprint
from indexpilot_cli.workload.records import READERS, Broken, LogEntry, guess_format

FORMATS = ("auto", *READERS)
LIMIT = 20_000  # distinct statements kept apart; beyond it they join one of the same shape
_MOST_TEXT = 64_000_000  # characters of them
_MOST_SHAPES = 5  # times the limit: beyond that statements of a new shape are only counted
_LONGEST_LINE = 16 * 1024 * 1024


class Execution(NamedTuple):
    """One execution of a statement. ``calls`` is 0 for a fetch that goes on with one; ``detail`` has the parameters'
    values as the log writes them.
    """

    text: str
    calls: float
    ms: float | None
    detail: str = ""


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
            _read(stream, format, broken, seen, tally, _Wanted(seen, database, since))
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
    return entry.level == "LOG" and ("statement: " in head or "execute " in head or "  plan:" in head)


def _read(stream: TextIO, format: str, broken: Broken, seen: _Seen, tally: StatementTally, wanted: _Wanted) -> None:
    # A line without an end (a disk image, say) must not be read into memory as one.
    lines = iter(lambda: stream.readline(_LONGEST_LINE), "")
    head = list(itertools.islice(lines, 1))
    while head and not head[-1].strip() and len(head) < 100:
        head += itertools.islice(lines, 1)
    kind = guess_format(head[-1]) if format == "auto" and head else format
    assembler = Assembler()
    for entry in READERS["stderr" if kind == "auto" else kind](itertools.chain(head, lines), broken):
        if wanted(entry):
            for execution in assembler.add(entry):
                tally.add(execution)
                seen.anonymous |= entry.database is None
    for execution in assembler.finish():
        tally.add(execution)


def _skipped(broken: Broken, name: str) -> tuple[Skipped, ...]:
    if not broken.count:
        return ()
    detail = f"{broken.count} broken lines in {name}"
    return (Skipped("unparsed", broken.example, detail, calls=0.0),)


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


_Key = tuple[str, str]  # the statement, and its parameters as the log writes them
# Three passes that begin with a character are quicker than one pattern of alternatives: 0.12 against 0.31 s for 62,000
# statements of 120 characters.
_TEXT = re.compile(r"'[^']*'")
_NUMBER = re.compile(r"[ \n\t(=,<>+*/|-]\d+(?:\.\d+)?\b")
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
        text, calls, ms, detail = execution
        known = self.sums.get((text, detail)) or self._new((text, detail))
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
                self.shapes.setdefault(_shape(kept[0]), kept)
        shape = _shape(key[0])
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
            ObservedStatement(text, calls or 0.0, ms, parse_parameters(detail))
            for (text, detail), (calls, ms) in self.sums.items()
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
    plain = _NUMBER.sub("?", _TEXT.sub("?", text.replace("''", "")))
    return _LIST.sub("", plain)


_EMPTY: tuple[Execution, ...] = ()
_DURATION = "duration: "
# The extended protocol logs parse, bind and execute, each with its duration.
# https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-LOG-MIN-DURATION-STATEMENT
_STATEMENT = "statement: "
_EXECUTE = "execute "
_FETCH = "execute fetch from "
_PLAN = "plan:"
_PLAN_LINE = re.compile(r"^(?:\S.*\(cost=\d|Query Parameters: )", re.MULTILINE)
_PARAMETER = re.compile(r"\$(?P<number>\d+) = (?:NULL|'(?P<value>(?:[^']|'')*)')(?:, |$)")
# Beyond this many the longest waiting is given out without its duration.
_SESSIONS = 10_000
Waiting = OrderedDict[str, Execution]


@dataclass(slots=True)
class Assembler:
    """Turns entries, in order, into executions.

    ``log_duration`` writes a statement and its duration as two entries of one session: the first waits for
    the second. Where auto_explain and log_min_duration_statement both saw an execution, it counts once.
    """

    pending: Waiting = field(default_factory=OrderedDict)
    planned: Waiting = field(default_factory=OrderedDict)
    done: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def add(self, entry: LogEntry) -> Iterable[Execution]:
        """What becomes known with this entry."""
        session, message, detail, _, _, level = entry
        # Durations and statements are written at LOG; a statement beside an ERROR did not finish.
        if level != "LOG":
            return _EMPTY
        if not message.startswith(_DURATION):
            return self._statement(session, message, detail)
        number, _, rest = message[len(_DURATION) :].partition(" ms")
        try:
            ms = float(number)
        except ValueError:
            return _EMPTY
        rest = rest.lstrip()
        if rest.startswith(_PLAN):
            return self._plan(session, rest[len(_PLAN) :], ms)
        if not rest:
            return self._duration(session, ms)
        execution = _logged(rest, detail, ms)
        return _EMPTY if execution is None else self._finished(session, execution)

    def finish(self) -> Iterator[Execution]:
        """What was still waiting at the end of the log."""
        yield from self.pending.values()
        yield from self.planned.values()
        self.pending.clear()
        self.planned.clear()

    def _statement(self, session: str, message: str, detail: str) -> Iterable[Execution]:
        execution = _logged(message, detail, None)
        if execution is None:
            return _EMPTY
        return (*self._released(session), *_put(self.pending, session, execution))

    def _duration(self, session: str, ms: float) -> Iterable[Execution]:
        waiting = self.pending.pop(session, None)
        return _EMPTY if waiting is None else self._finished(session, waiting._replace(ms=ms))

    def _finished(self, session: str, execution: Execution) -> tuple[Execution, ...]:
        self.done[session] = execution.text
        if len(self.done) > _SESSIONS:
            self.done.popitem(last=False)
        if session in self.pending or session in self.planned:
            return self._after_others(session, execution)
        return (execution,)

    def _after_others(self, session: str, execution: Execution) -> tuple[Execution, ...]:
        """The execution behind what was still waiting; a plan of the same text was this very one."""
        plan = self.planned.pop(session, None)
        if plan is not None and plan.text == execution.text:
            self.done[session] = ""
            plan = None
        return (*self._released(session), *((plan,) if plan is not None else ()), execution)

    def _plan(self, session: str, rest: str, ms: float) -> Iterable[Execution]:
        execution = _explained(rest.strip(), ms)
        if execution is None or self.done.pop(session, None) == execution.text:
            return _EMPTY
        before = self.planned.pop(session, None)
        return (*((before,) if before is not None else ()), *_put(self.planned, session, execution))

    def _released(self, session: str) -> tuple[Execution, ...]:
        waiting = self.pending.pop(session, None)
        return _EMPTY if waiting is None else (waiting,)


def _put(waiting: Waiting, session: str, execution: Execution) -> tuple[Execution, ...]:
    waiting[session] = execution
    return (waiting.popitem(last=False)[1],) if len(waiting) > _SESSIONS else _EMPTY


def _logged(text: str, detail: str, ms: float | None) -> Execution | None:
    """An execution; parse and bind are none: the same statement is logged again when it executes."""
    if text.startswith(_STATEMENT):
        return Execution(text[len(_STATEMENT) :].strip(), 1.0, ms, detail)
    if not text.startswith(_EXECUTE):
        return None
    head, colon, sql = text.partition(": ")
    if not colon or ":" in head:
        return None
    # A fetch goes on with an execution that was counted when it began.
    return Execution(sql.strip(), 0.0 if head.startswith(_FETCH) else 1.0, ms, detail)


def _explained(plan: str, ms: float) -> Execution | None:
    if plan.startswith("{"):
        try:
            entry = json.loads(plan)
        except (ValueError, RecursionError):
            return None
        # auto_explain writes parameters from 16 on. https://www.postgresql.org/docs/current/auto-explain.html
        text, parameters = str(entry.get("Query Text", "")), str(entry.get("Query Parameters", ""))
        return Execution(text.strip(), 1.0, ms, parameters) if text else None
    if not plan.startswith("Query Text: "):
        return None
    body = plan.removeprefix("Query Text: ")
    end = _PLAN_LINE.search(body)
    text = body[: end.start()] if end else body
    first = body[end.start() :].partition("\n")[0] if end else ""
    return Execution(text.strip(), 1.0, ms, first.removeprefix("Query "))


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
