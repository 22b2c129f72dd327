"""Changing columns from a host application, and the mutation log: as the commands do both.

The same checks, steps and ways back as ``schema-evolve``. Every function works on the database of the process's pool.
Previews are the default: ``execute=True`` does it, and needs no question. Results are dictionaries of the published
schemas (``indexpilot schema schema_evolve_change``). What makes changes is imported when the first is asked for: an
application that only logs its queries starts without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.command import Outcome, Silent
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.errors import IndexPilotError, RefusedError, UsageError
from indexpilot_cli.evolve.change.values import ChangeResult, ColumnChangeKind
from indexpilot_cli.evolve.requests import ChangeRequest
from indexpilot_cli.host import place
from indexpilot_cli.log import metadata, mutations
from indexpilot_cli.log.mutations import LogFilter
from indexpilot_cli.snapshot.source import open_reader

Result = dict[str, Any]


def analyze_schema_change_impact(table_name: str, field_name: str, change: str = "drop_column") -> Result:
    """What hangs on a column: ``objects`` (indexes, views, functions …), ``queries``, ``profiles``, ``partitions``.

    ``change`` is drop_column, alter_type, rename_column or add_column. Answers are kept for five minutes. Raises
    UsageError for a table or column that is not there.
    """
    from indexpilot_cli.evolve.change.plan import impact_only

    request = _request(change, table_name, field_name)
    with _looked("analyze_schema_change_impact", request), open_reader(request.connection) as session:
        found = impact_only(session, request, Silent())
    data: Result = to_json(found)
    return data


def validate_schema_change(change: str, table_name: str, field_name: str, **asked: Any) -> list[dict[str, str | None]]:
    """Everything that is wrong with the change, as ``code, message, hint``; empty when it can be made.

    ``asked`` are the fields of the change: type, default, not_null, comment, unique, references, using, new_name,
    save, force.
    """
    from indexpilot_cli.evolve.change.plan import prepare

    # As if it were to be done: that something else vanishes with it is wrong only then.
    request = _request(change, table_name, field_name, **asked, execute=True)
    with _looked("validate_schema_change", request), open_reader(request.connection) as session:
        prepared = prepare(session, request, Silent())
    return [{"code": p.code, "message": p.message, "hint": p.hint} for p in prepared.problems]


def preview_schema_change(change: str, table_name: str, field_name: str, **asked: Any) -> Result:
    """The statements, what they block and touch, and the way back; nothing is changed. Raises what is wrong."""
    return _run(_request(change, table_name, field_name, **asked))


def generate_rollback_plan(change: str, table_name: str, field_name: str, **asked: Any) -> Result:
    """The way back of a change before it is made: ``statements``, ``after``, ``loss``, ``saved``."""
    undo: Result = preview_schema_change(change, table_name, field_name, **asked)["undo"]
    return undo


def safe_add_column(
    table_name: str, field_name: str, field_type: str, *, execute: bool = False, **asked: Any
) -> Result:
    """Add a column without a long lock; ``asked``: default, not_null, comment, unique, references."""
    return _run(_request("add_column", table_name, field_name, type=field_type, execute=execute, **asked))


def safe_drop_column(
    table_name: str, field_name: str, *, force: bool = False, execute: bool = False, **asked: Any
) -> Result:
    """Drop a column; ``force`` lets its indexes and constraints go too, ``save=True`` keeps its values."""
    return _run(_request("drop_column", table_name, field_name, force=force, execute=execute, **asked))


def safe_alter_column_type(
    table_name: str, field_name: str, new_type: str, *, using: str | None = None, execute: bool = False, **asked: Any
) -> Result:
    """Give a column another type, beside the writers where that would block them for long."""
    return _run(_request("alter_type", table_name, field_name, type=new_type, using=using, execute=execute, **asked))


def safe_rename_column(
    table_name: str, field_name: str, new_name: str, *, execute: bool = False, **asked: Any
) -> Result:
    """Rename a column; the genome catalog and the expression profiles follow in the same transaction."""
    return _run(_request("rename_column", table_name, field_name, new_name=new_name, execute=execute, **asked))


def clear_impact_cache() -> None:
    """Forget what ``analyze_schema_change_impact`` found before."""
    from indexpilot_cli.evolve import impact

    impact.clear_impact_cache()


@contextmanager
def _looked(function: str, request: ChangeRequest) -> Iterator[None]:
    with place.logged(MutationType.EXPLAIN, function, operation=request.kind) as note:
        schema_name, table = place.checked_table(request.table)
        note.table(str(table), schema_name, request.column)
        yield


def _request(change: str, table: str, field: str, **asked: Any) -> ChangeRequest:
    settings = place.current_settings()
    wanted = settings.operational.schema_evolution
    if not wanted.enabled:
        hint = "operational.schema_evolution.enabled: true in the configuration"
        raise RefusedError("schema changes are switched off", hint=hint, code="disabled")
    by_settings: dict[str, Any] = {
        "lock_timeout": wanted.lock_timeout_seconds,
        "retries": wanted.retries,
        "impact_seconds": wanted.impact_cache_seconds,
        "safeguards": settings.production_safeguards,
        "bypass": settings.bypass,
        "record": place.record_of(change, settings),
    }
    known = tuple(ColumnChangeKind)
    if change not in known:
        raise UsageError(f"unknown change: {change}", hint=f"known are {', '.join(known)}", code="unknown_change")
    return ChangeRequest(change, table, field, connection=place.connection(), confirmed=True, **(by_settings | asked))


def _run(request: ChangeRequest) -> Result:
    """The result as a dictionary; a change that failed raises."""
    from indexpilot_cli.evolve.change.execute import run

    outcome: Outcome[ChangeResult] = run(request, Silent(), lambda _planned: True)
    # Also for a change that failed: it may have stopped with a column already added or renamed.
    place.schema_changed()
    result = outcome.result
    if result.outcome in ("failed", "partial"):
        raise IndexPilotError(result.error or result.outcome, code=result.error_code)
    data: Result = to_json(result)
    return data


def log_audit_event(
    mutation_type: str,
    tenant_id: int | None = None,
    table_name: str | None = None,
    field_name: str | None = None,
    details: Mapping[str, Any] | None = None,
    actor: str | None = None,
) -> int | None:
    """Append an event and give its id; None while the log is switched off. Secrets in the details are masked.

    Raises UsageError for an unknown type, PrerequisiteError before our tables exist.
    """
    kind = mutations.mutation_type(mutation_type)
    schema_name, table = place.checked_table(table_name)
    event = Mutation(kind, dict(details or {}), tenant_id, table, field_name, schema_name=schema_name, actor=actor)
    if not place.logs():
        return None
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
    """The newest events that match, newest first, under the log's column names. Raises ValueError for a bad limit."""
    if limit < 0:
        raise ValueError(f"limit must be zero or more, not {limit}")
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
