"""``history``: the mutation log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from indexpilot_cli.admin.history import HistoryResult
from indexpilot_cli.core.codec import DocumentShape, From
from indexpilot_cli.core.mutation import Mutation
from indexpilot_cli.core.units import DASH
from indexpilot_cli.render.document import (
    Block,
    Count,
    Document,
    Lines,
    MutationNumber,
    TableBlock,
    columns,
)
from indexpilot_cli.render.units import one_line, plural, stamp
from indexpilot_cli.render.views.changes import mutation_number


class MutationDocument(DocumentShape):
    """A row of the mutation log."""

    id: Annotated[MutationNumber, From(mutation_number)]
    type: str
    tenant_id: int | None
    table: Annotated[str | None, From("table_name")]
    field: Annotated[str | None, From("field_name")]
    created_at: datetime | None
    details: Mapping[str, Any]
    schema: Annotated[str | None, From("schema_name")]
    op_id: Annotated[str | None, "joins the events of one operation"]
    state: Annotated[str | None, "DONE, FAILED, INTERRUPTED, or a word of the intent protocol"]
    actor: str | None
    index: Annotated[str | None, From("index_name")]
    sql: Annotated[str | None, "definition or statement", From("definition_sql")]
    undo: Annotated[str | None, "runs as it is", From("undo_sql")]
    sqlstate: str | None
    error: str | None


class HistoryDocument(DocumentShape):
    """The mutation log, newest first."""

    schema: str
    total: Count
    mutations: tuple[MutationDocument, ...]


_COLUMNS = columns("id|short", "when|short", "what", "state|state", "table", "who|short", "details|query")
_QUIET = ("actor", "version", "password", "command", "structure", "sql", "rollback_sql")

_UNREADABLE = ("packed",)  # a plan that only the program reads

_OF_AN_INDEX = ("error", "sqlstate", "recommendation", "plan", "reason")
_WORD = 40  # letters


def view(result: HistoryResult, *, verbose: bool = False) -> Document:
    """Mutations newest first; with ``verbose`` all details of each."""
    rows = tuple(_row(m, verbose) for m in result.mutations)
    shown = len(result.mutations)
    more = f", the newest {shown:,} shown (--limit)" if shown < result.total else ""
    summary = f"{plural(result.total, 'mutation')}{more}" if result.total else "nothing recorded yet"
    blocks: tuple[Block, ...] = (Lines((summary,)),)
    return Document(((TableBlock(_COLUMNS, rows), *blocks) if rows else blocks), result, HistoryDocument)


def _row(mutation: Mutation, verbose: bool) -> tuple[str, ...]:
    where = mutation.index_name or ".".join(part for part in (mutation.table_name, mutation.field_name) if part)
    return (
        f"M-{mutation.id}",
        stamp(mutation.created_at),
        mutation.type.value,
        mutation.state or DASH,
        where or DASH,
        str(mutation.actor or mutation.details.get("actor") or DASH),
        _details(mutation, verbose),
    )


def _details(mutation: Mutation, verbose: bool) -> str:
    told = {key: value for key, value in mutation.details.items() if key not in _UNREADABLE}
    facts = {"error": mutation.error, "sqlstate": mutation.sqlstate if mutation.error else None, **told}
    if not verbose:
        wanted = _OF_AN_INDEX if mutation.op_id else [key for key in facts if key not in _QUIET]
        facts = {key: _brief(facts[key]) for key in wanted if key in facts}
    return one_line(", ".join(f"{key}: {value}" for key, value in facts.items() if value not in (None, "", [], {})))


def _brief(value: object) -> object:
    """Lists of more than words are counted."""
    if isinstance(value, list) and not all(isinstance(item, str) and len(item) < _WORD for item in value):
        return len(value)
    return value
