"""The operations of ``indexpilot schema-evolve``: four changes of a column, the way back, and the end of it."""

from __future__ import annotations

from indexpilot_cli.cli.command import SERVER, command
from indexpilot_cli.cli.options import apply
from indexpilot_cli.cli.options import change as own
from indexpilot_cli.cli.options import common as opt
from indexpilot_cli.cli.session import Session


@command("schema-evolve add-column", *SERVER, sql=True)
def add_column(
    session: Session,
    *,
    table: own.Table,
    column: own.NewColumn,
    type: own.Type,
    default: own.Default = None,
    not_null: own.NotNull = False,
    comment: own.Comment = None,
    unique: own.Unique = False,
    references: own.References = None,
    file: own.QueryFiles = None,
    lock_timeout: apply.LockTimeout = None,
    retries: own.Retries = None,
    execute: own.Execute = False,
    yes: opt.Yes = False,
    force: own.ForceName = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Add a column without a long lock, whatever its default and constraints. Shown first; --execute does it."""
    from indexpilot_cli.cli.schema_change import Run, change

    run = Run(session, lock_timeout, retries, execute, yes, exit_code, tuple(file or ()))
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
    session: Session,
    *,
    table: own.Table,
    column: own.TheColumn,
    save: own.Save = False,
    save_to: own.SaveTo = None,
    file: own.QueryFiles = None,
    lock_timeout: apply.LockTimeout = None,
    retries: own.Retries = None,
    execute: own.Execute = False,
    yes: opt.Yes = False,
    force: own.ForceDrop = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Drop a column and say what goes with it; its values can be kept. Shown first; --execute does it."""
    from indexpilot_cli.cli.schema_change import Run, change

    run = Run(session, lock_timeout, retries, execute, yes, exit_code, tuple(file or ()))
    return change(run, "drop_column", table, column, save=save or save_to is not None, save_to=save_to, force=force)


@command("schema-evolve alter-type", *SERVER, sql=True)
def alter_type(
    session: Session,
    *,
    table: own.Table,
    column: own.TheColumn,
    type: own.Type,
    using: own.Using = None,
    online: own.Online = False,
    file: own.QueryFiles = None,
    lock_timeout: apply.LockTimeout = None,
    retries: own.Retries = None,
    execute: own.Execute = False,
    yes: opt.Yes = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Give a column another type: at once where that is instant, else beside the writers. --execute does it."""
    from indexpilot_cli.cli.schema_change import Run, change

    run = Run(session, lock_timeout, retries, execute, yes, exit_code, tuple(file or ()))
    return change(run, "alter_type", table, column, type=type, using=using, online=online)


@command("schema-evolve rename-column", *SERVER, sql=True)
def rename_column(
    session: Session,
    *,
    table: own.Table,
    column: own.TheColumn,
    new_name: own.NewName,
    file: own.QueryFiles = None,
    lock_timeout: apply.LockTimeout = None,
    retries: own.Retries = None,
    execute: own.Execute = False,
    yes: opt.Yes = False,
    force: own.ForceName = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Rename a column and say what breaks; the genome catalog follows. Shown first; --execute does it."""
    from indexpilot_cli.cli.schema_change import Run, change

    run = Run(session, lock_timeout, retries, execute, yes, exit_code, tuple(file or ()))
    return change(run, "rename_column", table, column, new_name=new_name, force=force)


@command("schema-evolve rollback", *SERVER, sql=True)
def rollback(
    session: Session,
    *,
    target: own.Target = None,
    last: apply.Last = False,
    fill: own.Fill = None,
    lock_timeout: apply.LockTimeout = None,
    retries: own.Retries = None,
    execute: own.Execute = False,
    yes: opt.Yes = False,
    force: own.ForceUndo = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Take a schema change back by the plan that the log keeps. Shown first; --execute does it."""
    from indexpilot_cli.cli.schema_change import Run, take_back

    run = Run(session, lock_timeout, retries, execute, yes, exit_code)
    return take_back(run, target, last=last, fill=fill, force=force)


@command("schema-evolve finish", *SERVER, sql=True)
def finish(
    session: Session,
    *,
    table: own.Table,
    column: own.TheColumn,
    lock_timeout: apply.LockTimeout = None,
    retries: own.Retries = None,
    execute: own.Execute = False,
    yes: opt.Yes = False,
    exit_code: opt.ExitCode = False,
) -> int:
    """Drop the old column that an online type change kept; after that there is no way back."""
    from indexpilot_cli.cli.schema_change import Run, change

    run = Run(session, lock_timeout, retries, execute, yes, exit_code)
    return change(run, "alter_type", table, column, finish=True)


COMMANDS = {
    "add-column": add_column,
    "drop-column": drop_column,
    "alter-type": alter_type,
    "rename-column": rename_column,
    "rollback": rollback,
    "finish": finish,
}
