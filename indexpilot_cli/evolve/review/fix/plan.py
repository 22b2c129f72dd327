"""Which statements of a file become which steps, and what cannot be made safer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from indexpilot_cli.evolve.review.fix.columns import filled_later
from indexpilot_cli.evolve.review.fix.forms import column_apart, forms
from indexpilot_cli.evolve.review.fix.parts import Ground, Step, columns_sql, table_sql
from indexpilot_cli.evolve.review.offline.observe import stands_alone
from indexpilot_cli.evolve.review.rules.blocking import causes, writes_anew
from indexpilot_cli.evolve.review.rules.losses import stale_columns
from indexpilot_cli.evolve.review.rules.review import Case
from indexpilot_cli.evolve.review.values import Impact
from indexpilot_cli.sql.ddl.action import Act, Action

_BIG = 10_000.0  # rows from which a brief lock is avoided too, where that costs nothing
_SPLITS = ("L22", "L35")
_NO_FORM = {
    "L05": "the primary key's index is not known",
    "L11": "an index or a CHECK over the column must be built or proved again; drop it before, bring it back after",
    "L15": "a stored generated column can only be replaced by another column",
    "L23": "a domain's constraint is proved while writers wait; choose a quiet hour",
    "L31": "give the default partition a valid CHECK that excludes the new bound first",
    "L33": "the table is copied; choose a quiet hour or a tool that copies beside the writers",
    "L34": "REFRESH … CONCURRENTLY needs a unique index over columns without a predicate",
    "L36": "the explicit lock is held until the transaction ends",
    "L37": "what it does cannot be split by rules",
}
_SAID = {
    "L23": "the domain's check holds for new values; VALIDATE CONSTRAINT at a quiet hour, it makes writers wait",
    "L32": "DETACH PARTITION … CONCURRENTLY leaves a CHECK on the partition that says what its bound said",
}


@dataclass(frozen=True, slots=True)
class Replacement:
    """The steps that stand for a statement; ``later`` run when its transaction has ended. None keeps it."""

    case: Case
    steps: tuple[Step, ...] | None = None
    later: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def replacement(case: Case, ground: Ground) -> Replacement:
    """What a statement becomes."""
    later = tuple(_analyze(case))
    if stands_alone(case.written):
        return Replacement(case, (Step(case.written.sql, alone=True),), later)
    hazards: dict[str, Action | None] = causes(case) if case.long else dict(_cheap(case))
    if not hazards:
        return Replacement(case, None, later)
    if any(h in _SPLITS for h in hazards):
        text = "runs in a transaction of its own: what stands before it stays when it fails"
        return Replacement(case, (Step(case.written.sql, apart=True),), later, (_line(case, text),))
    notes: list[str] = []
    steps = tuple(_steps(case, hazards, ground, notes))
    changed = tuple(s.sql for s in steps) != (case.written.sql,)
    return Replacement(case, steps if changed and steps else None, later, tuple(notes))


def _steps(case: Case, hazards: dict[str, Action | None], ground: Ground, notes: list[str]) -> Iterator[Step]:
    """The steps of all actions in their order; nothing at all when none of them has a safer form."""
    done: list[Step] = []
    safer = False
    for action in case.written.actions:
        if action.has("inline") or action.nested or action.kind is Act.DO:
            continue
        hazard = _hazard(case, action, hazards)
        found = _of(case, hazard, action, ground) if hazard else ()
        if hazard and not found:
            notes.append(_line(case, _cannot(hazard, action)))
        safer = safer or bool(found)
        done += found or (Step(action.sql),)
        if hazard in _SAID and found:
            notes.append(_line(case, _SAID[hazard]))
        if hazard == "L12" and found:
            notes.append(_line(case, f"fill the column in batches: {'; '.join(filled_later(action, ground))}"))
    if not done and hazards:
        notes.append(_line(case, _cannot(next(iter(hazards)), None)))
    if safer:
        yield from done


def _hazard(case: Case, action: Action, hazards: dict[str, Action | None]) -> str | None:
    """The hazard of one action among several."""
    inline = [a for a in case.actions if a.has("inline") and a.columns == action.columns]
    if action.kind is Act.ADD_COLUMN and "L13" in hazards and inline:
        return "L13"
    return next((h for h, a in hazards.items() if a is not None and _alike(h, action, a, case)), None)


def _alike(hazard: str, action: Action, blamed: Action, case: Case) -> bool:
    """Blame falls on the first action of a kind; the others of the kind are treated alike."""
    if action is blamed:
        return True
    if hazard == "L10":
        return writes_anew(action, case)
    done = action.options & {"not_valid", "concurrently", "using_index"}
    return action.kind is blamed.kind and action.constraint == blamed.constraint and not done and hazard != "L12"


def _of(case: Case, hazard: str, action: Action, ground: Ground) -> tuple[Step, ...]:
    if hazard == "L13":
        inline = [a for a in case.actions if a.kind is Act.ADD_CONSTRAINT and a.has("inline")]
        return column_apart(action, [a for a in inline if a.columns == action.columns], ground)
    return forms(hazard, action, ground)


def _cheap(case: Case) -> Iterator[tuple[str, Action]]:
    """Brief locks on big tables that a word avoids. Only where no transaction has to be split for it."""
    if case.verdict.impact is not Impact.BRIEF_LOCK or not any(b.rows >= _BIG for b in case.verdict.blocked):
        return
    for action in case.actions:
        if action.kind is Act.DROP_INDEX and not action.has("concurrently"):
            yield "L02", action
        if action.kind is Act.DETACH_PARTITION and not action.has("concurrently"):
            yield "L32", action


def _cannot(hazard: str, action: Action | None) -> str:
    if hazard == "L10" and action is not None and action.table and action.columns:
        given = f"{table_sql(action)} {action.columns[0]} '{action.type}'"
        command = f"indexpilot schema-evolve alter-type {given} --online"
        return f"a type change that rewrites cannot be made safe by SQL alone: {command}"
    return f"left as it is ({hazard}): {_NO_FORM.get(hazard, 'there is no safer form in plain SQL')}"


def _analyze(case: Case) -> Iterator[str]:
    stale = stale_columns(case)
    if stale:
        table = stale[0].object.table
        columns = columns_sql(dict.fromkeys(c.object.path[-1] for c in stale))
        yield f"ANALYZE {table} {columns}"


def _line(case: Case, text: str) -> str:
    return f"line {case.written.line}: {text}"
