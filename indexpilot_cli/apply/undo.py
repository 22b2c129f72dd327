"""Taking back an index we made: dropped concurrently, forward only, pending until it is gone."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from indexpilot_cli.apply.build import GOOD, BuildManner, build_whole, perform
from indexpilot_cli.apply.plan import fingerprints
from indexpilot_cli.apply.steps import Built, Task, task_of
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.ddl import drop_index, rebuilt, summary
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import (
    Event,
    IndexFacts,
    MutationReport,
    MutationType,
    Operation,
    OperationKind,
    OperationState,
)
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Recommendation, Warn
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.locks import attempts, worth_retrying
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, OutcomeUnknownError, RefusedError, UnreachableError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.build import OPEN, STANDING, is_usable, tagged
from indexpilot_cli.execute.context import RunContext, take_lock
from indexpilot_cli.execute.events import rebuilding, report_of_event, report_of_undo
from indexpilot_cli.execute.reconcile import mark_reverted, mark_taken_back, replaced_by
from indexpilot_cli.execute.watch import Ended, StatementWatch, watched
from indexpilot_cli.guards.replication import standbys
from indexpilot_cli.log import intents
from indexpilot_cli.methods.existing import same_structure


def take_back(
    ctx: RunContext,
    event: Event,
    *,
    force: bool = False,
    reason: str = "",
    leaves: Collection[QualifiedName] = (),
) -> MutationReport:
    """Drop the index of the operation whose newest row is ``event`` and log it as ROLLBACK_INDEX.

    ``force`` drops it although its definition is not what we made. Raises RefusedError when another run holds the
    table, when the index is not ours or changed, or when something depends on it; OutcomeUnknownError.

    What it stands in the place of is built again first, but for ``leaves``.
    """
    replaced = replaced_by(intents.latest(ctx.log, schema=ctx.schema), {event.op_id})
    for dropped in (d for d in replaced if d.index not in leaves):
        back = _brought_back(ctx, dropped)
        if back.outcome not in GOOD:
            text = f"{dropped.index.short}, which it replaced, is not back: {back.error}"
            return report_of_undo(event, "failed", error_code="replaced", error=text, notes=back.notes)
    with closing(ctx.builder(event.op_id)) as session:  # its end gives the lock back
        take_lock(ctx, session, event.relid, event.table.short)
        found = build.find_whole_index(session, event.index)
        if found is None:
            return _gone(ctx, event)
        check_droppable(event, found, force=force)
        return drop_found(ctx, session, event, found, reason)


def _brought_back(ctx: RunContext, dropped: Event) -> MutationReport:
    if dropped.state in OPEN:
        why = f"the drop of {dropped.index}, which it replaced, is not over"
        raise RefusedError(why, hint="indexpilot doctor --reconcile", code="replaced")
    return bring_back(ctx, dropped)


def check_droppable(event: Event, found: IndexFacts, *, force: bool) -> None:
    """Raises RefusedError unless the index is the one we made and nothing needs it."""
    ours = tagged(found.comment) == event.op_id or found.oid == event.details.get("oid")
    if found.relid != event.relid or not ours:
        raise _refused(event.index, "is not the index we made", found.ddl, "not_ours")
    if found.ddl != event.definition_sql and is_usable(found) and not force:
        hint = "--force drops it all the same"
        raise _refused(event.index, "has changed since we made it", found.ddl, "changed", hint)
    check_needless(event.index, found)


def check_needless(index: QualifiedName, found: IndexFacts) -> None:
    """Raises RefusedError when something depends on the index, whether or not the server would refuse the drop."""
    # DROP INDEX refuses it as well (2BP01): the way is ALTER TABLE ... DROP CONSTRAINT, which is not ours to decide.
    if found.dependents:
        raise _refused(index, "backs a constraint", ", ".join(found.dependents), "depended_on")
    if found.attached is not None:
        raise _refused(index, "belongs to a partitioned index", str(found.attached), "depended_on")
    # The server drops it without a word; then UPDATE and DELETE on the published table fail (55000).
    if found.replica_identity:
        text = f"{found.table} is replicated by it: UPDATE and DELETE would fail without"
        raise _refused(index, "is a replica identity", text, "depended_on")


def _refused(index: QualifiedName, what: str, detail: str, code: str, hint: str | None = None) -> RefusedError:
    return RefusedError(f"{index} {what}", detail=detail, hint=hint, code=code)


def _gone(ctx: RunContext, event: Event) -> MutationReport:
    """Somebody dropped it already: the log follows."""
    ctx.write(events.follow(event, OperationState.REVERTED, type=MutationType.ROLLBACK_INDEX))
    return report_of_undo(event, "already_done", notes=("the index was gone already",))


def standby_warning(ctx: RunContext) -> Warn | None:
    """What a drop does to queries on standbys, to be said before it; None where no standby is to be seen.

    https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT
    """
    try:
        names = ", ".join(s.name for s in standbys(ctx.look))
    except IndexPilotError:
        return None
    if not names:
        return None
    text = (
        f"queries on {names} that use a dropped index are cancelled there (SQLSTATE 40001), "
        "unless they end within its max_standby_streaming_delay"
    )
    return Warn("standby_queries", names, text)


def drop_found(ctx: RunContext, session: Session, event: Event, found: IndexFacts, reason: str) -> MutationReport:
    """Drop the index under the table's lock, which the session holds; an event without ``op_id`` reverts nothing."""
    # CONCURRENTLY is refused for the index of a partitioned table; the plain form takes ACCESS EXCLUSIVE on the table.
    # https://www.postgresql.org/docs/current/sql-dropindex.html
    sql = drop_index(found.name, concurrently=not found.partitioned)
    warning = standby_warning(ctx)
    if warning is not None:
        ctx.progress.say(warning.message)
    pid, started = build.backend(session)
    details = dict(event.details) | {
        "kind": OperationKind.DROP.value,
        "oid": found.oid,
        **({"reverts": event.op_id} if event.op_id else {}),
        "restore": build.keepsake(found),
        "partitioned": found.partitioned,
        **(_parts(session, found) if found.partitioned else {}),
        "besides": [i.oid for i in build.indexes_of(session, found.relid) if _alike(i, found)],
        "sql": sql,
        "rollback_sql": found.ddl,
        "rollback_reason": reason,
        **({"standbys": warning.object} if warning is not None else {}),
        "command": ctx.record.command,
        "actor": ctx.record.actor,
    }
    first = Event(
        op_id=str(uuid.uuid4()),
        type=MutationType.ROLLBACK_INDEX if event.op_id else event.type,
        state=OperationState.INTENT,
        table=event.table,
        index=event.index,
        relid=event.relid,
        columns_fingerprint=event.columns_fingerprint,
        field=event.field,
        actor=ctx.record.actor or None,
        definition_sql=found.ddl,
        undo_sql=None if event.details.get("was_invalid") else found.ddl,
        backend_pid=pid,
        backend_start=started,
        details=details,
    )
    written = ctx.write(events.follow(ctx.write(first), OperationState.STARTED))
    return _tries(ctx, session, written, found, sql)


def _alike(other: IndexFacts, found: IndexFacts) -> bool:
    """Whether the other index is the same but for its name: it does not stand for the dropped one later."""
    if other.oid == found.oid or other.definition is None or found.definition is None:
        return False
    return same_structure(other.definition, found.definition)


def _parts(session: Session, found: IndexFacts) -> dict[str, object]:
    """The indexes on partitions that go with it: their oids, their names and what their definition does not say."""
    parts = build.parts_of_index(session, found.oid)
    kept = [
        {"table": to_json(p.table), "index": p.name.name, "ddl": p.ddl, "restore": build.keepsake(p)} for p in parts
    ]
    return {"parts": kept, "part_oids": [p.oid for p in parts]}


def _tries(ctx: RunContext, session: Session, event: Event, found: IndexFacts, sql: str) -> MutationReport:
    # Unlike a build a drop may time out half-way: the index is no longer valid then, was to go anyway, and the next try
    # or the next run finishes it.
    build.set_lock_timeout(session, ctx.limits.lock)
    for attempt in attempts(ctx.stop, ctx.limits.retries + 1):
        event = replace(event, attempt=attempt)
        ended = watched(ctx, session, sql, StatementWatch(event.backend_pid or 0, f"dropping {event.index.short}"))
        try:
            left = build.find_index(session, event.index)
        except UnreachableError as error:
            raise _unknown(event, error) from error
        if left is None:
            return _done(ctx, event, found, ended)
        if not worth_retrying(ended.sqlstate):
            break
    assert left is not None
    return _failed(ctx, event, left, ended)


def _done(ctx: RunContext, event: Event, found: IndexFacts, ended: Ended) -> MutationReport:
    closed = ctx.write(events.follow(event, OperationState.VALID), done=True)
    mark_reverted(ctx, closed)
    return report_of_event(
        closed,
        "done",
        milliseconds=ended.seconds * 1000,
        size_bytes=found.bytes,
        started_at=event.created_at,
    )


def _failed(ctx: RunContext, event: Event, left: IndexFacts, ended: Ended) -> MutationReport:
    why = ended.why or "the index is still there"
    half = not is_usable(left) and not left.partitioned
    state = OperationState.FAILED_LEFTOVER if half else OperationState.FAILED_CLEAN
    closed = ctx.write(
        events.follow(event, state, sqlstate=ended.sqlstate, error=why, leftover=str(event.index) if half else None),
        done=True,
    )
    pending = ("no query uses it any more; indexpilot rollback again, or doctor --reconcile, finishes",)
    return report_of_event(
        closed,
        "leftover" if half else "failed",
        error=why,
        error_code=ended.code,
        notes=(*(pending if half else ()), *ended.in_the_way),
    )


def _unknown(event: Event, error: IndexPilotError) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"whether {event.index} is gone is not known",
        detail=error.detail or error.message,
        hint="indexpilot doctor --reconcile",
    )


Facts = Mapping[str, object]


def bring_back(ctx: RunContext, event: Event) -> MutationReport:
    """Build the index that the drop ``event`` (newest row) took away; of a partitioned table, also all its parts.

    Partitions that are new since then get an index too. Raises RefusedError when another run holds the table, or
    when the name or the table is another by now; OutcomeUnknownError.
    """
    structure = events.structure(event)
    if structure is None or event.definition_sql is None:
        raise RefusedError(f"the log does not say enough of {event.index} to build it", code="not_restorable")
    task = _whole(ctx, event, structure) if event.details.get("partitioned") else _single(event, structure)
    # Built from its definition alone it gets our tag, as what apply builds.
    kept = dict(_kept(event)) if event.op_id else {}
    besides = (*(event.details.get("besides") or ()), *_back_already(ctx, event))

    def performed(operation: Operation) -> Built:
        facts = kept.get(operation.table) if operation.kind is OperationKind.CREATE else None
        manner = replace(_manner(operation, facts), besides=besides)
        return perform(ctx, operation, _context(event, operation, facts), manner)

    done = build_whole(ctx, task, performed)
    if done.outcome in GOOD and event.op_id:
        mark_taken_back(ctx, event.op_id, by=_operation_of(ctx, done) or task.head.op_id)
    return done


def _back_already(ctx: RunContext, event: Event) -> Iterator[int]:
    """Oids of indexes of the table that other drops took away and that are back: none of them stands for this one."""
    for other in intents.latest(ctx.log, schema=ctx.schema):
        oid, taken_by = other.details.get("oid"), other.details.get("reverts")
        built = other.kind is OperationKind.CREATE and other.state in STANDING
        if built and other.relid == event.relid and taken_by not in (None, event.op_id) and isinstance(oid, int):
            yield oid


def _operation_of(ctx: RunContext, done: MutationReport) -> str | None:
    """The operation behind the report: of a run that was continued, the one it began with."""
    if done.id is None:
        return None
    groups = intents.operations(ctx.log, intents.Which(ids=(done.id,)), schema=ctx.schema)
    return groups[0][0].op_id if groups else None


def _single(event: Event, structure: IndexDefinition) -> Task:
    operation = Operation(
        op_id=str(uuid.uuid4()),
        kind=OperationKind.CREATE,
        table=event.table,
        name=event.index.name,
        definition=structure,
        sql=rebuilding(event),
        undo_sql=drop_index(event.index),
        relid=event.relid,
        # Nothing to compare with: a column that is gone since the drop makes the server refuse the statement (42703).
        columns_fingerprint="",
        recommendation=event.details.get("recommendation"),
        plan=event.details.get("plan"),
    )
    return Task(_advice(event, structure), (operation,))


def _whole(ctx: RunContext, event: Event, structure: IndexDefinition) -> Task:
    """The operations for the partitions there are now, under the names their indexes had."""
    # The partitions of today: the parent's index becomes valid only when each of them has one attached.
    catalog = read_catalog(ctx.look)
    table = catalog.table(event.table)
    if table is None or table.oid != event.relid:
        raise RefusedError(f"{event.table.short} is not the table it was", code="stale_plan")
    task = task_of(
        _advice(event, structure),
        event.details.get("plan") or "",
        catalog,
        fingerprints(ctx.look, catalog, {event.table}),
        {QualifiedName(**part["table"]): part["index"] for part in _kept_parts(event)},
    )
    # A part that was attached may have storage parameters of its own.
    own = {QualifiedName(**part["table"]): part.get("ddl") for part in _kept_parts(event)}
    return replace(
        task, operations=tuple(_as_it_was(operation, own.get(operation.table)) for operation in task.operations)
    )


def _as_it_was(operation: Operation, ddl: str | None) -> Operation:
    if ddl is None or operation.kind is not OperationKind.CREATE:
        return operation
    return replace(operation, sql=ddl if operation.only else rebuilt(ddl))


def _advice(event: Event, structure: IndexDefinition) -> Recommendation:
    """The dropped index as if it were advised."""
    return Recommendation(
        id=event.details.get("recommendation") or structure.id,
        definition=structure,
        name=event.index.name,
        ddl=rebuilding(event),
        undo=drop_index(event.index),
        summary=summary(structure),
        kind="rollback",
        size_bytes=0,
        size_method="",
    )


def _kept_parts(event: Event) -> list[dict[str, Any]]:
    parts = event.details.get("parts")
    return parts if isinstance(parts, list) else []


def _kept(event: Event) -> Iterator[tuple[QualifiedName, Facts]]:
    """By table, what its index had that a definition does not say."""
    own = event.details.get("restore")
    yield event.table, own if isinstance(own, Mapping) else {}
    for part in _kept_parts(event):
        yield QualifiedName(**part["table"]), part["restore"]


def _context(event: Event, operation: Operation, facts: Facts | None) -> dict[str, Any]:
    context: dict[str, Any] = {"reason": "rollback"}
    if facts is not None:
        context["restore"] = facts
    if operation.part_of:
        return context
    if "lineage" in event.details:
        context["lineage"] = event.details["lineage"]
    return {**context, "reverts": event.op_id} if event.op_id else context


def _manner(operation: Operation, facts: Facts | None) -> BuildManner:
    """``facts`` None: an attachment, or a partition that is new; its index gets our tag."""
    if facts is None:
        return BuildManner(MutationType.ROLLBACK_INDEX)
    kept = facts

    def restore(session: Session, found: IndexFacts) -> None:
        build.restore(session, found.name, operation.table, kept)

    tablespace = kept.get("tablespace")
    return BuildManner(MutationType.ROLLBACK_INDEX, tablespace if isinstance(tablespace, str) else "", restore)
