"""What earlier runs left for the algorithms that learn: outcomes, a model, and how often statements were called a day.

The counters of pg_stat_statements are kept once a day, by the fingerprint of each statement, whenever the counters of
indexes are. Between two of them calls are taken to be spread evenly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from indexpilot_cli.core.measured import BENEFIT_MODEL, DailyCalls, Learned
from indexpilot_cli.core.workload import is_own
from indexpilot_cli.db.queries import Jsonb
from indexpilot_cli.db.session import Session
from indexpilot_cli.db.statements import StatementsSnapshot, take_snapshot
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.log.metadata import SCHEMA, is_ready, question
from indexpilot_cli.log.outcomes import models, outcomes
from indexpilot_cli.sql.parser import fingerprint

KEPT_DAYS = 400
LOOKED_AT = 120  # days of calls that a forecast goes by
GAP = 3  # days without a snapshot, from which nothing is said of the time before
_MOST = 2_000  # statements of a snapshot, by their time


@dataclass(frozen=True, slots=True)
class CallCounters:
    """Calls of statements, by their fingerprint, since the counters began anew (``since``, None: unknown)."""

    taken_at: datetime
    since: datetime | None
    calls: Mapping[str, float]


def learned(session: Session, *, schema: str = SCHEMA) -> Learned:
    """All of it; nothing where our tables are not there or may not be read."""
    try:
        with session.transaction():  # a savepoint: a right that is missing must not end the transaction around it
            if not is_ready(session, schema):
                return Learned()
            kept = models(session, BENEFIT_MODEL, schema=schema)
            model = kept[0].parameters if kept else None
            return Learned(outcomes(session, schema=schema), daily_calls(counters(session, schema=schema)), model)
    except IndexPilotError:
        return Learned()


def keep_calls(session: Session, cluster: str, database: int, *, schema: str = SCHEMA) -> bool:
    """Keep the counters of statements once a day; False when it was done today, or there is nothing to read."""
    if not session.value(question(session, "log/calls_due", schema), {"cluster": cluster}):
        return False
    try:
        snapshot = take_snapshot(session)
    except IndexPilotError:  # the extension is not there, or not for this role
        return False
    found = by_fingerprint(snapshot)
    kept = {"cluster": cluster, "database": database, "prints": list(found), "calls": list(found.values())}
    values = {"taken_at": snapshot.taken_at, "since": snapshot.since, "counters": Jsonb(kept)}
    session.execute(question(session, "log/calls_add", schema), values)
    session.execute(question(session, "log/calls_prune", schema), {"days": KEPT_DAYS})
    return True


def by_fingerprint(snapshot: StatementsSnapshot) -> dict[str, float]:
    """Calls of the statements that took most time; those of several roles together."""
    heaviest = sorted(snapshot.entries, key=lambda e: -e.total_ms)
    found: dict[str, float] = defaultdict(float)
    for entry in heaviest[:_MOST]:
        printed = None if entry.nested or not entry.text or is_own(entry.text) else fingerprint(entry.text)
        if isinstance(printed, str):
            found[printed] += entry.calls
    return dict(found)


def counters(session: Session, *, schema: str = SCHEMA) -> tuple[CallCounters, ...]:
    """The counters of the last months, oldest first."""
    rows = session.rows(question(session, "log/calls", schema), {"days": LOOKED_AT})
    return tuple(CallCounters(r.taken_at, r.since, _calls(r.counters)) for r in rows)


def _calls(kept: Mapping[str, Any]) -> dict[str, float]:
    return dict(zip(kept["prints"], kept["calls"], strict=True))


def daily_calls(kept: Sequence[CallCounters]) -> Mapping[str, DailyCalls]:
    """By fingerprint the calls of each whole day that snapshots lie around, without a gap between them."""
    spans = list(pairwise(kept))
    for number, (before, later) in reversed(list(enumerate(spans))):
        if later.taken_at - before.taken_at > timedelta(days=GAP):
            spans = spans[number + 1 :]
            break
    if not spans:
        return MappingProxyType({})
    begun, ended = spans[0][0].taken_at.astimezone(UTC), spans[-1][1].taken_at.astimezone(UTC)
    first = begun.date() if begun.time() == time.min else begun.date() + timedelta(days=1)
    days = (ended.date() - first).days
    if days <= 0:
        return MappingProxyType({})
    found: dict[str, list[float]] = {}
    for before, later in spans:
        for name, calls in _between(before, later).items():
            _spread(found.setdefault(name, [0.0] * days), first, before.taken_at, later.taken_at, calls)
    return MappingProxyType({name: DailyCalls(first, tuple(calls)) for name, calls in found.items()})


def _between(before: CallCounters, later: CallCounters) -> dict[str, float]:
    """What was called in between; counters that fell began anew."""
    anew = before.since != later.since
    found = {}
    for name, calls in later.calls.items():
        old = 0.0 if anew else before.calls.get(name, 0.0)
        found[name] = calls - old if calls >= old else calls
    return found


def _spread(days: list[float], first: date, since: datetime, until: datetime, calls: float) -> None:
    """Add the calls of a span of time to its days, by how much of it lies in each."""
    length = (until - since).total_seconds()
    if length <= 0:
        return
    midnight = datetime.combine(first, time.min, UTC)
    for number in range(max(0, (since - midnight).days), min(len(days), (until - midnight).days + 1)):
        begins = midnight + timedelta(days=number)
        inside = (min(until, begins + timedelta(days=1)) - max(since, begins)).total_seconds()
        days[number] += calls * max(inside, 0.0) / length
