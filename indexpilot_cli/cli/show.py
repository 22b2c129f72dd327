"""Printing a result: payload to stdout, the rest to stderr, each only where it belongs."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from indexpilot_cli.cli.progress import clear_first_line
from indexpilot_cli.cli.terminal import page, write_file, write_stdout
from indexpilot_cli.errors import UsageError
from indexpilot_cli.render import envelope, text

if TYPE_CHECKING:
    from indexpilot_cli.cli.session import CommandSession
    from indexpilot_cli.core.command import Outcome
    from indexpilot_cli.render.document import Document


def finish(session: CommandSession, outcome: Outcome[Any], document: Document, *, exit_code: bool = False) -> int:
    """Print the result and what belongs around it; the exit code. ``exit_code``: findings count as 3."""
    code = 3 if exit_code and outcome.status == "findings" else outcome.exit_code
    show(session, outcome, document, code)
    return code


def show(
    session: CommandSession, outcome: Outcome[Any], document: Document, exit_code: int, *, news: bool = True
) -> None:
    """Print the result in the session's form, then warnings and the next step. No ``news``: quiet says nothing."""
    clear_first_line()
    if not session.machine:
        for message in session.settings.warnings:
            diagnostic(session, "warning", message)
    payload(session, render(session, outcome, document, exit_code), quiet=outcome.status == "skipped" or not news)
    if not session.machine:
        _around(session, outcome)


def render(session: CommandSession, outcome: Outcome[Any], document: Document, exit_code: int) -> str:
    """The result as text in the session's form."""
    if session.format in document.forms:
        return document.forms[session.format]()
    match session.format:
        case "json":
            return envelope.as_json(envelope.envelope(outcome, document.payload, exit_code, datetime.now(UTC)))
        case "yaml":
            return envelope.as_yaml(envelope.envelope(outcome, document.payload, exit_code, datetime.now(UTC)))
        case "markdown":
            return text.markdown(document)
        case "sql":
            if document.statements is None:
                raise UsageError(f"this {outcome.command} has no SQL form")
            return text.sql(document.statements, _heading(outcome))
    if _to_terminal(session):
        from indexpilot_cli.render.terminal import rich

        return rich(document, session.terminal.width, color=session.terminal.stdout_color)
    if session.terminal.stdout_color and session.settings.output.color != "never" and not _to_file(session):
        from indexpilot_cli.render.terminal import rich

        return rich(document, 10_000, color=True)
    return text.plain(document)


def _to_file(session: CommandSession) -> bool:
    return session.output.output not in (None, "-")


def _to_terminal(session: CommandSession) -> bool:
    return session.terminal.stdout_tty and not _to_file(session)


def _heading(outcome: Outcome[Any]) -> tuple[str, ...]:
    server = f" for PostgreSQL {outcome.server.version}, database {outcome.server.database}" if outcome.server else ""
    return (f"indexpilot {outcome.command}{server}, {datetime.now(UTC):%Y-%m-%d %H:%MZ}",)


def payload(session: CommandSession, content: str, *, quiet: bool = False) -> None:
    """The result to its place. ``quiet``: nothing was done, which ``--quiet`` does not mention."""
    if _to_file(session):
        write_file(str(session.output.output), content)
        if session.terminal.stderr_tty and not session.output.quiet and not session.machine:
            sys.stderr.write(f"written to {session.output.output}\n")
    elif (quiet and session.output.quiet and session.format == "table") or (
        _long(session, content) and page(content, os.environ)
    ):
        return
    else:
        write_stdout(content)


def _long(session: CommandSession, content: str) -> bool:
    wanted = session.settings.output.pager and session.terminal.stdin_tty and session.format == "table"
    return wanted and _to_terminal(session) and content.count("\n") >= session.terminal.height - 1


def _around(session: CommandSession, outcome: Outcome[Any]) -> None:
    for warning in outcome.warnings:
        about = f"{warning.object}: " if warning.object and warning.object not in warning.message else ""
        diagnostic(session, "warning", about + warning.message)
    if outcome.next and not session.output.quiet:
        label = session.terminal.label("next") + " " * 8
        sys.stderr.write(label + "  |  ".join(outcome.next) + "\n")


def diagnostic(session: CommandSession, label: str, message: str) -> None:
    """One labelled line on stderr."""
    from indexpilot_cli.render.units import visible

    folded = visible(" ".join(message.split()))
    sys.stderr.write(f"{session.terminal.label(label)}: {folded}\n")
