"""Schema changes: what will run, whom it keeps waiting, what it touches, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Annotated, Literal

from indexpilot_cli.core.codec import Count, DocumentShape, From
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import DASH, count, seconds, size
from indexpilot_cli.evolve.change.values import (
    ChangeResult,
    ColumnChangeKind,
    ColumnImpact,
    ExpectedWait,
    Problem,
    SchemaChange,
    Span,
    StepReport,
    TypeWork,
    Undo,
    UndoResult,
)
from indexpilot_cli.render.document import Block, Code, Document, Facts, Lines, SqlStatement, TableBlock, columns
from indexpilot_cli.render.units import milliseconds, one_line, percent, plural
from indexpilot_cli.render.views.history import mutation_number
from indexpilot_cli.render.views.pictures import step_charts


class StepDocument(DocumentShape):
    """One thing to do, in a transaction of its own."""

    title: str
    statements: tuple[str, ...]
    lock: Annotated[str, "the strongest lock on the table"]
    span: Span
    outcome: Literal["planned", "done", "skipped", "failed"]
    ms: Annotated[float | None, From("milliseconds")]
    tries: Count
    rows: int | None
    blockers: tuple[str, ...]


class UndoDocument(DocumentShape):
    """The way back."""

    statements: Annotated[tuple[str, ...], "run in order, in one transaction"]
    afterwards: Annotated[tuple[str, ...], From("after")]
    loss: Annotated[str, "what does not come back; empty: all does"]
    saved_in: Annotated[QualifiedName | None, From("saved")]
    notes: tuple[str, ...]


class EndedDocument(DocumentShape):
    """Why it ended early."""

    code: Annotated[str, From(lambda result: result.error_code or "failed")]
    message: Annotated[str, From("error")]


class WaitDocument(DocumentShape):
    """Who waits for about how long, while the change or its rollback works."""

    when: Literal["change", "rollback"]
    who: Literal["writers", "readers and writers"]
    seconds_low: Annotated[float, From("low")]
    seconds_high: Annotated[float, From("high")]
    basis: Literal["calibrated", "default"]
    during: str


_Ended = Annotated[EndedDocument | None, From(lambda result: result if result.error is not None else None)]


class SchemaChangeDocument(DocumentShape):
    """A change of one column, shown or done."""

    operation: Annotated[ColumnChangeKind, From("change.kind")]
    table: Annotated[QualifiedName, From("change.table")]
    column: Annotated[str, From("change.column")]
    new_name: Annotated[str | None, From("change.new_name")]
    type: Annotated[str | None, From("change.type")]
    outcome: Literal["planned", "refused", "done", "partial", "failed"]
    mutation: Annotated[str | None, From(mutation_number)]
    atomic: Annotated[bool, From("change.atomic")]
    resumed: bool
    table_bytes: Annotated[Count, From("change.bytes")]
    table_rows: Annotated[float | None, From("change.rows")]
    work: Annotated[TypeWork | None, From("change.classified.work")]
    work_reason: Annotated[str | None, From("change.classified.reason")]
    judged_by: Annotated[str | None, From("change.classified.by")]
    steps: tuple[StepDocument, ...]
    impact: Annotated[ColumnImpact, From("change.impact")]
    undo: UndoDocument
    problems: tuple[Problem, ...]
    waiting_for: Annotated[tuple[str, ...], From("waiting")]
    error: _Ended
    notes: Annotated[tuple[str, ...], From("change.notes")]
    waits: Annotated[tuple[WaitDocument, ...], From("change.waits")]


class SchemaUndoDocument(DocumentShape):
    """A change of one column taken back."""

    reverts: Annotated[str, From(lambda result: f"M-{result.reverts}")]
    operation: Annotated[ColumnChangeKind, From("kind")]
    table: QualifiedName
    column: str
    outcome: Literal["planned", "already_done", "done", "failed"]
    mutation: Annotated[str | None, From(mutation_number)]
    steps: tuple[StepDocument, ...]
    undo: UndoDocument
    error: _Ended
    notes: tuple[str, ...]
    waits: tuple[WaitDocument, ...]


_STEPS = columns("#|number", "step", "lock|short", "whom it blocks|text")
_DONE = (*_STEPS, *columns("state|state", "took|number", "tries|number"))
_OBJECTS = columns("what|short", "name", "becomes of it|short", "why|text")
_QUERIES = columns("query|short", "share|number", "calls|number", "effect|short")
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
    blocks: list[Block] = [_head(result), _steps(result.steps), *step_charts(result.steps)]
    if result.outcome in ("planned", "refused") or verbose:
        texts = [f"{text};" for text in chain.from_iterable(step.statements for step in result.steps)]
        blocks += [Code("\n".join(texts))] if texts else []
    blocks += _impact(change.impact)
    blocks += _problems(result)
    blocks += _back(result.undo, verbose=verbose or result.outcome == "planned")
    return Document(tuple(blocks), result, SchemaChangeDocument, _statements(result.steps))


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
    facts += _waits(result.waits) if result.outcome == "planned" else []
    blocks: list[Block] = [Facts(tuple(facts)), _steps(result.steps), *step_charts(result.steps)]
    if (result.outcome == "planned" or verbose) and result.undo.statements:
        blocks.append(Code(f"{result.undo.script};"))
    blocks += (
        [Facts(tuple(("note", text) for text in _notes(result.undo, result.notes)))]
        if result.notes or result.undo.loss
        else []
    )
    return Document(tuple(blocks), result, SchemaUndoDocument, _statements(result.steps))


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
    facts += _waits(change.waits) if result.outcome in ("planned", "refused") else []
    facts += [("note", text) for text in (*change.notes, *change.impact.notes)]
    return Facts(tuple(facts))


def _waits(waits: Iterable[ExpectedWait]) -> list[tuple[str, str]]:
    """Before anything is asked or done: afterwards the steps say how long it took."""
    return [
        (
            "Who waits",
            f"{'in a rollback ' if w.when == 'rollback' else ''}{w.who}, about {seconds(w.low)} to {seconds(w.high)}:"
            f" {w.during} ({w.basis} rates)",
        )
        for w in waits
    ]


def _target(change: SchemaChange) -> str:
    return f" -> {change.new_name or change.type}" if change.new_name or change.type else ""


def _steps(steps: Sequence[StepReport]) -> TableBlock:
    if all(s.outcome == "planned" for s in steps):
        rows = tuple((str(n), s.title, s.lock, s.span) for n, s in enumerate(steps, 1))
        return TableBlock(_STEPS, rows)
    done = tuple(
        (str(n), s.title, s.lock, s.span, s.outcome, milliseconds(s.milliseconds), str(s.tries or DASH))
        for n, s in enumerate(steps, 1)
    )
    return TableBlock(_DONE, done)


def _impact(impact: ColumnImpact) -> list[Block]:
    blocks: list[Block] = []
    if impact.objects:
        blocks.append(
            TableBlock(_OBJECTS, tuple((o.kind, o.name, o.effect, one_line(o.detail)) for o in impact.objects))
        )
    if impact.queries:
        rows = tuple((q.id, percent(q.share), count(q.calls), q.effect, one_line(q.text)) for q in impact.queries[:10])
        blocks.append(TableBlock((*_QUERIES, *columns("text|query")), rows))
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


def _statements(steps: Sequence[StepReport]) -> tuple[SqlStatement, ...]:
    told: list[SqlStatement] = []
    for step in steps:
        told += (SqlStatement(text, (step.title,)) for text in step.statements)
    return tuple(told)
