"""``explain``: why, why not, what if; one verb for every id the tool prints."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from indexpilot_cli.advise import planfile
from indexpilot_cli.advise.ablate import PlanDifference, difference
from indexpilot_cli.advise.explain import query
from indexpilot_cli.advise.explain.query import explain_query, only
from indexpilot_cli.advise.pipeline import advise_on, make_plan, prepared, types_from
from indexpilot_cli.advise.planfile import PlannedAdvice
from indexpilot_cli.advise.recommend import folded_for
from indexpilot_cli.advise.values import Alternative, Evidence, ExplainRequest, ExplainResult, PlanView
from indexpilot_cli.algorithms import registry
from indexpilot_cli.core.command import Outcome, Progress, TableFilter, next_line
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import Rejection
from indexpilot_cli.core.mutation import Event, Mutation, MutationType
from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate
from indexpilot_cli.db.capabilities import database_identity
from indexpilot_cli.db.plans import access, lines
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UsageError
from indexpilot_cli.log import intents, mutations
from indexpilot_cli.log.bookkeeping import bookkeeping
from indexpilot_cli.log.plans import find_recommendation
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import (
    SchemaGrouping,
    Source,
    SourceRequest,
    open_metadata,
    open_reader,
    open_source,
)
from indexpilot_cli.workload.templates import fold_workload, report, shares

_KINDS = ("R-", "q-", "P-")


def run(request: ExplainRequest, progress: Progress) -> Outcome[ExplainResult]:
    """The answer for an id or a query. Ids of kept plans need no connection; where there is one, the log is told.

    Raises UsageError with the nearest known id for one that nobody knows.
    """
    if request.query is None and (request.subject or "").upper().startswith("M-"):
        return explain_mutation(request, progress)
    with bookkeeping(request.connection, MutationType.EXPLAIN, request.record, offline=bool(request.snapshot)) as note:
        note.details(subject=request.subject or "query")
        known = _from_kept_plans(request)
        note.serverless = known is not None
        outcome = Outcome("explain", known) if known is not None else _asked(request, progress)
    return replace(outcome, warnings=note.warnings, next=outcome.next or _next(outcome.result, request))


def _asked(request: ExplainRequest, progress: Progress) -> Outcome[ExplainResult]:
    checks = request.bypass.features.expression_checks.enabled
    # Of a query the plan on its own schema's tables is asked for; an id may be of an advice for many.
    grouping = SchemaGrouping(request.tenant_schemas if (request.subject or "").startswith("R-") else 0)
    looked_at = SourceRequest(request.connection, request.snapshot, checks, grouping)
    with open_source(looked_at, progress) as source:
        return replace(_answer(request)(source, request, progress), server=source.server)


def _answer(request: ExplainRequest) -> Callable[[Source, ExplainRequest, Progress], Outcome[ExplainResult]]:
    if request.query is not None:
        return explain_query
    subject = request.subject or ""
    if subject.startswith("q-"):
        return explain_template
    if subject.startswith("R-"):
        return _without_algorithms if request.without_algorithms else _worked_out
    raise planfile.unknown_id(subject)


def _from_kept_plans(request: ExplainRequest) -> ExplainResult | None:
    subject = request.subject
    if subject is None or request.query is not None or request.without_algorithms:
        return None
    if not subject.startswith(_KINDS):
        raise UsageError(
            f"{subject} is not an id this version explains",
            hint="R-… from recommend, q-… from analyze, F-… from lifecycle, M-… from history, P-…, or --query SQL",
            code="unknown_id",
        )
    if subject.startswith("P-"):
        plan = planfile.find_plan(subject)
        if plan is None:
            raise planfile.unknown_id(subject)
        return of_plan(plan)
    if not subject.startswith("R-"):
        return None
    found = planfile.find_advice(subject)
    if request.snapshot is None:
        found = _of_the_database(request, subject, found) or found
    return of_advice(*found[0]) if found else None


def _of_the_database(
    request: ExplainRequest, subject: str, found: tuple[PlannedAdvice, ...]
) -> tuple[PlannedAdvice, ...]:
    """What plans of the database that is meant say, the newest first: those found here and those that are kept there,
    by whomever; nothing where it cannot be reached.

    A copy of a database has the plans of that as well: those come last.
    """
    here, told = "", list[PlannedAdvice]()
    with suppress(IndexPilotError), open_reader(request.connection) as session:
        here = database_identity(session)
        kept = find_recommendation(session, subject, schema=request.connection.metadata_schema)
        told += [(kept.plan, advice) for advice in (kept.recommendation, kept.rejection) if advice is not None]
    told += [one for one in found if one[0].database == here]
    return tuple(sorted(told, key=lambda one: (one[0].database in ("", here), one[0].created_at), reverse=True))


def _worked_out(source: Source, request: ExplainRequest, progress: Progress) -> Outcome[ExplainResult]:
    """An ``R-`` id no kept plan knows: recommend again with these settings, and look there."""
    folded = fold_workload(source, request.workload, request.filter, progress)
    with open_estimator(source, request.planner, progress) as estimator:
        plan = make_plan(source, folded, estimator, request, progress)
    advice = planfile.advice_in(plan, request.subject or "")
    if advice is not None:
        return Outcome("explain", of_advice(plan, advice))
    raise planfile.unknown_id(request.subject or "")


def _without_algorithms(source: Source, request: ExplainRequest, progress: Progress) -> Outcome[ExplainResult]:
    """The advice as it is now, and what would become of it and of the plan without the algorithms."""
    subject, names = request.subject or "", request.without_algorithms
    folded = folded_for(source, request, progress)
    with open_estimator(source, request.planner, progress) as estimator:
        folded = prepared(folded, source.catalog, types_from(estimator))
        plan = advise_on(source, folded, estimator, request, progress)
        other_request = replace(request, features=registry.without(request.features, names))
        other = advise_on(source, folded, estimator, other_request, progress)
    now, then = (planfile.advice_in(p, subject) for p in (plan, other))
    shown = now or then
    if shown is None:
        raise planfile.unknown_id(subject)
    result = of_advice(plan if now else other, shown)
    label = f"without {', '.join(names)}"
    told = (("now", _verdict(now)), (label, _verdict(then)), *_changes(difference(plan, other), label, plan.unit))
    return Outcome("explain", replace(result, facts=(*result.facts, *told)))


def _verdict(advice: Recommendation | Rejection | None) -> str:
    if advice is None:
        return "not a candidate"
    return "recommended" if isinstance(advice, Recommendation) else f"rejected: {advice.detail}"


def _changes(found: PlanDifference, label: str, unit: str) -> Iterator[tuple[str, str]]:
    """What the plan without the algorithms does differently."""
    if found.is_empty:
        yield "the plan", f"the same {label}"
        return
    for text in found.removed:
        yield f"{label} added", text
    for text in found.added:
        yield f"{label} missing", text
    for pair in found.changed:
        yield f"{label} changed", f"{pair.after} becomes {pair.before}"
    yield "workload cost", f"{-found.cost_delta:+,.1f} {unit} {label}"


def of_advice(plan: Plan, advice: Recommendation | Rejection) -> ExplainResult:
    """A recommendation or a rejection of the plan, with its reasons as evidence."""
    if isinstance(advice, Recommendation):
        return ExplainResult(
            "recommendation",
            advice.id,
            advice.summary,
            "recommended",
            f"{advice.confidence} confidence: {advice.confidence_why}" if advice.confidence_why else advice.confidence,
            benefit=advice.benefit,
            estimator=plan.estimator,
            evidence=(*query.of_reasons(advice.reasons), *_found(plan, advice.id)),
            sql=f"{advice.ddl};",
            recommendation=advice,
            facts=(("plan", plan.id),),
        )
    other = next((r for r in plan.recommendations if r.id == advice.by), None)
    return ExplainResult(
        "rejection",
        advice.id,
        advice.subject,
        "rejected",
        advice.detail,
        advice.reason,
        benefit=advice.benefit,
        estimator=plan.estimator,
        evidence=tuple(_found(plan, advice.id)),
        alternatives=(Alternative(other.id, other.summary),) if other else (),
        rejection=advice,
        facts=(("plan", plan.id),),
    )


def _found(plan: Plan, subject: str | None) -> Iterator[Evidence]:
    """What the algorithms saw and did about the index."""
    for finding in plan.findings:
        if finding.definition is not None and finding.definition.id == subject:
            seen = "; ".join(reason.text for reason in finding.evidence)
            yield Evidence(finding.algorithm, f"{seen}: {finding.decision}")


def of_plan(plan: Plan) -> ExplainResult:
    """A kept plan: what it recommends and how good it provably is."""
    gap = "no bound was proved" if plan.bound.gap is None else f"at most {plan.bound.gap:.1%} better is possible"
    return ExplainResult(
        "plan",
        plan.id,
        f"{len(plan.recommendations)} recommendations of {plan.created_at:%Y-%m-%d %H:%M}Z",
        "recommended" if plan.recommendations else "empty",
        f"workload cost {plan.cost_after / plan.cost_before - 1:+.1%}, {gap}" if plan.cost_before else gap,
        estimator=plan.estimator,
        alternatives=tuple(Alternative(r.id, r.summary, f"{r.benefit:.1%}") for r in plan.recommendations),
    )


def _next(result: ExplainResult, request: ExplainRequest) -> tuple[str, ...]:
    if result.subject == "rejection":
        return (next_line("recommend", request.snapshot, "--show-rejected"),)
    return (next_line("recommend", request.snapshot),) if result.subject in ("template", "query") else ()


def explain_template(source: Source, request: ExplainRequest, progress: Progress) -> Outcome[ExplainResult]:
    """The template with one plan per parameter class."""
    folded = fold_workload(source, request.workload, TableFilter(), progress)
    template = _find(folded, request.subject or "")
    share = shares(folded.templates)[template.id]
    with open_estimator(source, request.planner, progress) as estimator:
        one = replace(folded, templates=(template,), skipped=())
        alone = only(prepared(one, source.catalog, types_from(estimator)))
        answers = estimator.plan([WhatIf(s.statement, keep_tree=True) for s in alone.scenarios])
        name = estimator.name
    views = tuple(
        PlanView(
            f"{scenario.label} ({scenario.share:.0%})",
            answer.total_cost if answer.ok else None,
            answer.rows,
            access=access(answer.tree) if answer.tree else "",
            nodes=lines(answer.tree) if answer.tree else (),
            indexes_used=tuple(sorted(map(str, answer.existing))),
            error=answer.error,
        )
        for scenario, answer in zip(alone.scenarios, answers, strict=True)
    )
    result = ExplainResult(
        "template",
        template.id,
        template.text,
        estimator=name,
        plans=views,
        evidence=query.of_uses(template.uses, source.catalog),
        template=report(template, share),
    )
    return Outcome("explain", result, server=source.server)


def _find(folded: FoldedWorkload, wanted: str) -> QueryTemplate:
    for template in folded.templates:
        if template.id == wanted:
            return template
    close = difflib.get_close_matches(wanted, [t.id for t in folded.templates], n=1)
    hint = f"did you mean {close[0]}?" if close else "indexpilot analyze prints the ids of templates"
    raise UsageError(f"unknown id {wanted}", hint=hint, code="unknown_id")


_VERDICTS = {
    "INTENT": "planned and recorded; nothing had been done yet",
    "STARTED": "started, and its end is not recorded",
    "VALID": "done: the index was there and valid",
    "FAILED_CLEAN": "failed; nothing was left behind",
    "FAILED_LEFTOVER": "failed, and an invalid index was left behind",
    "UNKNOWN": "the connection was lost: the outcome is not known",
    "CONFLICT": "another index stood under that name: hands off",
    "VERIFIED": "verified: it pays",
    "REVERTED": "taken back",
    "KEPT": "kept after verification",
}
_FACTS = (("plan", "Plan"), ("recommendation", "Advice"), ("reason", "Reason"))
_OPEN = ("INTENT", "STARTED", "UNKNOWN", "FAILED_LEFTOVER")
_UNDOABLE = ("VALID", "VERIFIED", "KEPT")


def explain_mutation(request: ExplainRequest, progress: Progress) -> Outcome[ExplainResult]:
    """What the row says, how its operation went on, and how to undo it.

    Raises UsageError for an id that is no number or not in the log, PrerequisiteError before ``init``.
    """
    number = _number(request.subject or "")
    schema = request.connection.metadata_schema
    with bookkeeping(request.connection, MutationType.EXPLAIN, request.record) as note:
        note.details(subject=request.subject)
        progress.stage("reading the mutation log")
        with open_metadata(request.connection) as (session, server):
            row = mutations.find(session, number, schema=schema)
            if row is None:
                raise UsageError(f"no mutation M-{number}", hint="indexpilot history", code="unknown_id")
            events = _events(session, number, schema)
    result = _result(row, events)
    return Outcome("explain", result, server=server, warnings=note.warnings, next=_next_of_mutation(row, result))


def _number(subject: str) -> int:
    digits = subject[2:]
    if not digits.isdecimal() or len(digits) > 18:  # all that a bigint surely holds
        raise UsageError(f"{subject[:80]} is not the id of a mutation", hint="indexpilot history", code="unknown_id")
    return int(digits)


def _events(session: Session, number: int, schema: str) -> tuple[Event, ...]:
    """The operation's events, oldest first; the last is how it stands now."""
    found = intents.operations(session, intents.Which(ids=(number,)), schema=schema)
    return found[0] if found else ()


def _told(event: Event) -> tuple[str, str]:
    moment = f"{event.created_at:%Y-%m-%d %H:%M:%S}Z  " if event.created_at else ""
    return f"M-{event.id}", f"{moment}{event.state.value}" + (f": {event.error}" if event.error else "")


def _result(row: Mutation, events: tuple[Event, ...]) -> ExplainResult:
    state = events[-1].state.value if events else row.state or ""
    facts = tuple((label, str(row.details[key])) for key, label in _FACTS if row.details.get(key))
    return ExplainResult(
        "mutation",
        f"M-{row.id}",
        " ".join(part for part in (row.type.value, row.index_name or row.table_name) if part),
        state,
        _VERDICTS.get(state, state.lower()),
        sql=f"{row.definition_sql.rstrip(';')};" if row.definition_sql else None,
        mutation=row,
        facts=(*facts, *(_told(event) for event in events)),
    )


def _next_of_mutation(row: Mutation, result: ExplainResult) -> tuple[str, ...]:
    if row.op_id is None or row.index_name is None:
        return ("indexpilot history",)
    if result.verdict in _OPEN:
        return ("indexpilot doctor --reconcile",)
    return (f"indexpilot rollback M-{row.id} --dry-run",) if result.verdict in _UNDOABLE else ("indexpilot history",)
