"""``explain``: why, why not, what if; and what a kind of danger in a schema change is."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Literal

from indexpilot_cli.advise.values import Alternative, Evidence, ExplainResult, PlanView
from indexpilot_cli.core.codec import DocumentShape, From
from indexpilot_cli.core.hazard import Hazard
from indexpilot_cli.core.mutation import Mutation
from indexpilot_cli.core.plan import Recommendation, Rewrite
from indexpilot_cli.core.units import DASH, count, size
from indexpilot_cli.core.workload import TemplateReport
from indexpilot_cli.render.document import (
    BLANK,
    Block,
    Code,
    Document,
    EntryBlock,
    Facts,
    Lines,
    PlanTree,
    PlanTrees,
    TableBlock,
    columns,
)
from indexpilot_cli.render.units import (
    LabelDocument,
    cost,
    facts,
    fall,
    milliseconds,
    notes,
    one_line,
    percent,
    saving,
    stamp,
)
from indexpilot_cli.render.views.history import MutationDocument
from indexpilot_cli.render.views.plan import RecommendationDocument, RejectionDocument, rewrite_line, risk_text


def hazard_blocks(hazard: Hazard) -> tuple[Block, ...]:
    """What it is, why it hurts, what to write instead, and where the manual says so."""
    blocks: list[Block] = [
        EntryBlock(hazard.id, f"{hazard.severity.value}[{hazard.name}]", hazard.severity.value, one_line(hazard.title)),
        BLANK,
        *_paragraphs(hazard.explanation),
    ]
    if hazard.example:
        blocks += [Code(_indented(hazard.example)), BLANK]
    if hazard.instead or hazard.safe_example:
        blocks += [Lines(("Instead:",)), *_paragraphs(hazard.instead)]
    if hazard.safe_example:
        blocks += [Code(_indented(hazard.safe_example)), BLANK]
    rows = (("Ignore", f"-- indexpilot: ignore {hazard.id} -- your reason"), ("Manual", hazard.url))
    return (*blocks, Facts(tuple(row for row in rows if row[1])))


def _paragraphs(text: str) -> list[Block]:
    parts = [one_line(part) for part in text.strip().split("\n\n") if part.strip()]
    return list(chain.from_iterable((Lines((part,)), BLANK) for part in parts))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip("\n").split("\n"))


class ExplainDocument(DocumentShape):
    """Why, why not, what if."""

    subject: Literal["query", "recommendation", "rejection", "template", "mutation", "finding", "hazard", "plan"]
    id: str | None
    title: str
    verdict: Annotated[
        str | None,
        "recommended, rejected, no_difference, empty; of a mutation its state, of a finding what is to be done",
        From(lambda result: result.verdict or None),
    ]
    verdict_text: str
    reason: str | None
    minimum: float | None
    benefit: float | None
    estimator: str | None
    plans: tuple[PlanView, ...]
    evidence: tuple[Evidence, ...]
    alternatives: tuple[Alternative, ...]
    rewrites: tuple[Rewrite, ...]
    sql: str | None
    recommendation: RecommendationDocument | None
    rejection: RejectionDocument | None
    template: TemplateReport | None
    templates: tuple[TemplateReport, ...]
    mutation: MutationDocument | None
    facts: tuple[LabelDocument, ...]
    notes: tuple[str, ...]
    hazard: Hazard | None


_TEMPLATE_COLUMNS = columns("template|short", "share|number", "calls|number", "query|query")
_EFFECT_COLUMNS = columns(
    "template|short", "share|number", "before|number", "after|number", "change|number", "holds|number"
)


def view(result: ExplainResult, *, verbose: bool = False) -> Document:
    """The answer: what it is, plans side by side, the verdict and the evidence."""
    if result.hazard is not None:
        return Document(hazard_blocks(result.hazard), result, ExplainDocument)
    blocks: list[Block] = []
    if result.title or result.id:
        blocks.append(facts((result.id or result.subject, one_line(result.title) or result.subject)))
    if result.plans:
        blocks.append(_plans(result.plans))
    if result.recommendation is not None:
        blocks += _recommendation(result.recommendation, result)
    blocks.append(Facts(tuple(_facts(result))))
    if result.templates:
        rows = tuple((t.id, percent(t.share), count(t.calls), one_line(t.text)) for t in result.templates)
        blocks.append(TableBlock(_TEMPLATE_COLUMNS, rows))
    if result.sql is not None and result.recommendation is None:
        blocks.append(Code(result.sql))
    blocks += _trees(result.plans, told=verbose)
    blocks += notes(result.notes)
    return Document(tuple(b for b in blocks if b != Facts(())), result, ExplainDocument)


def _trees(plans: tuple[PlanView, ...], *, told: bool) -> list[Block]:
    trees = tuple(PlanTree(p.label, p.nodes, tuple(_figures(p))) for p in plans if p.nodes)
    return [PlanTrees(trees, told)] if trees else []


def _figures(plan: PlanView) -> Iterable[str]:
    if plan.cost is not None:
        yield f"cost {cost(plan.cost)}"
    if plan.milliseconds is not None:
        yield milliseconds(plan.milliseconds)


def _plans(plans: tuple[PlanView, ...]) -> TableBlock:
    measured = any(p.milliseconds is not None for p in plans)
    head = (
        *columns("plan|short", "cost|number", "change|number"),
        *(columns("time|number") if measured else ()),
        *columns("rows|number", "how", "indexes"),
    )
    base = plans[0].cost
    rows = tuple(_plan_row(p, base if n else None, measured) for n, p in enumerate(plans))
    return TableBlock(head, rows)


def _plan_row(plan: PlanView, base: float | None, measured: bool) -> tuple[str, ...]:
    change = DASH if base is None or plan.cost is None or base <= 0 else saving(1 - plan.cost / base)
    return (
        plan.label,
        cost(plan.cost),
        change,
        *((milliseconds(plan.milliseconds),) if measured else ()),
        count(plan.rows),
        one_line(plan.error or plan.access),
        ", ".join(plan.indexes_used) or DASH,
    )


def _recommendation(item: Recommendation, result: ExplainResult) -> list[Block]:
    confidence = item.confidence + (f": {item.confidence_why}" if item.confidence_why else "")
    change = f"{saving(item.benefit)} of the workload; its templates {fall(item.reduction)}"
    blocks: list[Block] = [
        facts(
            ("Index", item.summary) if item.summary != result.title else None,
            ("DDL", f"{item.ddl};"),
            *(("Then", f"{old.ddl};") for old in item.replaces),
            *(("Undo", f"{old.undo};") for old in item.replaces),
            ("Undo", f"{item.undo};"),
            ("Benefit", change),
            ("Size", f"{size(item.size_bytes)} ({item.size_method})"),
            ("Writes", _writes(item)),
            ("Confidence", confidence) if not _told(item.confidence_why, result) else None,
        )
    ]
    if item.templates:
        rows = tuple(
            (
                e.template,
                percent(e.share),
                cost(e.before),
                cost(e.after),
                saving(1 - e.after / e.before) if e.before > 0 else DASH,
                f"{e.holds}/{e.scenarios}",
            )
            for e in item.templates
        )
        blocks.append(TableBlock(_EFFECT_COLUMNS, rows))
    return blocks


def _told(why: str, result: ExplainResult) -> bool:
    return bool(why) and why in result.verdict_text


def _writes(item: Recommendation) -> str:
    hot = f", {percent(item.hot_loss)} of updates no longer HOT" if item.hot_loss else ""
    return f"{percent(item.write_cost, signed=True)} of the table's present write time{hot}"


def _facts(result: ExplainResult) -> Iterable[tuple[str, str]]:
    if result.verdict_text or result.verdict:
        yield "Verdict", result.verdict_text or result.verdict
    if result.rejection is not None:
        by = f" ({result.rejection.by})" if result.rejection.by else ""
        yield "Rejected", f"{result.rejection.subject}: {result.rejection.detail}{by}"
    if result.recommendation is not None:
        reasons = () if result.evidence else result.recommendation.reasons
        yield from (("Because", f"{r.text} ({r.source})") for r in reasons)
        yield from (("Risk", risk_text(r.text, r.settle)) for r in result.recommendation.risks)
    if result.template is not None:
        yield from _template(result.template)
    if result.mutation is not None:
        yield from _mutation(result.mutation)
    yield from result.facts
    yield from (("Because", f"{e.fact} ({e.source})") for e in result.evidence)
    yield from (("Rewrite", rewrite_line(r)) for r in result.rewrites)
    yield from (("Instead", f"{a.id}  {a.summary}  {a.text}".rstrip()) for a in result.alternatives)


def _template(template: TemplateReport) -> Iterable[tuple[str, str]]:
    yield "Query", one_line(template.text)
    mean = f", mean {milliseconds(template.mean_ms)}" if template.mean_ms is not None else ""
    yield "Workload", f"{percent(template.share)}, {count(template.calls)} calls{mean}"
    if template.relations:
        yield "Tables", ", ".join(r.short for r in template.relations)


def _mutation(mutation: Mutation) -> Iterable[tuple[str, str]]:
    table = ".".join(part for part in (mutation.schema_name, mutation.table_name, mutation.field_name) if part)
    yield "Mutation", f"{mutation.type.value} {table}".rstrip()
    yield "When", stamp(mutation.created_at) + (f" by {mutation.actor}" if mutation.actor else "")
    rows = (
        ("State", mutation.state),
        ("Index", mutation.index_name),
        ("Error", mutation.error),
        ("SQLSTATE", mutation.sqlstate),
        ("Undo", mutation.undo_sql),
        ("Operation", mutation.op_id),
    )
    yield from ((label, one_line(text)) for label, text in rows if text)
