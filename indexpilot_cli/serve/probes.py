"""``/healthz``, ``/readyz`` and ``/metrics``: for orchestrators and Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from indexpilot_cli.render.prometheus import prometheus_text
from indexpilot_cli.render.views.api.frame import AnswerStatus
from indexpilot_cli.serve.site import OurSite

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
router = APIRouter()


@router.get("/healthz", summary="Whether this process answers")
async def healthz() -> JSONResponse:
    """Always 200 while the process answers; the database does not matter (liveness)."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", summary="Whether the database answers")
async def readyz(site: OurSite) -> JSONResponse:
    """200 when the database answered a moment ago, else 503 (readiness)."""
    kept = await site.results.ask(site.alive)
    ready = kept.status is AnswerStatus.OK
    return JSONResponse({"status": kept.status.value}, 200 if ready else 503)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def metrics(site: OurSite) -> Response:
    """The text of ``lifecycle metrics``, which says of a database that does not answer that it is down."""
    kept = await site.results.ask(site.metrics)
    if kept.result is None or kept.error is not None:
        return PlainTextResponse("# the database could not be asked\n", 503, media_type=CONTENT_TYPE)
    return PlainTextResponse(prometheus_text(kept.result.families), media_type=CONTENT_TYPE)
