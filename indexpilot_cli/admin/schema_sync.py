"""``discover --sync``: what changed since the genome catalog was filled, and the catalog made to follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexpilot_cli.core.codec import Count
from indexpilot_cli.core.command import CommandRequest, Outcome, Progress
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.db.session import Session
from indexpilot_cli.genome import sync
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import discover
from indexpilot_cli.genome.sync import GenomeChange
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.snapshot.source import check_schemas, open_metadata


@dataclass(frozen=True, slots=True)
class SchemaSyncRequest(CommandRequest):
    """Compare these schemas (none: all) with the genome catalog; ``write``: the catalog follows."""

    schemas: tuple[str, ...] = ()
    write: bool = False


@dataclass(frozen=True, slots=True)
class SchemaSyncResult:
    """What changed in the database since the genome catalog was filled."""

    applied: Annotated[bool, "the catalog follows now"]
    tables: Annotated[Count, "in the catalog"]
    fields: Count
    changes: tuple[GenomeChange, ...]


def run(request: SchemaSyncRequest, progress: Progress) -> Outcome[SchemaSyncResult]:
    """Every difference between database and genome catalog; findings unless they were written or there is none.

    Raises UsageError for a schema that neither of them has, PrerequisiteError before ``init``.
    """
    kind = MutationType.SCHEMA_SYNC if request.write else MutationType.DISCOVER
    with bookkeeping(request.connection, kind, request.record) as note:
        progress.stage("comparing the database with the genome catalog")
        with open_metadata(request.connection, write=request.write) as (session, server):
            result = _synced(session, request)
        # What followed is logged in the transaction of the change.
        note.elsewhere = result.applied
        note.idle = None if result.changes else "no_changes"
        note.details(changes=len(result.changes), applied=result.applied)
    drift = bool(result.changes) and not result.applied
    after = ("indexpilot discover --sync --write",) if drift else ()
    status = "findings" if drift else "ok"
    return Outcome("schema_sync", result, status, 0, server, note.warnings, after)


def _synced(session: Session, request: SchemaSyncRequest) -> SchemaSyncResult:
    schema = request.connection.metadata_schema
    if request.schemas:
        _check_schemas(session, request.schemas, schema)
    done = sync.sync(
        session,
        schemas=request.schemas or None,
        apply=request.write,
        schema=schema,
        by=request.record,
    )
    known = [
        f for f in genome.fields(session, schema=schema) if f.table.schema in request.schemas or not request.schemas
    ]
    return SchemaSyncResult(
        changes=done.changes, applied=done.applied, tables=len({f.table for f in known}), fields=len(known)
    )


def _check_schemas(session: Session, wanted: tuple[str, ...], schema: str) -> None:
    # A schema that is gone has fields in the catalog still, and one that is new has tables only.
    known = {f.table.schema for f in genome.fields(session, schema=schema)}
    if not known.issuperset(wanted):
        known |= {d.field.table.schema for d in discover(session, schema=schema)}
    check_schemas(wanted, known)
