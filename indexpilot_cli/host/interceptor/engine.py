"""The interceptor of this process: texts read once, plans kept, verdicts given, everything counted."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from indexpilot_cli.core import telemetry
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.queries import Composable
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host.interceptor.ask import CircuitBreaker, PlanFailedError, SessionSettings, ask_plan
from indexpilot_cli.host.interceptor.journal import RefusalJournal, RefusalKey
from indexpilot_cli.host.interceptor.learning import KnowledgeKeeper
from indexpilot_cli.host.interceptor.patterns import read_pattern
from indexpilot_cli.host.interceptor.plan_risk import facts_of, judge, rules_of, with_learned
from indexpilot_cli.host.interceptor.rates import TokenBuckets
from indexpilot_cli.host.interceptor.statement_text import (
    ReadStatement,
    StatementUse,
    Values,
    exactly,
    kind_of_value,
    read_text,
)
from indexpilot_cli.host.interceptor.verdict import QueryVerdict, SafetyLevel
from indexpilot_cli.host.place import TtlCache
from indexpilot_cli.settings.features import InterceptorSettings

_LATENCIES = 1_000
_LONG_TEXT = 16_384  # characters; a longer text is read anew each time, so that a thousand of them fill no memory
_UNREADABLE = "statement that cannot be read"
_Listed: TypeAlias = tuple[ReadStatement, str]  # and the list that it is on: deny, allow or ''


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """A statement as the host gives it; ``session`` are settings of the session that will run it."""

    sql: str
    params: Values | None = None
    tenant_id: int | str | None = None
    session: SessionSettings = ()


def asked_query(
    sql: object, params: Values | None, tenant_id: int | str | None, session: Mapping[str, str] | None
) -> AskedQuery:
    """The statement with its text as ``str``. Raises UsageError for what is none."""
    if isinstance(sql, Composable):
        sql = sql.as_string()
    if isinstance(sql, bytes):
        sql = sql.decode(errors="replace")
    if not isinstance(sql, str):
        raise UsageError(f"a statement is a text, not {type(sql).__name__}", code="not_a_statement")
    return AskedQuery(sql, params, tenant_id, tuple(session.items()) if session else ())


class Interceptor:
    """All state of one configuration. Any thread may ask."""

    def __init__(self, settings: InterceptorSettings, journal: RefusalJournal, knowledge: KnowledgeKeeper):
        self.settings = settings
        self._journal, self._knowledge = journal, knowledge
        self._rules = rules_of(settings)
        self._allow = [read_pattern(text) for text in settings.allow]
        self._deny = [read_pattern(text) for text in settings.deny]
        # For ever, because what a text says does not change; those that are used least go for want of room.
        self._texts: TtlCache[tuple[str, bool], tuple[_Listed, ...]] = TtlCache(math.inf, settings.cache_size)
        self._plans: TtlCache[object, QueryVerdict] = TtlCache(settings.cache_ttl_seconds, settings.cache_size)
        # What took too long is not tried again at once: each try costs the host the whole timeout.
        self._slow: TtlCache[object, QueryVerdict] = TtlCache(settings.cooldown_seconds, settings.cache_size)
        self._breaker = CircuitBreaker(settings.cooldown_seconds)
        self._templates = _buckets(settings.per_template_per_minute)
        self._tenants = _buckets(settings.per_tenant_per_minute)
        self._class_of = exactly if settings.exact_parameters else kind_of_value
        self._lock = threading.Lock()
        self._count: Counter[str] = Counter()
        self._took: dict[bool, deque[float]] = {hit: deque(maxlen=_LATENCIES) for hit in (True, False)}

    def verdict(self, query: AskedQuery) -> QueryVerdict:
        """What is to be done with the statement; the worst of several. Counted, and a refusal is noted for the log."""
        started = time.perf_counter()
        verdict = self._of_text(query)
        if not verdict.allowed and not self.settings.block and verdict.why != "rate":
            verdict = replace(verdict, allowed=True)
            told = "would_block"
        else:
            told = "blocked" if not verdict.allowed else "warned" if verdict.level is SafetyLevel.WARNING else "allowed"
        with self._lock:
            self._count["checked"] += 1
            self._count["rate_limited" if verdict.why == "rate" else told] += 1
            if verdict.why == "failure":
                self._count["failed_open" if verdict.allowed else "failed_closed"] += 1
        # A deque with a maximum appends as one step, so that this needs no lock.
        self._took[verdict.cached].append(time.perf_counter() - started)
        if told in ("blocked", "would_block"):
            self._note(verdict, query.tenant_id)
        return verdict

    def forget(self) -> None:
        """Empty the plan cache."""
        self._plans.clear()
        self._slow.clear()

    def metrics(self) -> dict[str, Any]:
        """The counters since this configuration began."""
        with self._lock:
            count = dict(self._count)
        names = ("checked", "allowed", "warned", "blocked", "would_block", "rate_limited", "failed_open")
        return {
            **{name: count.get(name, 0) for name in (*names, "failed_closed", "not_planned")},
            "cache_hits": count.get("cache_hits", 0),
            "cache_misses": count.get("cache_misses", 0),
            "cache_evictions": self._plans.evictions,
            "cache_size": len(self._plans),
            "server_failures": self._breaker.opened,
            "circuit_open": self._breaker.open,
            "log_failures": self._journal.failures,
            "latency_us": {"hit": _summary(self._took[True]), "miss": _summary(self._took[False])},
        }

    # -- one text

    def _of_text(self, query: AskedQuery) -> QueryVerdict:
        try:
            statements = self._read(query)
        except (ValueError, RecursionError) as error:
            return self._failed(None, f"the text cannot be read: {error}")
        verdicts = [self._of_statement(statement, listed, query) for statement, listed in statements]
        if not verdicts:
            return QueryVerdict(True, SafetyLevel.UNKNOWN, why="no_plan")
        return min(verdicts, key=_badness) if len(verdicts) > 1 else verdicts[0]

    def _read(self, query: AskedQuery) -> tuple[_Listed, ...]:
        with_params = query.params is not None
        if len(query.sql) > _LONG_TEXT:
            return self._listed(query.sql, with_params)
        return self._texts.get((query.sql, with_params), lambda: self._listed(query.sql, with_params))

    def _listed(self, sql: str, with_params: bool) -> tuple[_Listed, ...]:
        return tuple((statement, self._list_of(statement)) for statement in read_text(sql, with_params))

    def _list_of(self, statement: ReadStatement) -> str:
        if any(pattern.fits(statement, too_long=True) for pattern in self._deny):
            return "deny"
        return "allow" if any(pattern.fits(statement, too_long=False) for pattern in self._allow) else ""

    def _of_statement(self, statement: ReadStatement, listed: str, query: AskedQuery) -> QueryVerdict:
        # What is denied takes from no limit; what is allowed does, or a list would be a way around the limits.
        if listed == "deny":
            return self._named(statement, allowed=False, level=SafetyLevel.UNSAFE, why="deny")
        limited = self._limited(statement, query.tenant_id)
        if limited is not None:
            return limited
        if listed == "allow":
            return self._named(statement, level=SafetyLevel.SAFE, why="allow")
        if statement.use is StatementUse.WITHOUT_PLAN:
            self._add("not_planned")
            return self._named(statement, level=SafetyLevel.UNKNOWN, why="no_plan")
        if statement.use is StatementUse.HIDDEN:
            return self._failed(statement, "only the server knows what the statement runs")
        try:
            values = statement.values(query.params)
            key = (statement.digest, tuple(map(self._class_of, values)), query.session, query.tenant_id)
            return self._planned(statement, values, key, query)
        except (LookupError, TypeError) as error:
            return self._failed(statement, f"the values do not fit the statement: {error}")

    def _planned(self, statement: ReadStatement, values: Sequence[Any], key: object, query: AskedQuery) -> QueryVerdict:
        known = self._plans.peek(key) or self._slow.peek(key)
        if known is not None:
            self._add("cache_hits")
            return known
        self._add("cache_misses")
        if not self._breaker.lets_pass():
            return self._failed(statement, "the server did not answer lately")
        try:
            asked = ask_plan(statement.sql, values, query.session, self.settings.explain_timeout_seconds)
        except PlanFailedError as error:
            return self._no_answer(statement, error, key)
        self._breaker.succeeded()
        facts = facts_of(asked.plan, asked.sizes, trust_limit=self._rules.trust_limit)
        judged = judge(facts, self._rules)
        if self.settings.learned != "off":
            learned = self._knowledge.current().reasons(statement.template_id, facts.cost)
            judged = with_learned(judged, learned, self._rules, block=self.settings.learned == "block")
        score, level, reasons = judged
        verdict = self._named(statement, allowed=level is not SafetyLevel.UNSAFE, level=level, why="plan")
        verdict = replace(verdict, score=score, reasons=reasons, cost=facts.cost, cached=False)
        self._plans.put(key, replace(verdict, cached=True))
        return verdict

    def _no_answer(self, statement: ReadStatement, error: PlanFailedError, key: object) -> QueryVerdict:
        if error.server_down:
            self._breaker.failed()
        else:
            self._breaker.succeeded()
        verdict = self._failed(statement, error.message)
        if error.slow:
            self._slow.put(key, replace(verdict, cached=True))
        return verdict

    def _failed(self, statement: ReadStatement | None, error: str) -> QueryVerdict:
        allowed = self.settings.on_failure == "open"
        verdict = QueryVerdict(allowed, SafetyLevel.UNKNOWN, why="failure", error=error)
        if statement is None:
            return replace(verdict, template=_UNREADABLE, template_id=_UNREADABLE)
        return replace(verdict, template=statement.template, template_id=statement.template_id)

    def _named(self, statement: ReadStatement, *, level: SafetyLevel, why: str, allowed: bool = True) -> QueryVerdict:
        return QueryVerdict(
            allowed, level, why=why, template=statement.template, template_id=statement.template_id, cached=True
        )

    def _limited(self, statement: ReadStatement, tenant_id: int | str | None) -> QueryVerdict | None:
        waits = [self._templates.take(statement.template_id)] if self._templates else []
        if self._tenants and tenant_id is not None:
            waits.append(self._tenants.take(tenant_id))
        wait = max(waits, default=0.0)
        if not wait:
            return None
        verdict = self._named(statement, allowed=False, level=SafetyLevel.UNKNOWN, why="rate")
        return replace(verdict, retry_after=wait, error=f"room for another in {wait:.1f} s")

    def _add(self, name: str) -> None:
        with self._lock:
            self._count[name] += 1

    def _note(self, verdict: QueryVerdict, tenant_id: int | str | None) -> None:
        telemetry.count("interceptor.refused", why=verdict.why)
        kind = MutationType.RATE_LIMIT_EXCEEDED if verdict.why == "rate" else MutationType.QUERY_BLOCKED
        facts = {
            "template": verdict.template[:_LONG_TEXT],
            "template_id": verdict.template_id,
            "level": verdict.level.value,
            "score": verdict.score,
            "why": verdict.why,
            "reason": verdict.text if verdict.why == "plan" else verdict.why,
            "reasons": [
                {"code": r.code, "value": r.value, "limit": r.limit, "table": r.table} for r in verdict.reasons
            ],
            "refused": not verdict.allowed,
        }
        self._journal.add(RefusalKey(kind, verdict.template_id, tenant_id), facts)


def _buckets(capacity: int | None) -> TokenBuckets | None:
    return None if capacity is None else TokenBuckets(capacity)


def _badness(verdict: QueryVerdict) -> tuple[bool, bool, bool, float]:
    """Refused before allowed, a failure before a plan, what is not known to be safe first; then the lower score."""
    score = 1.0 if verdict.score is None else verdict.score
    return verdict.allowed, verdict.why != "failure", verdict.level is SafetyLevel.SAFE, score


def _summary(took: Sequence[float]) -> dict[str, float | int | None]:
    """Microseconds of the latest calls: how many, the middle one, the 95th of a hundred, the longest."""
    found = sorted(took)
    if not found:
        return {"count": 0, "p50": None, "p95": None, "max": None}
    middle, high = found[len(found) // 2], found[min(len(found) - 1, int(len(found) * 0.95))]
    return {"count": len(found), "p50": middle * 1e6, "p95": high * 1e6, "max": found[-1] * 1e6}
