"""``init`` in two steps: show what will be done and ask, then do it."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from indexpilot_cli.errors import RefusedError

if TYPE_CHECKING:
    from indexpilot_cli.admin.values import InitRequest
    from indexpilot_cli.cli.session import Session
    from indexpilot_cli.render.document import Document


def prepare(session: Session, request: InitRequest, *, ask: bool) -> int:
    """Run ``init``, with ``ask`` only after a yes. Raises RefusedError when the answer is no."""
    from indexpilot_cli.admin.init import run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.init import view

    shown = False
    if ask:
        preview = session.call(run, dataclasses.replace(request, dry_run=True))
        if preview.result.planned:
            _preview(session, view(dataclasses.replace(preview.result, sql=(), dry_run=False), server=preview.server))
            shown = not session.machine
            if not session.confirm("Proceed?"):
                raise RefusedError("nothing was done", code="declined")
    outcome = session.call(run, request)
    document = view(outcome.result, server=outcome.server, verbose=session.verbose, brief=shown)
    return finish(session, outcome, document)


def _preview(session: Session, document: Document) -> None:
    """What will be done, on stderr: it belongs to the question, not to the result."""
    from indexpilot_cli.render.terminal import rich

    if not session.machine and session.may_ask:
        sys.stderr.write(rich(document, session.terminal.width, color=session.terminal.stderr_color))
        sys.stderr.flush()
