"""Plans: those that were kept, their statements, what the guards say; approved, applied, taken back where allowed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from indexpilot_cli.apply import apply, rollback
from indexpilot_cli.apply.kept_plan import approve_plan
from indexpilot_cli.apply.values import ApplyResult, ApproveRequest, PlanListResult
from indexpilot_cli.core.command import Outcome, Progress, Silent
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.units import DASH, size
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.render import text
from indexpilot_cli.render.document import Code, Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import saving, stamp
from indexpilot_cli.render.views import apply as views
from indexpilot_cli.render.views.api.work import WorkReport
from indexpilot_cli.render.views.builds import builds_view
from indexpilot_cli.render.views.recommend import view as plan_view
from indexpilot_cli.serve.pages.frame import Page, Part, Writing, linked, look, part, show
from indexpilot_cli.serve.results import Kept, Question
from indexpilot_cli.serve.site import OurSite, Site
from indexpilot_cli.serve.works import RUNNING, Job, change

router = APIRouter(include_in_schema=False)
_PLANS = columns(
    "plan|short", "made|short", "changes|number", "of workload|number", "size|number", "planner|short", "approved|text"
)
_BUILDING = 3.0  # seconds between two looks at a build
_MOST = 100
_REASON = 500  # letters
# All of it, because nobody at a page can add the flags that show more on a terminal.
_whole = partial(plan_view, show_rejected=True, verbose=True)
PlanId = Annotated[str, Path(pattern="^P-[0-9a-fA-F]{1,64}$")]


class Changes:
    """What pages have begun: of each plan the latest work, with the document of what came of it."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[WorkReport, list[Document]]] = {}

    def begin(self, site: Site, plan: str, job: Job) -> None:
        """Begin it. Raises RefusedError while other work runs."""
        shown: list[Document] = []

        def view(result: Any) -> Document:
            shown.append(job.view(result))
            return shown[-1]

        self._latest[plan] = (site.works.begin(replace(job, view=view)), shown)
        for old in tuple(self._latest)[:-_MOST]:
            del self._latest[old]

    def part(self, site: Site, plan: str) -> Part | None:
        """The section of the latest work on the plan, None where nothing was done with it from here."""
        if plan not in self._latest:
            return None
        report, shown = self._latest[plan]
        now = site.works.get(report.id)
        title = {"apply": "Applying", "rollback": "Taking back"}.get(now.kind, now.kind)
        if now.state == RUNNING:
            return Part("work", title, Kept(stage=now.stage or "beginning"))
        if shown:
            return Part("work", title, Kept(Outcome("page", None), now.ended_at), linked(shown[0]))
        told = (now.result or {}).get("error") or {}
        words = {key: told.get(key) for key in ("detail", "hint", "code")}
        error = RefusedError(str(told.get("message") or "this is a fault of IndexPilot"), **words)
        return Part("work", title, Kept(error=error, tried_at=now.ended_at))


@router.get("/plans")
async def kept(request: Request, site: OurSite) -> Response:
    """The plans, and what is being built."""
    parts = (
        part("plans", "Kept plans", await look(site, site.plans), _list, url=request.url),
        await _builds(site),
    )
    return show(request, Page("Plans", "What recommend and lifecycle proposed, to be applied when it suits.", parts))


@router.get("/plans/{plan}")
async def one(request: Request, site: OurSite, plan: str) -> Response:
    """A plan, its statements, what apply would do, and what is under way."""
    changes: Changes = request.app.state.changes
    found = await look(site, site.plan(plan))
    proposal = part("plan", "What it proposes", found, _whole, url=request.url)
    if found.outcome is None:
        return show(request, Page(f"Plan {plan[:60]}", parts=(proposal,)))
    whole = found.outcome.result.id
    work = changes.part(site, whole)
    running = any(report.state == RUNNING for report in site.works.all())
    parts = [] if work is None else [work]
    if running:
        parts.append(await _builds(site))
    else:
        permit = await look(site, permitted(site, whole))
        parts.append(part("permit", "What apply would do now", permit, _permit, url=request.url))
    parts += [proposal, part("statements", "Statements", found, _statements)]
    page = Page(
        f"Plan {whole}",
        parts=tuple(parts),
        refresh=_BUILDING if running else None,
        template="plan.html",
        more={"plan": whole, "running": running},
    )
    return show(request, page)


@router.post("/plans/{plan}/approve")
def approve(site: OurSite, plan: PlanId, _session: Writing, reason: Annotated[str, Form()] = "") -> Response:
    """The plan is approved as it is now."""
    record = site.request.record_of("plan approve")
    # No coroutine, so that FastAPI gives it a thread: the loop does not wait for the database.
    approve_plan(ApproveRequest(plan, site.request.connection, reason[:_REASON], record), Silent())
    site.results.forget()
    return RedirectResponse(f"/plans/{plan}", 303)


@router.post("/plans/{plan}/apply")
def build(request: Request, site: OurSite, plan: PlanId, _session: Writing) -> Response:
    """The plan is being applied."""
    return _begun(request, plan, change("apply", apply.run, site.apply_request((plan,)), views.view))


@router.post("/plans/{plan}/rollback")
def undo(request: Request, site: OurSite, plan: PlanId, _session: Writing) -> Response:
    """What was built by the plan is being taken back."""
    job = change("rollback", rollback.run, site.rollback_request((plan,)), views.rollback_view)
    return _begun(request, plan, job)


def _begun(request: Request, plan: str, job: Job) -> Response:
    changes: Changes = request.app.state.changes
    changes.begin(request.app.state.site, plan, job)
    return RedirectResponse(f"/plans/{plan}", 303)


async def _builds(site: Site) -> Part:
    return part("builds", "Indexes being built", await look(site, site.builds), builds_view)


def _permit(result: ApplyResult) -> Document:
    """The guards and what each step would be; their statements stand in a section of their own."""
    told = (block for block in views.view(result).blocks if not isinstance(block, Code))
    return Document((views.guards_table(result.verdicts), *told))


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


def permitted(site: Site, plan: str) -> Question[ApplyResult]:
    """What ``apply`` would do with the plan now, and what the guards say."""
    asked = site.apply_request((plan,), dry_run=True)

    def ask(progress: Progress) -> Outcome[ApplyResult]:
        return apply.run(asked, progress, lambda _: False)

    return Question(f"permit {plan}", ask, 15.0, 3)
