"""``history``: the mutation log."""

from __future__ import annotations

from indexpilot_cli.model.mutation import Mutation
from indexpilot_cli.model.results import HistoryResult
from indexpilot_cli.render.document import Block, Column, Document, Json, Lines, Table
from indexpilot_cli.render.units import DASH, one_line, plural, stamp
from indexpilot_cli.render.views.common import when

_COLUMNS = (
    Column("id", "short"),
    Column("when", "short"),
    Column("what"),
    Column("table"),
    Column("who", "short"),
    Column("details", "query"),
)
_QUIET = ("actor", "version", "password", "command")


def view(result: HistoryResult, *, verbose: bool = False) -> Document:
    """Mutations newest first; with ``verbose`` all details of each."""
    rows = tuple(_row(m, verbose) for m in result.mutations)
    shown = len(result.mutations)
    more = f", the newest {shown:,} shown (--limit)" if shown < result.total else ""
    summary = f"{plural(result.total, 'mutation')}{more}" if result.total else "nothing recorded yet"
    blocks: tuple[Block, ...] = (Lines((summary,)),)
    return Document(((Table(_COLUMNS, rows), *blocks) if rows else blocks), _payload(result))


def _row(mutation: Mutation, verbose: bool) -> tuple[str, ...]:
    where = ".".join(part for part in (mutation.table_name, mutation.field_name) if part)
    return (
        f"M-{mutation.id}",
        stamp(mutation.created_at),
        mutation.type.value,
        where or DASH,
        str(mutation.details.get("actor") or DASH),
        _details(mutation, verbose),
    )


def _details(mutation: Mutation, verbose: bool) -> str:
    hidden = () if verbose else _QUIET
    given = ((k, v) for k, v in mutation.details.items() if k not in hidden and v not in (None, "", [], {}))
    return one_line(", ".join(f"{key}: {value}" for key, value in given))


def _payload(result: HistoryResult) -> Json:
    return {
        "schema": result.schema,
        "total": result.total,
        "mutations": [
            {
                "id": f"M-{m.id}",
                "type": m.type.value,
                "tenant_id": m.tenant_id,
                "table": m.table_name,
                "field": m.field_name,
                "created_at": when(m.created_at),
                "details": dict(m.details),
            }
            for m in result.mutations
        ],
    }
