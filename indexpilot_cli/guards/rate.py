"""A token bucket whose state is the log of builds, so that every process sees the same bucket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError
from indexpilot_cli.guards.context import Guard, GuardContext, Verdict
from indexpilot_cli.log.metadata import SCHEMA, question
from indexpilot_cli.settings.sections import RateLimiterSettings

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HISTORY = timedelta(days=14)  # of builds to replay; a bucket that was full once since then is exact
_KEY = "production_safeguards.rate_limiter"
_WHOLE = 1 - 1e-9  # a token that arithmetic with fractions has rounded away


@dataclass(frozen=True, slots=True)
class LoggedBuild:
    """A build that was begun at ``at``."""

    table: QualifiedName | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """Holds up to ``capacity`` tokens and gains that many, evenly, in each ``period``. A build takes one."""

    capacity: int
    period: timedelta

    def tokens(self, builds: Iterable[datetime], now: datetime) -> float:
        """What is in the bucket, full before the first build. Builds after ``now`` count as just now."""
        level, seen = float(self.capacity), None
        for at in sorted(min(b, now) for b in builds):
            level = max(0.0, self._after(level, seen, at) - 1)
            seen = at
        return self._after(level, seen, now)

    def ready_at(self, builds: Iterable[datetime], now: datetime) -> datetime:
        """When there will be one token."""
        missing = max(0.0, 1 - self.tokens(builds, now))
        return now + self.period * (missing / self.capacity)

    def _after(self, level: float, since: datetime | None, until: datetime) -> float:
        gained = 0.0 if since is None else self.capacity * ((until - since) / self.period)
        return min(float(self.capacity), level + gained)


@dataclass(frozen=True, slots=True)
class _RateLimit:
    key: str
    words: str
    bucket: Bucket


def read(context: GuardContext) -> tuple[LoggedBuild, ...] | None:
    """The builds of the time that counts, without the ones that are asked for; None: the log cannot be read."""
    request = context.request
    asked, schema = [o.op_id for o in request.operations], request.connection.metadata_schema
    try:
        return logged_builds(context.session, context.now - HISTORY, except_ops=asked, schema=schema)
    except AnsweredError:
        return None


def logged_builds(
    session: Session, since: datetime, *, except_ops: Sequence[str] = (), schema: str = SCHEMA
) -> tuple[LoggedBuild, ...]:
    """Builds begun since then, oldest first, each once; failed ones count, those of ``except_ops`` do not."""
    # A build that failed has read the table and loaded the server as one that did not.
    parameters = {"since": since, "except_ops": list(except_ops)}
    rows = session.rows(question(session, "guards/builds", schema), parameters)
    return tuple(LoggedBuild(_name(row.schema_name, row.table_name), row.at.astimezone(UTC)) for row in rows)


def _name(schema: str | None, table: str | None) -> QualifiedName | None:
    return None if table is None else QualifiedName(schema or "public", table)


def judge(
    settings: RateLimiterSettings, builds: Sequence[LoggedBuild] | None, wanted: Sequence[QualifiedName], now: datetime
) -> tuple[Verdict, ...]:
    """One verdict for all tables together and one for each table that has a limit to tell of.

    ``builds`` None: the log cannot be read, and then nothing is built. ``wanted`` has a name per index.
    """
    if not settings.enabled:
        return (Verdict("rate", True, "the rate limiter is off", f"{_KEY}.enabled"),)
    if builds is None:
        reason = "the log of builds cannot be read, so nobody knows how many there were"
        return (Verdict("rate", False, reason, "mutation_log", forceable=True),)
    times = [b.at for b in builds]
    everywhere = [
        _RateLimit("max_indexes_per_hour", "an hour", Bucket(settings.max_indexes_per_hour, HOUR)),
        _RateLimit("max_indexes_per_day", "a day", Bucket(settings.max_indexes_per_day, DAY)),
    ]
    found = [_tightest([_one(limit, times, len(wanted), now) for limit in everywhere])]
    for table in dict.fromkeys(wanted):
        limit = _RateLimit(
            "max_indexes_per_table_per_day", "a day on a table", Bucket(settings.max_indexes_per_table_per_day, DAY)
        )
        own = [b.at for b in builds if b.table == table]
        verdict = _one(limit, own, list(wanted).count(table), now, table)
        found += [verdict] if not verdict.allowed or verdict.warning else []
    return tuple(found)


def _one(
    limit: _RateLimit, times: Sequence[datetime], wanted: int, now: datetime, table: QualifiedName | None = None
) -> Verdict:
    tokens = limit.bucket.tokens(times, now)
    recent = sum(1 for at in times if now - at < limit.bucket.period)
    place = f" on {table.short}" if table is not None else ""
    origin = f"{_KEY}.{limit.key}"
    allowance = f"{_builds(limit.bucket.capacity)} {limit.words}"
    if tokens < _WHOLE:
        text = f"{_builds(recent)}{place} within {limit.words.split(' on')[0]}, the limit is {allowance}"
        again = limit.bucket.ready_at(times, now)
        return Verdict("rate", False, text, origin, retry_at=again, table=table, forceable=True)
    room = int(tokens + 1 - _WHOLE)
    if room < wanted:
        text = f"room for {room} of {_builds(wanted)}{place} now, the limit is {allowance}"
        return Verdict("rate", True, text, origin, warning=True, table=table)
    text = f"{_builds(recent)}{place} so far, room for {room} more, the limit is {allowance}"
    return Verdict("rate", True, text, origin, table=table)


def _builds(count: int) -> str:
    return "1 build" if count == 1 else f"{count} builds"


def _tightest(verdicts: Sequence[Verdict]) -> Verdict:
    refused = [v for v in verdicts if not v.allowed]
    if refused:
        return max(refused, key=lambda v: v.retry_at.timestamp() if v.retry_at else 0.0)
    return next((v for v in verdicts if v.warning), verdicts[0])


def _ask(context: GuardContext) -> tuple[Verdict, ...]:
    settings, wanted = context.request.safeguards.rate_limiter, [o.table for o in context.request.creating]
    return judge(settings, read(context) if settings.enabled else (), wanted, context.now)


GUARD = Guard("rate", 4, _ask)
