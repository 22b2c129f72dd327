"""``indexpilot init``: show what will be done and ask, then do it."""

from __future__ import annotations

import dataclasses
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import DryRun, Yes, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.core import files
from indexpilot_cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from indexpilot_cli.admin.init import InitRequest
    from indexpilot_cli.cli.session import CommandSession
    from indexpilot_cli.render.document import Document


class Profile(StrEnum):
    """Configurations to begin with."""

    SMALL = "small"
    OLTP = "oltp"
    ANALYTICS = "analytics"


MetadataSchema = Annotated[str | None, option("--schema S", "Schema of our tables.")]
Check = Annotated[bool, option("--check", "Only look; exit with 3 when something is missing.")]
Upgrade = Annotated[bool, option("--upgrade", "Bring older tables up.")]
ConfigOnly = Annotated[bool, option("--config-only", "Write the file, ask no server.")]
DbOnly = Annotated[bool, option("--db-only", "Write no file.")]
ProfileOption = Annotated[Profile, option("--profile", "What the file holds.", metavar=None)]
FromSchema = Annotated[str | None, option("--from-schema FILE", "Fill the genome catalog from it.")]
Grant = Annotated[list[str] | None, option("--grant ROLE", "Let ROLE read our tables (repeatable).")]
DiscoverFields = Annotated[bool, option("--discover", "Fill the genome catalog from the database.")]


def prepare(session: CommandSession, request: InitRequest, *, ask: bool) -> int:
    """Run ``init``, with ``ask`` only after a yes. Raises RefusedError when the answer is no."""
    from indexpilot_cli.admin.init import run
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.doctor import init_view

    shown = False
    if ask:
        preview = session.call(run, dataclasses.replace(request, dry_run=True))
        if preview.result.planned:
            _preview(
                session, init_view(dataclasses.replace(preview.result, sql=(), dry_run=False), server=preview.server)
            )
            shown = not session.machine
            if not session.confirm("Proceed?"):
                raise RefusedError("nothing was done", code="declined")
    outcome = session.call(run, request)
    document = init_view(outcome.result, server=outcome.server, verbose=session.verbose, brief=shown)
    return finish(session, outcome, document)


def _preview(session: CommandSession, document: Document) -> None:
    """What will be done, on stderr: it belongs to the question, not to the result."""
    from indexpilot_cli.render.terminal import rich

    if not session.machine and session.may_ask:
        sys.stderr.write(rich(document, session.terminal.width, color=session.terminal.stderr_color))
        sys.stderr.flush()


EXAMPLES = """Examples:

  indexpilot init -d shop

  indexpilot init -d shop --dry-run --db-only
"""


@command("init", *SERVER, sql=True)
def init(
    session: CommandSession,
    *,
    schema: MetadataSchema = None,
    check: Check = False,
    upgrade: Upgrade = False,
    config_only: ConfigOnly = False,
    db_only: DbOnly = False,
    profile: ProfileOption = Profile.OLTP,
    from_schema: FromSchema = None,
    discover: DiscoverFields = False,
    grant: Grant = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> int:
    """Prepare a database and a configuration file. Your own tables are never touched."""
    if config_only and (db_only or from_schema or discover or grant):
        raise UsageError("--config-only asks no server: leave out --db-only, --from-schema, --discover and --grant")
    session.load(flags={"metadata.schema": ("--schema", schema)}, config=files.is_file(session.run.config or ""))
    from indexpilot_cli.admin.init import InitRequest
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
        grantees=tuple(grant or ()),
        bypass=session.settings.bypass,
        record=session.record(),
    )
    return prepare(session, request, ask=not (yes or dry_run or check))


COMMANDS = {"init": init}
