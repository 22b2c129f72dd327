"""Logging in and out, and the files that pages are made with."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from indexpilot_cli.render.html import css
from indexpilot_cli.serve.pages.frame import Checked, Page, show
from indexpilot_cli.serve.sessions import LASTS, Sessions, cookie_name

STATIC = Path(__file__).parents[1] / "static"
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
router = APIRouter(include_in_schema=False)


@cache
def _files() -> dict[str, bytes]:
    """Our files by name. The style sheet of reports is part of that of pages: no page is seen before both are there."""
    found = {path.name: path.read_bytes() for path in STATIC.iterdir()}
    return found | {"pages.css": css().encode() + found["pages.css"]}


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """One of our files; they tell nothing of a database, so that the login page can have them."""
    # From memory by its name: nothing of a request is ever a path.
    content = _files().get(name)
    if content is None:
        return Response("there is no such file", 404)
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(content, media_type=kind, headers={"Cache-Control": "max-age=300"})


@router.get("/login")
def login(request: Request, next: str = "/") -> Response:
    """The page that asks for the token."""
    sessions: Sessions = request.app.state.sessions
    if sessions.of(request.scope) is not None:
        return RedirectResponse(_ours(next), 303)
    return show(request, _page(next))


@router.post("/login")
def begin(
    request: Request,
    token: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """A cookie for the token, and on to the page that was asked for."""
    sessions: Sessions = request.app.state.sessions
    if not sessions.is_token(token.strip()):
        wait = math.ceil(sessions.wrong(request.client.host if request.client is not None else ""))
        if wait:
            return show(request, _page(next, f"Too many wrong tokens came: try again in {wait} s."), 429)
        return show(request, _page(next, "This is not the token."), 403)
    answer = RedirectResponse(_ours(next), 303)
    answer.set_cookie(
        cookie_name(request.scope),
        sessions.begin(),
        max_age=int(LASTS.total_seconds()),
        secure=request.url.scheme == "https",  # over http browsers would drop it
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/logout")
def leave(request: Request, session: Checked) -> Response:
    """The session ends."""
    sessions: Sessions = request.app.state.sessions
    sessions.end(session)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(request.scope), httponly=True, samesite="strict")
    return answer


def _page(next_: str, wrong: str = "") -> Page:
    return Page("Log in", template="login.html", more={"next": _ours(next_), "wrong": wrong})


def _ours(address: str) -> str:
    """The address where it is a path of ours: a foreign one behind a login looks trustworthy."""
    path = address if address.startswith("/") and not address.startswith(("//", "/\\", "/login", "/logout")) else "/"
    return path if path.isprintable() and "\\" not in path else "/"
