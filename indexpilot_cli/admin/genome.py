"""``genome list`` and ``genome set``: what the genome catalog says of each field, and saying something else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Annotated

from indexpilot_cli.core.codec import Count
from indexpilot_cli.core.command import CommandRequest, Connection, Outcome, Progress, Record
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.genome import profiles
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import GenomeField, discover
from indexpilot_cli.genome.profiles import FieldSettings, named_fields
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import open_metadata


@dataclass(frozen=True, slots=True)
class GenomeListRequest(CommandRequest):
    """Fields of the genome catalog; every filter that is empty or None lets all pass."""

    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    group: str | None = None
    only_forbidden: bool = False


@dataclass(frozen=True, slots=True)
class FieldReport:
    """A row of the genome catalog."""

    table: QualifiedName
    field: str
    type: str
    required: bool
    indexable: bool
    default_expression: bool
    group: str | None
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class GenomeResult:
    """The genome catalog.

    The fields that match, by schema, table and position.
    """

    fields: tuple[FieldReport, ...]
    hidden: Annotated[Count, "fields left out by filters"] = 0


@dataclass(frozen=True, slots=True)
class GenomeSetRequest:
    """``wanted`` for these fields of a table (none named: all of them); ``write`` False only shows it."""

    connection: Connection
    table: str
    fields: tuple[str, ...] = ()
    wanted: FieldSettings = field(default_factory=FieldSettings)
    write: bool = False
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One value of one field before and after; ``setting`` is is_indexable or feature_group."""

    table: QualifiedName
    field: str
    setting: str
    before: str | bool | None
    after: str | bool


@dataclass(frozen=True, slots=True)
class GenomeSetResult:
    """Settings of fields that change."""

    written: Annotated[bool, "false: only shown, or nothing to change"]
    fields: Annotated[Count, "fields that were named"]
    changes: tuple[FieldChange, ...]


def list_fields(request: GenomeListRequest, progress: Progress) -> Outcome[GenomeResult]:
    """The fields that match the filters.

    Raises UsageError for a table the genome catalog does not have, PrerequisiteError before ``init``.
    """
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.DISCOVER, request.record) as note:
        progress.stage("reading the genome catalog")
        with open_metadata(request.connection) as (session, server):
            listed = [_report(row) for row in genome.stamped_fields(session, schema=schema)]
            # By the catalog, so that a table it does not have is an error and not an empty list.
            of_tables = chain.from_iterable(named_fields(session, t, (), schema) for t in request.tables)
            named = {f.table for f in of_tables}
        shown = tuple(f for f in listed if _wanted(f, request, named))
        note.details(shown=len(shown), total=len(listed))
    result = GenomeResult(shown, len(listed) - len(shown))
    after = () if listed else ("indexpilot discover --save",)
    return Outcome("genome", result, server=server, warnings=note.warnings, next=after)


def _report(row: Row) -> FieldReport:
    known = genome.field_of(row)
    return FieldReport(
        known.table,
        known.name,
        known.type,
        known.required,
        known.indexable,
        known.default_expression,
        known.group,
        row.created_at,
        row.updated_at,
    )


def _wanted(report: FieldReport, request: GenomeListRequest, tables: set[QualifiedName]) -> bool:
    return (
        (not request.tables or report.table in tables)
        and (not request.schemas or report.table.schema in request.schemas)
        and (request.group is None or report.group == request.group)
        and not (request.only_forbidden and report.indexable)
    )


def set_fields(request: GenomeSetRequest, progress: Progress) -> Outcome[GenomeSetResult]:
    """The changes, made with ``write``, each with its row in the log.

    Raises UsageError for what the genome catalog does not have and where nothing is to be set, PrerequisiteError
    before ``init``.
    """
    if request.wanted == FieldSettings():
        raise UsageError("nothing to set", hint="add --indexable, --not-indexable or --group", code="nothing_to_set")
    if request.wanted.group is not None and not request.wanted.group.strip():
        raise UsageError("a feature group has a name", hint="such as --group custom", code="bad_group")
    schema = request.connection.metadata_schema
    kind = MutationType.SYSTEM_CONFIG_CHANGE if request.write else MutationType.DISCOVER
    with bookkeeping(request.connection, kind, request.record, action="genome_set", table=request.table) as note:
        progress.stage("reading the genome catalog")
        with open_metadata(request.connection, write=request.write) as (session, server):
            fields = named_fields(session, request.table, request.fields, schema)
            if request.write:
                _write(session, fields, request)
            warnings = tuple(_without_method(session, fields, request.wanted))
        changes = tuple(chain.from_iterable(_changes(f, request.wanted) for f in fields))
        # Each change that was made has its row already.
        note.elsewhere = request.write and bool(changes)
        note.details(changes=len(changes), written=request.write)
    result = GenomeSetResult(changes=changes, written=request.write and bool(changes), fields=len(fields))
    return Outcome("genome_set", result, _status(result), 0, server, (*warnings, *note.warnings))


def _status(result: GenomeSetResult) -> str:
    if not result.changes:
        return "skipped"
    return "ok" if result.written else "findings"


def _write(session: Session, fields: Iterable[GenomeField], request: GenomeSetRequest) -> None:
    schema = request.connection.metadata_schema
    with session.transaction():  # all fields or none
        for now in fields:
            profiles.set_field(session, now, request.wanted, schema=schema, by=request.record)


def _changes(now: GenomeField, wanted: FieldSettings) -> Iterable[FieldChange]:
    for setting, (before, after) in wanted.changes(now).items():
        yield FieldChange(now.table, now.name, setting, before, after)


def _without_method(session: Session, fields: Sequence[GenomeField], wanted: FieldSettings) -> Iterable[Warn]:
    """A warning for each field that becomes indexable while the server has no index for its type."""
    opened = {f.key for f in fields if wanted.indexable and not f.indexable}
    if not opened:
        return
    for found in discover(session, schemas={key.table.schema for key in opened}):
        if found.field.key in opened and not found.field.indexable:
            name = f"{found.field.table.short}.{found.field.name}"
            text = f"its values ({found.field.type}) are none an index is of use for; an expression of it may be"
            yield Warn("no_index_method", name, text)
