"""The operations of ``indexpilot schema-evolve``: four changes of a column, the way back, and the end of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from indexpilot_cli.cli.change import answerable, aside, stop_spinning
from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import RUN, ChangeOptions, Last, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from indexpilot_cli.core.command import Outcome, Progress
    from indexpilot_cli.render.document import Document

Table = Annotated[str, typer.Argument(metavar="TABLE", help="The table, such as orders or sales.orders.")]
TheColumn = Annotated[str, typer.Argument(metavar="COLUMN", help="The column's name, exactly as it is.")]
NewColumn = Annotated[str, typer.Argument(metavar="COLUMN", help="The new column's name, exactly as it will be.")]
NewName = Annotated[str, typer.Argument(metavar="NEW", help="The new name, exactly as it will be.")]
Type = Annotated[str, option("--type TYPE", "Its type: bigint, varchar(20).")]
Default = Annotated[str | None, option("--default SQL", "Its default: 0, \"'new'\", now().")]
NotNull = Annotated[bool, option("--not-null", "It may not be NULL.")]
Comment = Annotated[str | None, option("--comment TEXT", "What it is for.")]
Unique = Annotated[bool, option("--unique", "No value twice.")]
References = Annotated[str | None, option("--references T(C)", "It points there: customers(id).")]
Using = Annotated[str | None, option("--using SQL", "How new values are computed: code::int.")]
Online = Annotated[bool, option("--online", "Use a shadow column whatever the table's size.")]
Save = Annotated[bool, option("--save", "Keep the values, so that rollback can restore.")]
SaveTo = Annotated[str | None, option("--save-to TABLE", "Keep them in this new table.")]
QueryFiles = Annotated[list[str] | None, option("--file FILE", "Recorded queries: a log or SQL file.")]
ForceDrop = Annotated[bool, option("--force", "Indexes and constraints may go too.", panel=RUN)]
ForceName = Annotated[bool, option("--force", "Also a name that is a reserved word.", panel=RUN)]
ForceUndo = Annotated[bool, option("--force", "Also what was built on it since.", panel=RUN)]
Target = Annotated[str | None, typer.Argument(metavar="M-ID", help="The change; or --last.", show_default=False)]
Fill = Annotated[str | None, option("--fill SQL", "Value for rows whose own was not saved.")]


@command("schema-evolve add-column", *SERVER, sql=True)
def add_column(
    session: CommandSession,
    *,
    table: Table,
    column: NewColumn,
    type: Type,
    default: Default = None,
    not_null: NotNull = False,
    comment: Comment = None,
    unique: Unique = False,
    references: References = None,
    file: QueryFiles = None,
    options: ChangeOptions,
    force: ForceName = False,
) -> int:
    """Add a column without a long lock, whatever its default and constraints. Shown first; --execute does it."""
    return change(
        session,
        options,
        file,
        "add_column",
        table,
        column,
        type=type,
        default=default,
        not_null=not_null,
        comment=comment,
        unique=unique,
        references=references,
        force=force,
    )


@command("schema-evolve drop-column", *SERVER, sql=True)
def drop_column(
    session: CommandSession,
    *,
    table: Table,
    column: TheColumn,
    save: Save = False,
    save_to: SaveTo = None,
    file: QueryFiles = None,
    options: ChangeOptions,
    force: ForceDrop = False,
) -> int:
    """Drop a column and say what goes with it; its values can be kept. Shown first; --execute does it."""
    return change(
        session,
        options,
        file,
        "drop_column",
        table,
        column,
        save=save or save_to is not None,
        save_to=save_to,
        force=force,
    )


@command("schema-evolve alter-type", *SERVER, sql=True)
def alter_type(
    session: CommandSession,
    *,
    table: Table,
    column: TheColumn,
    type: Type,
    using: Using = None,
    online: Online = False,
    file: QueryFiles = None,
    options: ChangeOptions,
) -> int:
    """Give a column another type: at once where that is instant, else beside the writers. --execute does it."""
    return change(session, options, file, "alter_type", table, column, type=type, using=using, online=online)


@command("schema-evolve rename-column", *SERVER, sql=True)
def rename_column(
    session: CommandSession,
    *,
    table: Table,
    column: TheColumn,
    new_name: NewName,
    file: QueryFiles = None,
    options: ChangeOptions,
    force: ForceName = False,
) -> int:
    """Rename a column and say what breaks; the genome catalog follows. Shown first; --execute does it."""
    return change(session, options, file, "rename_column", table, column, new_name=new_name, force=force)


@command("schema-evolve rollback", *SERVER, sql=True)
def rollback(
    session: CommandSession,
    *,
    target: Target = None,
    last: Last = False,
    fill: Fill = None,
    options: ChangeOptions,
    force: ForceUndo = False,
) -> int:
    """Take a schema change back by the plan that the log keeps. Shown first; --execute does it."""
    return take_back(session, options, target, last=last, fill=fill, force=force)


@command("schema-evolve finish", *SERVER, sql=True)
def finish(
    session: CommandSession,
    *,
    table: Table,
    column: TheColumn,
    options: ChangeOptions,
) -> int:
    """Drop the old column that an online type change kept; after that there is no way back."""
    return change(session, options, None, "alter_type", table, column, finish=True)


def change(
    session: CommandSession,
    options: ChangeOptions,
    files: Sequence[str] | None,
    kind: str,
    table: str,
    column: str,
    *,
    finish: bool = False,
    **asked: Any,
) -> int:
    """Show or carry out the operation on a table's column (or the last part of an online one); the exit code."""
    common = _prepare(session, options)
    from indexpilot_cli.core.command import WorkloadRequest
    from indexpilot_cli.evolve.change import execute
    from indexpilot_cli.evolve.requests import ChangeRequest
    from indexpilot_cli.render.views.schema_change import question, view

    request = ChangeRequest(
        kind,
        table,
        column,
        **asked,
        **common,
        workload=WorkloadRequest(files=tuple(files or ())),
        safeguards=session.settings.production_safeguards,
        impact_seconds=session.settings.operational.schema_evolution.impact_cache_seconds,
    )
    return _carry_out(session, options, execute.finish_change if finish else execute.run, request, question, view)


def take_back(
    session: CommandSession, options: ChangeOptions, target: str | None, *, last: bool, fill: str | None, force: bool
) -> int:
    """Show or go the way back; the exit code."""
    common = _prepare(session, options)
    if bool(target) == last:
        raise UsageError("say which change to take back: M-… or --last", hint="indexpilot history")
    from indexpilot_cli.evolve.change.rollback import run
    from indexpilot_cli.evolve.requests import ChangeUndoRequest
    from indexpilot_cli.render.views.schema_change import undo_view

    request = ChangeUndoRequest(target=target, fill=fill, force=force, **common)
    return _carry_out(session, options, run, request, undo_view, undo_view)


def _prepare(session: CommandSession, options: ChangeOptions) -> dict[str, Any]:
    """The fields of a request that do not depend on the operation. The settings are read here."""
    session.load(options)
    wanted = session.settings.operational.schema_evolution
    if not wanted.enabled:
        hint = "operational.schema_evolution.enabled: true in the configuration"
        raise RefusedError("schema changes are switched off", hint=hint, code="disabled")
    answerable(session, yes=options.yes, dry_run=not options.execute)
    return {
        "connection": session.connection(),
        "execute": options.execute,
        "confirmed": options.yes,
        "lock_timeout": wanted.lock_timeout_seconds,
        "retries": wanted.retries,
        "bypass": session.settings.bypass,
        "origins": session.settings.places,
        "record": session.record(),
    }


def _carry_out(
    session: CommandSession,
    options: ChangeOptions,
    workflow: Callable[[Any, Progress, Any], Outcome[Any]],
    request: Any,
    question: Callable[[Any], Document],
    view: Callable[..., Document],
) -> int:
    from indexpilot_cli.cli.show import finish

    def call(request: Any, progress: Progress) -> Outcome[Any]:
        def confirm(result: Any) -> bool:
            stop_spinning(progress)
            aside(session, question(result))
            return session.confirm("Proceed?")

        return workflow(request, progress, confirm)

    outcome = session.call(call, request)
    document = view(outcome.result, verbose=session.verbose)
    return finish(session, outcome, document, exit_code=options.exit_code)


COMMANDS = {
    "add-column": add_column,
    "drop-column": drop_column,
    "alter-type": alter_type,
    "rename-column": rename_column,
    "rollback": rollback,
    "finish": finish,
}
