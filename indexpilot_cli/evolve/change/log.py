"""Changes of columns in the mutation log: what was meant, which steps stand, how it ended; one reader for all kinds.

A change in atomic steps has rows PLANNED, STEP, DONE …, the online type change those of the intent protocol. Their
words, and the packed texts in their details, stand in databases already: they do not change.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.mutation import Mutation, MutationType, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError, UnreachableError
from indexpilot_cli.evolve.change.online.texts import OnlinePlan, Side
from indexpilot_cli.evolve.change.values import ColumnChangeKind, SchemaChange, Undo
from indexpilot_cli.evolve.relation import RelationFacts
from indexpilot_cli.execute import build
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.log import mutations

PLANNED = "PLANNED"
STEP = "STEP"
DONE = "DONE"
FAILED = "FAILED"
INTERRUPTED = "INTERRUPTED"
REVERTED = "REVERTED"
ONLINE = "shadow_type_change"  # as the log calls it

_STATES = frozenset({PLANNED, STEP, DONE, FAILED, INTERRUPTED, REVERTED})
_CLOSED = frozenset({OperationState.FAILED_CLEAN, OperationState.KEPT, OperationState.REVERTED})
_TYPES = tuple(kind.mutation for kind in ColumnChangeKind)
_ALL = 2**31 - 1  # a long fill alone has a row every two seconds, and its first row has the plan


@dataclass(frozen=True, slots=True)
class OperationLog:
    """All rows of one operation, oldest first."""

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
    def id(self) -> int:
        """The number behind M- of the newest row."""
        return int(self.last.id or 0)


@dataclass(frozen=True, slots=True)
class ChangeLog(OperationLog):
    """A change in atomic steps."""

    @property
    def state(self) -> str:
        """How it stands: the newest row that says so, failures of a way back left out."""
        # Rows are only added, so the newest one tells; a way back that failed leaves the change as it stood.
        told = [r for r in self.rows if not r.details.get("reverts")]
        return REVERTED if any(r.state == REVERTED for r in self.rows) else str(told[-1].state)

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


@dataclass(frozen=True, slots=True)
class OnlineLog(OperationLog):
    """An online type change; ``plan`` is the latest, when it was made anew."""

    plan: OnlinePlan

    @property
    def open(self) -> bool:
        """Whether there is something left to go on with, to finish or to take back."""
        return self.last.state not in _CLOSED

    def page(self, side: Side) -> int:
        """The page up to which the side's column is filled, as last written down; 0 after a new trigger."""
        # What was filled counts only since the newest trigger: while there was none, rows were written anywhere.
        for row in reversed(self.rows):
            if row.details.get("side") == side.value and row.details.get("step") == "fill":
                return int(row.details.get("page", 0))
            if row.details.get("step") == "follow":
                break
        return 0


# -- reading


def changes(session: Session, schema: str, table: QualifiedName | None = None) -> tuple[ChangeLog, ...]:
    """Every change in atomic steps (of one table), the newest first."""
    found = (ChangeLog(rows) for rows in _operations(session, schema, lambda row: row.state in _STATES, table))
    return tuple(change for change in found if change.rows[0].state == PLANNED)


def begun(
    ctx: RunContext, kind: MutationType, table: QualifiedName, column: str, asked: Mapping[str, object]
) -> ChangeLog | None:
    """The same change, begun before and neither ended nor taken back, some of whose steps stand; None without one."""
    for change in changes(ctx.log, ctx.schema, table):
        first = change.rows[0]
        if (first.type, first.field_name) != (kind, column) or change.state in (DONE, REVERTED):
            continue
        same = json.dumps(first.details.get("asked"), sort_keys=True) == json.dumps(dict(asked), sort_keys=True)
        return change if same and change.done_steps else None
    return None


def online_changes(ctx: RunContext, column: str | None = None) -> tuple[OnlineLog, ...]:
    """Online changes of columns of that name (None: all), newest first; those of unknown versions are left out."""

    def ours(row: Mutation) -> bool:
        return row.details.get("kind") == ONLINE

    found = (_online(rows) for rows in _operations(ctx.log, ctx.schema, ours))
    # By the name of now: a column may have been renamed since its first row.
    return tuple(change for change in found if change is not None and column in (None, change.plan.column))


def newest_open(ctx: RunContext, table: QualifiedName, column: str) -> OnlineLog | None:
    """The online change of the column that is not closed, or None; of this very table, whatever its name was then."""
    # By oid, which a rename keeps and a new table of the same name does not have.
    now = build.relation_kind(ctx.look, table)
    mine = (c for c in online_changes(ctx, column) if c.open and now is not None and c.plan.relid == now[0])
    return next(mine, None)


def _operations(
    session: Session, schema: str, wanted: Callable[[Mutation], bool], table: QualifiedName | None = None
) -> Iterator[tuple[Mutation, ...]]:
    """The rows of each operation, oldest first; the operation with the newest row first."""
    which = mutations.LogFilter(
        types=_TYPES, table_name=table.name if table else None, schema_name=table.schema if table else None
    )
    groups: dict[str, list[Mutation]] = {}
    for row in mutations.recent(session, which, limit=_ALL, schema=schema):
        if row.op_id is not None and wanted(row):
            groups.setdefault(row.op_id, []).append(row)
    for rows in groups.values():
        yield tuple(reversed(rows))


def _online(rows: tuple[Mutation, ...]) -> OnlineLog | None:
    text = next((row.details["packed"] for row in reversed(rows) if "packed" in row.details), None)
    try:
        return OnlineLog(rows, from_json(OnlinePlan, _unpacked(text))) if isinstance(text, str) else None
    except (ValueError, zlib.error):
        return None


# -- writing


def row(
    ctx: RunContext, change: SchemaChange, op_id: str, state: str, details: Mapping[str, object], **more: Any
) -> Mutation:
    """A row about a change in atomic steps."""
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


def write(ctx: RunContext, new: Mutation, session: Session | None = None) -> int:
    """Append the row, in the transaction of ``session`` where one is given; gives its id."""
    return mutations.record(session or ctx.log, new, schema=ctx.schema, secrets=ctx.secrets)


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
    return write(ctx, row(ctx, change, op_id, PLANNED, details, definition_sql=script, undo_sql=change.undo.script))


def failed(
    ctx: RunContext, change: SchemaChange, op_id: str, error: IndexPilotError, state: str = FAILED, **facts: Any
) -> int:
    """How it failed, with the server's code."""
    details = {"error_code": error.code, **({"detail": error.detail} if error.detail else {}), **facts}
    return write(ctx, row(ctx, change, op_id, state, details, sqlstate=sqlstate(error), error=error.message))


def consequences(ctx: RunContext, change: SchemaChange, op_id: str) -> Iterator[Mutation]:
    """Rows about what else is there or gone by a change that is done: indexes, and the table that keeps values."""
    facts = {"because": change.kind.command}
    for gone in change.impact.of("disappears"):
        if gone.kind == "index":
            texts = {"index_name": gone.name, "definition_sql": gone.definition, "undo_sql": gone.definition}
            yield replace(row(ctx, change, op_id, DONE, facts, **texts), type=MutationType.DROP_INDEX)
    saved = change.undo.saved
    if saved is not None:
        moved = row(ctx, change, op_id, DONE, {**facts, "kept_in": str(saved)})
        yield from _about_saved(moved, saved, MutationType.CREATE_TABLE)


def filled(ctx: RunContext, change: SchemaChange, op_id: str, rows: int) -> Mutation:
    """The row of a backfill that is done."""
    return replace(row(ctx, change, op_id, DONE, {"rows": rows}), type=MutationType.BULK_UPDATE)


def put_back(ctx: RunContext, change: SchemaChange, op_id: str, saved: QualifiedName) -> Iterator[Mutation]:
    """Rows about saved values that are in the table again, and the table that kept them."""
    moved = row(ctx, change, op_id, DONE, {"because": "rollback", "kept_in": str(saved)})
    return _about_saved(moved, saved, MutationType.DROP_TABLE)


def _about_saved(moved: Mutation, saved: QualifiedName, kind: MutationType) -> Iterator[Mutation]:
    """That the values of the column moved, and that the table they are kept in came or went."""
    yield replace(moved, type=MutationType.DATA_MIGRATION)
    yield replace(moved, type=kind, table_name=saved.name, schema_name=saved.schema, field_name=None)


def tell(
    ctx: RunContext,
    plan: OnlinePlan,
    state: OperationState,
    step: str,
    *,
    error: IndexPilotError | None = None,
    **facts: Any,
) -> int:
    """Add a row about an online change; gives its id.

    Raises OutcomeUnknownError when the log cannot be written any more.
    """
    reason = _said(plan, step, facts)
    details = {
        "kind": ONLINE,
        "step": step,
        "reason": reason,
        "command": ctx.record.command,
        "version": ctx.record.version,
        **facts,
    }
    new = Mutation(
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
    return _written(ctx, new, first=state is OperationState.INTENT)


def intend(ctx: RunContext, plan: OnlinePlan, type_text: str, using: str | None) -> int:
    """The first row of an online change: everything that is meant to happen.

    The plan is packed, so that no masking can change it.
    """
    return tell(
        ctx,
        plan,
        OperationState.INTENT,
        "intent",
        packed=_compressed(plan),
        old_type=plan.old_type,
        new_type=plan.new_type,
        type=type_text,
        using=using,
    )


def renamed(ctx: RunContext, session: Session, relid: int, old: str, new: str) -> None:
    """Tell the online changes of the table that are open what a column of it is called from now on."""
    for known in (c for c in online_changes(ctx) if c.open and c.plan.relid == relid):
        names = tuple((number, new if name == old else name) for number, name in known.plan.columns)
        column = new if known.plan.column == old else known.plan.column
        plan = replace(known.plan, columns=names, column=column)
        facts = {"kind": ONLINE, "step": "rename", "reason": f"{old} is called {new} now", "packed": _compressed(plan)}
        row = replace(known.last, details=facts, field_name=column, sqlstate=None, error=None)
        write(ctx, row, session)


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


def _written(ctx: RunContext, new: Mutation, *, first: bool) -> int:
    try:
        try:
            return write(ctx, new)
        except UnreachableError:
            # A long index build leaves this session idle, and what stands between may have dropped it. Should the first
            # row have been written after all, a second one says the same.
            ctx.log.reconnect()
            return write(ctx, new)
    except IndexPilotError as error:
        # Before the intent nothing was changed, so there is nothing unknown about it.
        if first:
            raise
        raise OutcomeUnknownError(
            "a step of the change could not be recorded",
            detail=error.detail or error.message,
            hint="run the same command again: it goes on from what the catalog says",
            code="not_recorded",
        ) from error


# -- packed values


def packed(value: object) -> str:
    """The value as text that the log's search for secrets leaves whole: ``token = 'x'`` in a CHECK is none."""
    return _compressed(value).translate(str.maketrans("+/", "-_")).rstrip("=")


def _compressed(value: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(to_json(value)).encode())).decode()


def _unpacked(text: str) -> Any:
    """What was packed, in either alphabet of base64. Raises ValueError or zlib.error."""
    plain = text.translate(str.maketrans("-_", "+/"))
    return json.loads(zlib.decompress(base64.b64decode(plain + "=" * (-len(plain) % 4))))


def _whole(found: object) -> Any:
    """What ``packed`` gave. Raises RefusedError when the log does not have it."""
    try:
        return _unpacked(str(found))
    except (ValueError, zlib.error) as error:
        hint = "its statements are in the log: indexpilot history"
        raise RefusedError("the log does not hold the whole change", hint=hint, code="not_restorable") from error
