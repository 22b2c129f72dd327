"""The mutation log for host applications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from indexpilot_cli.core.mutation import Mutation
from indexpilot_cli.host import place
from indexpilot_cli.log import metadata, mutations
from indexpilot_cli.log.mutations import LogFilter


def log_audit_event(
    mutation_type: str,
    tenant_id: int | None = None,
    table_name: str | None = None,
    field_name: str | None = None,
    details: Mapping[str, Any] | None = None,
    actor: str | None = None,
) -> int:
    """Append an event and give its id. Secrets in the details are masked.

    Raises UsageError for an unknown type, PrerequisiteError before our tables exist.
    """
    kind = mutations.mutation_type(mutation_type)
    schema_name, table = place.checked_table(table_name)
    event = Mutation(kind, dict(details or {}), tenant_id, table, field_name, schema_name=schema_name, actor=actor)
    # A transaction of its own: the event stays when the host rolls back what it was about.
    with place.session() as session:
        metadata.require(session, place.metadata_schema())
        return mutations.record(session, event, schema=place.metadata_schema())


def get_recent_mutations(
    limit: int = 100,
    tenant_id: int | None = None,
    mutation_type: str | None = None,
    table_name: str | None = None,
    since: datetime | None = None,
) -> list[dict[str, Any]]:
    """The newest events that match, newest first, under the log's column names."""
    wanted = _filter(tenant_id, mutation_type, table_name, since)
    with place.session() as session:
        found = mutations.recent(session, wanted, limit=limit, schema=place.metadata_schema())
    return [_row(mutation) for mutation in found]


def get_mutation_summary(
    tenant_id: int | None = None,
    mutation_type: str | None = None,
    table_name: str | None = None,
    since: datetime | None = None,
) -> dict[str, Any]:
    """``total`` and, ``by_type``, count, failed, first and last of the events that match."""
    wanted = _filter(tenant_id, mutation_type, table_name, since)
    with place.session() as session:
        summary = mutations.summary(session, wanted, schema=place.metadata_schema())
    by_type = {
        c.type.value: {"count": c.count, "failed": c.failed, "first": c.first, "last": c.last} for c in summary.by_type
    }
    return {"total": summary.total, "by_type": by_type}


def _filter(
    tenant_id: int | None, mutation_type: str | None, table_name: str | None, since: datetime | None
) -> LogFilter:
    schema_name, table = place.checked_table(table_name)
    types = () if mutation_type is None else (mutations.mutation_type(mutation_type),)
    return LogFilter(tenant_id, types, table, schema_name, since)


def _row(mutation: Mutation) -> dict[str, Any]:
    plain = asdict(mutation)
    plain["mutation_type"] = plain.pop("type").value
    plain["details_json"] = plain.pop("details")
    return plain
