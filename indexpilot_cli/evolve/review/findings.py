"""From what was seen to what is worth reading: evidence decides, the statements only give it a name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.observation import RunState, SqlError, WorkKind
from indexpilot_cli.core.units import listed
from indexpilot_cli.evolve.alter_table import Written
from indexpilot_cli.evolve.review.case import Review, StatementCase, span, table_size
from indexpilot_cli.evolve.review.offline.columns import rewrites, written
from indexpilot_cli.evolve.review.offline.state import OfflineState
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer
from indexpilot_cli.evolve.review.registry import RULES
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.rules.server_refuses import FAILS
from indexpilot_cli.evolve.review.values import Finding, Impact
from indexpilot_cli.sql.ddl.action import Act, Action, Migration, MigrationStatement

_ADVICE = "DTN"


def findings(review: Review, *, ignore: Collection[str]) -> tuple[Finding, ...]:
    """The findings of a file in the order of its lines, gravest first on each.

    L is raised only by a verdict of long blocking, F by an error or an answer of the data, W by what the catalog lost
    or a recorded query suffers; D, T and N are advice, each once. Ignored ones carry the reason.
    """
    marked = _with_ignores(review.migration, _found(review), ignore)
    told = [*_once(f for f in marked if f.id[0] in _ADVICE), *(f for f in marked if f.id[0] not in _ADVICE)]
    lines = {s.number: s.line for s in review.migration.statements}
    return tuple(sorted(told, key=lambda f: (lines.get(f.statement, f.line), f.statement, -f.severity.rank, f.id)))


def _found(review: Review) -> Iterator[Finding]:
    yield from blocking(review)
    for case in review.cases:
        yield from _failures(case)
    for rule in RULES.values():
        if rule.find is not None:
            yield from rule.find(rule, review)


def _failures(case: StatementCase) -> Iterator[Finding]:
    """One finding for the error seen, or one for each thing the data will not let through."""
    error = case.seen.error
    behind = case.seen.state is RunState.BEHIND
    if (behind or case.seen.state is RunState.FAILED) and error is not None:
        word, more = "would fail" if behind else "fails", f"; {error.detail}" if error.detail else ""
        text = f"{word}: {error.message} ({error.sqlstate}){more}"
        rule = failing_rule(error)
        made = rule.finding(case, text, Severity.WARNING if behind else None)
        yield replace(made, instead=_instead(case, rule))
        return
    for answer in case.probes:
        if answer.found:
            yield _from_data(case, answer)


def failing_rule(error: SqlError) -> HazardRule:
    """The rule that an error stands for; FAILS takes what no other knows."""
    return next((rule for rule in RULES.values() if rule.fails is not None and rule.fails(error)), FAILS)


def _from_data(case: StatementCase, answer: ProbeAnswer) -> Finding:
    rule = next(rule for rule in RULES.values() if answer.probe.kind in rule.probes)
    behind = case.seen.state is RunState.BEHIND
    sure = answer.source == "data" and not behind
    word = "will fail" if sure else "would fail" if behind else "will probably fail, by its statistics"
    text = f"{word}: {answer.probe.question} ({answer.probe.sqlstate})"
    made = rule.finding(case, text, None if sure else Severity.WARNING)
    return replace(made, table=answer.probe.table, instead=_instead(case, rule))


def _instead(case: StatementCase, rule: HazardRule) -> str:
    return next((form for a in case.actions if (form := rule.safer_text(a, case))), "")


def _once(advice: Iterable[Finding]) -> Iterator[Finding]:
    """Each hazard once, at its first place, with the number of further places."""
    found: dict[tuple[str, str | None], list[Finding]] = {}
    for finding in advice:
        found.setdefault((finding.id, finding.ignored), []).append(finding)
    for group in found.values():
        lines = sorted({f.line for f in group[1:]} - {group[0].line})
        more = f" (and {len(lines)} more: line {listed([str(n) for n in lines], 5)})" if lines else ""
        worst = max(group, key=lambda f: f.severity.rank).severity
        yield replace(group[0], message=group[0].message + more, severity=worst)


def _with_ignores(migration: Migration, found: Iterable[Finding], ignore: Collection[str]) -> tuple[Finding, ...]:
    """The findings, those that are ignored marked so, and what is to be said of the ignore comments themselves.

    ``ignore`` are ids or names that a flag or a setting switches off; they need no reason.
    """
    statements = {s.number: s for s in migration.statements}
    made = [_applied(f, statements.get(f.statement)) for f in found]
    used = {(f.statement, f.id) for f in made if f.ignored is not None}
    for rule in RULES.values():
        if rule.comments is not None:
            made += rule.comments(migration, used, RULES.keys())
    off = {word.lower() for word in ignore}
    return tuple(_switched_off(f, off) for f in made)


def _applied(finding: Finding, statement: MigrationStatement | None) -> Finding:
    for comment in statement.ignores if statement is not None else ():
        if comment.hazard == finding.id:
            return replace(finding, ignored=comment.reason)
    return finding


def _switched_off(finding: Finding, off: Collection[str]) -> Finding:
    if finding.ignored is None and (finding.id.lower() in off or finding.name in off):
        return replace(finding, ignored=f"--ignore {finding.id}")
    return finding


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
        cause = next((key for key, rule in RULES.items() if rule.causes and rule.causes(action, works)), None)
        if cause is not None and not case.review.is_new(action):
            found.setdefault(cause, action)
    if not found:
        return {next(rule for rule in RULES.values() if rule.unexplained and rule.unexplained(case)): None}
    return {RULES[key]: action for key, action in _without_guesses(found, case).items()}


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
    work = told_with(work, str(worst.table), where)
    since = ", under the lock of an earlier statement" if rule.id in ("L22", "L35", "L36") else ""
    return f"{case.hidden}{work}{since}: {who} wait {span(case.verdict.duration)}".rstrip()


def told_with(work: str, table: str, where: str) -> str:
    """The work with the table's size behind its name, or said of the table when it does not name it."""
    # Not the beginning of a longer name: public.part is no public.part_default.
    told, found = re.subn(rf"{re.escape(table)}(?![\w$\".])", lambda _: where, work, count=1)
    return told if found else f"{work}, with {where} locked"


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
