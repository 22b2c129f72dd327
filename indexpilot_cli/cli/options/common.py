"""Options that many commands share, declared once. Every field of a group becomes an option of the command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from indexpilot_cli.cli.complete import services

WHAT = "What"
OUTPUT = "Output"
CONNECTION = "Connection"
RUN = "Run"


class Format(StrEnum):
    """Forms of a result."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"
    SQL = "sql"
    SARIF = "sarif"
    GITHUB = "github"


class Color(StrEnum):
    """When to colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class WhatIf(StrEnum):
    """Planners that can pretend."""

    AUTO = "auto"
    TWIN = "twin"
    HYPOPG = "hypopg"


class Source(StrEnum):
    """Where statements come from."""

    STATEMENTS = "statements"
    LOG = "log"
    SQL = "sql"
    QUERY_STATS = "query_stats"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Form and place of the result, and how much is said around it."""

    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            metavar="FORM",
            help="table, json, yaml, markdown, sql, sarif or github.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", metavar="", help="Same as --format json.", rich_help_panel=OUTPUT)] = (
        False
    )
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="FILE", help="Write the result there; - is stdout.", rich_help_panel=OUTPUT),
    ] = None
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", metavar="", help="No progress, status or next step.", rich_help_panel=OUTPUT),
    ] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", metavar="", help="Show more of everything.", rich_help_panel=OUTPUT)
    ] = False
    color: Annotated[Color | None, typer.Option("--color", help="Use colours.", rich_help_panel=OUTPUT)] = None
    no_pager: Annotated[
        bool, typer.Option("--no-pager", metavar="", help="Never page long output.", rich_help_panel=OUTPUT)
    ] = False


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """The same options as psql. What is not given is left to libpq (PGHOST, PGSERVICE, ~/.pgpass, …)."""

    host: Annotated[
        str | None,
        typer.Option("-h", "--host", metavar="HOST", help="Host or socket directory.", rich_help_panel=CONNECTION),
    ] = None
    port: Annotated[
        int | None,
        typer.Option("-p", "--port", metavar="PORT", help="Port.", rich_help_panel=CONNECTION),
    ] = None
    username: Annotated[
        str | None, typer.Option("-U", "--username", metavar="ROLE", help="Role.", rich_help_panel=CONNECTION)
    ] = None
    dbname: Annotated[
        str | None,
        typer.Option(
            "-d",
            "--dbname",
            metavar="DBNAME",
            help="Database name, URI or conninfo string.",
            autocompletion=services,
            rich_help_panel=CONNECTION,
        ),
    ] = None
    no_password: Annotated[
        bool,
        typer.Option("-w", "--no-password", metavar="", help="Never ask for a password.", rich_help_panel=CONNECTION),
    ] = False
    password: Annotated[
        bool, typer.Option("-W", "--password", metavar="", help="Ask for a password first.", rich_help_panel=CONNECTION)
    ] = False
    connect_timeout: Annotated[
        int | None,
        typer.Option(
            "--connect-timeout",
            metavar="SECONDS",
            help="Longest wait for the server.",
            rich_help_panel=CONNECTION,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the run itself behaves."""

    config: Annotated[
        str | None,
        typer.Option("--config", metavar="FILE", help="Read only this configuration file.", rich_help_panel=RUN),
    ] = None
    no_input: Annotated[
        bool, typer.Option("--no-input", metavar="", help="Never ask anything.", rich_help_panel=RUN)
    ] = False
    debug: Annotated[
        bool, typer.Option("--debug", metavar="", help="Show a traceback with errors.", rich_help_panel=RUN)
    ] = False


Snapshot = Annotated[
    str | None,
    typer.Option("--snapshot", metavar="FILE", help="Read a snapshot file, no server.", rich_help_panel=WHAT),
]
Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", help="Server logs or SQL files; - is stdin.", show_default=False),
]
SourceOption = Annotated[
    Source | None,
    typer.Option(
        "--source",
        metavar="KIND",
        help="statements (pg_stat_statements), log, sql, query_stats or snapshot.",
        rich_help_panel=WHAT,
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only since then: 7d, 2h, 2026-11-20.", rich_help_panel=WHAT),
]
MinCalls = Annotated[
    float | None,
    typer.Option("--min-calls", metavar="N", help="Leave out rarer statements.", rich_help_panel=WHAT),
]
MinTime = Annotated[
    str | None,
    typer.Option("--min-time", metavar="TIME", help="Leave out less total time: 1s.", rich_help_panel=WHAT),
]
Tables = Annotated[
    list[str] | None,
    typer.Option("--table", metavar="T", help="Only this table (repeatable).", rich_help_panel=WHAT),
]
ExcludeTables = Annotated[
    list[str] | None,
    typer.Option("--exclude-table", metavar="T", help="Not this table (repeatable).", rich_help_panel=WHAT),
]
Schemas = Annotated[
    list[str] | None,
    typer.Option("--schema", metavar="S", help="Only this schema (repeatable).", rich_help_panel=WHAT),
]
WhatIfOption = Annotated[WhatIf | None, typer.Option("--what-if", help="Planner that pretends.", rich_help_panel=WHAT)]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Planner sessions.", rich_help_panel=WHAT),
]
MinBenefit = Annotated[
    str | None,
    typer.Option("--min-benefit", metavar="SHARE", help="Least saving of the workload: 5%.", rich_help_panel=WHAT),
]
ExitCode = Annotated[
    bool,
    typer.Option("--exit-code", metavar="", help="Exit with 3 when there is something to act on.", rich_help_panel=RUN),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", "-n", metavar="", help="Do all but the writing; print the SQL.", rich_help_panel=RUN),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask, go ahead.", rich_help_panel=RUN)]
