"""Indexes under observation: the statement counters at the end of their build, kept until a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.db.queries import Jsonb
from indexpilot_cli.db.session import Session
from indexpilot_cli.db.statements import StatementEntry, StatementsSnapshot
from indexpilot_cli.log.room import SCHEMA, question


@dataclass(frozen=True, slots=True)
class IndexWatch:
    """One observation: ``facts`` as they were given, ``baseline`` the counters (without texts) when it began.

    ``expired`` says that the longest time of observation is over.
    """

    id: int
    begun: datetime
    facts: Mapping[str, Any]
    baseline: StatementsSnapshot
    expired: bool


def begin(session: Session, facts: Mapping[str, Any], baseline: StatementsSnapshot, *, schema: str = SCHEMA) -> int:
    """Keep the counters; gives the observation's id."""
    counters = {
        "facts": dict(facts),
        "evicted": baseline.evicted,
        "entries": [_packed(e) for e in baseline.entries],
        # These two tell a crash from a reset by hand: recovery counts anew and leaves stats_reset alone.
        "started": to_json(baseline.started),
        "counting_since": to_json(baseline.counting_since),
    }
    values = {"since": baseline.since, "counters": Jsonb(counters)}
    return int(session.value(question(session, "log/watch_add", schema), values))


def open_watches(session: Session, *, hours: float, schema: str = SCHEMA) -> tuple[IndexWatch, ...]:
    """All observations without a verdict, oldest first."""
    rows = session.rows(question(session, "log/watches", schema), {"hours": hours})
    return tuple(
        IndexWatch(r.id, r.taken_at, r.counters["facts"], _unpacked(r.counters, r.taken_at, r.stats_since), r.expired)
        for r in rows
    )


def end(session: Session, watch: int, *, schema: str = SCHEMA) -> bool:
    """Close the observation; False when somebody else already did."""
    # One UPDATE that asks for the open state: of two runs that judge the same index the second finds no row to change.
    return session.value(question(session, "log/watch_end", schema), {"id": watch}) is not None


# Without the texts: they are long, may hold values, and the counters are joined by role, query and level alone.
def _packed(entry: StatementEntry) -> list[Any]:
    key = [entry.role, str(entry.query_id) if entry.query_id is not None else None, entry.nested]
    return [*key, entry.calls, entry.total_ms, entry.mean_ms, entry.deviation_ms, entry.rows, entry.blocks]


def _unpacked(counters: Mapping[str, Any], taken_at: datetime, since: datetime | None) -> StatementsSnapshot:
    entries = tuple(
        StatementEntry(role, None if query is None else int(query), nested, None, *numbers)
        for role, query, nested, *numbers in counters["entries"]
    )
    return StatementsSnapshot(
        entries,
        taken_at,
        since,
        int(counters["evicted"]),
        started=_moment(counters.get("started")),
        counting_since=_moment(counters.get("counting_since")),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
