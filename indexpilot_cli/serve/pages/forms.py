"""What every form needs before it does anything: the key that our own page gave it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form, Request

from indexpilot_cli.errors import RefusedError
from indexpilot_cli.serve.sessions import Sessions
from indexpilot_cli.serve.site import Site


def _checked(request: Request, key: Annotated[str, Form()] = "") -> str:
    sessions: Sessions = request.app.state.sessions
    if not sessions.allows(request.scope, key):
        raise RefusedError(
            "this form is not from a page of this session", hint="load the page again", code="foreign_form"
        )
    return sessions.of(request.scope) or ""


def _writing(request: Request, session: Annotated[str, Depends(_checked)]) -> str:
    site: Site = request.app.state.site
    if not site.request.allow_apply:
        raise RefusedError("nothing is changed from here", hint="indexpilot serve --allow-apply", code="read_only")
    return session


Checked = Annotated[str, Depends(_checked)]
"""The session of a form that is ours."""
Writing = Annotated[str, Depends(_writing)]
"""The session of a form that is ours and may change the database."""
