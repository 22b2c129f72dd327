"""Decisions: every yes and no with its reasons, what each budget would buy, and one decision with all its evidence."""

from __future__ import annotations

from asyncio import gather
from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from indexpilot_cli.advise.explain import explain
from indexpilot_cli.advise.values import ExplainRequest, ExplainResult
from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.core.units import DASH, size
from indexpilot_cli.core.workload import TemplateReport
from indexpilot_cli.render.document import Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import saving
from indexpilot_cli.render.views.explain import view as explain_view
from indexpilot_cli.render.views.recommend import REASONS
from indexpilot_cli.render.views.recommend import view as plan_view
from indexpilot_cli.serve.pages.frame import Checked, Page, Part, linked, look, part, piece, show
from indexpilot_cli.serve.results import Kept, Question
from indexpilot_cli.serve.site import OurSite, Site

router = APIRouter(include_in_schema=False)
_REJECTED = columns("id|short", "rejected", "reason|short", "why|text", "of workload|number")
_PROPOSED = columns("id|short", "proposed", "because|text", "confidence|text")
_BOUGHT = columns("id|short", "index", "size|number", "here|short")
_COMPARED = 3  # statements whose plans are shown beside each other


@router.get("/decisions")
async def decisions(request: Request, site: OurSite, plan: str = "", budget: int = -1) -> Response:
    """What the newest plan, or the one that is named, decided."""
    found = await _newest(site, plan)
    parts = [part("yes", "Proposed", found, partial(plan_view, verbose=True, on_terminal=False), url=request.url)]
    if found.outcome is not None:
        parts += [
            part("reasons", "Why", found, _reasons, url=request.url),
            _budget(found, budget, plan),
            part("no", "Rejected", found, _rejected, url=request.url),
        ]
    known = site.results.known(site.advice)
    lead = "Every index that was weighed: what speaks for it, what against, and what it rests on."
    page = Page(
        "Decisions",
        lead,
        tuple(parts),
        template="decisions.html",
        more={"working": known.stage, "failed": known.error},
        refresh=2.0 if known.stage is not None else None,
    )
    return show(request, page)


@router.post("/decisions")
def work_out(site: OurSite, _session: Checked) -> Response:
    """The advice is being worked out anew; nothing is kept or changed."""
    site.results.begin(site.advice)
    return RedirectResponse("/decisions", 303)


async def _newest(site: Site, plan: str) -> Kept[Plan]:
    if plan:
        return await look(site, site.plan(plan))
    await look(site, site.plan())
    return site.newest_plan()


def _reasons(plan: Plan) -> Document:
    rows = tuple(
        (
            one.id,
            one.summary,
            "; ".join((*(reason.text for reason in one.reasons), *(f"risk: {risk.text}" for risk in one.risks))),
            one.confidence + (f": {one.confidence_why}" if one.confidence_why else ""),
        )
        for one in plan.advised
    )
    return Document((TableBlock(_PROPOSED, rows) if rows else Lines(("nothing was proposed",)),))


def _rejected(plan: Plan) -> Document:
    if not plan.rejections:
        return Document((Lines(("nothing was rejected",)),))
    rows = tuple(
        (
            one.id or DASH,
            one.subject,
            REASONS.get(one.reason, one.reason),
            f"{one.detail} ({one.by})" if one.by and one.by not in one.detail else one.detail,
            saving(one.benefit) if one.benefit else DASH,
        )
        for one in plan.rejections
    )
    return Document((TableBlock(_REJECTED, rows),))


def _budget(found: Kept[Plan], asked: int, named: str) -> Part:
    """The curve with a slider over its points; without a script the form is sent."""
    assert found.outcome is not None
    plan = found.outcome.result
    points = plan.budget_curve
    if len(points) < 2:
        return Part(
            "budget", "What a budget buys", found, Markup("<p>No curve: the plan was not chosen within budgets.</p>")
        )
    chosen = asked if 0 <= asked < len(points) else _own_point(plan)
    words = [f"{size(space)}: workload cost {saving(1 - cost)}" for space, cost in points]
    body = piece("budget.html", "slider", words, chosen, named, linked(_bought(plan, chosen)))
    return Part("budget", "What a budget buys", found, body)


def _bought(plan: Plan, point: int) -> Document:
    """The new indexes at a point of the curve."""
    if point >= len(plan.budget_sets):
        return Document((Lines(("which indexes these are was not kept with this plan",)),))
    if not plan.budget_sets[point]:
        return Document((Lines(("no new index",)),))
    proposed = {one.id: one for one in plan.recommendations}
    rejected = {one.id: one for one in plan.rejections if one.id is not None}
    rows = []
    for id_ in plan.budget_sets[point]:
        if id_ in proposed:
            rows.append((id_, proposed[id_].summary, size(proposed[id_].size_bytes), "proposed"))
        else:
            known = rejected.get(id_)
            rows.append((id_, known.subject if known is not None else DASH, DASH, "not in this plan"))
    return Document((TableBlock(_BOUGHT, tuple(rows)),))


def _own_point(plan: Plan) -> int:
    """The point of the curve that the plan itself is at."""
    space = plan.budget_bytes or plan.size_bytes
    # The nearest: the curve has a few budgets, and the plan's own need not be among them.
    return min(range(len(plan.budget_curve)), key=lambda n: abs(plan.budget_curve[n][0] - space))


@router.get("/explain/{subject}")
async def one(request: Request, site: OurSite, subject: str) -> Response:
    """One id: why, why not, with its evidence; of an index also the plans of its statements without and with it."""
    found = await look(site, site.explain(subject))
    parts = [part("why", "Why", found, lambda result: explain_view(result, verbose=True))]
    advice = found.outcome.result.recommendation if found.outcome is not None else None
    if advice is not None and advice.action.builds:
        workload = await look(site, site.workload)
        known = {t.id: t for t in workload.outcome.result.templates} if workload.outcome is not None else {}
        parts += await gather(*(_compared(site, advice, known[id_]) for id_ in _statements(advice) if id_ in known))
    title = found.outcome.result.title if found.outcome is not None else ""
    return show(request, Page(subject[:60], title[:300], tuple(parts)))


def _statements(advice: Recommendation) -> list[str]:
    """The templates that gain most."""
    gain = sorted(advice.templates, key=lambda e: (e.before - e.after) * e.weight, reverse=True)
    return [effect.template for effect in gain[:_COMPARED]]


async def _compared(site: Site, advice: Recommendation, template: TemplateReport) -> Part:
    kept = await look(site, compared(site, template.text, advice.ddl))
    return part(f"plans-{template.id}", f"Plans of {template.id}", kept, _plans)


def _plans(result: ExplainResult) -> Document:
    return explain_view(result, verbose=True)


def compared(site: Site, query: str, index: str) -> Question[ExplainResult]:
    """The plans of a statement without and with an index that is not there."""
    asked = replace(
        ExplainRequest.by(site.settings),
        connection=site.connection,
        query=query,
        with_indexes=(index,),
        planner=site.planner,
        record=site.reader,
    )
    return Question(f"compare {index} {query}", partial(explain.run, asked), 3600.0, long=True)
