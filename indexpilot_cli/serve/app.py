"""The application: every router, behind the one layer that decides who may ask; probes, and what errors become."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response

from indexpilot_cli import __version__
from indexpilot_cli.errors import (
    IndexPilotError,
    OutcomeUnknownError,
    PrerequisiteError,
    RefusedError,
    UnreachableError,
    UsageError,
)
from indexpilot_cli.render.prometheus import prometheus_text
from indexpilot_cli.render.views.api.frame import AnswerStatus
from indexpilot_cli.serve.api import docs, read, write
from indexpilot_cli.serve.pages import decisions, health, login, migrations, overview, past, performance, plans
from indexpilot_cli.serve.pages.frame import Page, show
from indexpilot_cli.serve.pages.plans import Changes
from indexpilot_cli.serve.security import Gatekeeper, problem
from indexpilot_cli.serve.sessions import Sessions
from indexpilot_cli.serve.site import OurSite, Site
from indexpilot_cli.serve.values import ServeRequest

_TITLES = {403: "Refused", 404: "There is no such page", 405: "This cannot be done", 422: "This is not understood"}


def wants_page(request: Request) -> bool:
    """Whether somebody looks with a browser at something that is not for programs."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def error_page(request: Request, status: int, error: IndexPilotError) -> Response:
    """What went wrong, with the way on."""
    page = Page(_TITLES.get(status, "This did not work"), template="error.html", more={"error": error})
    return show(request, page, status)


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


STATUS: dict[type[IndexPilotError], int] = {
    UsageError: 422,
    UnreachableError: 503,
    PrerequisiteError: 409,
    RefusedError: 403,
    OutcomeUnknownError: 502,
    IndexPilotError: 500,
}
_BY_CODE = {"unknown_id": 404, "busy": 409}
_PAGES = (overview, performance, health, decisions, plans, migrations, past, login)
_ROUTERS = (router, read.router, write.router, *(page.router for page in _PAGES))


def create_app(request: ServeRequest) -> FastAPI:
    """The ASGI application for one database; it asks nothing before somebody looks."""
    app = FastAPI(title="IndexPilot", version=__version__, docs_url=None, redoc_url=None)
    app.state.site = Site.of(request)
    app.state.sessions = sessions = Sessions(request.token)
    app.state.changes = Changes()
    for router in _ROUTERS:
        app.include_router(router)
    docs.add_docs(app)
    app.add_exception_handler(IndexPilotError, _failed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    if request.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(request.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    # Added last, which makes it the outermost: nothing is routed, compressed or answered before it.
    app.add_middleware(Gatekeeper, request=request, sessions=sessions)
    return app


def _failed(request: Request, error: Exception) -> Response:
    # Starlette hands a handler errors of its class only, and types them as any.
    assert isinstance(error, IndexPilotError)
    found = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    return _told(request, _BY_CODE.get(error.code, found), error)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _told(request, error.status_code, IndexPilotError(str(error.detail), code="http"), error.headers)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    text = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return _told(request, 422, IndexPilotError(text, code="invalid_value"))


def _broken(_request: Request, _error: Exception) -> Response:
    """The traceback goes to the log of the server, never to who asked."""
    return problem(500, "internal", "this is a fault of IndexPilot: please report it")


def _told(request: Request, status: int, error: IndexPilotError, headers: Mapping[str, str] | None = None) -> Response:
    if wants_page(request):
        return error_page(request, status, error)
    return problem(status, error.code, error.message, error.detail, error.hint, headers)
