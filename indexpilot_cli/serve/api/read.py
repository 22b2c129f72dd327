"""What may be looked at: nothing here changes or records anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import starmap
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse, Response

from indexpilot_cli.admin.history import HistoryRequest
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.performance import PerformanceResult
from indexpilot_cli.render import schema
from indexpilot_cli.render.views.api.frame import AnswerStatus, ApiAnswer, Endpoint
from indexpilot_cli.render.views.api.health import health_answer
from indexpilot_cli.render.views.api.performance import MeasuredHour, PerformanceAnswer
from indexpilot_cli.render.views.builds import builds_view
from indexpilot_cli.render.views.discover import analyze_view
from indexpilot_cli.render.views.doctor import doctor_view
from indexpilot_cli.render.views.explain import view as explain_view
from indexpilot_cli.render.views.history import history_view, versions_view
from indexpilot_cli.render.views.lifecycle import lifecycle_view
from indexpilot_cli.render.views.lifecycle_schedules import status_view
from indexpilot_cli.render.views.recommend import view as plan_view
from indexpilot_cli.serve.api.answers import answer, documented, framed, result, source
from indexpilot_cli.serve.site import OurSite, ReadSamples
from indexpilot_cli.settings.keys import duration

router = APIRouter(prefix="/api", tags=["look"])
Bucket = Literal["minute", "hour", "day"]
Hours = Annotated[float, Query(gt=0, le=24 * 366, description="how far back")]
Table = Annotated[str | None, Query(max_length=200, description="only of this table")]
Identifier = Annotated[str, Path(max_length=80, pattern=r"^[A-Za-z0-9_-]+$")]
_SPANS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
ENDPOINTS = {
    "/api/performance": "queries over time, what each index did, what the planner could see",
    "/api/health": "every index with its size, use and findings",
    "/api/explain-stats": "how much of what advice rests on could be planned",
    "/api/decisions": "every yes and no of the newest plan with its reason",
    "/api/workload": "the heaviest statements",
    "/api/lifecycle": "what no longer pays, decays or is missing",
    "/api/lifecycle/status": "each job of lifecycle: when it ran and when it is due",
    "/api/builds": "indexes that are being built now, and whom they wait for",
    "/api/history": "the mutation log",
    "/api/versions": "the definitions that indexes had",
    "/api/doctor": "what is missing for the work",
    "/api/plans": "plans that are kept, with their approvals",
    "/api/recommend": "a plan made on request",
    "/api/work": "work that writes",
    "/api/schemas": "the JSON schemas of all answers",
    "/openapi.json": "all of this for programs; /docs and /redoc for people",
    "/metrics": "for Prometheus",
    "/healthz": "whether this process answers",
    "/readyz": "whether the database does",
}


@router.get("", summary="What can be asked here", responses=documented("api_index"))
async def index(site: OurSite) -> Response:
    """Every endpoint with what it gives, and whether the database answers."""
    kept = await site.results.ask(site.alive)
    return await answer(ApiAnswer("api_index", (source("alive", kept),), tuple(starmap(Endpoint, ENDPOINTS.items()))))


@router.get("/performance", summary="Queries over time and what indexes did", responses=documented("api_performance"))
async def performance(site: OurSite, hours: Hours = 24.0, bucket: Bucket = "hour") -> Response:
    """Statistics that the application recorded, by minute, hour or day (UTC); indexes that were built here."""
    kept = await site.results.ask(site.performance(hours, bucket))
    found = kept.result
    told = None
    if found is not None:
        # The server keeps totals alone: what was scanned in an hour is the difference of two looks.
        site.samples.add(found.reads)
        told = PerformanceAnswer(_measured(found, site.samples, bucket), found.impacts, found.explain, found.reads)
    notes = () if found is None else found.notes
    return await answer(ApiAnswer("api_performance", (source("performance", kept),), told, notes))


def _measured(found: PerformanceResult, samples: ReadSamples, bucket: Bucket) -> tuple[MeasuredHour, ...]:
    rows = []
    for one in found.series:
        scans = samples.between(one.at, one.at + _SPANS[bucket])
        rows.append(MeasuredHour(one, *scans) if scans is not None else MeasuredHour(one))
    return tuple(rows)


@router.get("/explain-stats", summary="What the planner could see", responses=documented("api_explain_stats"))
async def explain_stats(site: OurSite) -> Response:
    """Of the statements that advice was to rest on in the last 30 days, how many could be planned."""
    kept = await site.results.ask(site.performance())
    found = kept.result
    told, notes = (None, ()) if found is None else (found.explain, found.notes if found.explain is None else ())
    return await answer(ApiAnswer("api_explain_stats", (source("performance", kept),), told, notes))


@router.get("/health", summary="Every index with its size, use and findings", responses=documented("api_health"))
async def health(site: OurSite) -> Response:
    """Sizes and counters of now; findings of the latest look of lifecycle, which is begun where there is none."""
    kept = await site.results.ask(site.indexes)
    judged = await site.results.ask(site.lifecycle)
    findings = None if judged.result is None else judged.result.findings
    told = None if kept.result is None else health_answer(kept.result, findings)
    sources = (source("indexes", kept), source("lifecycle", judged))
    return await answer(ApiAnswer("api_health", sources, told))


@router.get("/decisions", summary="Every yes and no of the newest plan", responses=documented("api_decisions"))
async def decisions(site: OurSite) -> Response:
    """Of the latest kept plan, or of the one that was made here on request since."""
    await site.results.ask(site.plan())
    kept = site.newest_plan()
    made = site.results.known(site.advice)
    sources = (source("plan", kept), *((source("recommend", made),) if made.stage or made.error else ()))
    return await answer(ApiAnswer("api_decisions", sources, kept.result))


@router.get("/workload", summary="The heaviest statements", responses=documented("api_workload"))
async def workload(site: OurSite) -> Response:
    """What ``indexpilot analyze`` prints."""
    return await result(site, "api_workload", site.workload, analyze_view)


@router.get("/doctor", summary="What is missing for the work", responses=documented("api_doctor"))
async def doctor(site: OurSite) -> Response:
    """What ``indexpilot doctor`` prints."""
    return await result(site, "api_doctor", site.doctor, doctor_view)


@router.get("/lifecycle", summary="What no longer pays", responses=documented("api_lifecycle"))
async def lifecycle(site: OurSite) -> Response:
    """What ``indexpilot lifecycle`` prints; looked for in the background, ``stage`` tells how far that is."""
    return await result(site, "api_lifecycle", site.lifecycle, lifecycle_view)


@router.get("/lifecycle/status", summary="The jobs of lifecycle", responses=documented("api_lifecycle_status"))
async def lifecycle_status(site: OurSite) -> Response:
    """What ``indexpilot lifecycle status`` prints."""
    return await result(site, "api_lifecycle_status", site.schedules, status_view)


@router.get("/builds", summary="Indexes that are being built now", responses=documented("api_builds"))
async def builds(site: OurSite) -> Response:
    """What ``indexpilot lifecycle builds`` prints: phases, progress, and whom they wait for."""
    return await result(site, "api_builds", site.builds, builds_view)


@router.get("/history", summary="The mutation log", responses=documented("api_history"))
async def history(
    site: OurSite,
    since: Annotated[str | None, Query(max_length=40, description="7d, or a date: 2026-11-20")] = None,
    type: Annotated[tuple[str, ...], Query(description="CREATE_INDEX …")] = (),
    table: Table = None,
    tenant: Annotated[int | None, Query(ge=-(2**31), le=2**31 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> Response:
    """What ``indexpilot history`` prints, newest first."""
    asked = HistoryRequest(since=_moment(since), types=tuple(type), table=table, tenant=tenant, limit=limit)
    kept = await site.results.ask(site.history(asked))
    if kept.error is not None and isinstance(kept.error, UsageError):
        # It is kept and raised again each time: without this its traceback would grow for ever.
        raise kept.error.with_traceback(None)
    return await framed("api_history", kept, history_view)


def _moment(text: str | None) -> datetime | None:
    """To the minute, so that who asks again gets what is kept. Raises UsageError."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return (datetime.now(UTC) - timedelta(seconds=duration(text))).replace(second=0, microsecond=0)
    except (ValueError, OverflowError):
        raise UsageError(f"since: {text!r} is neither a time span (7d) nor a date (2026-11-20)") from None


@router.get("/versions", summary="The definitions that indexes had", responses=documented("api_versions"))
async def versions(site: OurSite, table: Table = None) -> Response:
    """What ``indexpilot history --versions`` prints."""
    return await result(site, "api_versions", site.versions(table), versions_view)


@router.get("/plans", summary="Plans that are kept", responses=documented("api_plans"))
async def plans(site: OurSite) -> Response:
    """The newest plans in the database with their approvals."""
    kept = await site.results.ask(site.plans)
    return await answer(ApiAnswer("api_plans", (source("plans", kept),), kept.result))


@router.get("/plans/{plan_id}", summary="One plan", responses=documented("api_plan"))
async def plan(site: OurSite, plan_id: Identifier) -> Response:
    """What ``indexpilot plan show`` prints; of a plan made here on request, too."""
    made = site.results.known(site.advice)
    if made.result is not None and made.result.id.lower() == plan_id.lower():
        return await framed("api_plan", made, plan_view)
    return await result(site, "api_plan", site.plan(plan_id), plan_view)


@router.get("/explain/{subject}", summary="Why, or why not", responses=documented("api_explain"))
async def explain(site: OurSite, subject: Identifier) -> Response:
    """What ``indexpilot explain`` prints of R-…, q-…, F-…, M-… and L01."""
    return await result(site, "api_explain", site.explain(subject), partial(explain_view, verbose=True))


@router.get("/recommend", summary="The plan made on request", responses=documented("api_plan"))
async def recommended(site: OurSite) -> Response:
    """How far it is (``stage``), and the plan. POST begins one."""
    kept = site.results.known(site.advice)
    if kept.status is AnswerStatus.LOADING and kept.stage is None:
        return await answer(
            ApiAnswer("api_plan", (source("recommend", kept),), notes=("nobody has asked for one yet",))
        )
    return await framed("api_plan", kept, plan_view)


@router.get("/schemas", summary="Names of the JSON schemas")
async def schemas() -> JSONResponse:
    """What ``indexpilot schema`` lists."""
    return JSONResponse({"schemas": list(schema.names())})


@router.get("/schemas/{name}", summary="One JSON schema", responses={404: {"description": "no such schema"}})
async def one_schema(name: Annotated[str, Path(max_length=80)]) -> JSONResponse:
    """What ``indexpilot schema NAME`` prints."""
    if name not in schema.names():
        raise UsageError(f"no schema {name!r}", code="unknown_id", hint="/api/schemas")
    return JSONResponse(schema.schema(name))
