"""Rows of the mutation log about a schema change: what was meant, which steps stand, how it ended."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.mutation import Mutation, MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, RefusedError
from indexpilot_cli.evolve.change.values import ChangeKind, SchemaChange, Undo
from indexpilot_cli.evolve.relation import RelationFacts
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.log import mutations

PLANNED = "PLANNED"
STEP = "STEP"
DONE = "DONE"
FAILED = "FAILED"
INTERRUPTED = "INTERRUPTED"
REVERTED = "REVERTED"

_STATES = frozenset({PLANNED, STEP, DONE, FAILED, INTERRUPTED, REVERTED})
_READ = 2000  # newest rows of one table and kind
_TYPES = tuple(kind.mutation for kind in ChangeKind)


@dataclass(frozen=True, slots=True)
class Story:
    """All rows of one change, oldest first."""

    rows: tuple[Mutation, ...]

    @property
    def op_id(self) -> str:
        """The UUID that joins them."""
        return str(self.rows[0].op_id)

    @property
    def last(self) -> Mutation:
        """The newest row."""
        return self.rows[-1]

    @property
    def state(self) -> str:
        """How it stands: the newest row that says so, failures of a way back left out."""
        told = [r for r in self.rows if not r.details.get("reverts")]
        if any(r.state == REVERTED for r in self.rows):
            return REVERTED
        return str(told[-1].state)

    @property
    def done_steps(self) -> frozenset[int]:
        """Numbers of the steps that stand."""
        return frozenset(int(r.details["step"]) for r in self.rows if r.state == STEP and r.details.get("done"))

    @property
    def change(self) -> SchemaChange:
        """The change as it was planned. Raises RefusedError when the log does not have it whole."""
        return from_json(SchemaChange, _whole(self.rows[0].details.get("change")))

    @property
    def before(self) -> RelationFacts:
        """The table as it was before."""
        return from_json(RelationFacts, _whole(self.rows[0].details.get("before")))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What our own tables said of the column."""
        found = self.rows[0].details.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def undo(self) -> Undo:
        """The way back of the newest row that has one."""
        found = next(r.details["undo"] for r in reversed(self.rows) if r.details.get("undo"))
        return from_json(Undo, _whole(found))


def mutation(
    ctx: RunContext, change: SchemaChange, op_id: str, state: str, details: Mapping[str, object], **more: Any
) -> Mutation:
    """A row about the change."""
    facts = {"command": ctx.record.command, "version": ctx.record.version, **details}
    return Mutation(
        type=change.kind.mutation,
        details=facts,
        table_name=change.table.name,
        field_name=change.column,
        schema_name=change.table.schema,
        op_id=op_id,
        state=state,
        actor=ctx.record.actor or None,
        **more,
    )


def write(ctx: RunContext, row: Mutation, session: Session | None = None) -> int:
    """Append the row, in the transaction of ``session`` where one is given; gives its id."""
    return mutations.record(session or ctx.log, row, schema=ctx.schema, secrets=ctx.secrets)


def planned(
    ctx: RunContext, change: SchemaChange, op_id: str, before: RelationFacts, known: Mapping[str, object]
) -> int:
    """The intent, before anything happens."""
    details = {
        "change": packed(change),
        "before": packed(before),
        "metadata": dict(known),
        "undo": packed(change.undo),
        "loss": change.undo.loss,
        "asked": dict(change.asked),
    }
    script = ";\n".join(change.statements)
    row = mutation(ctx, change, op_id, PLANNED, details, definition_sql=script, undo_sql=change.undo.script)
    return write(ctx, row)


def failed(
    ctx: RunContext, change: SchemaChange, op_id: str, error: IndexPilotError, state: str = FAILED, **facts: Any
) -> int:
    """How it failed, with the server's code."""
    details = {"error_code": error.code, **({"detail": error.detail} if error.detail else {}), **facts}
    row = mutation(ctx, change, op_id, state, details, sqlstate=sqlstate(error), error=error.message)
    return write(ctx, row)


def refused(
    ctx: RunContext, kind: ChangeKind, table: str, column: str, error: IndexPilotError, schema_name: str | None = None
) -> int:
    """A change that was never begun."""
    row = Mutation(
        type=kind.mutation,
        details={"command": ctx.record.command, "version": ctx.record.version, "error_code": error.code},
        table_name=table,
        field_name=column,
        schema_name=schema_name,
        state=FAILED,
        actor=ctx.record.actor or None,
        sqlstate=sqlstate(error),
        error=error.message,
    )
    return write(ctx, row)


def stories(session: Session, schema: str, table: QualifiedName | None = None) -> tuple[Story, ...]:
    """Every change of the log (of one table), the newest first."""
    wanted = mutations.LogFilter(
        types=_TYPES, table_name=table.name if table else None, schema_name=table.schema if table else None
    )
    groups: dict[str, list[Mutation]] = {}
    for row in mutations.recent(session, wanted, limit=_READ, schema=schema):
        if row.op_id is not None and row.state in _STATES:
            groups.setdefault(row.op_id, []).append(row)
    whole = [Story(tuple(reversed(rows))) for rows in groups.values()]
    return tuple(s for s in whole if s.rows[0].state == PLANNED)


def open_story(
    ctx: RunContext, kind: MutationType, table: QualifiedName, column: str, asked: Mapping[str, object]
) -> Story | None:
    """The same change, begun before and neither ended nor taken back, some of whose steps stand; None without one."""
    for story in stories(ctx.log, ctx.schema, table):
        first = story.rows[0]
        if (first.type, first.field_name) != (kind, column) or story.state in (DONE, REVERTED):
            continue
        same = json.dumps(first.details.get("asked"), sort_keys=True) == json.dumps(dict(asked), sort_keys=True)
        return story if same and story.done_steps else None
    return None


def packed(value: object) -> str:
    """The value as text that the log's search for secrets leaves whole: ``token = 'x'`` in a CHECK is none."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(to_json(value)).encode())).decode().rstrip("=")


def _whole(found: object) -> Any:
    """What ``packed`` gave. Raises RefusedError when the log does not have it."""
    try:
        text = str(found)
        return json.loads(zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    except (ValueError, zlib.error) as error:
        hint = "its statements are in the log: indexpilot history"
        raise RefusedError("the log does not hold the whole change", hint=hint, code="not_restorable") from error
