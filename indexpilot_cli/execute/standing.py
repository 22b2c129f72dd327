"""What others did to indexes of ours since: dropped, renamed, rebuilt, detached. The log follows the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.mutation import Event, MutationReport, MutationType, OperationKind, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError, RefusedError
from indexpilot_cli.execute import build, events
from indexpilot_cli.execute.build import OPEN, STANDING, tag
from indexpilot_cli.execute.context import RunContext, take_lock
from indexpilot_cli.execute.events import report_of_event, report_of_undo
from indexpilot_cli.log import intents, versions

_GONE = "somebody else dropped it"
_DETACHED = "somebody else took its partition away"
_INVALID = "somebody else left it invalid"
_MOVED = "somebody else renamed or rebuilt it"
_OURS = "a run that ended before it could say so dropped it"


@dataclass(frozen=True, slots=True)
class LogDrift:
    """A standing operation of which the log says other things than the catalog, and the row that sets it right."""

    before: Event
    now: Event
    text: str


def drifted(session: Session, schema: str) -> tuple[LogDrift, ...]:
    """What others changed, oldest operation first; nothing is written, a read-only session will do."""
    return tuple(_drifts(session, intents.latest(session, schema=schema)))


def follow_catalog(ctx: RunContext) -> tuple[MutationReport, ...]:
    """Write down what others changed; a report for each.

    What became invalid is open from now on, for reconciliation to settle. A table on which another run works is left.
    """
    reports = []
    for drift in drifted(ctx.log, ctx.schema):
        with closing(ctx.builder(drift.before.op_id)) as session, suppress(RefusedError):
            take_lock(ctx, session, drift.before.relid, drift.before.table.short)
            again = next((d for d in drifted(session, ctx.schema) if d.before == drift.before), None)
            if again is not None:
                reports.append(_write(ctx, session, again))
    return tuple(reports)


def _write(ctx: RunContext, session: Session, drift: LogDrift) -> MutationReport:
    """The row; the current definition goes into it and into the versions of the index."""
    event = drift.now
    found = build.find_index_by_oid(session, event.details["oid"]) if event.state in STANDING else None
    if found is not None:
        event = replace(event, definition_sql=found.ddl)
    written = ctx.write(event)
    with suppress(IndexPilotError):  # the log has it; versions are its digest
        if (written.index, written.state) != (drift.before.index, drift.before.state):
            versions.retire_version(ctx.log, drift.before.index, schema=ctx.schema)
        if found is not None and written.kind is OperationKind.CREATE:
            versions.add_version(ctx.log, written, schema=ctx.schema)
    if event.state is OperationState.REVERTED:
        return report_of_undo(written, "already_done", notes=(drift.text,))
    return report_of_event(written, "done", notes=(drift.text,))


def _drifts(session: Session, latest: Sequence[Event]) -> Iterator[LogDrift]:
    # An index that an open operation is about to drop or to attach is in the hands of that operation.
    busy = set(chain.from_iterable(oids_of(e) for e in latest if e.state in OPEN))
    dropped: dict[object, Event] = {}
    for event in latest:
        if event.state in STANDING and event.kind is OperationKind.DROP:
            dropped |= dict.fromkeys(oids_of(event), event)
    standing = [e for e in latest if e.state in STANDING and e.kind in (OperationKind.CREATE, OperationKind.ATTACH)]
    watched = [e for e in standing if isinstance(e.details.get("oid"), int) and e.details["oid"] not in busy]
    by_table: dict[int, list[Row]] = {}
    for row in session.rows("execute/standing", {"relids": sorted({e.relid for e in watched})}) if watched else ():
        by_table.setdefault(row.relid, []).append(row)
    for event in watched:
        own = _own(event, by_table.get(event.relid, []))
        by = dropped.get(event.details["oid"])
        drift = _drift(event, own) if own is not None or by is None else _dropped(event, by)
        if drift is not None:
            yield drift


def oids_of(event: Event) -> Iterator[object]:
    """The operation's index and, where it is dropped, its parts."""
    yield event.details.get("oid")
    yield from event.details.get("part_oids", ())


def _dropped(event: Event, by: Event) -> LogDrift:
    """Our own drop, whose run died between its row and the one that says it of the operation that built the index."""
    details = dict(event.details) | {"reverted_by": by.op_id}
    return LogDrift(event, events.follow(event, OperationState.REVERTED, type=by.type, details=details), _OURS)


def _own(event: Event, indexes: Sequence[Row]) -> Row | None:
    """The operation's index: the one with its comment, of the same oid, or what REINDEX CONCURRENTLY put in its place.

    REINDEX CONCURRENTLY makes a new index, gives it the name and the comment of the old one, and drops that.
    """
    kept = event.details.get("restore")
    comment = kept.get("comment") if isinstance(kept, Mapping) else tag(event.op_id)
    if comment is not None and event.kind is OperationKind.CREATE:
        marked = [i for i in indexes if i.comment == comment]
        if marked:
            return marked[0]
    same = [i for i in indexes if i.oid == event.details["oid"]]
    # An attachment has no comment of its own, nor has an index that came back without one.
    nameless = comment is None or event.kind is OperationKind.ATTACH
    return next(iter([*same, *(i for i in indexes if nameless and i.name == event.index.name)]), None)


def _drift(event: Event, found: Row | None) -> LogDrift | None:
    if found is None:
        return LogDrift(event, _ended(event, OperationState.REVERTED, _GONE), _GONE)
    if event.kind is OperationKind.ATTACH and found.parent_name is None:
        return LogDrift(event, _ended(event, OperationState.REVERTED, _DETACHED), _DETACHED)
    details = dict(event.details) | {"oid": found.oid}
    if event.kind is OperationKind.ATTACH:
        details["parent"] = to_json(QualifiedName(found.parent_schema, found.parent_name))
    index, table = QualifiedName(found.schema, found.name), QualifiedName(found.table_schema, found.table_name)
    moved = replace(event, index=index, table=table, details=details)
    if not found.usable and event.kind is OperationKind.CREATE:
        # The index of a partitioned table waits for parts again; any other was to be dropped by somebody.
        state = OperationState.STARTED if found.partitioned else OperationState.FAILED_LEFTOVER
        return LogDrift(event, _ended(moved, state, _INVALID, leftover=str(index)), _INVALID)
    return None if moved == event else LogDrift(event, events.follow(moved, event.state), _MOVED)


def _ended(event: Event, state: OperationState, why: str, leftover: str | None = None) -> Event:
    kind = MutationType.ROLLBACK_INDEX if state is OperationState.REVERTED else event.type
    return events.follow(event, state, type=kind, error=why, leftover=leftover)
