"""The story of an online type change in the mutation log: rows of one operation, the plan in the first of them."""

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
from indexpilot_cli.core.operation import OperationState
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, UnreachableError
from indexpilot_cli.evolve.change.online.values import OnlinePlan, Side
from indexpilot_cli.execute import build
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.log import mutations
from indexpilot_cli.log.room import question

KIND = "shadow_type_change"
_CLOSED = frozenset({OperationState.FAILED_CLEAN, OperationState.KEPT, OperationState.REVERTED})


@dataclass(frozen=True, slots=True)
class Told:
    """One row: its state and details."""

    id: int
    state: OperationState
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """An operation of the log: its plan (the latest, when it was made anew) and its rows in order."""

    plan: OnlinePlan
    rows: tuple[Told, ...]

    @property
    def open(self) -> bool:
        """Whether there is something left to go on with, to finish or to take back."""
        return self.rows[-1].state not in _CLOSED

    def page(self, side: Side) -> int:
        """The page up to which the side's column is filled, as last written down; 0 after a new trigger."""
        for row in reversed(self.rows):
            if row.details.get("side") == side.value and row.details.get("step") == "fill":
                return int(row.details.get("page", 0))
            if row.details.get("step") == "follow":
                break
        return 0


def tell(
    ctx: RunContext,
    plan: OnlinePlan,
    state: OperationState,
    step: str,
    *,
    error: IndexPilotError | None = None,
    **facts: Any,
) -> int:
    """Add a row; gives its id. Raises OutcomeUnknownError when the log cannot be written any more."""
    reason = _said(plan, step, facts)
    details = {
        "kind": KIND,
        "step": step,
        "reason": reason,
        "command": ctx.record.command,
        "version": ctx.record.version,
        **facts,
    }
    row = Mutation(
        MutationType.ALTER_COLUMN,
        {name: fact for name, fact in details.items() if fact not in (None, "")},
        table_name=plan.table.name,
        schema_name=plan.table.schema,
        field_name=plan.column,
        op_id=plan.op_id,
        state=state.value,
        actor=ctx.record.actor or None,
        sqlstate=sqlstate(error),
        error=None if error is None else error.detail or error.message,
    )
    return _written(ctx, row, first=state is OperationState.INTENT)


def intend(ctx: RunContext, plan: OnlinePlan, type_text: str, using: str | None) -> int:
    """The first row: everything that is meant to happen. The plan is packed, so that no masking can change it."""
    packed = base64.b64encode(zlib.compress(json.dumps(to_json(plan)).encode())).decode()
    return tell(
        ctx,
        plan,
        OperationState.INTENT,
        "intent",
        packed=packed,
        old_type=plan.old_type,
        new_type=plan.new_type,
        type=type_text,
        using=using,
    )


def stories(ctx: RunContext, column: str | None = None) -> tuple[Story, ...]:
    """The operations on columns of that name (None: all), the oldest first; those of unknown versions are left out."""
    parameters = {"field_name": column}
    groups: dict[str, list[Told]] = {}
    for row in ctx.log.rows(question(ctx.log, "online/log_rows", ctx.schema), parameters):
        groups.setdefault(row.op_id, []).append(Told(row.id, OperationState(row.state), row.details or {}))
    found = (_story(tuple(rows)) for rows in groups.values())
    return tuple(story for story in found if story is not None)


def newest_open(ctx: RunContext, table: QualifiedName, column: str) -> Story | None:
    """The operation on the column that is not closed, or None; of this very table, whatever it was called then."""
    now = build.relation_kind(ctx.look, table)
    mine = (s for s in reversed(stories(ctx, column)) if s.open and now is not None and s.plan.relid == now[0])
    return next(mine, None)


def _said(plan: OnlinePlan, step: str, facts: Mapping[str, Any]) -> str:
    """The row in words, for whoever reads the history."""
    words = {
        "intent": f"change the type from {plan.old_type} to {plan.new_type} online",
        "follow": "add the second column and its trigger",
        "fill": f"filled up to page {facts.get('page')}",
        "index": f"build {facts.get('index')}",
        "constraint": "add a constraint",
        "not_null": "prove NOT NULL",
        "analyze": "ANALYZE",
        "swap": "swap the columns",
        "finish": "drop the old column",
        "undo": "take the change back",
        "undone": "nothing is left of the change",
        "waiting": "stopped, to be gone on with",
    }
    return words.get(step, step)


def _story(rows: tuple[Told, ...]) -> Story | None:
    packed = next((row.details["packed"] for row in reversed(rows) if "packed" in row.details), None)
    if not isinstance(packed, str):
        return None
    try:
        return Story(from_json(OnlinePlan, json.loads(zlib.decompress(base64.b64decode(packed)))), rows)
    except (ValueError, zlib.error):
        return None


def _written(ctx: RunContext, row: Mutation, *, first: bool) -> int:
    try:
        try:
            return mutations.record(ctx.log, row, schema=ctx.schema, secrets=ctx.secrets)
        except UnreachableError:
            ctx.log.reconnect()
            return mutations.record(ctx.log, row, schema=ctx.schema, secrets=ctx.secrets)
    except IndexPilotError as error:
        if first:
            raise
        raise OutcomeUnknownError(
            "a step of the change could not be recorded",
            detail=error.detail or error.message,
            hint="run the same command again: it goes on from what the catalog says",
            code="not_recorded",
        ) from error
