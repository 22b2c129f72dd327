"""``apply`` and ``rollback``: what the guards say, what will be done, what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from indexpilot_cli.apply.values import ApplyResult
from indexpilot_cli.core.mutation import MutationReport, OperationKind
from indexpilot_cli.core.units import DASH, size
from indexpilot_cli.guards.context import Verdict
from indexpilot_cli.render.document import (
    Block,
    Code,
    Document,
    Facts,
    Lines,
    SqlStatement,
    TableBlock,
    columns,
)
from indexpilot_cli.render.units import milliseconds, one_line, plural, stamp
from indexpilot_cli.render.views.history import ApplyDocument, RollbackDocument, mutation_number

_COLUMNS = columns("id|short", "advice|short", "index", "outcome|state", "time|number", "size|number", "details|text")
_GUARD_COLUMNS = columns("guard|state", "name|label", "reason|text", "from|text")
_UNDONE = "undone already"
_WORDS = {
    "already_done": "there already",
    "already_done drop_index": "gone already",
    "planned drop_index": "to drop",
    "planned reindex": "to rebuild",
    "leftover": "left over",
    "done create_index": "built",
    "done drop_index": "dropped",
    "done reindex": "rebuilt",
    "done attach_index": "attached",
    "done analyze": "analyzed",
    "done vacuum": "vacuumed",
    "done create_statistics": "created",
    "done drop_statistics": "dropped",
    "already_done drop_statistics": "gone already",
}
_SKIPPED = {
    "already_done": "all of it was there already",
    "did_not_pay": "what is not there already did not pay here before",
    "declined": "the answer was no",
    "no_plan": "there is no plan yet (indexpilot recommend)",
    "nothing_to_undo": "there is nothing to undo",
    "window": "outside the window",
}
_VERBS = (
    (OperationKind.CREATE, "build"),
    (OperationKind.ATTACH, "attach"),
    (OperationKind.REINDEX, "rebuild"),
    (OperationKind.DROP, "drop"),
)
_UPKEEP = (
    (OperationKind.STATISTICS, "create", "object of statistics", "objects of statistics"),
    (OperationKind.DROP_STATISTICS, "drop", "object of statistics", "objects of statistics"),
    (OperationKind.STATISTICS_TARGET, "set", "statistics target", "statistics targets"),
    (OperationKind.VACUUM, "vacuum", "table", "tables"),
    (OperationKind.ANALYZE, "analyze", "table", "tables"),
)
_ORDER = ("done", "already_done", "planned", "reverted", "failed", "leftover", "conflict", "unknown", "skipped")


def view(result: ApplyResult, *, verbose: bool = False) -> Document:
    """What was done or would be done, one line per index, and a line that counts."""
    blocks: list[Block] = []
    if verbose and result.verdicts:
        blocks.append(guards_table(result.verdicts))
    if result.reconciled:
        blocks.append(Facts(tuple(("Repaired", _repaired(m)) for m in result.reconciled)))
    shown = _shown(result)
    if shown:
        blocks.append(TableBlock(_COLUMNS, tuple(_row(m) for m in shown), header=False))
    blocks += _verified(result)
    if result.dry_run or verbose:
        blocks += _sql(shown, verbose=verbose)
    blocks.append(Lines(tuple(_summary(result))))
    return Document(tuple(blocks), result, ApplyDocument, statements(result))


def _shown(result: ApplyResult) -> tuple[MutationReport, ...]:
    """What was done or, in a dry run, would be; what was planned in vain is left out."""
    return tuple(m for m in result.mutations if result.dry_run or m.outcome != "planned")


def guards(verdicts: Sequence[Verdict], *, verbose: bool = False) -> Document:
    """The guards' answers: those that say no or warn in a sentence each, the others by name."""
    if verbose:
        return Document((guards_table(verdicts),))
    rows = [("Guards", _guard(v)) for v in verdicts if not v.allowed or v.warning]
    fine = dict.fromkeys(v.guard.replace("_", " ") for v in verdicts if v.allowed and not v.warning)
    rows += [("Guards", f"ok       {', '.join(fine)}")] if fine else []
    return Document((Facts(tuple((label if n == 0 else "", text) for n, (label, text) in enumerate(rows))),))


def guards_table(verdicts: Sequence[Verdict]) -> TableBlock:
    """Every guard with its reason and where that comes from."""
    return TableBlock(
        _GUARD_COLUMNS,
        tuple((_state(v), v.guard.replace("_", " "), one_line(v.reason), one_line(v.origin)) for v in verdicts),
    )


def _state(verdict: Verdict) -> str:
    return "no" if not verdict.allowed else "warning" if verdict.warning else "ok"


def _guard(verdict: Verdict) -> str:
    about = f"{verdict.table.short}: " if verdict.table and verdict.table.name not in verdict.reason else ""
    again = stamp(verdict.retry_at).rstrip("Z") if verdict.retry_at and not verdict.allowed else ""
    retry = f" (again at {again}Z)" if again and again not in verdict.reason else ""
    return f"{_state(verdict):<8} {about}{one_line(verdict.reason)}{retry}"


def question(result: ApplyResult) -> Document:
    """What will happen, in one sentence: the text above the question."""
    return Document((Facts((("Will do", will_do(result)),)),))


def will_do(result: ApplyResult) -> str:
    """``build 3 indexes, 4.6 GB, one at a time, without blocking writes``."""
    todo = [m for m in result.mutations if m.outcome == "planned"]
    parts = []
    for kind, verb in _VERBS:
        some = [m for m in todo if _effect(m) is kind]
        if some:
            total = sum(m.size_bytes or 0 for m in some)
            amount = f", {size(total)}" if total else ""
            parts.append(f"{verb} {plural(len(some), 'index', 'indexes')}{amount}")
    for kind, verb, one, many in _UPKEEP:
        number = sum(m.kind is kind for m in todo)
        parts += [f"{verb} {plural(number, one, many)}"] if number else []
    if not parts:
        return "nothing: all of it is done already"
    return f"{' and '.join(parts)}, one at a time, without blocking writes"


def _effect(item: MutationReport) -> OperationKind:
    """What the statement does: undoing a creation is a drop."""
    if item.sql.lstrip().upper().startswith("DROP INDEX"):
        return OperationKind.DROP
    return OperationKind.CREATE if item.kind is OperationKind.DROP else item.kind


def _row(item: MutationReport) -> tuple[str, ...]:
    return (
        mutation_number(item) or DASH,
        item.recommendation or DASH,
        item.summary or f"{item.table.short}: {item.index}",
        outcome_word(item),
        milliseconds(item.milliseconds) if item.milliseconds is not None else "",
        size(item.size_bytes) if item.size_bytes is not None else "",
        _details(item),
    )


def outcome_word(item: MutationReport) -> str:
    """How it ended, as a person says it."""
    return _WORDS.get(f"{item.outcome} {item.kind.value}") or _WORDS.get(item.outcome, item.outcome)


def _details(item: MutationReport) -> str:
    error = item.error or (item.error_code or "").replace("_", " ")
    parts = [error + (f" x {item.tries}" if error and item.tries > 1 else "")]
    parts += [item.verification.replace("_", " ") if item.verification else ""]
    parts += item.notes
    return one_line(", ".join(part for part in parts if part))


def _repaired(item: MutationReport) -> str:
    told = _details(item)
    number = f"M-{item.id}  " if item.id is not None else ""
    return f"{number}{item.summary or item.index}  {outcome_word(item)}" + (f"  {told}" if told else "")


def _verified(result: ApplyResult) -> list[Block]:
    rows = tuple(
        (mutation_number(m) or m.index, one_line(m.verification_text)) for m in result.mutations if m.verification_text
    )
    return [Facts(rows)] if rows else []


def _sql(mutations: Sequence[MutationReport], *, verbose: bool) -> list[Block]:
    shown = [m.sql for m in mutations if m.sql and (verbose or m.outcome == "planned")]
    return [Code("".join(f"{_bare(sql)};\n" for sql in shown))] if shown else []


def _bare(sql: str) -> str:
    return sql.strip().rstrip(";")


def _summary(result: ApplyResult) -> list[str]:
    shown = _shown(result)
    lines = [_counts(shown)] if shown else []
    if result.skipped:
        lines.append(f"nothing done: {reason(result)}")
    if not lines:
        lines.append("nothing to do")
    if result.dry_run:
        lines.append("dry run: nothing changed")
    return lines


def reason(result: ApplyResult) -> str:
    """Why nothing was done, in words, with the next opening of the window."""
    word = result.skipped or ""
    refusing = next((v.reason for v in result.verdicts if v.guard == word and not v.allowed), None)
    text = one_line(refusing or _SKIPPED.get(word, word))
    opening = stamp(result.next_opening).rstrip("Z") if result.next_opening else ""
    return f"{text}; next opening {opening}Z" if opening and opening not in text else text


def _counts(mutations: Sequence[MutationReport]) -> str:
    counts = Counter(
        (_ORDER.index(m.outcome) if m.outcome in _ORDER else len(_ORDER), outcome_word(m)) for m in mutations
    )
    return ", ".join(f"{number} {word}" for (_, word), number in sorted(counts.items()))


def statements(result: ApplyResult) -> tuple[SqlStatement, ...]:
    """What is still to run, for psql."""
    return tuple(
        SqlStatement(
            _bare(m.sql), tuple(c for c in (_comment(m), f"undo: {_bare(m.undo_sql)};" if m.undo_sql else "") if c)
        )
        for m in result.mutations
        if m.sql and m.outcome == "planned"
    )


def _comment(item: MutationReport) -> str:
    return one_line(": ".join(part for part in (item.recommendation, item.summary) if part))


def rollback_view(result: ApplyResult, *, verbose: bool = False) -> Document:
    """One line per mutation; the exact SQL in a dry run."""
    told = tuple(replace(m, outcome=_UNDONE) if m.outcome == "already_done" else m for m in result.mutations)
    shown = view(replace(result, mutations=told), verbose=verbose)
    made = tuple(
        (mutation_number(m) or m.index, f"made {stamp(m.started_at)}") for m in result.mutations if m.started_at
    )
    extra: tuple[Block, ...] = (Facts(made),) if verbose and made else ()
    return Document((*extra, *shown.blocks), result, RollbackDocument, shown.statements)
