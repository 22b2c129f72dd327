"""``indexpilot rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli import change
from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError

Undo = Annotated[
    list[str] | None, typer.Argument(metavar="M-ID|P-ID", help="Mutations, or all of a plan.", show_default=False)
]
UndoForce = Annotated[bool, opt.option("--force", "Also when the index was changed since.", panel=opt.RUN)]
EXAMPLES = """Examples:

  indexpilot rollback M-118 -d shop --dry-run

  indexpilot rollback P-7c1e --yes

  indexpilot rollback --last
"""


@command("rollback", *SERVER, sql=True)
def rollback(
    session: CommandSession,
    *,
    targets: Undo = None,
    last: opt.Last = False,
    since: opt.Since = None,
    lock_timeout: opt.LockTimeout = None,
    retries: opt.Retries = 5,
    dry_run: opt.DryRun = False,
    yes: opt.Yes = False,
    force: UndoForce = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Take back what we built, or rebuild what we dropped; never an index that is not ours."""
    session.load(opt.build_flags(lock_timeout))
    if not (targets or last or since):
        raise UsageError("say what to take back: M-…, P-…, --last or --since", hint="indexpilot history")
    if sum((bool(targets), last, bool(since))) > 1:
        raise UsageError("give ids, --last or --since, not two of them", hint="indexpilot rollback --help")
    change.answerable(session, yes=yes, dry_run=dry_run)
    from indexpilot_cli.apply.rollback import run
    from indexpilot_cli.apply.values import RollbackRequest
    from indexpilot_cli.render.views.apply import rollback_view

    request = RollbackRequest(
        session.connection(),
        tuple(targets or ()),
        last,
        session.since(since),
        dry_run,
        yes,
        force,
        session.settings.production_safeguards.lock_manager.lock_timeout_seconds,
        retries,
        session.settings.bypass,
        session.record(),
    )
    return change.carry_out(session, run, request, rollback_view, exit_code=exit_code)


COMMANDS = {"rollback": rollback}
