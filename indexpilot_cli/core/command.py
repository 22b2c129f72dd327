"""Parts that the requests of several commands share: plain values, already resolved from flags and settings.

A command is ``run(request: XRequest, progress: Progress) -> Outcome[XResult]`` in the file named after it. Files named
``-`` mean standard input. Table and schema names are as typed: the command resolves them against the catalog and
raises UsageError with the nearest name. When the server asks for a password that is not there, it raises
UnreachableError with code ``password_required``; the command line may then ask and run again.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.core.workload import SourceKind


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a server: ``conninfo`` is a libpq string or URI, empty when libpq's own rules decide all.

    ``password`` (from a prompt or DB_PASSWORD) overrides what the string says; ``connect_timeout`` (seconds) and
    application_name are only added where the string has none.
    """

    conninfo: str = field(default="", repr=False)
    password: str | None = field(default=None, repr=False)
    connect_timeout: int | None = None
    metadata_schema: str = "indexpilot"
    statement_timeout_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Record:
    """Who asks, for the mutation log. ``enabled`` False: write no row and keep no plan."""

    actor: str = ""
    version: str = ""
    command: str = ""
    enabled: bool = True


ANYBODY = Record()


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """What every command that works on a server is asked: on which, and in whose name the log is told."""

    connection: Connection = field(default_factory=Connection)
    record: Record = field(default_factory=Record, kw_only=True)


@dataclass(frozen=True, slots=True)
class WorkloadRequest:
    """Which statements to look at.

    ``source`` None: what the files are, else the snapshot's workload, else pg_stat_statements.
    ``queries`` are statements given on the command line; ``since`` is UTC; ``min_total_ms`` is total time.
    ``log_database`` is what the database is called in the logs, where that is not its name here.
    """

    source: SourceKind | None = None
    files: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    since: datetime | None = None
    min_calls: float = 0.0
    min_total_ms: float = 0.0
    log_database: str | None = None


@dataclass(frozen=True, slots=True)
class TableFilter:
    """Tables to look at, as typed; all empty means all of them."""

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannerRequest:
    """Which planner pretends: ``what_if`` is auto, twin or hypopg. ``workers`` None: one per core."""

    what_if: str = "auto"
    cross_check: bool = False
    workers: int | None = None
    max_calls: int | None = None
    max_seconds: float | None = None


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """The result of one command and what the JSON envelope says around it.

    ``command`` names the schema (``recommend`` -> ``indexpilot.recommend/1``). ``status`` is ok, findings, skipped,
    refused, partial or failed. ``next`` are command lines that parse.
    """

    command: str
    result: T
    status: str = "ok"
    exit_code: int = 0
    server: Server | None = None
    warnings: tuple[Warn, ...] = ()
    next: tuple[str, ...] = ()


def next_line(command: str, snapshot: str | None = None, *more: str) -> str:
    """A command line for ``Outcome.next``: the command on the same snapshot, on the server where there is none."""
    return shlex.join(("indexpilot", command, *(("--snapshot", snapshot) if snapshot else ()), *more))


class Progress(Protocol):
    """A place to report to. Stages follow one another; a new stage ends the one before."""

    def stage(self, title: str, total: float | None = None) -> None:
        """Begin a stage of ``total`` units (None: unknown)."""
        ...

    def advance(self, amount: float = 1) -> None:
        """Some units of the stage are done."""
        ...

    def say(self, text: str) -> None:
        """One line of status worth keeping."""
        ...


class Silent:
    """Progress that nobody sees."""

    def stage(self, title: str, total: float | None = None) -> None:
        """Ignore."""

    def advance(self, amount: float = 1) -> None:
        """Ignore."""

    def say(self, text: str) -> None:
        """Ignore."""
