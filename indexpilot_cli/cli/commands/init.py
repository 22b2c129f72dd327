"""``indexpilot init``."""

from __future__ import annotations

from pathlib import Path

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import init as opt
from indexpilot_cli.cli.options.common import DryRun, Yes
from indexpilot_cli.cli.session import Session
from indexpilot_cli.errors import UsageError

EXAMPLES = """Examples:

  indexpilot init -d shop

  indexpilot init -d shop --dry-run --db-only
"""


@command("init", *SERVER, sql=True)
def init(
    session: Session,
    *,
    schema: opt.MetadataSchema = None,
    check: opt.Check = False,
    upgrade: opt.Upgrade = False,
    config_only: opt.ConfigOnly = False,
    db_only: opt.DbOnly = False,
    profile: opt.ProfileOption = opt.Profile.OLTP,
    from_schema: opt.FromSchema = None,
    discover: opt.DiscoverFields = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> int:
    """Prepare a database and a configuration file. Your own tables are never touched."""
    if config_only and (db_only or from_schema or discover):
        raise UsageError("--config-only asks no server: leave out --db-only, --from-schema and --discover")
    session.load({"metadata.schema": ("--schema", schema)}, config=Path(session.run.config or "").is_file())
    from indexpilot_cli.admin.values import InitRequest
    from indexpilot_cli.cli.prepare import prepare
    from indexpilot_cli.settings.load import profile_text

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
