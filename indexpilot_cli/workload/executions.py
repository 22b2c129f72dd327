"""Log entries, in order, to executions of statements."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from indexpilot_cli.workload.records import LogEntry


class Execution(NamedTuple):
    """One execution of a statement. ``calls`` is 0 for a fetch that goes on with one; ``detail`` has the parameters'
    values as the log writes them. ``ms`` is a lower bound where it was ``cancelled``.
    """

    text: str
    calls: float
    ms: float | None
    detail: str = ""
    cancelled: bool = False


_EMPTY: tuple[Execution, ...] = ()
_DURATION = "duration: "
# The extended protocol logs parse, bind and execute, each with its duration.
# https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-LOG-MIN-DURATION-STATEMENT
_STATEMENT = "statement: "
_EXECUTE = "execute "
_FETCH = "execute fetch from "
_PREPARED = "prepare: "
_ENDING = frozenset(("ERROR", "FATAL"))
_PLAN = "plan:"
_PLAN_LINE = re.compile(r"^(?:\S.*\(cost=\d|Query Parameters: )", re.MULTILINE)
_PARAMETER = re.compile(r"\$(?P<number>\d+) = (?:NULL|'(?P<value>(?:[^']|'')*)')(?:, |$)")
# Beyond this many the longest waiting is given out without its duration.
_SESSIONS = 10_000
Waiting = OrderedDict[str, Execution]
# What ends a statement from without. One that ran into an error of its own is none: it did not do its work.
_INTERRUPTED = re.compile(
    r"canceling statement due to (?:(?P<limit>statement|lock) timeout|user request|conflict with recovery)"
    r"|terminating connection due to (?:administrator command|transaction timeout|conflict with recovery)"
    r"|connection to client lost|temporary file size exceeds"
)
# query_canceled, transaction_timeout: known in every language of messages where the log has the code.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_INTERRUPTIONS = frozenset(("57014", "25P04"))
_BOUND = re.compile(
    r"(?:extended query|unnamed portal|portal \"[^\"]*\") with parameters: (?P<values>\$1 = .*)", re.DOTALL
)


@dataclass(slots=True)
class Assembler:
    """Turns entries, in order, into executions.

    ``log_duration`` writes a statement and its duration as two entries of one session: the first waits for
    the second. Where auto_explain and log_min_duration_statement both saw an execution, it counts once.
    A statement that a timeout or somebody cancelled counts, with the time from the entry that announced it; without
    one with ``limits``: milliseconds by the word before "timeout" that such a statement ran at least.
    """

    limits: Mapping[str, float] = field(default_factory=dict)

    pending: Waiting = field(default_factory=OrderedDict)
    planned: Waiting = field(default_factory=OrderedDict)
    done: dict[str, str] = field(default_factory=dict)
    begun: OrderedDict[str, LogEntry] = field(default_factory=OrderedDict)

    def add(self, entry: LogEntry) -> Iterable[Execution]:
        """What becomes known with this entry."""
        if entry.level != "LOG":
            return self._ended(entry) if entry.level in _ENDING else _EMPTY
        session, message, detail = entry[:3]
        if not message.startswith(_DURATION):
            return self._statement(entry)
        unit = message.find(" ms", 10)
        try:
            ms = float(message[10:unit])
        except ValueError:
            return _EMPTY
        if message.startswith(_STATEMENT, unit + 5) and not detail:
            return self._finished(session, Execution(message[unit + 16 :].strip(), 1.0, ms))
        rest = message[unit + 3 :].lstrip()
        if rest.startswith(_PLAN):
            return self._plan(session, rest[len(_PLAN) :], ms)
        if not rest:
            return self._duration(session, ms)
        execution = _logged(rest, detail, ms)
        if execution is None:
            self._begin(entry)  # bind: it executes next
            return _EMPTY
        return self._finished(session, execution)

    def finish(self) -> Iterator[Execution]:
        """What was still waiting at the end of the log."""
        yield from self.pending.values()
        yield from self.planned.values()
        self.pending.clear()
        self.planned.clear()

    def _statement(self, entry: LogEntry) -> Iterable[Execution]:
        execution = _logged(entry.message, entry.detail, None)
        if execution is None:
            return _EMPTY
        self._begin(entry)
        return (*self._released(entry.session), *_put(self.pending, entry.session, execution))

    def _begin(self, entry: LogEntry) -> None:
        self.begun[entry.session] = entry
        if len(self.begun) > _SESSIONS:
            self.begun.popitem(last=False)

    def _ended(self, entry: LogEntry) -> tuple[Execution, ...]:
        """An error takes away the statement it ended; one that came from without leaves it, as cancelled."""
        begun = self.begun.pop(entry.session, None)
        announced = None if begun is None else _announced(begun)
        text = entry.statement.strip()
        found = _INTERRUPTED.match(entry.message)
        if not text and announced is not None and found and entry.message.startswith("canceling"):
            text = announced.text  # log_min_error_statement leaves it out
        if text and entry.session in self.pending and self.pending[entry.session].text == text:
            del self.pending[entry.session]
        if not text or (found is None and entry.state not in _INTERRUPTIONS):
            return _EMPTY
        ms = self.limits.get(found["limit"] or "") if found else None
        detail = bound["values"] if (bound := _BOUND.search(entry.context)) else ""
        if begun is not None and announced is not None and announced.text == text:
            ms = _elapsed(begun.time, entry.time, ms)
            detail = detail or announced.detail
        return (Execution(text, 1.0, ms, detail, True),)

    def _duration(self, session: str, ms: float) -> Iterable[Execution]:
        waiting = self.pending.pop(session, None)
        return _EMPTY if waiting is None else self._finished(session, waiting._replace(ms=ms))

    def _finished(self, session: str, execution: Execution) -> tuple[Execution, ...]:
        if session not in self.done and len(self.done) >= _SESSIONS:
            self.done.clear()  # of them only a plan behind its statement would be counted twice
        self.done[session] = execution.text
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


def _announced(entry: LogEntry) -> Execution | None:
    """The statement that an entry says begins now: in whole, or bound to its parameters."""
    if not entry.message.startswith(_DURATION):
        return _logged(entry.message, entry.detail, None)
    head, _, sql = entry.message.partition("  ")[2].partition(": ")
    return Execution(sql.strip(), 1.0, None, entry.detail) if head.startswith("bind ") else None


def _elapsed(begun: datetime | None, ended: datetime | None, otherwise: float | None) -> float | None:
    """Milliseconds that have passed for sure; times without a fraction may be up to a second off."""
    if begun is None or ended is None or ended < begun:
        return otherwise
    slack = 1 if begun.microsecond or ended.microsecond else 1000
    return max((ended - begun).total_seconds() * 1000 - slack, 0.0)


def _logged(text: str, detail: str, ms: float | None) -> Execution | None:
    """An execution; parse and bind are none: the same statement is logged again when it executes."""
    if text.startswith(_STATEMENT):
        sql = text[len(_STATEMENT) :].strip()
        # EXECUTE of a prepared statement: its text stands in the detail.
        prepared = detail[len(_PREPARED) :].strip() if detail.startswith(_PREPARED) else ""
        return Execution(prepared or sql, 1.0, ms, "" if prepared else detail)
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
