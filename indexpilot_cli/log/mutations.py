"""The mutation log: written once per action, never changed, free of secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from typing import Any

from indexpilot_cli.core import telemetry
from indexpilot_cli.core.command import Record
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.db.queries import Jsonb
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.log.metadata import SCHEMA, question
from indexpilot_cli.log.redact import scrub, scrub_known

_TEXTS = ("schema_name", "table_name", "field_name", "index_name", "actor", "state", "sqlstate")
_SCRUBBED = ("definition_sql", "undo_sql", "error")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which rows: every field that is None (or empty) lets all pass. ``since`` is aware of its time zone.

    Rows with a type this program does not know (a newer one wrote them) never pass.
    """

    tenant_id: int | None = None
    types: tuple[MutationType, ...] = ()
    table_name: str | None = None
    schema_name: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class MutationCount:
    """How often one kind of action is in the log, how many of those failed, and when."""

    type: MutationType
    count: int
    failed: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class MutationSummary:
    """Counts by type, most frequent first; ``total`` is their sum."""

    total: int
    by_type: tuple[MutationCount, ...] = field(default=())


def mutation_type(word: str) -> MutationType:
    """The type of that name in any case; UsageError with the nearest known word when there is none."""
    try:
        return MutationType(word.upper())
    except ValueError:
        near = get_close_matches(word.upper(), list(MutationType), n=1)
        raise UsageError(
            f"unknown mutation type {word[:80]!r}",
            hint=f"did you mean {near[0]}?" if near else f"one of {', '.join(MutationType)}",
            code="unknown_mutation_type",
        ) from None


def record(session: Session, mutation: Mutation, *, schema: str = SCHEMA, secrets: Iterable[str] = ()) -> int:
    """Append the event; gives its id. Details and SQL are scrubbed, ``secrets`` literally wherever they stand."""
    # Scrubbed before it leaves the process: what was written once stays in the table's WAL and in every backup.
    known = tuple(secrets)
    values: dict[str, Any] = {name: scrub_known(getattr(mutation, name)) for name in _TEXTS}
    values |= {name: scrub_known(getattr(mutation, name), known) for name in _SCRUBBED}
    values |= {
        "tenant_id": mutation.tenant_id,
        "mutation_type": MutationType(mutation.type).value,
        "details": Jsonb(scrub(mutation.details, known)),
        "op_id": mutation.op_id,
    }
    row = session.one(question(session, "log/insert", schema), values)
    assert row is not None
    announce(session, row, values)
    return int(row.id)


def record_change(session: Session, mutation: Mutation, by: Record, *, schema: str = SCHEMA) -> None:
    """Append the event in the transaction of its change, by whom it was asked for; nothing while the log is off."""
    if by.enabled:
        record(session, replace(mutation, actor=by.actor or None), schema=schema)


def announce(session: Session, row: Row, values: Mapping[str, Any]) -> None:
    """Tell a host of the row with that id and time, as soon as it is committed."""
    if telemetry.listening():
        told = {name: value for name, value in values.items() if name != "details"}
        told |= {"id": row.id, "created_at": row.created_at, "details_json": values["details"].obj}
        session.after_commit(partial(telemetry.mutation, told))


def recent(
    session: Session, wanted: LogFilter | None = None, *, limit: int = 100, schema: str = SCHEMA
) -> tuple[Mutation, ...]:
    """The newest events that match, newest first."""
    parameters = _parameters(wanted or LogFilter()) | {"limit": limit, "id": None}
    return tuple(_mutation(row) for row in session.rows(question(session, "log/recent", schema), parameters))


def find(session: Session, mutation_id: int, *, schema: str = SCHEMA) -> Mutation | None:
    """The event of that id, or None."""
    parameters = _parameters(LogFilter()) | {"limit": 1, "id": mutation_id}
    row = session.one(question(session, "log/recent", schema), parameters)
    return None if row is None else _mutation(row)


def summary(session: Session, wanted: LogFilter | None = None, *, schema: str = SCHEMA) -> MutationSummary:
    """How many events match, by type."""
    rows = session.rows(question(session, "log/summary", schema), _parameters(wanted or LogFilter()))
    counts = tuple(MutationCount(MutationType(r.mutation_type), r.count, r.failed, r.first, r.last) for r in rows)
    return MutationSummary(sum(c.count for c in counts), counts)


def _parameters(wanted: LogFilter) -> dict[str, Any]:
    return {
        "tenant_id": wanted.tenant_id,
        "types": [t.value for t in wanted.types or tuple(MutationType)],
        "table_name": wanted.table_name,
        "schema_name": wanted.schema_name,
        "since": wanted.since,
    }


def _mutation(row: Row) -> Mutation:
    values: Mapping[str, Any] = row._asdict()
    rest = {name: value for name, value in values.items() if name not in ("mutation_type", "details")}
    return Mutation(type=MutationType(row.mutation_type), details=row.details or {}, **rest)
