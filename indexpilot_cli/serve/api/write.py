"""What may be asked to be done. A plan or a review is only made; the rest writes, and needs ``--allow-apply``.

What writes runs as the command of the same name does, with its guards, its window and its rows in the log; the answer
is the work, to be looked at under ``/api/work/{id}``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from indexpilot_cli.apply import apply, kept_plan, rollback
from indexpilot_cli.apply.values import ApproveRequest
from indexpilot_cli.core.command import Outcome, Progress, Silent
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.evolve.review.registry import HAZARDS
from indexpilot_cli.execute.signals import Stop
from indexpilot_cli.lifecycle.schedules import run as schedules
from indexpilot_cli.lifecycle.schedules.run import ScheduleRunRequest
from indexpilot_cli.lifecycle.schedules.timetable import Job as LifecycleJob
from indexpilot_cli.lifecycle.schedules.timetable import JobKey
from indexpilot_cli.render.document import Document
from indexpilot_cli.render.views.api.frame import ApiAnswer
from indexpilot_cli.render.views.api.work import WorkReport
from indexpilot_cli.render.views.apply import rollback_view
from indexpilot_cli.render.views.apply import view as apply_view
from indexpilot_cli.render.views.config import approved
from indexpilot_cli.render.views.lifecycle_schedules import run_view
from indexpilot_cli.render.views.recommend import view as plan_view
from indexpilot_cli.render.views.review.view import view as review_view
from indexpilot_cli.serve.api.answers import answer, documented, framed, source
from indexpilot_cli.serve.results import Question
from indexpilot_cli.serve.site import OurSite, Review, Site
from indexpilot_cli.serve.works import Change, Job, change

router = APIRouter(prefix="/api", tags=["do"])
ACCEPTED = 202
PlanId = Annotated[str, Field(pattern=r"^P-[0-9a-fA-F]{1,64}$", description="a kept plan")]
AdviceId = Annotated[str, Field(pattern=r"^[RF]-[0-9a-fA-F]{1,64}$")]
UndoId = Annotated[str, Field(pattern=r"^(M-[0-9]{1,18}|[PR]-[0-9a-fA-F]{1,64})$")]
Text = Annotated[str, Field(max_length=500)]


class _Body(BaseModel):
    """A body whose keys are all known."""

    # Who misspells dry_run must be told so, and not begin a build.
    model_config = ConfigDict(extra="forbid", strict=True)


class ApplyBody(_Body):
    """What ``indexpilot apply`` may be asked here: a plan, or some of what it advises."""

    plan: PlanId | None = None
    ids: list[AdviceId] = Field(default=[], max_length=200)
    dry_run: bool = False
    max_builds: int | None = Field(default=None, ge=1, le=1000)
    window: str | None = Field(default=None, max_length=80, description="22:00-02:30 Europe/Berlin mon-fri")
    window_hard: bool = False
    require_approval: bool = False
    stop_on_error: bool = False
    verify: Literal["planner", "statistics", "replay"] | None = None
    auto_revert: bool = False
    force: bool = Field(default=False, description="go ahead where a guard may be overruled")


class RollbackBody(_Body):
    """What ``indexpilot rollback`` may be asked here."""

    ids: list[UndoId] = Field(default=[], max_length=200)
    last: bool = False
    to_version: int | None = Field(default=None, ge=1, le=10**6)
    dry_run: bool = False
    force: bool = False


class ApproveBody(_Body):
    """Why a plan is approved."""

    reason: Text = ""


class LifecycleBody(_Body):
    """Whether what a job finds becomes a plan."""

    plan: bool = False


class ReviewBody(_Body):
    """A migration as text. ``offline``: rules alone judge and nothing runs; else it runs on a clone."""

    sql: str = Field(min_length=1, max_length=1_000_000)
    offline: bool = True
    server_version: int | None = Field(default=None, ge=13, le=99)


@router.post("/recommend", status_code=ACCEPTED, summary="Make a plan", responses=documented("api_plan", ACCEPTED))
async def recommend(site: OurSite) -> Response:
    """Begins in the background; ``GET`` tells how far it is. Kept for apply only where that is allowed."""
    site.results.begin(site.advice)
    return await framed("api_plan", site.results.known(site.advice), plan_view, ACCEPTED)


@router.post("/review", summary="Review a migration", responses=documented("api_review", ACCEPTED))
async def review(site: OurSite, body: ReviewBody) -> Response:
    """What ``indexpilot schema-evolve check`` prints; nothing is done to the database. On a clone it takes a while:
    ``Location`` says where the answer will be.
    """
    if not body.offline and site.request.token is None:
        hint = "indexpilot serve --token-file FILE; or ask for offline: true"
        raise RefusedError("a review on a clone runs what is sent: it needs a token", hint=hint, code="needs_token")
    asked = site.review(body.sql, offline=body.offline, server_version=body.server_version)
    return await _review(site, asked)


@router.get("/review/{digest}", summary="A review", responses=documented("api_review", ACCEPTED))
async def reviewed(site: OurSite, digest: Annotated[str, Path(pattern="^[0-9a-f]{16}$")]) -> Response:
    """How far it is (``stage``), and what it found."""
    return await _review(site, site.kept_review(digest))


async def _review(site: Site, asked: Review) -> Response:
    kept = await site.results.ask(asked.question)
    if isinstance(kept.error, UsageError):
        raise kept.error.with_traceback(None)
    told = await framed("api_review", kept, lambda found: review_view(found, hazards=HAZARDS, fix=True))
    told.headers["Location"] = f"/api/review/{asked.digest}"
    told.status_code = ACCEPTED if kept.result is None and kept.stage is not None else 200
    return told


def allowed(site: Site) -> None:
    """Raises RefusedError where this server only looks. Who has no token does not come this far."""
    if not site.request.allow_apply or site.request.token is None:
        raise RefusedError(
            "this server only looks", hint="indexpilot serve --allow-apply --token-file FILE", code="read_only"
        )


async def _begun(site: Site, job: Job) -> Response:
    return await _work(site.works.begin(job), ACCEPTED)


async def _work(report: WorkReport, status: int = 200) -> Response:
    headers = {"Location": f"/api/work/{report.id}"}
    return await answer(ApiAnswer("api_work", result=report), status, headers)


@router.get("/work", summary="Work that writes", responses=documented("api_works"), tags=["look"])
async def works(site: OurSite) -> Response:
    """The latest pieces of work of this server, newest first."""
    return await answer(ApiAnswer("api_works", result=site.works.all()))


@router.get("/work/{work_id}", summary="One piece of work", responses=documented("api_work"), tags=["look"])
async def work(site: OurSite, work_id: Annotated[str, Path(pattern="^W-[0-9]{1,9}$")]) -> Response:
    """How far it is, and what the command prints as JSON when it has ended."""
    return await _work(site.works.get(work_id))


@router.post("/apply", status_code=ACCEPTED, summary="Build a plan", responses=documented("api_work", ACCEPTED))
async def build(site: OurSite, body: ApplyBody) -> Response:
    """As ``indexpilot apply``: guards, window and log are the same. ``dry_run`` only tells, and needs no leave."""
    if (body.plan is None) == (not body.ids):
        raise UsageError("give either a plan or ids of what it advises", code="no_plan")
    if not body.dry_run:
        allowed(site)
    targets = (body.plan,) if body.plan is not None else tuple(body.ids)
    asked = replace(
        site.apply_request(targets, dry_run=body.dry_run), **body.model_dump(exclude={"plan", "ids", "dry_run"})
    )
    return await _changed(site, "apply", apply.run, asked, apply_view)


@router.post("/rollback", status_code=ACCEPTED, summary="Take back", responses=documented("api_work", ACCEPTED))
async def take_back(site: OurSite, body: RollbackBody) -> Response:
    """As ``indexpilot rollback``: what we built is dropped, what we dropped is built again."""
    if body.last == bool(body.ids):
        raise UsageError("give ids, or last: true", code="no_target")
    if body.to_version is not None and len(body.ids) != 1:
        raise UsageError("to_version goes with one id", code="no_target")
    if not body.dry_run:
        allowed(site)
    asked = replace(
        site.rollback_request(tuple(body.ids), dry_run=body.dry_run),
        last=body.last,
        force=body.force,
        to_version=body.to_version,
    )
    return await _changed(site, "rollback", rollback.run, asked, rollback_view)


async def _changed(site: Site, kind: str, workflow: Change, asked: Any, view: Callable[[Any], Document]) -> Response:
    """Begun as work; what only looks is looked at now, with a session of the log's beside two that look."""

    job = change(kind, workflow, asked, view)
    if not asked.dry_run:
        return await _begun(site, job)
    question = Question(f"{kind} {asked!r}", lambda _: job.run(Silent(), Stop()), 0.0, 3)
    kept = await site.results.ask(question)
    if kept.error is not None:
        raise kept.error.with_traceback(None)
    if kept.outcome is None:
        raise RefusedError("too much is being asked just now", hint="ask again", code="busy")
    report = site.works.ended(kind, kept.outcome, view)
    return await answer(ApiAnswer("api_work", (source(kind, kept),), report))


@router.post(
    "/plans/{plan_id}/approve",
    status_code=ACCEPTED,
    summary="Approve a plan",
    responses=documented("api_work", ACCEPTED),
)
async def approve(
    site: OurSite, plan_id: Annotated[str, Path(pattern=r"^P-[0-9a-fA-F]{1,64}$")], body: ApproveBody
) -> Response:
    """As ``indexpilot plan approve``: for apply with ``require_approval``."""
    allowed(site)
    asked = ApproveRequest(plan_id, site.request.connection, body.reason, site.request.record_of("plan approve"))
    return await _begun(
        site, Job("plan approve", lambda progress, _: kept_plan.approve_plan(asked, progress), approved)
    )


@router.post(
    "/lifecycle/tenant/{tenant}",
    status_code=ACCEPTED,
    summary="Run a tenant's job",
    responses=documented("api_work", ACCEPTED),
)
async def lifecycle_tenant(
    site: OurSite, tenant: Annotated[int, Path(ge=-(2**31), le=2**31 - 1)], body: LifecycleBody | None = None
) -> Response:
    """As ``indexpilot lifecycle run tenant ID``."""
    return await _job(site, JobKey(LifecycleJob.TENANT, tenant), body or LifecycleBody())


@router.post(
    "/lifecycle/{job}",
    status_code=ACCEPTED,
    summary="Run a job of lifecycle",
    responses=documented("api_work", ACCEPTED),
)
async def lifecycle_job(
    site: OurSite, job: Literal["weekly", "monthly"], body: LifecycleBody | None = None
) -> Response:
    """As ``indexpilot lifecycle run weekly`` and ``monthly``."""
    return await _job(site, JobKey(LifecycleJob(job)), body or LifecycleBody())


async def _job(site: Site, key: JobKey, body: LifecycleBody) -> Response:
    allowed(site)
    report = replace(
        site.lifecycle_request(site.request.record_of("lifecycle run")), connection=site.request.connection
    )
    asked = ScheduleRunRequest.by(site.settings, report, (key,), plan=body.plan, reconcile=False)
    return await _begun(site, Job("lifecycle run", partial(_run_job, asked), run_view))


def _run_job(asked: ScheduleRunRequest, progress: Progress, stop: Stop) -> Outcome[Any]:
    stop.check()
    return schedules.run(asked, progress)
