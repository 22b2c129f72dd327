"""``indexpilot init``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import WHAT, DryRun, Yes
from indexpilot_cli.cli.session import Session
from indexpilot_cli.errors import UsageError

EXAMPLES = """Examples:

  indexpilot init -d shop

  indexpilot init -d shop --dry-run --db-only
"""


class Profile(StrEnum):
    """Configurations to begin with."""

    SMALL = "small"
    OLTP = "oltp"
    ANALYTICS = "analytics"


@command("init", *SERVER, sql=True)
def init(
    session: Session,
    *,
    schema: Annotated[
        str | None, typer.Option("--schema", metavar="S", help="Schema of our tables.", rich_help_panel=WHAT)
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only look; exit with 3 when something is missing.", rich_help_panel=WHAT)
    ] = False,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Bring older tables up.", rich_help_panel=WHAT)] = False,
    config_only: Annotated[
        bool, typer.Option("--config-only", help="Write the file, ask no server.", rich_help_panel=WHAT)
    ] = False,
    db_only: Annotated[bool, typer.Option("--db-only", help="Write no file.", rich_help_panel=WHAT)] = False,
    profile: Annotated[
        Profile, typer.Option("--profile", help="What the file holds.", rich_help_panel=WHAT)
    ] = Profile.OLTP,
    from_schema: Annotated[
        str | None,
        typer.Option("--from-schema", metavar="FILE", help="Fill the genome catalog from it.", rich_help_panel=WHAT),
    ] = None,
    discover: Annotated[
        bool, typer.Option("--discover", help="Fill the genome catalog from the database.", rich_help_panel=WHAT)
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> int:
    """Prepare a database and a configuration file. Your own tables are never touched."""
    if config_only and (db_only or from_schema or discover):
        raise UsageError("--config-only asks no server: leave out --db-only, --from-schema and --discover")
    session.load({"metadata.schema": ("--schema", schema)}, config=Path(session.run.config or "").is_file())
    from indexpilot_cli.cli.prepare import prepare
    from indexpilot_cli.model.requests import InitRequest
    from indexpilot_cli.settings.profiles import profile_text

    request = InitRequest(
        connection=session.connection(),
        check=check,
        upgrade=upgrade,
        dry_run=dry_run,
        database=not config_only,
        config_path=None if db_only else session.run.config or "indexpilot.yaml",
        config_text=None if db_only else profile_text(profile.value),
        schema_file=from_schema,
        discover=discover,
        record=session.record(),
    )
    return prepare(session, request, ask=not (yes or dry_run or check))


COMMANDS = {"init": init}
