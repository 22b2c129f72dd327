"""``explain F-…``: one finding with all that was looked at, what would get slower, what holds it back, what is next."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from indexpilot_cli.advise import planfile
from indexpilot_cli.advise.explain.explain import of_advice
from indexpilot_cli.advise.values import Evidence, ExplainResult
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.units import seconds
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.lifecycle import run as find_all
from indexpilot_cli.lifecycle.plan import PLANNABLE
from indexpilot_cli.lifecycle.values import (
    LifecycleAction,
    LifecycleFinding,
    LifecycleRequest,
    LifecycleResult,
    LifecycleState,
    SlowerTemplate,
)
from indexpilot_cli.log.bookkeeping import bookkeeping

# Evidence that speaks against an offer, by its code; the rest speaks for the finding.
_AGAINST = frozenset({"age_unknown", "standbys", "slower", "unconfirmed", "constraint", "open_operation"})
_FOR_KEYS = "foreign_key"  # against the drop of an unused index, and for an index that is missing
_WHY_REPORTED = {
    LifecycleState.OVERLAPPING: "none of the indexes does all that another does, so each may be needed",
    LifecycleState.HOT_DEFEATING: "what reads lose without it is weighed by recommend --drops all, not here",
    LifecycleState.MATERIALIZED_VIEW: "it runs the view's query, or needs columns that tell its rows apart",
    LifecycleState.METADATA_MISMATCH: "whether the log or the catalog is right a person must say",
    LifecycleState.INVALID: "it is not ours to drop: somebody builds it, or needs its parts",
}
_DONE = {
    LifecycleAction.DROP: "it is offered to be dropped",
    LifecycleAction.REINDEX: "it is offered to be rebuilt",
    LifecycleAction.CREATE: "an index is offered",
    LifecycleAction.ANALYZE: "ANALYZE is offered",
    LifecycleAction.VACUUM: "VACUUM is offered",
    LifecycleAction.REPORT: "it is reported and nothing is offered",
}
# By the evidence: what would tell more.
_TELLS_MORE = {
    "age_unknown": "indexpilot lifecycle snapshot",
    "open_operation": "indexpilot doctor --reconcile",
    "slower": "indexpilot recommend --drops all",
}


def explain_finding(request: LifecycleRequest, subject: str, progress: Progress) -> Outcome[ExplainResult]:
    """The finding of that id as it is now; of one that is gone what a kept plan says of it.

    Raises UsageError for an id that nobody knows, UnreachableError.
    """
    wanted = subject[:1].upper() + subject[1:].lower()
    offline = bool(request.snapshot)
    with bookkeeping(request.connection, MutationType.EXPLAIN, request.record, offline=offline) as note:
        note.details(subject=wanted[:80])
        # Its row is the one above, and what is asked here is no run that counters are kept of.
        outcome = find_all(replace(request, plan=False, record=replace(request.record, enabled=False)), progress)
        finding = next((f for f in outcome.result.findings if f.id == wanted), None)
        result = _gone(wanted, outcome.result) if finding is None else _explained(finding, outcome.result)
    after = _next(finding, offline=offline) if finding is not None else ("indexpilot lifecycle",)
    return Outcome("explain", result, server=outcome.server, warnings=(*outcome.warnings, *note.warnings), next=after)


def _explained(finding: LifecycleFinding, result: LifecycleResult) -> ExplainResult:
    name = finding.index or finding.table
    evidence = (Evidence(r.source, r.text) for r in finding.evidence if not _is_against(r, finding))
    return ExplainResult(
        "finding",
        finding.id,
        f"{finding.state.value} {name.short}" + (f" on {finding.table.short}" if finding.index is not None else ""),
        finding.action.value,
        _offered(finding),
        reason=finding.state.value,
        evidence=tuple(evidence),
        sql=_statements(finding),
        facts=tuple(_facts(finding, result)),
        notes=result.notes if finding.state is LifecycleState.UNUSED else (),
    )


def _offered(finding: LifecycleFinding) -> str:
    if finding.state is LifecycleState.STATISTICS_MISSING and finding.action is LifecycleAction.CREATE:
        return "extended statistics are offered"
    return _DONE[finding.action]


def _is_against(reason: Reason, finding: LifecycleFinding) -> bool:
    if reason.code == _FOR_KEYS:
        return finding.state is LifecycleState.UNUSED
    return reason.code in _AGAINST


def _statements(finding: LifecycleFinding) -> str | None:
    if finding.ddl is None:
        return None
    undo = f"\n-- takes it back:\n{finding.undo}" if finding.undo is not None else ""
    return finding.ddl + undo


def _facts(finding: LifecycleFinding, result: LifecycleResult) -> Iterator[tuple[str, str]]:
    against = [reason for reason in finding.evidence if _is_against(reason, finding)]
    yield from (("Held back", f"{reason.text} ({reason.source})") for reason in against)
    if finding.action is LifecycleAction.REPORT and not against:
        yield "Held back", _WHY_REPORTED.get(finding.state, "what is to be done a person must decide")
    yield from (("Slower", _slower(one)) for one in finding.slower)
    yield "Looked at", ", ".join(_looked_at(finding, result))


def _slower(one: SlowerTemplate) -> str:
    instead = f", then {one.instead}" if one.instead else ""
    return (
        f"{one.template} costs {one.factor:,.2f} times as much ({one.before:,.1f} now, {one.after:,.1f} then){instead}"
    )


def _looked_at(finding: LifecycleFinding, result: LifecycleResult) -> Iterator[str]:
    """What the finding rests on, and for how long it was watched."""
    yield f"{result.indexes} indexes"
    if finding.scans is not None:
        yield f"{finding.scans} scans" + (f" since {finding.since:%Y-%m-%d %H:%M}Z" if finding.since else "")
    if finding.state in (LifecycleState.UNUSED, LifecycleState.DUPLICATE, LifecycleState.REDUNDANT):
        counted, observed = result.stats_since, result.observed_since
        yield f"counters of {_age(counted, result)}" if counted is not None else "counters of unknown age"
        yield f"our snapshots of {_age(observed, result)}" if observed is not None else "no snapshot of ours before"
        yield f"{result.replicas_checked} standbys"
    priced = any(reason.code == "not_priced" for reason in finding.evidence)
    if finding.action is LifecycleAction.DROP or finding.slower:
        yield "no recorded statements" if priced else "the recorded statements, planned without it"


def _age(moment: datetime, result: LifecycleResult) -> str:
    return seconds(max(0.0, (result.now - moment).total_seconds()))


def _gone(wanted: str, result: LifecycleResult) -> ExplainResult:
    """What a kept plan says of a finding that is not there any more."""
    kept = planfile.find_advice(wanted)
    if not kept:
        near = difflib.get_close_matches(wanted, [f.id for f in result.findings], n=1)
        hint = f"did you mean {near[0]}?" if near else "indexpilot lifecycle prints the ids of findings"
        raise UsageError(f"{wanted[:40]} is no finding of now", hint=hint, code="unknown_id")
    plan, advice = kept[0]
    text = f"it was a finding on {plan.created_at:%Y-%m-%d %H:%M}Z and is none now: it was settled, or things changed"
    return replace(of_advice(plan, advice), subject="finding", verdict="gone", verdict_text=text)


def _next(finding: LifecycleFinding, *, offline: bool) -> tuple[str, ...]:
    table = shlex.quote(str(finding.table))
    again = f"indexpilot lifecycle --check {finding.state.value} --table {table}"
    if finding.action in PLANNABLE and not offline:
        return (f"{again} --plan",)
    codes = [reason.code for reason in finding.evidence]
    return tuple(dict.fromkeys(_TELLS_MORE[code] for code in codes if code in _TELLS_MORE)) or (again,)
