"""The intent log: what was meant, begun and reached for every index, as rows that are only ever added.

Beside it the indexes under observation: the statement counters at the end of their build, kept until a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.mutation import Event, MutationType, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.queries import Jsonb, filled
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.db.statements import StatementEntry, StatementsSnapshot
from indexpilot_cli.log.metadata import SCHEMA, question
from indexpilot_cli.log.mutations import announce
from indexpilot_cli.log.redact import scrub, scrub_known

_STATES = [state.value for state in OperationState]


@dataclass(frozen=True, slots=True)
class Which:
    """Operations to read: every field that is None lets all pass. ``ids`` are row ids, of any row of an operation."""

    op_ids: tuple[str, ...] | None = None
    ids: tuple[int, ...] | None = None
    plan: str | None = None
    since: datetime | None = None


def append(session: Session, event: Event, *, schema: str = SCHEMA, secrets: Iterable[str] = ()) -> Event:
    """Add the row and commit; gives the event with its id and the server's time."""
    # The sessions that write intents are autocommit: the row is on disk when this returns, before the DDL it announces.
    known = tuple(secrets)
    values = _parameters(event, known)
    row = session.one(question(session, "log/intent_insert", schema), values)
    assert row is not None
    announce(session, row, values)
    return replace(event, id=int(row.id), created_at=row.created_at)


def operations(session: Session, which: Which | None = None, *, schema: str = SCHEMA) -> tuple[tuple[Event, ...], ...]:
    """The events of each operation in the order they were written; operations in the order they began."""
    wanted = which or Which()
    parameters = {
        "states": _STATES,
        "op_ids": None if wanted.op_ids is None else list(wanted.op_ids),
        "ids": None if wanted.ids is None else list(wanted.ids),
        "plan": wanted.plan,
        "since": wanted.since,
        "last": False,
    }
    rows = session.rows(question(session, "log/intent_events", schema), parameters)
    events = sorted((_event(row) for row in rows), key=lambda e: (e.op_id, e.id or 0))
    grouped = [tuple(group) for _, group in groupby(events, key=lambda e: e.op_id)]
    return tuple(sorted(grouped, key=lambda group: group[0].id or 0))


def latest(session: Session, *, schema: str = SCHEMA) -> tuple[Event, ...]:
    """The newest event of every operation, oldest operation first."""
    parameters = {"states": _STATES, "op_ids": None, "ids": None, "plan": None, "since": None, "last": True}
    return tuple(_event(row) for row in session.rows(question(session, "log/intent_events", schema), parameters))


def _parameters(event: Event, secrets: Sequence[str]) -> dict[str, Any]:
    return {
        "mutation_type": event.type.value,
        "schema_name": event.table.schema,
        "table_name": event.table.name,
        "field_name": event.field,
        "details": Jsonb(scrub(event.details, secrets)),
        "op_id": event.op_id,
        "attempt": event.attempt,
        "state": event.state.value,
        "actor": event.actor,
        "relid": event.relid,
        "columns_fingerprint": event.columns_fingerprint,
        "index_name": event.index.name,
        "definition_sql": scrub_known(event.definition_sql, secrets),
        "undo_sql": scrub_known(event.undo_sql, secrets),
        "backend_pid": event.backend_pid,
        "backend_start": event.backend_start,
        "sqlstate": event.sqlstate,
        "error": scrub_known(event.error, secrets),
        "leftover": event.leftover,
    }


def _event(row: Row) -> Event:
    return filled(
        Event,
        row,
        type=MutationType(row.mutation_type),
        state=OperationState(row.state),
        table=QualifiedName(row.schema_name, row.table_name),
        index=QualifiedName(row.schema_name, row.index_name),
        relid=row.relid or 0,
        columns_fingerprint=row.columns_fingerprint or "",
        field=row.field_name,
        attempt=row.attempt or 1,
        details=row.details or {},
    )


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


def begin_watch(
    session: Session, facts: Mapping[str, Any], baseline: StatementsSnapshot, *, schema: str = SCHEMA
) -> int:
    """Keep the counters; gives the observation's id."""
    values = {"since": baseline.since, "counters": Jsonb({"facts": dict(facts), **packed(baseline)})}
    return int(session.value(question(session, "log/watch_add", schema), values))


def packed(baseline: StatementsSnapshot) -> dict[str, Any]:
    """The counters as JSON, for ``unpacked``; without their time and that of the last reset."""
    return {
        "evicted": baseline.evicted,
        "entries": [_entry(e) for e in baseline.entries],
        # These two tell a crash from a reset by hand: recovery counts anew and leaves stats_reset alone.
        "started": to_json(baseline.started),
        "counting_since": to_json(baseline.counting_since),
    }


def open_watches(session: Session, *, hours: float, schema: str = SCHEMA) -> tuple[IndexWatch, ...]:
    """All observations without a verdict, oldest first."""
    rows = session.rows(question(session, "log/watches", schema), {"hours": hours})
    return tuple(
        IndexWatch(r.id, r.taken_at, r.counters["facts"], unpacked(r.counters, r.taken_at, r.stats_since), r.expired)
        for r in rows
    )


def end_watch(session: Session, watch: int, *, schema: str = SCHEMA) -> bool:
    """Close the observation; False when somebody else already did."""
    # One UPDATE that asks for the open state: of two runs that judge the same index the second finds no row to change.
    return session.value(question(session, "log/watch_end", schema), {"id": watch}) is not None


# Without the texts: they are long, may hold values, and the counters are joined by role, query and level alone.
def _entry(entry: StatementEntry) -> list[Any]:
    key = [entry.role, str(entry.query_id) if entry.query_id is not None else None, entry.nested]
    return [*key, entry.calls, entry.total_ms, entry.mean_ms, entry.deviation_ms, entry.rows, entry.blocks]


def unpacked(counters: Mapping[str, Any], taken_at: datetime, since: datetime | None) -> StatementsSnapshot:
    """The counters that ``packed`` gave, with when they were read and when they had last been reset."""
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
