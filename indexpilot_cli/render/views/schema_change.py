"""Schema changes: what will run, whom it keeps waiting, what it touches, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.evolve.change.values import (
    Affected,
    ChangeResult,
    Impact,
    QueryAffected,
    SchemaChange,
    StepReport,
    Undo,
    UndoResult,
)
from indexpilot_cli.render.document import Block, Code, Column, Document, Facts, Json, Lines, Statement, Table
from indexpilot_cli.render.units import milliseconds, one_line, percent, plural
from indexpilot_cli.render.views.common import name

_STEPS = (Column("#", "number"), Column("step"), Column("lock", "short"), Column("whom it blocks", "text"))
_DONE = (*_STEPS, Column("state", "state"), Column("took", "number"), Column("tries", "number"))
_OBJECTS = (Column("what", "short"), Column("name"), Column("becomes of it", "short"), Column("why", "text"))
_QUERIES = (Column("query", "short"), Column("share", "number"), Column("calls", "number"), Column("effect", "short"))
_TITLES = {
    "planned": "would be changed",
    "done": "changed",
    "failed": "not changed",
    "partial": "partly changed: run the same command again to go on",
    "refused": "cannot be changed like that",
}


def view(result: ChangeResult, *, verbose: bool = False) -> Document:
    """A change shown or done."""
    change = result.change
    blocks: list[Block] = [_head(result), _steps(result.steps)]
    if result.outcome in ("planned", "refused") or verbose:
        texts = [f"{text};" for step in result.steps for text in step.statements]
        blocks += [Code("\n".join(texts))] if texts else []
    blocks += _impact(change.impact)
    blocks += _problems(result)
    blocks += _back(result.undo, verbose=verbose or result.outcome == "planned")
    return Document(tuple(blocks), payload(result), _statements(result.steps))


def question(result: ChangeResult) -> Document:
    """What is to be confirmed."""
    blocks = (_head(result), _steps(result.steps), *_impact(result.change.impact), *_back(result.undo, verbose=False))
    return Document(blocks)


def undo_view(result: UndoResult, *, verbose: bool = False) -> Document:
    """A way back shown or gone."""
    facts = [
        (f"M-{result.reverts}", f"{result.kind.command} {result.table.short}.{result.column}"),
        (
            "Outcome",
            {"planned": "would be taken back", "already_done": "taken back before"}.get(result.outcome, result.outcome),
        ),
    ]
    facts += [("Error", result.error)] if result.error else []
    blocks: list[Block] = [Facts(tuple(facts)), _steps(result.steps)]
    if (result.outcome == "planned" or verbose) and result.undo.statements:
        blocks.append(Code(f"{result.undo.script};"))
    blocks += (
        [Facts(tuple(("note", text) for text in _notes(result.undo, result.notes)))]
        if result.notes or result.undo.loss
        else []
    )
    return Document(tuple(blocks), undo_payload(result), _statements(result.steps))


def _head(result: ChangeResult) -> Facts:
    change = result.change
    rows = f"{count(change.rows)} rows" if change.rows is not None and change.rows >= 0 else "never analyzed"
    facts = [
        ("Change", f"{change.kind.command} {change.table.short}.{change.column}" + _target(change)),
        ("Outcome", _TITLES.get(result.outcome, result.outcome) + (f" (M-{result.id})" if result.id else "")),
        ("Table", f"{rows}, {size(change.bytes)}"),
        (
            "Manner",
            "all or nothing" if change.atomic else f"{len(change.steps)} steps, each on its own; can be resumed",
        ),
    ]
    facts += [("Error", result.error)] if result.error else []
    facts += [("Resumed", "goes on where it ended before")] if result.resumed else []
    facts += [("Waits for", text) for text in result.waiting]
    facts += [("note", text) for text in (*change.notes, *change.impact.notes)]
    return Facts(tuple(facts))


def _target(change: SchemaChange) -> str:
    return f" -> {change.new_name or change.type}" if change.new_name or change.type else ""


def _steps(steps: Sequence[StepReport]) -> Table:
    if all(s.outcome == "planned" for s in steps):
        rows = tuple((str(n), s.title, s.lock, s.span) for n, s in enumerate(steps, 1))
        return Table(_STEPS, rows)
    done = tuple(
        (str(n), s.title, s.lock, s.span, s.outcome, milliseconds(s.milliseconds), str(s.tries or DASH))
        for n, s in enumerate(steps, 1)
    )
    return Table(_DONE, done)


def _impact(impact: Impact) -> list[Block]:
    blocks: list[Block] = []
    if impact.objects:
        blocks.append(Table(_OBJECTS, tuple((o.kind, o.name, o.effect, one_line(o.detail)) for o in impact.objects)))
    if impact.queries:
        rows = tuple((q.id, percent(q.share), count(q.calls), q.effect, one_line(q.text)) for q in impact.queries[:10])
        blocks.append(Table((*_QUERIES, Column("text", "query")), rows))
    if impact.profiles:
        blocks.append(Facts((("Profiles", f"{plural(impact.profiles, 'expression profile')} name the column"),)))
    return blocks


def _problems(result: ChangeResult) -> list[Block]:
    rows = tuple(("error", p.message) for p in result.problems)
    hints = tuple(("hint", p.hint) for p in result.problems if p.hint)
    return [Facts((*rows, *hints))] if rows else []


def _back(undo: Undo, *, verbose: bool) -> list[Block]:
    blocks: list[Block] = []
    if verbose and undo.statements:
        blocks += [Lines(("Way back",)), Code(f"{undo.script};")]
    notes = _notes(undo, undo.notes)
    return [*blocks, Facts(tuple(("Way back", text) for text in notes))] if notes else blocks


def _notes(undo: Undo, notes: Iterable[str]) -> tuple[str, ...]:
    loss = (
        (undo.loss if undo.loss.startswith("DATA LOSS") else f"does not bring back: {undo.loss}",) if undo.loss else ()
    )
    saved = (f"values are kept in {undo.saved}",) if undo.saved is not None else ()
    return (*loss, *saved, *notes)


def _statements(steps: Sequence[StepReport]) -> tuple[Statement, ...]:
    return tuple(Statement(text, (step.title,)) for step in steps for text in step.statements)


def payload(result: ChangeResult) -> Json:
    """The result as JSON."""
    change = result.change
    return {
        "operation": change.kind.value,
        "table": name(change.table),
        "column": change.column,
        "new_name": change.new_name,
        "type": change.type,
        "outcome": result.outcome,
        "mutation": None if result.id is None else f"M-{result.id}",
        "atomic": change.atomic,
        "resumed": result.resumed,
        "table_bytes": change.bytes,
        "table_rows": change.rows,
        "work": None if change.classified is None else change.classified.work.value,
        "work_reason": None if change.classified is None else change.classified.reason,
        "judged_by": None if change.classified is None else change.classified.by,
        "steps": [_step_json(s) for s in result.steps],
        "impact": impact_json(change.impact),
        "undo": undo_json(result.undo),
        "problems": [{"code": p.code, "message": p.message, "hint": p.hint} for p in result.problems],
        "waiting_for": list(result.waiting),
        "error": _error(result.error, result.error_code),
        "notes": list(change.notes),
    }


def undo_payload(result: UndoResult) -> Json:
    """The way back as JSON."""
    return {
        "reverts": f"M-{result.reverts}",
        "operation": result.kind.value,
        "table": name(result.table),
        "column": result.column,
        "outcome": result.outcome,
        "mutation": None if result.id is None else f"M-{result.id}",
        "steps": [_step_json(s) for s in result.steps],
        "undo": undo_json(result.undo),
        "error": _error(result.error, result.error_code),
        "notes": list(result.notes),
    }


def impact_json(impact: Impact) -> Json:
    """What hangs on a column as JSON."""
    return {
        "objects": [_object_json(o) for o in impact.objects],
        "queries": None if impact.queries is None else [_query_json(q) for q in impact.queries],
        "profiles": impact.profiles,
        "partitions": list(impact.partitions),
        "notes": list(impact.notes),
    }


def undo_json(undo: Undo) -> Json:
    """The way back as JSON."""
    return {
        "statements": list(undo.statements),
        "afterwards": list(undo.after),
        "loss": undo.loss,
        "saved_in": None if undo.saved is None else name(undo.saved),
        "notes": list(undo.notes),
    }


def _object_json(item: Affected) -> Json:
    return {
        "kind": item.kind,
        "name": item.name,
        "effect": item.effect,
        "detail": item.detail,
        "definition": item.definition,
    }


def _query_json(query: QueryAffected) -> Json:
    return {
        "id": query.id,
        "text": query.text,
        "calls": query.calls,
        "share": query.share,
        "effect": query.effect,
        "whole_row": query.whole_row,
    }


def _step_json(step: StepReport) -> Json:
    return {
        "title": step.title,
        "statements": list(step.statements),
        "lock": step.lock,
        "span": step.span,
        "outcome": step.outcome,
        "ms": step.milliseconds,
        "tries": step.tries,
        "rows": step.rows,
        "blockers": list(step.blockers),
    }


def _error(message: str | None, code: str | None) -> Json | None:
    return None if message is None else {"code": code or "failed", "message": message}
