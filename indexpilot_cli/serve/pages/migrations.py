"""Migrations: SQL is pasted or uploaded, and reviewed as ``schema-evolve check`` does. Nothing of it runs here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from indexpilot_cli.errors import UsageError
from indexpilot_cli.evolve.review.registry import HAZARDS
from indexpilot_cli.evolve.review.values import CheckResult
from indexpilot_cli.render.document import Document
from indexpilot_cli.render.views.review.view import view
from indexpilot_cli.serve.pages.frame import Checked, Page, Part, look, part, show
from indexpilot_cli.serve.site import OurSite, Site

router = APIRouter(include_in_schema=False)


@router.get("/migrations")
def ask(request: Request) -> Response:
    """The form."""
    return show(request, _page(request, ""))


@router.post("/migrations")
def review(
    site: OurSite,
    _session: Checked,
    sql: Annotated[str, Form()] = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Begin the review, and on to where it is shown."""
    text = _text(file) if file is not None and file.filename else sql.replace("\r\n", "\n")
    if not text.strip():
        raise UsageError("there is no SQL to review", hint="paste it or choose a file", code="no_migration")
    # On a clone runs what is sent: that is for who has the token.
    asked = site.review(text, offline=site.request.token is None)
    return RedirectResponse(f"/migrations/{asked.digest}", 303)


@router.get("/migrations/{name}")
async def reviewed(request: Request, site: OurSite, name: str) -> Response:
    """The review, or how far it is."""
    asked = site.kept_review(name)
    found = await look(site, asked.question)
    return show(request, _page(request, asked.text, part("review", "Review", found, _document)))


def _document(result: CheckResult) -> Document:
    return view(result, hazards=HAZARDS, verbose=True, fix=True)


def _text(upload: UploadFile) -> str:
    try:
        return upload.file.read().decode()
    except UnicodeDecodeError:
        raise UsageError(f"{upload.filename}: is not UTF-8 text") from None


def _page(request: Request, text: str, *parts: Part) -> Page:
    site: Site = request.app.state.site
    lead = "What a migration would block, for how long, what it breaks, and whether it fails. Nothing is changed: "
    lead += (
        "it is judged by rules, and run on an empty copy only where the server asks for a token."
        if site.request.token is None
        else "it runs on an empty copy of the schema."
    )
    return Page("Migrations", lead, parts, template="migrations.html", more={"text": text})
