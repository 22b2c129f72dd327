"""``recommend``: the plan, how good it provably is, and what was rejected; for code scanning each index is a result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from indexpilot_cli.core.ddl import index_body, summary
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.plan import Effect, Plan, PlanAction, Recommendation
from indexpilot_cli.core.siblings import moved
from indexpilot_cli.core.units import DASH, size
from indexpilot_cli.core.workload import not_looked_at, reasons_of
from indexpilot_cli.render import code_scanning
from indexpilot_cli.render.document import Block, Document, Facts, Lines, SqlStatement, TableBlock, columns
from indexpilot_cli.render.units import facts, fall, notes, one_line, percent, plural, redundant_facts, saving, visible
from indexpilot_cli.render.views.pictures import plan_charts
from indexpilot_cli.render.views.plan import PlanDocument, finding_line, rewrite_line, risk_text

RULE = code_scanning.SarifRule(
    "missing-index",
    "missing-index",
    "warning",
    "An index that pays is missing",
    "The planner finds this workload cheaper with the index than without, its size and its cost to writes considered.",
    "Read  indexpilot explain ID  for the reasons, then build it with  indexpilot apply  or the statement given.",
    "https://www.postgresql.org/docs/current/indexes.html",
)


NEEDLESS = code_scanning.SarifRule(
    "needless-index",
    "needless-index",
    "warning",
    "An index that nothing needs",
    "Another index does its work, or nothing has read it for long enough; no recorded statement would miss it.",
    "Read  indexpilot explain ID  for the evidence, then drop it with  indexpilot apply  or the statement given.",
    "https://www.postgresql.org/docs/current/sql-dropindex.html",
)


def sarif_text(plan: Plan, sources: Sequence[str] = ()) -> str:
    """The plan as a SARIF log. A result points at the first of ``sources``, the files the workload came from."""
    place = next((code_scanning.SarifPlace(name, 1) for name in sources if name != "-"), None)
    notes = (visible(f"not considered: {s.detail}: {s.text}") for s in plan.skipped)
    drops = any(r.action is PlanAction.DROP for r in plan.recommendations)
    return code_scanning.log((RULE, NEEDLESS) if drops else (RULE,), (_result(r, place) for r in plan.advised), notes)


def _result(item: Recommendation, place: code_scanning.SarifPlace | None) -> code_scanning.SarifResult:
    lines = [
        f"{item.summary}: {_worth(item)}",
        *(f"because: {reason.text}" for reason in item.reasons),
        *(f"risk: {risk.text}" for risk in item.risks),
        f"{item.ddl};",
        *(f"{old.ddl};" for old in item.replaces),
    ]
    table = str(item.definition.table)
    return code_scanning.SarifResult(
        NEEDLESS.id if item.action is PlanAction.DROP else RULE.id,
        "warning",
        visible("\n".join(lines)),
        place,
        item.id,
        objects=(("table", table),),
        properties=(("id", item.id), ("benefit", item.benefit), ("size_bytes", item.size_bytes)),
    )


def _worth(item: Recommendation) -> str:
    """What it saves, takes or frees."""
    writes = f"write cost {percent(item.write_cost, signed=True)}"
    if item.action is PlanAction.DROP:
        return f"{size(item.size_bytes)} freed, {writes}"
    return f"{saving(item.benefit)} of the workload cost, about {size(item.size_bytes)}, {writes}"


_COLUMNS = columns(
    "#|number", "id|short", "index", "benefit|number", "of workload|number", "size|number", "write cost|number"
)
_REJECTED_COLUMNS = columns("id|short", "rejected", "reason|short", "why|text")
_SKIPPED_COLUMNS = columns("skipped|short", "why|text", "statement|query")
_RISKS = 5  # shown without --verbose
REASONS = {
    "exists": "already there",
    "covered_by": "covered",
    "invalid_exists": "there but invalid",
    "not_indexable": "not indexable",
    "too_small": "table too small",
    "low_selectivity": "not selective",
    "no_operator_class": "no operator class",
    "extension_missing": "extension missing",
    "function_mismatch": "function mismatch",
    "unknown_constant": "constant not known",
    "volatile": "volatile expression",
    "rewrite": "another form of the query",
    "can_fail": "expression can fail",
    "write_cost": "write cost",
    "risk": "may make a statement slower",
    "too_little_benefit": "too little benefit",
    "over_budget": "over budget",
    "over_limit": "over the limit",
    "dominated": "dominated",
    "not_used": "not used by the planner",
    "not_asked": "not asked for in time",
    "unsupported_relation": "unsupported relation",
    "too_wide": "too wide",
    "correlated": "correlated column",
    "hold": "on hold",
    "fewer_indexes": "fewer indexes do as well",
    "ignored": "ignored",
    "not_modelled": "not modelled",
}


def view(
    result: Plan,
    *,
    show_rejected: bool = False,
    verbose: bool = False,
    on_terminal: bool = True,
    sources: Sequence[str] = (),
) -> Document:
    """The plan as table, facts and notes. ``sources`` are the files the workload came from, for SARIF.

    ``on_terminal`` False: nobody can add a flag to see what was rejected.
    """
    blocks: list[Block] = [facts((f"Plan {result.id}", _scope(result)))]
    if result.recommendations or (result.upkeep and not result.templates):
        rows = tuple(_row(n, r, result) for n, r in enumerate(result.advised, 1))
        blocks.append(TableBlock(_COLUMNS, rows))
        if result.templates:  # a plan of findings about indexes rests on no workload as a whole
            blocks += [facts(("Together", _together(result))), *plan_charts(result)]
    else:
        blocks.append(Lines((_nothing(result),)))
    proved = (result.recommendations and result.templates) or result.bound.gap is not None
    bound = ("Bound", bound_sentence(result)) if proved else None
    blocks.append(
        facts(bound, _unseen(result), _rejected(result, show_rejected or not on_terminal), _skipped(result, verbose))
    )
    blocks += _details(result, show_rejected=show_rejected, verbose=verbose)
    blocks += _upkeep(result)
    blocks += _findings(result, verbose)
    blocks += redundant_facts(result.redundant, verbose=verbose)
    blocks += notes(result.notes)
    return Document(
        tuple(blocks), result, PlanDocument, _statements(result), {"sarif": partial(sarif_text, result, sources)}
    )


def _nothing(plan: Plan) -> str:
    if not_looked_at(plan.skipped):
        return "No new index is worth its cost for the part of this workload that could be planned."
    return "No new index is worth its cost for this workload."


def _unseen(plan: Plan) -> tuple[str, str] | None:
    unseen = not_looked_at(plan.skipped)
    if not unseen:
        return None
    share = percent(sum(s.share for s in unseen))
    many = plural(len(unseen), "statement")
    return "Unplanned", f"{share} of the workload was not looked at, {many}: {reasons_of(unseen)}"


def _details(plan: Plan, *, show_rejected: bool, verbose: bool) -> list[Block]:
    blocks: list[Block] = []
    risks: list[tuple[str, str]] = []
    for r in plan.advised:
        risks += (("Risk", f"{r.id}: {risk_text(text, settle)}") for text, settle in _risks(r))
    blocks += [Facts(tuple(("Rewrite", rewrite_line(r)) for r in plan.rewrites))] if plan.rewrites else []
    if risks:
        shown = risks if verbose else risks[:_RISKS]
        more = (("Risk", f"{len(risks) - len(shown)} more  (--verbose)"),) if len(risks) > len(shown) else ()
        blocks.append(Facts((*shown, *more)))
    if verbose:
        rows: list[tuple[str, str]] = []
        for r in plan.advised:
            rows += (("Because", f"{r.id}: {x.text} ({x.source})") for x in r.reasons)
        rows += (("DDL", f"{statement.sql};") for statement in _statements(plan))
        blocks += [Facts(tuple(rows))] if rows else []
    if show_rejected and plan.rejections:
        rejected = tuple((r.id or "-", r.subject, r.reason, _why(r.detail, r.by)) for r in plan.rejections)
        blocks.append(TableBlock(_REJECTED_COLUMNS, rejected))
    if verbose and plan.skipped:
        blocks.append(TableBlock(_SKIPPED_COLUMNS, tuple((s.reason, s.detail, one_line(s.text)) for s in plan.skipped)))
    return blocks


def _risks(recommendation: Recommendation) -> tuple[tuple[str, str | None], ...]:
    found = tuple((r.text, r.settle) for r in recommendation.risks)
    told = recommendation.confidence_why in (text for text, _ in found)
    if recommendation.confidence == "low" and not told:
        return (*found, (f"low confidence: {recommendation.confidence_why}", None))
    return found


def _upkeep(plan: Plan) -> list[Block]:
    rows = (
        ("Statistics", "; ".join(wanted.text for wanted in plan.told_planner)),
        ("Vacuum", ", ".join(vacuum.table.short for vacuum in plan.vacuum)),
        ("Analyze", ", ".join(table.short for table in plan.analyze)),
    )
    return [facts(row) for row in rows if row[1]]


def _findings(plan: Plan, verbose: bool) -> list[Block]:
    """What the algorithms changed; with --verbose also what they only report."""
    shown = [f for f in plan.findings if verbose or f.effect is not Effect.REPORT_ONLY]
    return [Facts(tuple(("Algorithm", finding_line(f)) for f in shown))] if shown else []


def _why(detail: str, by: str | None) -> str:
    return f"{detail} ({by})" if by and by not in detail else detail


def _scope(plan: Plan) -> str:
    if not plan.templates and (plan.recommendations or plan.upkeep):
        return f"{plural(len(plan.recommendations), 'finding')} of {plan.estimator}"
    parts = [plural(plan.templates, "template"), f"{plural(plan.candidates, 'candidate')} costed"]
    if plan.budget_bytes is not None:
        parts.append(f"budget {size(plan.budget_bytes)}")
    parts.append(f"planner {plan.estimator}")
    return ", ".join(parts)


def _row(number: int, item: Recommendation, plan: Plan) -> tuple[str, ...]:
    return (
        str(number),
        item.id,
        _index(item),
        fall(item.reduction) if item.templates or item.benefit else DASH,
        saving(item.benefit) if item.templates or item.benefit else DASH,
        size(plan.size_of(item)),
        percent(item.write_cost, signed=True),
    )


def _index(item: Recommendation) -> str:
    if item.copies > 1:
        everywhere = index_body(moved(item.definition, ""), table=quote_identifier(item.definition.table.name))
        return f"{everywhere} in {plural(item.copies, 'schema')}"
    return summary(item.definition) if item.action is PlanAction.CREATE else item.summary


def _together(plan: Plan) -> str:
    change = saving(1 - plan.cost_after / plan.cost_before) if plan.cost_before > 0 else "unchanged"
    budget = f" of {size(plan.budget_bytes)}" if plan.budget_bytes is not None else ""
    writes = f", writes {percent(plan.write_cost, signed=True)}" if plan.write_cost else ""
    freed = f", {size(plan.freed_bytes)} freed" if plan.freed_bytes else ""
    return f"workload cost {change} (planner estimate), {size(plan.size_bytes)}{budget}{freed}{writes}"


NO_BETTER = 0.005


def bound_sentence(plan: Plan) -> str:
    """How much better any other choice of these candidates could be, by what the choice was made by."""
    bound = plan.bound
    if bound.gap is None:
        return "no bound was proved" + (f": {bound.note}" if bound.note else "")
    counted = "counting writes and a price for each index"
    if bound.gap < 0.0005:
        return f"no other choice of these candidates is better, {counted} (proved)"
    if bound.gap <= NO_BETTER:
        return f"no other choice of these candidates is better by more than {percent(bound.gap)}, {counted} (proved)"
    return f"at most {percent(bound.gap)} better is possible with these candidates, {counted}"


def _rejected(plan: Plan, all_told: bool) -> tuple[str, str] | None:
    if not plan.rejections:
        return None
    counts = Counter(REASONS.get(r.reason, r.reason) for r in plan.rejections).most_common()
    words = ", ".join(f"{n:,} {reason}" for reason, n in counts)
    return "Rejected", f"{len(plan.rejections):,}: {words}" + ("" if all_told else "  (--show-rejected)")


def _skipped(plan: Plan, verbose: bool) -> tuple[str, str] | None:
    if not plan.skipped:
        return None
    counts = Counter(s.reason for s in plan.skipped).most_common()
    words = ", ".join(f"{n:,} {reason}" for reason, n in counts)
    share = f", {percent(plan.skipped_share)} of the workload" if plan.skipped_share else ""
    return "Skipped", f"{plural(len(plan.skipped), 'statement')}{share}: {words}" + ("" if verbose else "  (--verbose)")


def _statements(plan: Plan) -> tuple[SqlStatement, ...]:
    found: list[SqlStatement] = [*_before(plan)] if plan.templates else []
    for r in plan.recommendations:
        found.append(SqlStatement(r.ddl, _comments(r)))
        found += (SqlStatement(old.ddl, (f"{r.id}: once {r.name} stands", f"undo: {old.undo};")) for old in r.replaces)
    return tuple(found)


def _before(plan: Plan) -> Iterator[SqlStatement]:
    """Statistics, as the indexes were chosen by what the planner expects with them."""
    for made in plan.statistics:
        yield SqlStatement(made.ddl, (f"undo: {made.undo};",))
    for wanted in plan.targets:
        yield SqlStatement(wanted.ddl, ("undo: SET STATISTICS to what it was; -1 unless it was set before",))
    for table in plan.analyze:
        yield SqlStatement(f"ANALYZE {table}", ())


def _comments(item: Recommendation) -> tuple[str, ...]:
    lines = [
        f"{item.id}: {_worth(item)}" if item.same_as is None else item.id,
        *(f"because: {reason.text} ({reason.source})" for reason in item.reasons),
        *(f"risk: {risk_text(text, settle)}" for text, settle in _risks(item)),
        f"undo: {item.undo};",
    ]
    return tuple(one_line(line) for line in lines)
