"""``history``: the mutation log."""

from __future__ import annotations

from indexpilot_cli.admin.values import HistoryResult
from indexpilot_cli.core.mutation import Mutation
from indexpilot_cli.core.units import DASH
from indexpilot_cli.render.document import Block, Column, Document, Json, Lines, Table
from indexpilot_cli.render.units import one_line, plural, stamp
from indexpilot_cli.render.views.common import when

_COLUMNS = (
    Column("id", "short"),
    Column("when", "short"),
    Column("what"),
    Column("state", "state"),
    Column("table"),
    Column("who", "short"),
    Column("details", "query"),
)
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
    return Document(((Table(_COLUMNS, rows), *blocks) if rows else blocks), _payload(result))


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


def _payload(result: HistoryResult) -> Json:
    return {
        "schema": result.schema,
        "total": result.total,
        "mutations": [mutation_json(m) for m in result.mutations],
    }


def mutation_json(mutation: Mutation) -> Json:
    """A row of the mutation log as JSON."""
    return {
        "id": f"M-{mutation.id}",
        "type": mutation.type.value,
        "tenant_id": mutation.tenant_id,
        "table": mutation.table_name,
        "field": mutation.field_name,
        "created_at": when(mutation.created_at),
        "details": dict(mutation.details),
        "schema": mutation.schema_name,
        "op_id": mutation.op_id,
        "state": mutation.state,
        "actor": mutation.actor,
        "index": mutation.index_name,
        "sql": mutation.definition_sql,
        "undo": mutation.undo_sql,
        "sqlstate": mutation.sqlstate,
        "error": mutation.error,
    }
