"""What there is to take back: the targets of ``rollback`` as steps, each with its price."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from indexpilot_cli.apply.values import RollbackRequest
from indexpilot_cli.apply.verify.verdict import MeasuredEffect
from indexpilot_cli.core.mutation import Event, MutationReport, OperationKind, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import UsageError
from indexpilot_cli.execute import build
from indexpilot_cli.execute.build import OPEN, STANDING
from indexpilot_cli.execute.context import RunContext
from indexpilot_cli.execute.events import report_of_event, report_of_undo
from indexpilot_cli.execute.extended import is_drop, is_statistics, is_target
from indexpilot_cli.execute.reconcile import replaced_by
from indexpilot_cli.execute.reindex import is_reindex
from indexpilot_cli.log import intents
from indexpilot_cli.log.intents import Which

MUTATION_ID = re.compile(r"[Mm]-(\d{1,18})")
ADVICE_ID = re.compile(r"[Rr]-[0-9A-Fa-f]+")
_PLAN = re.compile(r"[Pp]-[0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class UndoStep:
    """One operation to undo. ``report`` is planned, or says why there is nothing to undo. ``drops``: by a drop.

    On the way to a version ``instead`` is what must stand before this one is dropped, ``leaves`` are indexes that do
    not come back although it stands in their place, and ``named`` is the name an index gets in the end.
    """

    event: Event
    report: MutationReport
    drops: bool = True
    instead: Event | None = None
    leaves: frozenset[QualifiedName] = frozenset()
    named: QualifiedName | None = None


def choose(ctx: RunContext, request: RollbackRequest) -> tuple[UndoStep, ...]:
    """The steps, newest operation first. Raises UsageError when an id is unknown or nothing was named."""
    found: dict[str, Event] = {}
    named: set[str] = set()
    for target in request.targets:
        for event in _target(ctx, target):
            found[event.op_id] = event
            if MUTATION_ID.fullmatch(target):
                named.add(event.op_id)
    if request.last:
        found.update((e.op_id, e) for e in _last(ctx))
    if request.since is not None:
        found.update((e.op_id, e) for e in _newest(ctx, Which(since=request.since), begun=True))
    if not (request.targets or request.last or request.since):
        raise UsageError("nothing to undo was named", hint="indexpilot rollback --last", code="nothing_named")
    found |= {e.op_id: e for e in _same_steps(ctx, found.values()) if e.op_id not in found}
    wanted = [e for e in found.values() if e.op_id in named or _of_its_own(e)]
    newest_first = sorted(_as_reported(ctx, wanted), key=lambda e: e.id or 0, reverse=True)
    steps = [with_price(ctx, step_of(event)) for event in newest_first]
    return tuple(_without_old_news(steps, named))


def _same_steps(ctx: RunContext, chosen: Iterable[Event]) -> tuple[Event, ...]:
    """A replacement is undone as a whole: with the build the drops behind it, with a drop the build and the others."""
    builds = {e.details.get("replaced_by", e.op_id) for e in chosen if e.state is not OperationState.REVERTED}
    latest = intents.latest(ctx.look, schema=ctx.schema) if builds else ()
    return (*(e for e in latest if e.op_id in builds), *replaced_by(latest, builds))


def _without_old_news(steps: list[UndoStep], named: set[str]) -> Iterator[UndoStep]:
    """Of operations with nothing to undo, only the newest of each index, unless they were named themselves."""
    told: set[QualifiedName] = set()
    for step in steps:
        if step.report.outcome == "planned" or step.event.op_id in named or step.event.index not in told:
            yield step
        told.add(step.event.index)


def _as_reported(ctx: RunContext, found: list[Event]) -> Iterator[Event]:
    """The events with the number under which the operation was told when it was done, not that of a later verdict."""
    which = Which(op_ids=tuple(event.op_id for event in found))
    groups = {g[0].op_id: g for g in intents.operations(ctx.look, which, schema=ctx.schema)} if found else {}
    for event in found:
        done = [e.id for e in groups.get(event.op_id, ()) if e.state is OperationState.VALID]
        yield replace(event, id=done[-1]) if done else event


def step_of(event: Event) -> UndoStep:
    """What undoing the operation would be, by its newest row."""
    dropped = event.kind is OperationKind.DROP
    if event.state is OperationState.REVERTED:
        return UndoStep(event, report_of_undo(event, "already_done", notes=(event.error or "taken back before",)))
    if is_reindex(event):
        note = "rebuilt as it was: nothing to take back"
        return UndoStep(event, report_of_event(event, "already_done", notes=(note,)))
    if is_drop(event):
        note = "recommend sets it again" if is_target(event) else "lifecycle --plan makes them again"
        return UndoStep(event, report_of_event(event, "already_done", notes=(note,)))
    if event.details.get("was_invalid"):
        note = "it was not valid, no query used it: nothing to bring back"
        return UndoStep(event, report_of_event(event, "already_done", notes=(note,)))
    # The server refuses to drop an attached index by itself (2BP01).
    if event.details.get("part_of"):
        text = "belongs to the index of its partitioned table: roll that back"
        return UndoStep(event, report_of_undo(event, "skipped", error_code="attached", error=text))
    unfinished = event.state in OPEN and not dropped
    if event.state not in STANDING and not unfinished:
        return UndoStep(event, report_of_undo(event, "already_done", notes=("failed at the time, nothing to undo",)))
    whole = dropped and event.details.get("partitioned")
    notes = ("and one on each partition, attached one by one",) if whole else ()
    return UndoStep(event, report_of_undo(event, "planned", notes=notes), drops=not dropped)


def with_price(ctx: RunContext, step: UndoStep) -> UndoStep:
    """The step, and where it is a drop what that frees and which templates lose by it."""
    if step.report.outcome != "planned" or not step.drops or is_statistics(step.event):
        return step
    found = build.find_whole_index(ctx.look, step.event.index)
    loss = loss_of(step.event)
    report = replace(
        step.report,
        size_bytes=found.bytes or None if found is not None else None,
        slower_templates=loss.templates,
        notes=(*step.report.notes, loss.text),
    )
    return replace(step, report=report)


def _target(ctx: RunContext, target: str) -> tuple[Event, ...]:
    mutation = MUTATION_ID.fullmatch(target)
    if mutation:
        events = _newest(ctx, Which(ids=(int(mutation[1]),)))
        if not events:
            hint = "indexpilot history lists them"
            raise UsageError(f"no change of an index {target} in the log", hint=hint, code="unknown_id")
        return events
    if not _PLAN.fullmatch(target):
        hint = "indexpilot history lists them; the name of an index goes with --to-version"
        raise UsageError(f"{target} is neither M-… nor P-…", hint=hint, code="unknown_id")
    plan = "P-" + target[2:].lower()
    events = _newest(ctx, Which(plan=plan))
    if not events:
        raise UsageError(f"nothing of plan {plan} was built", hint="indexpilot history", code="unknown_id")
    return events


def _newest(ctx: RunContext, which: Which, *, begun: bool = False) -> tuple[Event, ...]:
    """The newest row of each operation with a matching row, whatever it is; ``begun``: the first row must match."""
    groups = intents.operations(ctx.look, which, schema=ctx.schema)
    ids = tuple(g[0].op_id for g in groups if not begun or g[0].state is OperationState.INTENT)
    if not ids:
        return ()
    return tuple(group[-1] for group in intents.operations(ctx.look, Which(op_ids=ids), schema=ctx.schema))


def _last(ctx: RunContext) -> tuple[Event, ...]:
    standing = [e for e in intents.latest(ctx.look, schema=ctx.schema) if _can_be_undone(e)]
    if not standing:
        raise UsageError("there is nothing to undo", hint="indexpilot history", code="nothing_named")
    return (max(standing, key=lambda e: e.id or 0),)


def _can_be_undone(event: Event) -> bool:
    undoable = not is_reindex(event) and not event.details.get("was_invalid")
    return event.state in STANDING and _of_its_own(event) and undoable


def _of_its_own(event: Event) -> bool:
    """Neither a part of a partitioned index nor itself a rollback: those are undone only when named."""
    return not event.details.get("part_of") and "reverts" not in event.details


@dataclass(frozen=True, slots=True)
class Loss:
    """How many templates get slower without the index (None: nobody wrote it down), and a clause that says so."""

    templates: int | None
    text: str


def loss_of(event: Event) -> Loss:
    """What the log knows: measured by the verification, else estimated when the index was planned, else nothing."""
    measured = _measured(event.details)
    if measured:
        return _told(measured, "as measured when it was built")
    planned = event.details.get("queries_helped")
    if isinstance(planned, int):
        return _told(planned, "planner estimate")
    return Loss(None, "which templates it serves is not recorded")


def _measured(details: Mapping[str, Any]) -> int:
    told = details.get("verification")
    found = told.get("templates") if isinstance(told, Mapping) else None
    rows = found if isinstance(found, list) else []
    return sum(isinstance(row, Mapping) and row.get("effect") == MeasuredEffect.FASTER.value for row in rows)


def _told(number: int, source: str) -> Loss:
    how_many = {0: "no template gets", 1: "1 template gets"}.get(number, f"{number} templates get")
    return Loss(number, f"{how_many} slower ({source})")
