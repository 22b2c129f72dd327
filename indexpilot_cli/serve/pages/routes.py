"""Every page, and what a page says when there is none."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.serve.pages import decisions, health, login, migrations, overview, past, performance, plans
from indexpilot_cli.serve.pages.frame import Page, show

_TITLES = {403: "Refused", 404: "There is no such page", 405: "This cannot be done", 422: "This is not understood"}
router = APIRouter()
for _module in (overview, performance, health, decisions, plans, migrations, past, login):
    router.include_router(_module.router)


def wants_page(request: Request) -> bool:
    """Whether somebody looks with a browser at something that is not for programs."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def error_page(request: Request, status: int, error: IndexPilotError) -> Response:
    """What went wrong, with the way on."""
    page = Page(_TITLES.get(status, "This did not work"), template="error.html", more={"error": error})
    return show(request, page, status)
