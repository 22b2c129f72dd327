"""One run of one command: its settings, its streams, and the way from a request to something printed."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from indexpilot_cli import __version__
from indexpilot_cli.cli.options import COMMON_FORMS
from indexpilot_cli.cli.terminal import Terminal, clear_first_line, look
from indexpilot_cli.errors import PrerequisiteError, UnreachableError, UsageError

if TYPE_CHECKING:
    from indexpilot_cli.cli.options import (
        ConnectionOptions,
        DatabaseOptions,
        Flags,
        OutputOptions,
        RunOptions,
        SettingOptions,
    )
    from indexpilot_cli.core.command import Connection, Outcome, Progress, Record
    from indexpilot_cli.settings.load import Flag
    from indexpilot_cli.settings.sections import Settings


def checked(flags: Flags) -> dict[str, Flag]:
    """The flags that were given, by key, in their types. Raises UsageError that names the flag."""
    from indexpilot_cli.settings.load import Flag, flag_value

    given: dict[str, Flag] = {}
    for path, (name, value) in flags.items():
        if value in (None, []):
            continue
        try:
            given[path] = Flag(name, flag_value(path, value.value if isinstance(value, Enum) else value))
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None
    return given


_SUFFIXES = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".md": "markdown",
    ".html": "html",
    ".sql": "sql",
    ".sarif": "sarif",
}
_NAMES = {"sql": "SQL", "sarif": "SARIF", "github": "GitHub"}


def require_extra() -> None:
    """Raises PrerequisiteError where what pages and reports are made with is not installed."""
    if any(find_spec(name) is None for name in ("fastapi", "fastapi_offline", "jinja2", "pygal", "uvicorn")):
        raise PrerequisiteError(
            "pages need the extra serve", hint="pip install 'indexpilot-cli[serve]'", code="extra_missing"
        )


class HasConnection(Protocol):
    """A request that reaches a server."""

    @property
    def connection(self) -> Connection: ...


R = TypeVar("R", bound=HasConnection)
T = TypeVar("T")


@dataclasses.dataclass(slots=True)
class CommandSession:
    """What a command has in hand. ``password`` is filled when the user typed one."""

    command: str
    output: OutputOptions
    server: ConnectionOptions | DatabaseOptions | None
    run: RunOptions
    forms: tuple[str, ...]
    settings: Settings
    terminal: Terminal
    password: str | None = dataclasses.field(default=None, repr=False)

    @classmethod
    def open(
        cls,
        command: str,
        *,
        output: OutputOptions,
        connection: ConnectionOptions | DatabaseOptions | None,
        run: RunOptions,
        forms: tuple[str, ...],
    ) -> CommandSession:
        """A session with nothing read yet but what the streams are. Settings come with ``load``."""
        from indexpilot_cli.settings.sections import Settings

        terminal = look(output.color.value if output.color else "auto")
        return cls(command, output, connection, run, forms, Settings(), terminal)

    def load(self, *groups: SettingOptions, flags: Flags | None = None, config: bool = True) -> CommandSession:
        """Read the settings; ``groups`` and ``flags`` are the command's own options. Raises UsageError. Returns self.

        ``config`` False leaves the file of ``--config`` out, because the command is about to write it.
        """
        from indexpilot_cli.settings.load import load

        named = self.run.config if config else None
        given = self._shared_flags()
        for group in groups:
            given |= group.flags()
        self.settings = load(os.environ, Path.cwd(), named, checked({**given, **(flags or {})}))
        self.terminal = look(self.settings.output.color)
        if self.format not in (*COMMON_FORMS, *self.forms):
            raise self._no_form()
        if self.format == "html":
            require_extra()
        return self

    def only(self, *forms: str) -> None:
        """Raises UsageError when a flag asks for another form: what is printed has only these."""
        if self.settings.origin("output.format").kind == "flag" and self.format not in forms:
            raise self._no_form()

    def _no_form(self) -> UsageError:
        form = _NAMES.get(self.format, self.format)
        return UsageError(f"{self.command} has no {form} form", hint=f"indexpilot {self.command} --format table")

    def ignore_configured_output(self) -> None:
        """Let only flags decide about the form: the configuration is what is looked at, not what is obeyed."""
        from indexpilot_cli.settings.sections import OutputSettings

        if self.settings.origin("output.format").kind != "flag":
            self.settings = dataclasses.replace(self.settings, output=OutputSettings())

    def _shared_flags(self) -> dict[str, tuple[str, Any]]:
        out = self.output
        given = {**out.flags(), **(self.server.flags() if self.server is not None else {})}
        if out.format or out.json:
            given["output.format"] = ("--json" if out.json else "--format", self._format_flag())
        if out.no_pager:
            given["output.pager"] = ("--no-pager", False)
        return given

    def _format_flag(self) -> str:
        if self.output.json and self.output.format not in (None, "json"):
            raise UsageError("--json and --format name two different forms")
        return "json" if self.output.json else str(self.output.format.value if self.output.format else "table")

    @property
    def format(self) -> str:
        """The form of the result: as asked, else as the file is called, else as configured."""
        asked = self.settings.origin("output.format").kind == "flag"
        if not asked and self.output.output:
            by_name = _SUFFIXES.get(Path(self.output.output).suffix.lower())
            if by_name:
                return by_name
        return self.settings.output.format

    @property
    def machine(self) -> bool:
        """Whether a program reads the result."""
        return self.format in ("json", "yaml", "sarif")

    @property
    def verbose(self) -> bool:
        """Whether to show more."""
        return self.output.verbose

    @property
    def may_ask(self) -> bool:
        """Whether a question can be answered."""
        return self.terminal.stdin_tty and not self.run.no_input

    def connection(self) -> Connection:
        """The connection of the request; asks for the password first under ``-W``."""
        from indexpilot_cli.core.command import Connection
        from indexpilot_cli.settings.conninfo import compose

        conninfo, password = compose(self.settings)
        if self.server is not None and self.server.password and self.password is None:
            self.password = self._ask_password()
        return Connection(
            conninfo,
            self.password if self.password is not None else password,
            self.settings.connection.connect_timeout,
            self.settings.metadata.schema,
            round(self.settings.connection.statement_timeout * 1000),
        )

    def record(self) -> Record:
        """Who asks, for the mutation log."""
        import getpass

        from indexpilot_cli.core.command import Record

        try:
            actor = getpass.getuser()
        except (KeyError, OSError):
            actor = str(os.getuid())
        return Record(actor, __version__, self.command, self.settings.bypass.logs)

    def since(self, text: str | None) -> datetime | None:
        """``7d`` or a date as UTC; None when nothing was given. Raises UsageError."""
        from indexpilot_cli.settings.keys import duration

        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            try:
                return datetime.now(UTC) - timedelta(seconds=duration(text))
            except (ValueError, OverflowError):
                raise UsageError(f"--since: {text!r} is neither a time span (7d, 2h) nor a date (2026-11-20)") from None
        return moment.astimezone(UTC)

    def call(self, workflow: Callable[[R, Progress], Outcome[T]], request: R) -> Outcome[T]:
        """Run the workflow with progress; ask for a password when the server wants one and somebody can answer."""
        if self.password is not None:
            request = self._with_password(request)
        try:
            return self._attempt(workflow, request)
        except UnreachableError as error:
            if not _wants_password(error) or request.connection.password is not None:
                raise
            if self.server is None or self.server.no_password or not self.may_ask:
                raise _no_password(error) from error
        self.password = self._ask_password()
        return self._attempt(workflow, self._with_password(request))

    def signed(self, request: R) -> R:
        """The request to the server that options and settings name, as that of the user who runs the command."""
        told: R = dataclasses.replace(request, connection=self.connection(), record=self.record())  # type: ignore[type-var]
        return told

    def _attempt(self, workflow: Callable[[R, Progress], Outcome[T]], request: R) -> Outcome[T]:
        import logging

        # What psycopg says of a statement that it cancels on a signal; --debug shows it with the traceback.
        logging.getLogger("psycopg").addHandler(logging.NullHandler())
        with self.progress() as progress:
            return workflow(request, progress)

    def _with_password(self, request: R) -> R:
        connection = dataclasses.replace(request.connection, password=self.password)
        again: R = dataclasses.replace(request, connection=connection)  # type: ignore[type-var]
        return again

    def _ask_password(self) -> str:
        import getpass

        clear_first_line()
        if not self.may_ask:
            raise UsageError("cannot ask for a password here", hint="put it into ~/.pgpass or PGPASSWORD")
        return getpass.getpass("Password: ", sys.stderr)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Progress on stderr, as far as anybody is looking."""
        from indexpilot_cli.cli.terminal import Spinner, Spoken

        clear_first_line()
        quiet = self.output.quiet
        if self.terminal.stderr_tty and not quiet and os.environ.get("TERM") != "dumb":
            with Spinner(color=self.terminal.stderr_color, first=self.command) as spinner:
                yield spinner
        else:
            yield Spoken(speak=self.verbose and not quiet)

    def confirm(self, question: str) -> bool:
        """Ask yes or no on the terminal; no is the default. Raises UsageError where nobody can answer."""
        clear_first_line()
        if not self.may_ask:
            raise UsageError("cannot ask for confirmation here", hint="add --yes, or --dry-run", code="no_input")
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        try:
            return sys.stdin.readline().strip().lower() in ("y", "yes")
        except UnicodeDecodeError:
            return False


def _wants_password(error: UnreachableError) -> bool:
    return error.code == "password_required" or "no password supplied" in (error.detail or "")


def _no_password(error: UnreachableError) -> UnreachableError:
    hint = "put the password into ~/.pgpass or PGPASSWORD, or run on a terminal"
    return UnreachableError("the server asks for a password", detail=error.detail, hint=hint, code="password_required")
