"""What the interceptor learns from how statements really ran: templates that turned out slow, and a risk by cost.

Outcomes are counted in memory by template and planner cost and written once a minute. What was learned is read by a
thread of its own every ten minutes: no statement waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import log10
from types import MappingProxyType
from typing import Any

from indexpilot_cli.algorithms.query_risk import RiskCurve, RiskOutcome, train
from indexpilot_cli.core.measured import RISK_MODEL
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.session import Session
from indexpilot_cli.db.statements import read_statements
from indexpilot_cli.errors import AnsweredError, IndexPilotError, PrerequisiteError
from indexpilot_cli.host import place
from indexpilot_cli.host.interceptor.statement_text import read_text
from indexpilot_cli.host.interceptor.verdict import QueryVerdict, SafetyReason
from indexpilot_cli.log.bookkeeping import is_writable
from indexpilot_cli.log.metadata import is_ready, question
from indexpilot_cli.log.outcomes import add_model, models

DAYS = 30
LEAST_CALLS = 20
BAD_SHARE = 0.5  # of the calls of a template, from which it counts as one that turns out slow
_MINUTE = 60.0
_REFRESH = 600.0
_MOST_KEYS = 1_000
_MOST_TEMPLATES = 1_000
_MOST_OUTCOMES = 50_000
_LONGEST_TEMPLATE = 2_000


@dataclass(slots=True)
class OutcomeCount:
    """Calls of one template at about one planner cost."""

    template: str
    cost: float
    calls: int = 0
    slow: int = 0
    cancelled: int = 0
    total_ms: float = 0.0


_OutcomeKey = tuple[str, int]
WriteOutcomes = Callable[[Mapping[_OutcomeKey, OutcomeCount]], None]


class OutcomeBook:
    """Counts outcomes from any thread; at most 1,000 kinds wait, ``dropped`` counts the calls beyond."""

    def __init__(self, write: WriteOutcomes, clock: Callable[[], float] = time.monotonic):
        self._write, self._clock = write, clock
        self._lock = threading.Lock()
        # One after the other: who flushes is told of what another thread has taken out, too. Reentrant for a signal's
        # handler.
        self._writing = threading.RLock()
        self._counts: dict[_OutcomeKey, OutcomeCount] = {}
        self._since = clock()
        self.dropped = 0

    def note(self, verdict: QueryVerdict, milliseconds: float, *, slow: bool, cancelled: bool) -> None:
        """Count a call that ran to its end or was cancelled. Those of the last minute are written by another thread."""
        cost = verdict.cost or 0.0
        # Four classes for each power of ten: near enough for a risk by cost, and few rows.
        key = (verdict.template_id, round(4 * log10(1 + cost)))
        with self._lock:
            found = self._counts.get(key)
            if found is None and len(self._counts) >= _MOST_KEYS:
                self.dropped += 1
                return
            if found is None:
                found = self._counts[key] = OutcomeCount(verdict.template[:_LONGEST_TEMPLATE], cost)
            found.calls += 1
            found.slow += slow and not cancelled
            found.cancelled += cancelled
            found.total_ms += milliseconds
            due = self._clock() - self._since >= _MINUTE
            if due:
                self._since = self._clock()
        if due:
            place.in_background(self.flush, "indexpilot-outcomes")

    def flush(self) -> bool:
        """Write what waits; False when the server did not take it, and then it waits on."""
        with self._writing:
            with self._lock:
                # Taken out, so that nobody who notes waits while they are written.
                counts, self._counts = self._counts, {}
            if not counts:
                return True
            try:
                self._write(counts)
            except IndexPilotError:
                self._take_back(counts)
                return False
            return True

    def _take_back(self, counts: Mapping[_OutcomeKey, OutcomeCount]) -> None:
        with self._lock:
            for key, old in counts.items():
                new = self._counts.setdefault(key, OutcomeCount(old.template, old.cost))
                new.calls += old.calls
                new.slow += old.slow
                new.cancelled += old.cancelled
                new.total_ms += old.total_ms


def write_outcomes(counts: Mapping[_OutcomeKey, OutcomeCount]) -> None:
    """Add the counts to our tables and delete those of more than 30 days ago."""
    schema, rows = place.metadata_schema(), list(counts.values())
    values = {
        "template_ids": [template_id for template_id, _ in counts],
        "templates": [row.template for row in rows],
        "costs": [row.cost for row in rows],
        "calls": [row.calls for row in rows],
        "slow": [row.slow for row in rows],
        "cancelled": [row.cancelled for row in rows],
        "total_ms": [row.total_ms for row in rows],
    }
    with place.session() as session:
        if not is_writable(session, schema):
            raise PrerequisiteError("our tables are not there, or cannot be written")
        session.rows(question(session, "host/outcomes_add", schema), values)
        session.rows(question(session, "host/outcomes_prune", schema), {"days": DAYS})


@dataclass(frozen=True, slots=True)
class SlowTemplate:
    """A template that turned out slow: ``value`` is the share of bad calls, or the mean milliseconds, by ``code``."""

    template: str
    calls: int
    reason: SafetyReason


@dataclass(frozen=True, slots=True)
class RiskKnowledge:
    """What is known: slow templates by their id, and the risk by cost (None: no model)."""

    slow: Mapping[str, SlowTemplate] = field(default_factory=lambda: MappingProxyType({}))
    curve: RiskCurve | None = None

    def reasons(self, template_id: str, cost: float) -> tuple[SafetyReason, ...]:
        """What speaks against a statement, as reasons with their limits."""
        known = self.slow.get(template_id)
        found = () if known is None else (known.reason,)
        if self.curve is None:
            return found
        return (*found, SafetyReason("predicted_slow_share", self.curve.share(cost), BAD_SHARE))


class KnowledgeKeeper:
    """The latest knowledge, read again in the background when it is ten minutes old."""

    def __init__(self, load: Callable[[], RiskKnowledge], clock: Callable[[], float] = time.monotonic):
        self._load, self._clock = load, clock
        self._lock = threading.Lock()
        self._due = float("-inf")
        self._known = RiskKnowledge()

    def current(self) -> RiskKnowledge:
        """What is known now."""
        with self._lock:
            due = self._clock() >= self._due
            if due:
                self._due = self._clock() + _REFRESH
        if due:
            place.in_background(self.refresh, "indexpilot-knowledge")
        return self._known

    def refresh(self) -> None:
        """Read it now; what cannot be read stays as it was."""
        try:
            known = self._load()
        except IndexPilotError:
            return
        self.keep(known)

    def keep(self, known: RiskKnowledge) -> None:
        """Go by what was just read."""
        with self._lock:
            self._known, self._due = known, self._clock() + _REFRESH


def load_knowledge(slow_ms: float) -> RiskKnowledge:
    """What our tables and pg_stat_statements tell."""
    schema = place.metadata_schema()
    with place.session() as session:
        slow = _slow_by_mean(session, slow_ms, schema)
        if not is_ready(session, schema):
            return RiskKnowledge(slow)
        slow |= _slow_by_outcomes(session, schema)
        kept = models(session, RISK_MODEL, schema=schema)
    points = kept[0].parameters if kept else None
    curve = None if points is None else RiskCurve(tuple(points["costs"]), tuple(points["shares"]))
    return RiskKnowledge(slow, curve)


def _slow_by_outcomes(session: Session, schema: str) -> dict[str, SlowTemplate]:
    asked = {"days": DAYS, "least": LEAST_CALLS, "share": BAD_SHARE, "most": _MOST_TEMPLATES}
    rows = session.rows(question(session, "host/slow_templates", schema), asked)
    return {
        r.template_id: SlowTemplate(r.template, r.calls, SafetyReason("slow_share", r.bad_share, BAD_SHARE))
        for r in rows
    }


def _slow_by_mean(session: Session, slow_ms: float, schema: str) -> dict[str, SlowTemplate]:
    """Templates whose mean in pg_stat_statements is slow: all clients count there, not only this host."""
    try:
        # A savepoint, for without the extension the question fails, and the transaction with it.
        with session.transaction():
            statements = read_statements(session, metadata_schema=schema).statements
    except AnsweredError:
        return {}
    found: dict[str, SlowTemplate] = {}
    for statement in statements:
        mean = (statement.total_ms or 0.0) / statement.calls
        if statement.calls < LEAST_CALLS or mean < slow_ms or len(found) >= _MOST_TEMPLATES:
            continue
        template_id, template = _template(statement.text)
        found[template_id] = SlowTemplate(template, int(statement.calls), SafetyReason("mean_ms", mean, slow_ms))
    return found


def _template(text: str) -> tuple[str, str]:
    try:
        read = read_text(text, False)
    except ValueError:
        return "", ""
    return (read[0].template_id, read[0].template) if len(read) == 1 else ("", "")


def learn_risk() -> dict[str, Any]:
    """Train the risk model on the outcomes recorded, and keep it when there is evidence for it; what came of it."""
    schema = place.metadata_schema()
    with place.logged(MutationType.ANALYZE_WORKLOAD, "learn_query_risk") as note:
        with place.session() as session:
            rows = session.rows(question(session, "host/outcomes", schema), {"days": DAYS, "most": _MOST_OUTCOMES})
            training = train([RiskOutcome(r.template_id, r.cost, r.calls, r.bad) for r in reversed(rows)])
            version = None
            if training.curve is not None:
                metrics = {"skill": training.skill, "bad": training.bad, "templates": training.templates}
                kept = asdict(training.curve)
                version = add_model(session, RISK_MODEL, training.outcomes, kept, metrics, schema=schema)
        facts = {"outcomes": training.outcomes, "bad": training.bad, "templates": training.templates}
        result = {**facts, "skill": training.skill, "why": training.why, "model_version": version}
        note.details(**result)
    return result
