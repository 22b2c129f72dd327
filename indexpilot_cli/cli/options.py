"""Options that many commands share, declared once, and their values for the Tab key.

Those come from local files only: a Tab never connects to a database.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from indexpilot_cli.errors import UsageError

Flags = Mapping[str, tuple[str, Any]]  # settings that are options too: key -> option and what was given
_AGE = "operational.lifecycle.min_age"  # a number alone would be seconds, which nobody means by an age


class SettingOptions:
    """A group of options of which some are settings, too: ``sets`` has the key of each, by the option's name."""

    __slots__ = ()
    sets: ClassVar[dict[str, str]] = {}

    def flags(self) -> Flags:
        """What was given of them. Raises UsageError for an age without its unit."""
        given = {key: (f"--{name.replace('_', '-')}", getattr(self, name)) for name, key in self.sets.items()}
        if _AGE in given:
            with_unit(*given[_AGE])
        return given


def settings_of(section: str, *names: str, **others: str) -> dict[str, str]:
    """The keys of options that are called as their settings in this section are, and of those that are not."""
    return {name: f"{section}.{setting}" for name, setting in (*zip(names, names, strict=True), *others.items())}


def with_unit(name: str, text: str | None) -> str | None:
    """The text of a time that one thinks of in days. Raises UsageError for a number alone, which would be seconds."""
    if text is not None and text.strip(" .0") and text.strip().replace(".", "", 1).isdecimal():
        raise UsageError(f"{name}: {text!r} has no unit: write {text.strip()}d for days", code="invalid_value")
    return text


def services(incomplete: str) -> list[str]:
    """``service=NAME`` for every service of the service files libpq would read."""
    names = sorted(set(chain.from_iterable(map(_section_names, _service_files()))))
    return [f"service={name}" for name in names if f"service={name}".startswith(incomplete)]


def _service_files() -> Iterator[Path]:
    given = os.environ.get("PGSERVICEFILE")
    yield Path(given) if given else Path.home() / ".pg_service.conf"
    if os.environ.get("PGSYSCONFDIR"):
        yield Path(os.environ["PGSYSCONFDIR"]) / "pg_service.conf"


def _section_names(path: Path) -> list[str]:
    try:
        return re.findall(r"^\[([^\]]+)\]", path.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return []


def targets(incomplete: str) -> list[tuple[str, str]]:
    """Plans this user kept, and the recommendations in them."""
    plans = [path.stem for path in _kept_plans("P-*.json")]
    return [(name, "plan") for name in plans if name.startswith(incomplete)] + ids(incomplete)


def ids(incomplete: str) -> list[tuple[str, str]]:
    """Recommendation ids of the plans this user kept, with how they read."""
    found: dict[str, str] = {}
    for path in _kept_plans("*.json"):
        found.update(_advice(path))
    return [(name, text) for name, text in sorted(found.items()) if name.startswith(incomplete)]


def _kept_plans(pattern: str) -> list[Path]:
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return sorted((Path(base) / "indexpilot" / "plans").glob(pattern))


def explainable(incomplete: str) -> list[tuple[str, str]]:
    """What ``explain`` knows without a server: recommendations of kept plans, and kinds of hazard."""
    return [*ids(incomplete), *hazards(incomplete)]


def hazards(incomplete: str) -> list[tuple[str, str]]:
    """Kinds of hazard, with what each is."""
    from indexpilot_cli.evolve.review.registry import HAZARDS

    return [(key, kind.title) for key, kind in sorted(HAZARDS.items()) if key.startswith(incomplete)]


def _advice(path: Path) -> dict[str, str]:
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        return {str(r["id"]): str(r["summary"]) for r in plan["recommendations"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


WHAT = "What"
OUTPUT = "Output"
CONNECTION = "Connection"
RUN = "Run"


def option(spec: str, help: str, *, panel: str = WHAT, **more: Any) -> Any:
    """An option as ``--name`` or ``-n --name METAVAR``, under a panel of the help. Without a METAVAR it is a switch."""
    words = spec.split()
    names = [word for word in words if word.startswith("-")]
    metavar = " ".join(words[len(names) :])
    return typer.Option(*names, **{"metavar": metavar, "help": help, "rich_help_panel": panel, **more})


class Format(StrEnum):
    """Forms of a result."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"
    HTML = "html"
    SQL = "sql"
    SARIF = "sarif"
    GITHUB = "github"


COMMON_FORMS = ("table", "json", "yaml", "markdown", "html")  # every result has them


class Color(StrEnum):
    """When to colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class WhatIfChoice(StrEnum):
    """Planners that can pretend."""

    AUTO = "auto"
    TWIN = "twin"
    HYPOPG = "hypopg"


class SourceChoice(StrEnum):
    """Where statements come from."""

    STATEMENTS = "statements"
    LOG = "log"
    SQL = "sql"
    QUERY_STATS = "query_stats"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class OutputOptions(SettingOptions):
    """Form and place of the result, and how much is said around it."""

    sets = settings_of("output", "color")

    # What a command offers of them its decorator says.
    format: Annotated[Format | None, option("--format FORM", "", panel=OUTPUT)] = None
    json: Annotated[bool, option("--json", "Same as --format json.", panel=OUTPUT)] = False
    output: Annotated[str | None, option("--output FILE", "Write the result there; - is stdout.", panel=OUTPUT)] = None
    quiet: Annotated[bool, option("--quiet -q", "No progress, status or next step.", panel=OUTPUT)] = False
    verbose: Annotated[bool, option("--verbose -v", "Show more of everything.", panel=OUTPUT)] = False
    color: Annotated[Color | None, option("--color", "Use colours.", metavar=None, panel=OUTPUT)] = None
    no_pager: Annotated[bool, option("--no-pager", "Never page long output.", panel=OUTPUT)] = False


Username = Annotated[str | None, option("-U --username ROLE", "Role.", panel=CONNECTION)]
Dbname = Annotated[
    str | None,
    option("-d --dbname DBNAME", "Database name, URI or conninfo string.", panel=CONNECTION, autocompletion=services),
]
NoPassword = Annotated[bool, option("-w --no-password", "Never ask for a password.", panel=CONNECTION)]
AskPassword = Annotated[bool, option("-W --password", "Ask for a password first.", panel=CONNECTION)]
ConnectTimeout = Annotated[
    int | None, option("--connect-timeout SECONDS", "Longest wait for the server.", panel=CONNECTION)
]


_DATABASE = settings_of("connection", "dbname", "connect_timeout", username="user")


@dataclass(frozen=True, slots=True)
class ConnectionOptions(SettingOptions):
    """The same options as psql. What is not given is left to libpq (PGHOST, PGSERVICE, ~/.pgpass, …)."""

    sets = settings_of("connection", "host", "port") | _DATABASE

    host: Annotated[str | None, option("-h --host HOST", "Host or socket directory.", panel=CONNECTION)] = None
    port: Annotated[int | None, option("-p --port PORT", "Port.", panel=CONNECTION)] = None
    username: Username = None
    dbname: Dbname = None
    no_password: NoPassword = False
    password: AskPassword = False
    connect_timeout: ConnectTimeout = None


@dataclass(frozen=True, slots=True)
class DatabaseOptions(SettingOptions):
    """The options of ``ConnectionOptions`` for a command whose ``--host`` and ``--port`` are its own to listen on.

    The server's host and port stand in ``--dbname`` or PGHOST and PGPORT.
    """

    sets = _DATABASE

    username: Username = None
    dbname: Dbname = None
    no_password: NoPassword = False
    password: AskPassword = False
    connect_timeout: ConnectTimeout = None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the run itself behaves."""

    config: Annotated[str | None, option("--config FILE", "Read only this configuration file.", panel=RUN)] = None
    no_input: Annotated[bool, option("--no-input", "Never ask anything.", panel=RUN)] = False
    debug: Annotated[bool, option("--debug", "Show a traceback with errors.", panel=RUN)] = False


Snapshot = Annotated[str | None, option("--snapshot FILE", "Read a snapshot file, no server.")]
Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", help="Logs, SQL or exported statements; - is stdin.", show_default=False),
]
SourceOption = Annotated[
    SourceChoice | None, option("--source KIND", "statements (pg_stat_statements), log, sql, query_stats or snapshot.")
]
QueryFiles = Annotated[list[str] | None, option("--file FILE", "Recorded queries: logs or SQL (repeatable).")]
Standbys = Annotated[list[str] | None, option("--standby DSN", "Count this standby's scans too (repeatable).")]
Plan = Annotated[bool, option("--plan", "Keep what is to be done as a plan for apply.")]
Since = Annotated[str | None, option("--since TIME", "Only since then: 7d, 2h, 2026-11-20.")]
LogDatabase = Annotated[str | None, option("--log-database NAME", "What the database is called in the log.")]
MinCalls = Annotated[float | None, option("--min-calls N", "Leave out rarer statements.")]
MinTime = Annotated[str | None, option("--min-time TIME", "Leave out less total time: 1s.")]
Tables = Annotated[list[str] | None, option("--table T", "Only this table (repeatable).")]
ExcludeTables = Annotated[list[str] | None, option("--exclude-table T", "Not this table (repeatable).")]
Schemas = Annotated[list[str] | None, option("--schema S", "Only this schema (repeatable).")]
WhatIfOption = Annotated[WhatIfChoice | None, option("--what-if", "Planner that pretends.", metavar=None)]
Workers = Annotated[int | None, option("--workers N", "Planner sessions.")]
Budget = Annotated[str | None, option("--budget SIZE", "Storage for new indexes: 5GB.")]
MinBenefit = Annotated[str | None, option("--min-benefit SHARE", "Least saving of the workload: 5%.")]
MinAge = Annotated[str | None, option("--min-age TIME", "How long unread is unused: 30d.")]
ExitCode = Annotated[bool, option("--exit-code", "Exit with 3 when there is something to act on.", panel=RUN)]
DryRun = Annotated[bool, option("--dry-run -n", "Do all but the writing; print the SQL.", panel=RUN)]
Yes = Annotated[bool, option("--yes -y", "Do not ask, go ahead.", panel=RUN)]
Last = Annotated[bool, option("--last", "The newest change.")]


@dataclass(frozen=True, slots=True)
class StatementOptions(SettingOptions):
    """Which statements are looked at."""

    sets = settings_of("advisor", "min_calls", "min_time")

    source: SourceOption = None
    since: Since = None
    log_database: LogDatabase = None
    min_calls: MinCalls = None
    min_time: MinTime = None


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Which tables are looked at."""

    schema: Schemas = None
    table: Tables = None
    exclude_table: ExcludeTables = None


@dataclass(frozen=True, slots=True)
class PlannerOptions(SettingOptions):
    """Which planner is asked, and by how many sessions."""

    sets = settings_of("advisor", "what_if", "workers")

    what_if: WhatIfOption = None
    workers: Workers = None


_LOCKS = "production_safeguards.lock_manager"
_LOCK_TIMEOUT = ("--lock-timeout TIME", "Longest wait for a table lock: 2s.")


@dataclass(frozen=True, slots=True)
class LockOptions(SettingOptions):
    """How long and how often a table's lock is waited for."""

    sets = settings_of(_LOCKS, lock_timeout="lock_timeout_seconds")

    lock_timeout: Annotated[str | None, option(*_LOCK_TIMEOUT)] = None
    retries: Annotated[int, option("--retries N", "Tries after a lock timeout.", min=0, max=100)] = 5


@dataclass(frozen=True, slots=True)
class BuildOptions(LockOptions):
    """The same of builds, and how long one may take."""

    sets = LockOptions.sets | settings_of(_LOCKS, build_timeout="build_timeout_seconds")

    build_timeout: Annotated[str | None, option("--build-timeout TIME", "Longest build: 2h; 0 is no limit.")] = None


@dataclass(frozen=True, slots=True)
class ChangeOptions(SettingOptions):
    """What every operation of ``schema-evolve`` has."""

    sets = settings_of("operational.schema_evolution", "retries", lock_timeout="lock_timeout_seconds")

    lock_timeout: Annotated[str | None, option(*_LOCK_TIMEOUT)] = None
    retries: Annotated[int | None, option("--retries N", "Tries after a lock timeout: 5.", min=0, max=100)] = None
    execute: Annotated[bool, option("--execute", "Do it; without this it is only shown.", panel=RUN)] = False
    yes: Yes = False
    exit_code: ExitCode = False


@dataclass(frozen=True, slots=True)
class ScheduleOptions(SettingOptions):
    """What runs of the jobs of ``lifecycle`` have, one by one and in a watch."""

    sets = PlannerOptions.sets

    standby: Standbys = None
    with_files: QueryFiles = None
    source: SourceOption = None
    log_database: LogDatabase = None
    what_if: WhatIfOption = None
    workers: Workers = None
    plan: Plan = False
    reconcile: Annotated[bool, option("--reconcile", "Let integrity settle what runs left open.")] = False
