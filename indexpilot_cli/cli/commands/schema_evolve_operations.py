"""The operations of ``indexpilot schema-evolve``: four changes of a column, the way back, and the end of it."""

from __future__ import annotations

from typing import Annotated

import typer

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import RUN, option
from indexpilot_cli.cli.session import CommandSession

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
Execute = Annotated[bool, option("--execute", "Do it; without this it is only shown.", panel=RUN)]
Retries = Annotated[int | None, option("--retries N", "Tries after a lock timeout: 5.", min=0, max=100)]
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
    lock_timeout: opt.LockTimeout = None,
    retries: Retries = None,
    execute: Execute = False,
    yes: opt.Yes = False,
    force: ForceName = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Add a column without a long lock, whatever its default and constraints. Shown first; --execute does it."""
    from indexpilot_cli.cli.change import SchemaChangeRun, change

    run = SchemaChangeRun(session, lock_timeout, retries, execute, yes, exit_code, tuple(file or ()))
    return change(
        run,
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
    lock_timeout: opt.LockTimeout = None,
    retries: Retries = None,
    execute: Execute = False,
    yes: opt.Yes = False,
    force: ForceDrop = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Drop a column and say what goes with it; its values can be kept. Shown first; --execute does it."""
    from indexpilot_cli.cli.change import SchemaChangeRun, change

    run = SchemaChangeRun(session, lock_timeout, retries, execute, yes, exit_code, tuple(file or ()))
    return change(run, "drop_column", table, column, save=save or save_to is not None, save_to=save_to, force=force)


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
    lock_timeout: opt.LockTimeout = None,
    retries: Retries = None,
    execute: Execute = False,
    yes: opt.Yes = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Give a column another type: at once where that is instant, else beside the writers. --execute does it."""
    from indexpilot_cli.cli.change import SchemaChangeRun, change

    run = SchemaChangeRun(session, lock_timeout, retries, execute, yes, exit_code, tuple(file or ()))
    return change(run, "alter_type", table, column, type=type, using=using, online=online)


@command("schema-evolve rename-column", *SERVER, sql=True)
def rename_column(
    session: CommandSession,
    *,
    table: Table,
    column: TheColumn,
    new_name: NewName,
    file: QueryFiles = None,
    lock_timeout: opt.LockTimeout = None,
    retries: Retries = None,
    execute: Execute = False,
    yes: opt.Yes = False,
    force: ForceName = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Rename a column and say what breaks; the genome catalog follows. Shown first; --execute does it."""
    from indexpilot_cli.cli.change import SchemaChangeRun, change

    run = SchemaChangeRun(session, lock_timeout, retries, execute, yes, exit_code, tuple(file or ()))
    return change(run, "rename_column", table, column, new_name=new_name, force=force)


@command("schema-evolve rollback", *SERVER, sql=True)
def rollback(
    session: CommandSession,
    *,
    target: Target = None,
    last: opt.Last = False,
    fill: Fill = None,
    lock_timeout: opt.LockTimeout = None,
    retries: Retries = None,
    execute: Execute = False,
    yes: opt.Yes = False,
    force: ForceUndo = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Take a schema change back by the plan that the log keeps. Shown first; --execute does it."""
    from indexpilot_cli.cli.change import SchemaChangeRun, take_back

    run = SchemaChangeRun(session, lock_timeout, retries, execute, yes, exit_code)
    return take_back(run, target, last=last, fill=fill, force=force)


@command("schema-evolve finish", *SERVER, sql=True)
def finish(
    session: CommandSession,
    *,
    table: Table,
    column: TheColumn,
    lock_timeout: opt.LockTimeout = None,
    retries: Retries = None,
    execute: Execute = False,
    yes: opt.Yes = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Drop the old column that an online type change kept; after that there is no way back."""
    from indexpilot_cli.cli.change import SchemaChangeRun, change

    run = SchemaChangeRun(session, lock_timeout, retries, execute, yes, exit_code)
    return change(run, "alter_type", table, column, finish=True)


COMMANDS = {
    "add-column": add_column,
    "drop-column": drop_column,
    "alter-type": alter_type,
    "rename-column": rename_column,
    "rollback": rollback,
    "finish": finish,
}
