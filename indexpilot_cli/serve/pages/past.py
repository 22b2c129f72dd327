"""History: the mutation log."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from indexpilot_cli.admin.history import HistoryRequest
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.render.views.history import history_view
from indexpilot_cli.serve.pages.frame import Page, look, part, piece, show
from indexpilot_cli.serve.site import OurSite

_LIMITS = (50, 200, 1000)
router = APIRouter(include_in_schema=False)


@router.get("/history")
async def history(request: Request, site: OurSite, kind: str = "", table: str = "", limit: int = 50) -> Response:
    """The newest rows of the log that match."""
    shown = limit if limit in _LIMITS else _LIMITS[0]
    asked = HistoryRequest(types=(kind,) if kind else (), table=table.strip() or None, limit=shown)
    found = await look(site, site.history(asked))
    filters = piece(
        "filters.html",
        "history",
        kinds=sorted(one.value for one in MutationType),
        kind=kind,
        table=table,
        limits=_LIMITS,
        limit=shown,
    )
    page = Page(
        "History",
        "Every change, and every look that was recorded.",
        (part("log", "Mutation log", found, history_view, url=request.url),),
        filters=filters,
    )
    return show(request, page)
