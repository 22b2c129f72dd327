"""Errors as people and programs read them."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import unquote

from indexpilot_cli import __version__
from indexpilot_cli.cli.progress import clear_first_line
from indexpilot_cli.cli.terminal import Terminal, write_stdout
from indexpilot_cli.errors import IndexPilotError

_MACHINE = ("json", "yaml", "sarif", "github")
_MASK = "********"
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
    for label, text in parts:
        yield f"{terminal.label(label)}: {mask(visible(text), secrets)}"


def _document(error: IndexPilotError, code: int, form: str, secrets: Sequence[str]) -> str:
    from indexpilot_cli.render import code_scanning, envelope

    clean = type(error)(
        mask(error.message, secrets),
        detail=mask(error.detail, secrets) if error.detail else None,
        hint=mask(error.hint, secrets) if error.hint else None,
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
    for part in value.replace("?", " ").replace("&", " ").split():
        name, _, secret = part.partition("=")
        if name in ("password", "sslpassword", "-dpassword", "--dbname=password"):
            yield from (secret.strip("'"), unquote(secret))
