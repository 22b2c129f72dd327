"""The query interceptor: a statement of the host is judged by its plan before it runs.

Plans are asked for through the process's pool (``init_connection_pool``) with plain EXPLAIN: nothing is run. They are
made under the pool's role and search_path unless ``session`` names others, and kept for exactly these.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from indexpilot_cli import __version__
from indexpilot_cli.core.mutation import Mutation
from indexpilot_cli.errors import PrerequisiteError, UsageError
from indexpilot_cli.genome.profiles import tenant_number
from indexpilot_cli.host import place
from indexpilot_cli.host.interceptor.engine import Interceptor, asked_query
from indexpilot_cli.host.interceptor.journal import RefusalJournal, Refusals
from indexpilot_cli.host.interceptor.learning import (
    KnowledgeKeeper,
    OutcomeBook,
    RiskKnowledge,
    learn_risk,
    load_knowledge,
    write_outcomes,
)
from indexpilot_cli.host.interceptor.plan_risk import table_entries
from indexpilot_cli.host.interceptor.statement_text import Values
from indexpilot_cli.host.interceptor.verdict import QueryBlockedError, QueryVerdict, SafetyLevel, SafetyReason
from indexpilot_cli.log import mutations
from indexpilot_cli.log.bookkeeping import DONE, is_writable
from indexpilot_cli.settings.features import InterceptorSettings
from indexpilot_cli.settings.keys import convert, keys

__all__ = [
    "QueryBlockedError",
    "QueryVerdict",
    "SafetyLevel",
    "SafetyReason",
    "analyze_query_plan_fast",
    "configure_interceptor",
    "flush_interceptor_log",
    "get_interceptor_metrics",
    "intercept_query",
    "learn_query_risk",
    "note_outcome",
]
_SECTION = "features.interceptor."
_AT_EXIT = 2.0  # seconds that the host's end may wait for the last rows of the log


def intercept_query(
    sql: Any,
    params: Values | None = None,
    *,
    tenant_id: int | str | None = None,
    session: Mapping[str, str] | None = None,
) -> QueryVerdict:
    """The verdict on a statement that may run. Raises QueryBlockedError for one that may not.

    ``params`` are given as to psycopg: with them ``%s``, ``%(name)s`` or ``$1`` stand for values and ``%%`` for a
    percent sign; without them the text is taken as it is. ``session`` holds settings of the session that will run it,
    such as ``{"role": "app", "search_path": "tenant_7"}``. The statement is never run here, nor changed.

    Nothing else is raised but UsageError for what is no text: a statement that cannot be planned is allowed or refused
    by ``features.interceptor.on_failure``.
    """
    verdict = analyze_query_plan_fast(sql, params, tenant_id=tenant_id, session=session)
    if not verdict.allowed:
        raise QueryBlockedError(verdict)
    return verdict


def analyze_query_plan_fast(
    sql: Any,
    params: Values | None = None,
    *,
    tenant_id: int | str | None = None,
    session: Mapping[str, str] | None = None,
) -> QueryVerdict:
    """The same verdict, never raised: ``score`` 0-1, ``level``, ``reasons``, ``allowed``.

    It counts, and takes from rate limits, as ``intercept_query`` does.
    """
    interceptor = _state.interceptor()
    query = asked_query(sql, params, tenant_id, session)
    if not interceptor.settings.enabled or not place.is_on():
        return QueryVerdict(True, SafetyLevel.UNKNOWN, why="off")
    return interceptor.verdict(query)


def configure_interceptor(**settings: Any) -> InterceptorSettings:
    """Change settings of ``features.interceptor`` for this process; gives all of them as they are now.

    The first call begins with those of files and environment. ``tables`` may be a mapping, too, such as
    ``{"sales.orders": {"max_seq_scan_rows": 1000}}``. Kept plans and counters begin anew. Raises UsageError for an
    unknown name, a value out of range, or a pattern that cannot be read; then nothing changes.
    """
    changed = {name: _checked(name, value) for name, value in settings.items()}
    chosen = replace(_state.interceptor().settings, **changed)  # type: ignore[arg-type]
    _state.begin(chosen)
    return chosen


def get_interceptor_metrics() -> dict[str, Any]:
    """Counters since the last ``configure_interceptor``, of this process.

    ``checked`` is the sum of ``allowed``, ``warned``, ``blocked``, ``would_block`` (with ``block`` off) and
    ``rate_limited``; ``failed_open`` and ``failed_closed`` are those among them that had no plan; ``cache_*`` are of
    the plan cache; ``latency_us`` has ``count``, ``p50``, ``p95`` and ``max`` in microseconds of the latest thousand
    calls that asked the server (``miss``) and of as many that did not (``hit``).
    """
    return _state.interceptor().metrics()


def flush_interceptor_log(seconds: float = 10.0) -> bool:
    """Write the refusals and outcomes that are counted and not yet written; False when that did not succeed."""
    return _state.journal.flush(seconds) and _state.outcomes.flush()


def note_outcome(verdict: QueryVerdict, seconds: float, *, failed: bool = False, cancelled: bool = False) -> None:
    """Count how a statement ran that got this verdict; never raises.

    The block, the decorator and the event do it themselves. A statement that failed and was not ``cancelled`` tells
    nothing, nor does one that had no plan.
    """
    settings = _state.interceptor().settings
    if settings.learned == "off" or verdict.cost is None or (failed and not cancelled) or not place.collects():
        return
    milliseconds = seconds * 1000
    slow = milliseconds >= settings.slow_ms
    _state.outcomes.note(verdict, milliseconds, slow=slow, cancelled=cancelled)


def learn_query_risk() -> dict[str, Any]:
    """Learn from the outcomes of the last 30 days; what came of it.

    ``slow_templates`` are those of which half the calls or more (20 at least) were slow or cancelled, and those whose
    mean in pg_stat_statements is slow. A model of the risk by planner cost is trained, and kept in
    ``ml_model_metadata``, only where there is evidence: 200 outcomes, 20 of each kind, 10 templates, and a skill of 0.1
    on held-out outcomes; else ``model_version`` is None and ``why`` says what is missing. Raises PrerequisiteError
    before our tables are there.
    """
    _state.outcomes.flush()
    found = learn_risk()
    known = _load()
    _state.knowledge.keep(known)
    _forget()
    slow = [{"template": t.template, "calls": t.calls, "reason": t.reason.text} for t in known.slow.values()]
    return {**found, "slow_templates": slow}


def _checked(name: str, value: object) -> object:
    known = keys().get(_SECTION + name)
    if name == "tables" and isinstance(value, Mapping):
        value = table_entries(value)
    if known is None:
        names = sorted(path.removeprefix(_SECTION) for path in keys() if path.startswith(_SECTION))
        raise UsageError(f"the interceptor has no setting {name!r}", hint=f"one of {', '.join(names)}", code="no_key")
    try:
        return convert(known, list(value) if isinstance(value, tuple | set | frozenset) else value)
    except ValueError as error:
        raise UsageError(f"{name} {error}", code="bad_value") from None


def _write(rows: Sequence[Refusals]) -> None:
    """A row of the log for each; nothing where there is no log."""
    if not place.logs():
        return
    schema = place.metadata_schema()
    with place.session() as session:
        if not is_writable(session, schema):
            # Raised, so that the journal keeps the rows: after init, or a failover, they can be written.
            raise PrerequisiteError("the mutation log cannot be written")
        for row in rows:
            mutations.record(session, _mutation(row), schema=schema)


def _mutation(row: Refusals) -> Mutation:
    tenant = row.key.tenant_id
    plain = tenant_number(tenant)
    named = {} if tenant is None or plain is not None else {"tenant": str(tenant)}
    times = {"first_at": row.first_at, "last_at": row.last_at}
    actor = "host application"
    told = {"command": "host intercept_query", "version": __version__, "actor": actor}
    details = {**told, **row.facts, "count": row.count, **times, **named}
    return Mutation(row.key.type, details, tenant_id=plain, state=DONE, actor=actor)


def _load() -> RiskKnowledge:
    return load_knowledge(_state.interceptor().settings.slow_ms)


@dataclass
class _InterceptorState:
    """The process's interceptor, made at the first use, and its journal, which outlives configurations."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    journal: RefusalJournal = field(default_factory=lambda: RefusalJournal(_write))
    outcomes: OutcomeBook = field(default_factory=lambda: OutcomeBook(write_outcomes))
    knowledge: KnowledgeKeeper = field(default_factory=lambda: KnowledgeKeeper(_load))
    current: Interceptor | None = None
    chosen: bool = False  # by the host, so that a pool that is opened later does not change it

    def interceptor(self) -> Interceptor:
        """The one in use."""
        found = self.current
        if found is None:
            with self.lock:
                found = self.current = self.current or Interceptor(
                    place.read_settings().features.interceptor, self.journal, self.knowledge
                )
        return found

    def begin(self, settings: InterceptorSettings) -> None:
        """Another one with these settings."""
        # Before the lock is taken: patterns that cannot be read raise here, and change nothing.
        made = Interceptor(settings, self.journal, self.knowledge)
        with self.lock:
            self.current, self.chosen = made, True

    def follow(self) -> None:
        """Another pool is opened, and the configuration was read anew: what was planned on the old one is forgotten."""
        with self.lock:
            self.current = self.current if self.chosen else None
        if self.current is not None:
            self.current.forget()


_state = _InterceptorState()


def _after_fork() -> None:
    """A child begins anew: locks may have been held at the fork, and the parent's rows are the parent's."""
    global _state
    before, _state = _state, _InterceptorState()
    if before.current is not None:
        _state.begin(before.current.settings)
        _state.chosen = before.chosen


def _forget() -> None:
    if _state.current is not None:
        _state.current.forget()


def _at_exit() -> None:
    _state.journal.flush(_AT_EXIT)
    # In a thread, because a write alone may take longer than an ending process should wait.
    last = place.in_background(_state.outcomes.flush, "indexpilot-outcomes")
    if last is not None:
        last.join(_AT_EXIT)


place.on_schema_change(_forget)
place.on_configured(lambda _: _state.follow())
os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
