"""Log entries to statements: durations, parameters, plans of auto_explain."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from indexpilot_cli.core.workload import ObservedStatement
from indexpilot_cli.workload.sources.records import Record

_DURATION = re.compile(r"duration: (?P<ms>\d+(?:\.\d+)?) ms(?:  (?P<rest>.*))?\s*", re.DOTALL)
_STATEMENT = re.compile(
    r"(?:(?P<simple>statement)|(?P<step>parse|bind|execute) (?P<fetch>fetch from )?[^:]*): (?P<sql>.*)", re.DOTALL
)
_PLAN = re.compile(r"plan:\s*(?P<plan>.*)", re.DOTALL)
_PLAN_LINE = re.compile(r"^(?:\S.*\(cost=\d|Query Parameters: )", re.MULTILINE)
_PARAMETER = re.compile(r"\$(?P<number>\d+) = (?:NULL|'(?P<value>(?:[^']|'')*)')(?:, |$)")
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

    def add(self, record: Record) -> Iterator[ObservedStatement]:
        """What becomes known with this entry."""
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

    def _statement(self, record: Record) -> Iterator[ObservedStatement]:
        observed = _logged(record.message, record.detail, None)
        if observed is not None:
            yield from self._release(record.session)
            yield from _put(self.pending, record.session, observed)

    def _duration(self, session: str, ms: float) -> Iterator[ObservedStatement]:
        waiting = self.pending.pop(session, None)
        if waiting is not None:
            yield from self._finished(session, replace(waiting, total_ms=ms))

    def _complete(self, record: Record, rest: str, ms: float) -> Iterator[ObservedStatement]:
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

    def _plan(self, record: Record, rest: str, ms: float) -> Iterator[ObservedStatement]:
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
    if match is None or match["step"] in ("parse", "bind"):
        return None
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
        if value is not None and value.endswith("..."):
            return ()
        values.append(None if value is None else value.replace("''", "'"))
        position = match.end()
    return tuple(values)
