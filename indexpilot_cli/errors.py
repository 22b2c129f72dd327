"""One tree of errors: each class carries an exit code, each instance a next step.

IndexPilotError            1  bug, unless a subclass says otherwise
├── AnsweredError          1  somebody answered, the server or we ourselves
│   ├── UsageError         2  bad flag, configuration, unreadable or unparsable input
│   ├── PrerequisiteError  5  not initialised, privilege or extension missing, server too old
│   └── RefusedError       6  a guard said no, or the user did
├── UnreachableError       4  connect, authentication, connection lost
└── OutcomeUnknownError    8  connection lost in the middle, or done but not recorded

Exit codes 3 (something to act on), 7 (partly applied), 9 (taken back) and 10 (a simulation that showed nothing) are
results of a command, not errors.
"""

from __future__ import annotations

from typing import ClassVar


class IndexPilotError(Exception):
    """What failed in the user's terms, the server's own words, and the next command to type.

    ``code`` is a stable word for scripts; ``message``, ``detail`` and ``hint`` are one line each.
    """

    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, detail: str | None = None, hint: str | None = None, code: str | None = None):
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.code = code or self.default_code

    @property
    def text(self) -> str:
        """What happened, with the server's own words."""
        return f"{self.message}: {self.detail}" if self.detail else self.message


class AnsweredError(IndexPilotError):
    """An error that is an answer: that nobody was there to give one must not be taken for a no."""


class UsageError(AnsweredError):
    """The command line, the configuration or an input file is wrong."""

    exit_code = 2
    default_code = "usage"


class UnreachableError(IndexPilotError):
    """The server cannot be reached, refuses us, or went away."""

    exit_code = 4
    default_code = "unreachable"


class PrerequisiteError(AnsweredError):
    """Something the work needs is not there: metadata tables, a privilege, an estimator, a newer server."""

    exit_code = 5
    default_code = "prerequisite"


class RefusedError(AnsweredError):
    """A guard or the user said no; nothing was changed."""

    exit_code = 6
    default_code = "refused"


class OutcomeUnknownError(IndexPilotError):
    """The outcome could not be established or recorded; reconcile before going on."""

    exit_code = 8
    default_code = "unknown"
