"""From what was seen to what is worth reading: evidence decides, the statements only give it a name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.observation import MigrationObservation, RunState, SqlError
from indexpilot_cli.evolve.review.blocking import blocking
from indexpilot_cli.evolve.review.case import Review, StatementCase, listed
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer
from indexpilot_cli.evolve.review.registry import RULES
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.rules.server_refuses import FAILS
from indexpilot_cli.evolve.review.values import Finding, StatementVerdict, TemplateImpact
from indexpilot_cli.sql.ddl.action import Migration, MigrationStatement

_ADVICE = "DTN"


def findings(
    migration: Migration,
    observation: MigrationObservation,
    verdicts: Sequence[StatementVerdict],
    probes: Sequence[ProbeAnswer],
    templates: Sequence[TemplateImpact],
    catalog: Catalog | None,
    *,
    ignore: Collection[str],
) -> tuple[Finding, ...]:
    """The findings of a file in the order of its lines, gravest first on each.

    L is raised only by a verdict of long blocking, F by an error or an answer of the data, W by what the catalog lost
    or a recorded query suffers; D, T and N are advice, each once. Ignored ones carry the reason.
    """
    review = Review(migration, observation, tuple(verdicts), tuple(probes), tuple(templates), catalog)
    marked = _with_ignores(migration, _found(review), ignore)
    told = [*_once(f for f in marked if f.id[0] in _ADVICE), *(f for f in marked if f.id[0] not in _ADVICE)]
    return tuple(sorted(told, key=lambda f: (f.line, f.statement, -f.severity.rank, f.id)))


def _found(review: Review) -> Iterator[Finding]:
    yield from blocking(review)
    for case in review.cases:
        yield from _failures(case)
    for rule in RULES.values():
        if rule.find is not None:
            yield from rule.find(review)


def _failures(case: StatementCase) -> Iterator[Finding]:
    """One finding for the error seen, or one for each thing the data will not let through."""
    error = case.seen.error
    if case.seen.state is RunState.FAILED and error is not None:
        text = f"fails: {error.message} ({error.sqlstate})" + (f"; {error.detail}" if error.detail else "")
        rule = failing_rule(error)
        yield replace(rule.finding(case, text), instead=_instead(case, rule))
        return
    for answer in case.probes:
        if answer.found:
            yield _from_data(case, answer)


def failing_rule(error: SqlError) -> HazardRule:
    """The rule that an error stands for; FAILS takes what no other knows."""
    return next((rule for rule in RULES.values() if rule.fails is not None and rule.fails(error)), FAILS)


def _from_data(case: StatementCase, answer: ProbeAnswer) -> Finding:
    rule = next(rule for rule in RULES.values() if answer.probe.kind in rule.probes)
    sure = answer.source == "data"
    word = "will fail" if sure else "will probably fail, by its statistics"
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
