"""``indexpilot serve``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import command, planner, workload
from indexpilot_cli.cli.options import DatabaseOptions, OutputOptions, RunOptions, option
from indexpilot_cli.cli.session import CommandSession, require_extra
from indexpilot_cli.errors import UsageError

TOKEN = "INDEXPILOT_SERVE_TOKEN"
_LEAST = 16
EXAMPLES = """Examples:

  indexpilot serve -d shop

  indexpilot serve -d shop --host 0.0.0.0 --port 8443 --token-file /run/secrets/indexpilot

  indexpilot serve -d shop --allow-apply --token-file token
"""
Host = Annotated[str, option("--host ADDRESS", "Listen on this address; others than loopback need a token.")]
Port = Annotated[int, option("--port N", "Listen on this port; 0 is any free one.", min=0, max=65535)]
TokenFile = Annotated[str | None, option("--token-file FILE", f"Token to ask of everybody; else {TOKEN}.")]
AllowApply = Annotated[bool, option("--allow-apply", "Let who has the token apply plans, within the guards.")]


@command("serve", OutputOptions, DatabaseOptions, RunOptions)
def serve(
    session: CommandSession,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    token_file: TokenFile = None,
    allow_apply: AllowApply = False,
    files: opt.QueryFiles = None,
    source: opt.SourceOption = None,
    log_database: opt.LogDatabase = None,
    asked: opt.PlannerOptions,
) -> int:
    """Serve the dashboard and its JSON until it is stopped. Nothing is changed unless --allow-apply is given."""
    session.load(asked)
    require_extra()
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.serve import serve_view
    from indexpilot_cli.serve.server import run
    from indexpilot_cli.serve.values import ServeRequest

    request = ServeRequest(
        session.connection(),
        host,
        port,
        token(token_file),
        allow_apply,
        session.settings,
        workload(session, opt.StatementOptions(source, log_database=log_database), files),
        planner(session),
        record=session.record(),
    )

    outcome = run(request, partial(serving, session))
    return finish(session, outcome, serve_view(outcome.result))


def serving(session: CommandSession, url: str) -> None:
    """Say where the pages are."""
    from indexpilot_cli.cli.show import diagnostic

    if not session.output.quiet:
        diagnostic(session, "status", f"serving {url}")


def token(file: str | None) -> str | None:
    """The token of the file or the environment. Raises UsageError for a file that cannot be read or is short."""
    try:
        text = os.environ.get(TOKEN) or None if file is None else Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file {file}: cannot be read", detail=str(error)) from None
    if text is None:
        return None
    if len(text) < _LEAST or not text.isascii() or not text.isprintable():
        raise UsageError(
            f"{file or TOKEN}: a token has at least {_LEAST} printable letters", hint="openssl rand -hex 24 > token"
        )
    return text


COMMANDS = {"serve": serve}
