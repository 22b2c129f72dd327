"""Which statements of a file become which steps, and what cannot be made safer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from indexpilot_cli.evolve.review.case import StatementCase
from indexpilot_cli.evolve.review.findings import causes, writes_anew
from indexpilot_cli.evolve.review.offline.observe import stands_alone
from indexpilot_cli.evolve.review.rule import HazardRule, SafeStep, columns_sql
from indexpilot_cli.evolve.review.rules.add_column import COLUMN_CHECKED, COLUMN_REWRITES
from indexpilot_cli.evolve.review.rules.index_upkeep import DROP_INDEX_NOT_CONCURRENT
from indexpilot_cli.evolve.review.rules.partitions import DETACH_NOT_CONCURRENT
from indexpilot_cli.evolve.review.rules.type_change import TYPE_CHANGE_REWRITES, stale_columns
from indexpilot_cli.evolve.review.values import Impact
from indexpilot_cli.sql.ddl.action import Act, Action

_BIG = 10_000.0  # rows from which a brief lock is avoided too, where that costs nothing


@dataclass(frozen=True, slots=True)
class Replacement:
    """The steps that stand for a statement; ``later`` run when its transaction has ended. None keeps it."""

    case: StatementCase
    steps: tuple[SafeStep, ...] | None = None
    later: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def replacement(case: StatementCase) -> Replacement:
    """What a statement becomes."""
    later = tuple(_analyze(case))
    if stands_alone(case.written):
        return Replacement(case, (SafeStep(case.written.sql, alone=True),), later)
    blamed: dict[HazardRule, Action | None] = causes(case) if case.long else dict(_cheap(case))
    if not blamed:
        return Replacement(case, None, later)
    # Locks are released when the transaction ends: no other form of the statement would help.
    if any(rule.splits for rule in blamed):
        text = "runs in a transaction of its own: what stands before it stays when it fails"
        return Replacement(case, (SafeStep(case.written.sql, apart=True),), later, (_line(case, text),))
    notes: list[str] = []
    steps = tuple(_steps(case, blamed, notes))
    changed = tuple(s.sql for s in steps) != (case.written.sql,)
    return Replacement(case, steps if changed and steps else None, later, tuple(notes))


def _steps(case: StatementCase, blamed: dict[HazardRule, Action | None], notes: list[str]) -> Iterator[SafeStep]:
    """The steps of all actions in their order; nothing at all when none of them has a safer form."""
    done: list[SafeStep] = []
    safer = False
    for action in case.written.actions:
        if action.has("inline") or action.nested or action.kind is Act.DO:
            continue
        rule = _rule(case, action, blamed)
        found = rule.safe_steps(action, case) if rule else ()
        if rule and not found:
            notes.append(_line(case, rule.why_left(action)))
        if rule and found and rule.note is not None:
            notes.append(_line(case, rule.note(action, case)))
        safer = safer or bool(found)
        done += found or (SafeStep(action.sql),)
    if not done and blamed:
        notes.append(_line(case, next(iter(blamed)).why_left(None)))
    if safer:
        yield from done


def _rule(case: StatementCase, action: Action, blamed: dict[HazardRule, Action | None]) -> HazardRule | None:
    """The rule for one action among several."""
    inline = [a for a in case.actions if a.has("inline") and a.columns == action.columns]
    if action.kind is Act.ADD_COLUMN and COLUMN_CHECKED in blamed and inline:
        return COLUMN_CHECKED
    return next((r for r, a in blamed.items() if a is not None and _alike(r, action, a, case)), None)


def _alike(rule: HazardRule, action: Action, blamed: Action, case: StatementCase) -> bool:
    """Blame falls on the first action of a kind; the others of the kind are treated alike."""
    if action is blamed:
        return True
    if rule is TYPE_CHANGE_REWRITES:
        return writes_anew(action, case)
    done = action.options & {"not_valid", "concurrently", "using_index"}
    alike = action.kind is blamed.kind and action.constraint == blamed.constraint
    return alike and not done and rule is not COLUMN_REWRITES


def _cheap(case: StatementCase) -> Iterator[tuple[HazardRule, Action]]:
    """Brief locks on big tables that a word avoids. Only where no transaction has to be split for it."""
    if case.verdict.impact is not Impact.BRIEF_LOCK or not any(b.rows >= _BIG for b in case.verdict.blocked):
        return
    for action in case.actions:
        if action.kind is Act.DROP_INDEX and not action.has("concurrently"):
            yield DROP_INDEX_NOT_CONCURRENT, action
        if action.kind is Act.DETACH_PARTITION and not action.has("concurrently"):
            yield DETACH_NOT_CONCURRENT, action


def _analyze(case: StatementCase) -> Iterator[str]:
    stale = stale_columns(case)
    if stale:
        table = stale[0].object.table
        columns = columns_sql(dict.fromkeys(c.object.path[-1] for c in stale))
        # The columns alone: the statistics of the others are still there.
        yield f"ANALYZE {table} {columns}"


def _line(case: StatementCase, text: str) -> str:
    return f"line {case.written.line}: {text}"
