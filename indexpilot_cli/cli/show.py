"""Printing a result: payload to stdout, the rest to stderr, each only where it belongs. Errors likewise."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from indexpilot_cli import __version__
from indexpilot_cli.cli.again import on_same_server
from indexpilot_cli.cli.interrupts import SHELL
from indexpilot_cli.cli.terminal import Terminal, clear_first_line, page, write_file, write_stdout
from indexpilot_cli.errors import IndexPilotError, UsageError
from indexpilot_cli.render import envelope, text

if TYPE_CHECKING:
    from indexpilot_cli.cli.session import CommandSession
    from indexpilot_cli.core.command import Outcome
    from indexpilot_cli.render.document import Document


def finish(
    session: CommandSession,
    outcome: Outcome[Any],
    document: Document,
    *,
    exit_code: bool = False,
    news: bool = True,
    hint: str | None = None,
) -> int:
    """Print the result and what belongs around it; the exit code. ``exit_code``: findings count as 3.

    Raises CommandInterrupted when a signal ended it, with ``hint`` where the result names no next step.
    """
    code = 3 if exit_code and outcome.status == "findings" else outcome.exit_code
    if code <= SHELL:
        show(session, outcome, document, code, news=news)
        return code
    bare = outcome if session.machine else dataclasses.replace(outcome, warnings=(), next=())  # the error says it
    show(session, bare, document, code, news=news)
    stop = CommandInterrupted(
        "interrupted" if code == SHELL + signal.SIGINT else "terminated", hint=next(iter(outcome.next), hint)
    )
    stop.code_number, stop.told = code, True
    raise stop


def show(
    session: CommandSession, outcome: Outcome[Any], document: Document, exit_code: int, *, news: bool = True
) -> None:
    """Print the result in the session's form, then warnings and the next step. No ``news``: quiet says nothing."""
    clear_first_line()
    outcome = dataclasses.replace(outcome, next=tuple(on_same_server(line, sys.argv[1:]) for line in outcome.next))
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
        case "html":
            from indexpilot_cli.render.html import report as html_report

            return html_report(outcome, document, _command_line(), datetime.now(UTC))
        case "sql":
            if document.statements is None:
                raise UsageError(f"this {outcome.command} has no SQL form")
            return text.sql(document.statements, _heading(outcome))
    if _to_terminal(session):
        from indexpilot_cli.render.bars import glyphs
        from indexpilot_cli.render.terminal import rich

        charts = glyphs(sys.stdout.encoding, os.environ)
        return rich(document, session.terminal.width, color=session.terminal.stdout_color, charts=charts)
    if session.terminal.stdout_color and session.settings.output.color != "never" and not _to_file(session):
        from indexpilot_cli.render.terminal import rich

        return rich(document, 10_000, color=True)
    return text.plain(document)


def _command_line() -> str:
    """The command line as it can be typed again, without what only its user may know."""
    arguments = sys.argv[1:]
    secrets = tuple(secrets_in(arguments, os.environ))
    return shlex.join(("indexpilot", *(mask(argument, secrets) for argument in arguments)))


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
        diagnostic(session, "warning", warning.line)
    if outcome.next and not session.output.quiet:
        label, line = session.terminal.label("next") + " " * 8, "  |  ".join(outcome.next)
        if session.terminal.stderr_tty and len(line) + 12 > session.terminal.width:
            line = ("\n" + " " * 12).join(outcome.next)  # broken between two commands, not within one
        sys.stderr.write(f"{label}{line}\n")


def diagnostic(session: CommandSession, label: str, message: str) -> None:
    """One labelled line on stderr."""
    from indexpilot_cli.render.units import visible

    folded = visible(on_same_server(" ".join(message.split()), sys.argv[1:]))
    sys.stderr.write(f"{session.terminal.label(label)}: {folded}\n")


_MACHINE = ("json", "yaml", "sarif", "github")
_MASK = "********"
# In a URI and in a conninfo string, where spaces may stand around the sign and within quotes.
_SECRET_WORD = re.compile(r"(?:^|[\s?&]|^-d|^--dbname=)(?:ssl)?password\s*=\s*(?:'((?:[^'\\]|\\.)*)'?|([^\s&']+))")
_PASSWORD_VARIABLES = ("PGPASSWORD", "DB_PASSWORD", "PGSSLPASSWORD")


class Bug(IndexPilotError):
    """Something we did not foresee."""

    default_code = "bug"


class CommandInterrupted(IndexPilotError):
    """Ctrl-C or a signal, after clean-up. ``code_number`` is the exit code; ``told``: the document is printed."""

    exit_code = 130
    default_code = "interrupted"
    code_number: int = 130
    told: bool = False


def bug(error: BaseException) -> Bug:
    """An unforeseen exception as an apology with the version and what to do."""
    told = " ".join(f"{type(error).__name__}: {error}".split())
    return Bug(
        f"sorry, this is a bug in indexpilot {__version__}",
        detail=told,
        hint="please report it with the traceback above to the maintainers",
    )


def report(error: IndexPilotError, code: int, arguments: Sequence[str], terminal: Terminal, *, trace: bool) -> None:
    """The error on stderr, and its document on stdout when a program reads it."""
    clear_first_line()
    secrets = tuple(secrets_in(arguments, os.environ))
    error.hint = on_same_server(error.hint, arguments) if error.hint else None
    if trace:
        sys.stderr.write(mask("".join(traceback.format_exception(error.__cause__ or error)), secrets))
    sys.stderr.write("".join(f"{line}\n" for line in lines(error, terminal, secrets)))
    form = wanted_form(arguments, os.environ)
    if form is not None and not (isinstance(error, CommandInterrupted) and error.told):
        write_stdout(_document(error, code, form, secrets))


def lines(error: IndexPilotError, terminal: Terminal, secrets: Sequence[str] = ()) -> Iterator[str]:
    """``error:``, ``detail:`` and ``hint:`` lines."""
    from indexpilot_cli.render.units import visible

    parts = [("error", error.message)]
    parts += [("detail", line) for line in (error.detail or "").splitlines()]
    parts += [("hint", error.hint)] if error.hint else []
    for label, words in parts:
        known = secrets if label == "detail" else _telling(secrets)
        yield f"{terminal.label(label)}: {mask(visible(words), known)}"


def _document(error: IndexPilotError, code: int, form: str, secrets: Sequence[str]) -> str:
    from indexpilot_cli.render import code_scanning, envelope

    clean = type(error)(
        mask(error.message, _telling(secrets)),
        detail=mask(error.detail, secrets) if error.detail else None,
        hint=mask(error.hint, _telling(secrets)) if error.hint else None,
        code=error.code,
    )
    if form in ("sarif", "github"):
        return code_scanning.failure(clean) if form == "sarif" else code_scanning.failure_annotation(clean)
    document = envelope.failure(clean, code, datetime.now(UTC))
    return envelope.as_json(document) if form == "json" else envelope.as_yaml(document)


def wanted_form(arguments: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """json, yaml, sarif or github when the command line (or the environment) asks for it, even if it is wrong."""
    before = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    if "--json" in before:
        return "json"
    forms = [a.partition("=")[2] for a in before if a.startswith("--format=")]
    forms += [b for a, b in pairwise(before) if a == "--format"]
    form = forms[-1] if forms else environment.get("INDEXPILOT_OUTPUT_FORMAT", "")
    return form if form in _MACHINE else None


def _telling(secrets: Sequence[str]) -> tuple[str, ...]:
    """Those that are masked in sentences of ours, where a letter or two are no password but part of a word."""
    return tuple(secret for secret in secrets if len(secret) > 2)


def mask(text: str, secrets: Sequence[str]) -> str:
    """The text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return text


def secrets_in(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Passwords on the command line and in the environment, so that no message repeats them."""
    values = [*arguments, *(environment.get(n, "") for n in ("INDEXPILOT_DSN", "INDEXPILOT_CONNECTION_DSN", "DB_NAME"))]
    found = {environment.get(name, "") for name in _PASSWORD_VARIABLES}
    for value in values:
        found.update(_passwords(value))
    yield from sorted((s for s in found if s), key=len, reverse=True)


def _passwords(value: str) -> Iterator[str]:
    if "://" in value:
        authority = value.partition("://")[2].rpartition("@")[0]
        password = authority.partition(":")[2]
        yield from (password, unquote(password))
    for quoted, bare in _SECRET_WORD.findall(value):
        yield from (quoted, quoted.replace("\\'", "'").replace("\\\\", "\\"), bare, unquote(bare))
