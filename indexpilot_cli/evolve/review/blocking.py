"""L: others wait for long. The verdict decides that; the statement's actions only say which hazard it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.observation import WorkKind
from indexpilot_cli.evolve.review.case import Review, StatementCase, listed, span, table_size
from indexpilot_cli.evolve.review.offline.columns import rewrites, written
from indexpilot_cli.evolve.review.offline.state import OfflineState
from indexpilot_cli.evolve.review.registry import RULES
from indexpilot_cli.evolve.review.rule import HazardRule, Works
from indexpilot_cli.evolve.review.values import Finding, Impact
from indexpilot_cli.evolve.type_change import Written
from indexpilot_cli.sql.ddl.action import Act, Action

_VERBS = ("rewrites", "refreshes", "checks", "validates", "builds", "rebuilds", "changes", "reads")


def blocking(review: Review) -> Iterator[Finding]:
    """What keeps others waiting, one finding for each hazard of a statement; nothing for a lock that is brief."""
    for case in review.cases:
        if not case.long or case.verdict.impact is Impact.LONG_ONLINE:
            continue
        rewritten = any(w.kind is WorkKind.REWRITE for w in case.seen.work)
        for rule, action in causes(case).items():
            made = case.with_lock(rule.finding(case, _message(case, rule)))
            instead = rule.safer_text(action, case) if action is not None else ""
            yield replace(made, instead=instead, rewrites=rewritten)


def causes(case: StatementCase) -> dict[HazardRule, Action | None]:
    """Rules with the action to blame; None where an earlier statement's lock is to blame, or nobody can tell."""
    works = frozenset(w.kind for w in case.seen.work if not w.online)
    found: dict[str, Action] = {}
    for action in sorted(case.actions, key=lambda a: not writes_anew(a, case)):
        cause = _cause_of(action, works)
        if cause is not None and not case.review.is_new(action):
            found.setdefault(cause, action)
    if not found:
        return {_unexplained(case): None}
    return {RULES[key]: action for key, action in _without_guesses(found, case).items()}


def _cause_of(action: Action, works: Works) -> str | None:
    return next((key for key, rule in RULES.items() if rule.causes and rule.causes(action, works)), None)


def _unexplained(case: StatementCase) -> HazardRule:
    return next(rule for rule in RULES.values() if rule.unexplained and rule.unexplained(case))


def writes_anew(action: Action, case: StatementCase) -> bool:
    """Whether an action rewrites its table by the manual: where several could have, these are to blame first."""
    state = OfflineState(case.review.catalog, case.review.catalog.version if case.review.catalog else 0)
    if action.kind is Act.ALTER_TYPE:
        return written(action, state) is Written.TABLE
    return action.kind is Act.ADD_COLUMN and rewrites(action, state)


def _without_guesses(found: dict[str, Action], case: StatementCase) -> dict[str, Action]:
    """One cause for each kind of work: the manual decides where the evidence fits several."""
    left = dict(found)
    # A rewrite reads every row anyway, and a CHECK of the same statement is verified in that pass.
    if "L12" in left:
        left.pop("L13", None)
    # The subcommands of one ALTER TABLE share a single pass: what was seen cannot tell which of them wanted it.
    # https://www.postgresql.org/docs/current/sql-altertable.html
    if {"L10", "L12"} <= left.keys():
        sure = {h for h in ("L10", "L12") if writes_anew(left[h], case)}
        left = {h: a for h, a in left.items() if h not in ("L10", "L12") or not sure or h in sure}
    # No index was rebuilt: the type change came for free and another action did the work.
    if len(left) > 1 and not any(w.rebuilt for w in case.seen.work):
        left.pop("L11", None)
    return left


def _message(case: StatementCase, rule: HazardRule) -> str:
    worst = case.verdict.blocked[0] if case.verdict.blocked else None
    work = _work(case.verdict.work) or "works for long"
    if worst is None:
        return f"{case.hidden}{work} while others wait"
    who = "reads and writes" if worst.reads else "writes"
    where = table_size(worst) if case.review.catalog is not None else f"{worst.table} (of unknown size)"
    work = work.replace(str(worst.table), where, 1) if str(worst.table) in work else f"{work}, with {where} locked"
    since = ", under the lock of an earlier statement" if rule.id in ("L22", "L35", "L36") else ""
    return f"{case.hidden}{work}{since}: {who} wait {span(case.verdict.duration)}".rstrip()


def _work(clauses: tuple[str, ...]) -> str:
    """The clauses of a verdict, gravest first, rebuilt indexes counted."""
    ordered = sorted(clauses, key=_gravity)
    rebuilt = [c for c in ordered if c.startswith("rebuilds an index")]
    if len(rebuilt) < 2:
        return listed(ordered, 3)
    rest = [c for c in ordered if c not in rebuilt]
    of = "" if rest else f" of {rebuilt[0].removeprefix('rebuilds an index of ').partition(' (')[0]}"
    return listed((*rest, f"rebuilds {len(rebuilt)} indexes{of}"), 3)


def _gravity(clause: str) -> int:
    return next((n for n, verb in enumerate(_VERBS) if clause.startswith(verb)), len(_VERBS))
