"""Plans: those that were kept, their statements, what the guards say; approved, applied, taken back where allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from indexpilot_cli.apply.kept_plan import approve_plan
from indexpilot_cli.apply.values import ApplyResult, ApproveRequest, PlanListResult
from indexpilot_cli.core.command import Silent
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.units import DASH, size
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.render import text
from indexpilot_cli.render.document import Code, Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import saving, stamp
from indexpilot_cli.render.views import apply as changes
from indexpilot_cli.render.views.builds import builds_view
from indexpilot_cli.render.views.recommend import view as plan_view
from indexpilot_cli.serve.pages import questions
from indexpilot_cli.serve.pages.forms import Writing
from indexpilot_cli.serve.pages.frame import Page, Part, part, show
from indexpilot_cli.serve.results import Kept, Question
from indexpilot_cli.serve.site import Site

router = APIRouter(include_in_schema=False)
_PLANS = columns(
    "plan|short", "made|short", "changes|number", "of workload|number", "size|number", "planner|short", "approved|text"
)
_BUILDING = 3.0  # seconds between two looks at a build
_CHANGED = ("plans", "history", "builds")


@router.get("/plans")
async def kept(request: Request) -> Response:
    """The plans, and what is being built."""
    site: Site = request.app.state.site
    parts = (
        part("plans", "Kept plans", await site.results.ask(site.plans), _list),
        await _builds(site),
    )
    return show(request, Page("Plans", "What recommend and lifecycle proposed, to be applied when it suits.", parts))


@router.get("/plans/{plan}")
async def one(request: Request, plan: str) -> Response:
    """A plan, its statements, what apply would do, and what is under way."""
    site: Site = request.app.state.site
    found = await site.results.ask(site.plan(plan))
    parts = [part("plan", "What it proposes", found, plan_view)]
    if found.outcome is None:
        return show(request, Page(f"Plan {plan}", parts=tuple(parts)))
    whole = found.outcome.result.id
    runs = tuple(_runs(site, whole))
    parts += [part(id_, title, known, view) for id_, title, known, view in runs]
    running = any(known.stage is not None for _, _, known, _ in runs)
    if not running:
        parts.append(
            part("permit", "What apply would do now", await site.results.ask(questions.permitted(site, whole)), _permit)
        )
    parts.append(await _builds(site))
    parts.append(part("statements", "Statements", found, _statements))
    page = Page(
        f"Plan {whole}",
        parts=tuple(parts),
        refresh=_BUILDING if running else None,
        template="plan.html",
        more={"plan": whole, "running": running},
    )
    return show(request, page)


@router.post("/plans/{plan}/approve")
def approve(request: Request, plan: str, _session: Writing, reason: Annotated[str, Form()] = "") -> Response:
    """The plan is approved as it is now."""
    site: Site = request.app.state.site
    approve_plan(ApproveRequest(plan, site.connection, reason, site.request.record), Silent())
    site.results.forget(*_CHANGED, f"permit {plan}")
    return RedirectResponse(f"/plans/{plan}", 303)


@router.post("/plans/{plan}/apply")
def build(request: Request, plan: str, _session: Writing) -> Response:
    """The plan is being applied."""
    site: Site = request.app.state.site
    return _begun(site, plan, questions.applied(site, plan))


@router.post("/plans/{plan}/rollback")
def undo(request: Request, plan: str, _session: Writing) -> Response:
    """What was built by the plan is being taken back."""
    site: Site = request.app.state.site
    return _begun(site, plan, questions.taken_back(site, plan))


def _begun(site: Site, plan: str, question: Question[ApplyResult]) -> Response:
    if not site.results.begin(question):
        raise RefusedError("this is under way already, or too much else is", code="busy")
    site.results.forget(*_CHANGED, f"permit {plan}")
    return RedirectResponse(f"/plans/{plan}", 303)


def _runs(site: Site, plan: str) -> list[tuple[str, str, Kept[ApplyResult], Callable[[ApplyResult], Document]]]:
    asked = (
        ("apply", "Applying", questions.applied(site, plan), changes.view),
        ("rollback", "Taking back", questions.taken_back(site, plan), changes.rollback_view),
    )
    known = ((id_, title, site.results.known(question), view) for id_, title, question, view in asked)
    return [one for one in known if one[2] != Kept()]


async def _builds(site: Site) -> Part:
    return part("builds", "Indexes being built", await site.results.ask(site.builds), builds_view)


def _permit(result: ApplyResult) -> Document:
    """The guards and what each step would be; their statements stand in a section of their own."""
    told = (block for block in changes.view(result).blocks if not isinstance(block, Code))
    return Document((changes.guards_table(result.verdicts), *told))


def _statements(plan: Plan) -> Document:
    statements = plan_view(plan).statements or ()
    return Document((Code(text.sql(statements)) if statements else Lines(("there is nothing to run",)),))


def _list(result: PlanListResult) -> Document:
    rows = tuple(
        (
            one.id,
            stamp(one.created_at),
            str(one.recommendations),
            saving(1 - one.cost_after / one.cost_before) if one.cost_before > 0 else DASH,
            size(one.size_bytes),
            one.estimator,
            "; ".join(f"by {a.approved_by}, {stamp(a.approved_at)}" for a in one.approvals) or "no",
        )
        for one in result.plans
    )
    return Document((TableBlock(_PLANS, rows) if rows else Lines(("no plan was kept yet",)),))
