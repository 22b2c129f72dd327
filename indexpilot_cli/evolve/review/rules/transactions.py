"""T and N: transactions, timeouts, and what could not be seen by running it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.observation import RunState
from indexpilot_cli.evolve.review.rules.review import Case, Review
from indexpilot_cli.evolve.review.rules.words import listed
from indexpilot_cli.evolve.review.values import Finding, Impact
from indexpilot_cli.sql.ddl.action import Act, Action

_NONE = ("0", "0s", "0ms", "")


def transactions(review: Review) -> Iterator[Finding]:
    """Advice about BEGIN, COMMIT and timeouts."""
    yield from _timeouts(review)
    yield from _nesting(review)
    yield from _piles(review)
    failed = any(c.seen.state is RunState.FAILED for c in review.cases)
    if review.observation.open_transaction and review.cases and not review.migration.one_transaction and not failed:
        yield review.cases[-1].finding("T03", "the file ends without COMMIT: nothing of its last transaction stays")


def _timeouts(review: Review) -> Iterator[Finding]:
    timed: set[str] = set()
    for case in review.cases:
        for action in case.actions:
            _note(action, timed)
        waits = case.verdict.impact is not Impact.FAILS and any(
            lock.relation.existed and lock.mode.blocks_writes for lock in case.seen.locks
        )
        if waits and case.verdict.blocked and "lock_timeout" not in timed:
            yield _untimed(case, "T01", "lock_timeout")
        if waits and case.long and "statement_timeout" not in timed:
            yield _untimed(case, "T02", "statement_timeout")


def _note(action: Action, timed: set[str]) -> None:
    for name, value in action.parameters if action.kind is Act.SET else ():
        if name.lower() in ("lock_timeout", "statement_timeout"):
            off = action.has("reset") or value.strip("' ").lower() in _NONE
            (timed.discard if off else timed.add)(name.lower())


def _untimed(case: Case, hazard: str, name: str) -> Finding:
    table = case.verdict.blocked[0].table.short
    if hazard == "T01":
        text = f"waits for its lock on {table} as long as it takes, and everybody behind it waits too"
    else:
        text = f"nothing ends the statement if it takes longer than you think while {table} is locked"
    value = "2s" if hazard == "T01" else "30s"
    return replace(case.finding(hazard, text), instead=f"SET {name} = '{value}';\n{case.written.sql};")


def _nesting(review: Review) -> Iterator[Finding]:
    inside = wrapped = review.migration.one_transaction
    for case in review.cases:
        for action in case.actions:
            if action.kind is Act.BEGIN:
                if inside:
                    yield case.finding("T04", "BEGIN inside a transaction does nothing")
                inside = True
            elif action.kind in (Act.COMMIT, Act.ROLLBACK) and not action.nested:
                if wrapped:
                    yield case.finding("T04", "ends the transaction of the migration tool, not one of the file")
                elif not inside:
                    yield case.finding("T04", "there is no transaction to end")
                inside = action.has("chain")
                wrapped = False


def _piles(review: Review) -> Iterator[Finding]:
    held: dict[int, dict[str, int]] = {}
    told: set[int] = set()
    for case in review.cases:
        mine = held.setdefault(case.seen.transaction, {})
        for lock in case.seen.locks:
            if lock.mode.blocks_reads and lock.relation.existed and lock.relation.kind in ("r", "p"):
                mine.setdefault(str(lock.relation.name), case.written.number)
        if len(set(mine.values())) > 1 and len(mine) > 1 and case.seen.transaction not in told:
            told.add(case.seen.transaction)
            yield case.finding(
                "T05", f"the transaction holds ACCESS EXCLUSIVE on {listed(sorted(mine))} at the same time"
            )


def unknowns(review: Review) -> Iterator[Finding]:
    """What nobody could see."""
    for case in review.cases:
        if case.seen.state is RunState.NOT_RUN:
            yield case.finding("N01", f"not run: {case.seen.reason or 'the sandbox refuses it'}")
        if any(a.kind is Act.DYNAMIC for a in case.actions):
            yield case.finding(
                "N02", "runs SQL that is put together at run time: only what the empty copy led to was seen"
            )
    yield from _version(review)


def _version(review: Review) -> Iterator[Finding]:
    method = review.observation.method.partition("/")
    major = method[2].partition(".")[0]
    if review.catalog is None or not major.isdigit() or not review.cases or int(major) == review.catalog.major:
        return
    text = f"was run on PostgreSQL {method[2]}, the database is {review.catalog.major}: locks and rewrites may differ"
    yield review.cases[0].finding("N03", text)


def quiet(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Each hazard once, at its first place, with the number of further places."""
    found: dict[tuple[str, str | None], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.id, finding.ignored), []).append(finding)
    for group in found.values():
        lines = sorted({f.line for f in group[1:]} - {group[0].line})
        more = f" (and {len(lines)} more: line {listed([str(n) for n in lines], 5)})" if lines else ""
        worst = max(group, key=lambda f: f.severity.rank).severity
        yield replace(group[0], message=group[0].message + more, severity=worst)
