"""The program: its commands, and the one place where exceptions become messages and exit codes."""

from __future__ import annotations

import gc
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from indexpilot_cli import __version__
from indexpilot_cli.cli import again, interrupts
from indexpilot_cli.cli.interrupts import Terminated
from indexpilot_cli.cli.terminal import keep_for_documents, write_stdout
from indexpilot_cli.errors import IndexPilotError, UsageError

PROGRAM = "indexpilot"
# Name, what the list of commands says. The module of each is read only when the command is named.
COMMANDS = {
    "init": "Prepare a database and a configuration file.",
    "discover": "Show tables, indexes, sizes and activity.",
    "genome": "Show and set which fields may be indexed.",
    "tenant": "Show and set which fields each tenant uses.",
    "types": "Write Python types for the rows of the tables.",
    "analyze": "Show what the workload does.",
    "recommend": "Find the few indexes that pay.",
    "ablate": "Show what each algorithm changes of the plan.",
    "explain": "Say why, why not, or what if.",
    "apply": "Build the indexes of a plan.",
    "rollback": "Take back what was built.",
    "experiment": "Compare two variants of indexes.",
    "lifecycle": "Find indexes to drop, to mend and to add.",
    "model": "Learn from measured builds what indexes save.",
    "plan": "Show or approve a plan.",
    "snapshot": "Save schema, statistics and workload to a file.",
    "calibrate": "Measure what writes and builds cost here.",
    "doctor": "Check connection, rights, statistics and the twin.",
    "history": "Show the mutation log.",
    "schema-evolve": "Review a schema change before it runs.",
    "serve": "Serve pages and JSON of what is found.",
    "bypass": "Switch IndexPilot off and on again.",
    "config": "Show or check the settings.",
    "schema": "Print the JSON schema of a result.",
    "completion": "Print the completion script of a shell.",
    "demo": "Try everything on a private server.",
    "simulate": "Run tenants at work without and with the advice.",
}
EXAMPLES = """Start with:

  indexpilot doctor -d shop

  indexpilot recommend -d shop --budget 5GB
"""
# Commands that stand in the file of another.
_FILES = {"rollback": "apply", "completion": "schema"}
_ANYTHING = re.compile("")
# What a value looks like, and what the option means without one.
_MAY_STAND_ALONE = {
    "--window": (re.compile(r"\s*\d{1,2}:\d"), ""),
    "--verify": (re.compile(r"(planner|statistics|replay)\Z"), "planner"),
}
_TYPER_PLAIN = "_TYPER_FORCE_DISABLE_TERMINAL"
# Typer brings its own copy of Click: the base of its usage errors is found by descent.
_CLICK_ERROR = cast(type[Exception], typer.BadParameter.__mro__[2])


def build(wanted: str | None = None, *, whole: bool = False) -> typer.Typer:
    """The Typer application. Only the ``wanted`` command is read in full, or all of them when ``whole``."""
    app = typer.Typer(
        name=PROGRAM,
        help="Find the few PostgreSQL indexes that pay, each proved by the planner.",
        epilog=EXAMPLES,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    app.callback(invoke_without_command=True)(root)
    for name, text in COMMANDS.items():
        if whole or name == wanted:
            _add(app, name, text)
        else:
            app.command(name, help=text)(_stub)
    return app


def _stub() -> None:
    """Stands for a command that was not named."""


def commands_of(name: str) -> dict[str, Callable[..., int]]:
    """The command of the list and those below it, each by how it is typed; nothing for what is not in the list."""
    commands: dict[str, Callable[..., int]] = _module(name).COMMANDS if name in COMMANDS else {}
    return commands if name in commands else {f"{name} {key}": function for key, function in commands.items()}


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"indexpilot_cli.cli.commands.{_FILES.get(name, name.replace('-', '_'))}")


def _add(app: typer.Typer, name: str, text: str) -> None:
    module = _module(name)
    commands: dict[str, Callable[..., int]] = module.COMMANDS
    below = {key.removeprefix(f"{name} "): commands[key] for key in commands if key.startswith(f"{name} ")}
    if below:
        _add_with_subcommands(app, name, module, below)
        return
    if name in commands:
        examples = module.EXAMPLES
        app.command(name, epilog=examples if isinstance(examples, str) else examples[name])(commands[name])
        return
    kind: type[TyperGroup] = getattr(module, "GROUP", TyperGroup)
    group = typer.Typer(cls=kind, help=text, epilog=module.EXAMPLES, no_args_is_help=True, rich_markup_mode="rich")
    group.callback()(_stub)
    for key, function in commands.items():
        group.command(key, epilog=module.EXAMPLES)(function)
    app.add_typer(group, name=name)


def _add_with_subcommands(
    app: typer.Typer, name: str, module: ModuleType, below: Mapping[str, Callable[..., int]]
) -> None:
    """A command that does something by itself and has others below it, each with examples of its own."""
    group = typer.Typer(epilog=module.EXAMPLES[name], invoke_without_command=True, rich_markup_mode="rich")
    group.callback()(_alone(module.COMMANDS[name]))
    for key, function in below.items():
        group.command(key, epilog=module.EXAMPLES[f"{name} {key}"])(function)
    app.add_typer(group, name=name)


def _alone(function: Callable[..., int]) -> Callable[..., int]:
    """The function for a group: it runs when no subcommand is named, and refuses options that would be lost."""

    def run(context: typer.Context, **given: Any) -> int:
        if context.invoked_subcommand is None:
            return function(**given)
        early = [p for p in context.command.params if _was_typed(context, p.name)]
        if early:
            path = f"{context.command_path} {context.invoked_subcommand}"
            raise UsageError(
                f"{early[0].opts[0]} stands before {context.invoked_subcommand}, which has options of its own",
                hint=f"{path} --help",
            )
        return 0

    own = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [own, *inspect.signature(function).parameters.values()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__ = function.__doc__
    return run


def _was_typed(context: typer.Context, name: str | None) -> bool:
    source = context.get_parameter_source(name) if name is not None else None
    return source is not None and source.name == "COMMANDLINE"


def root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Show the version.", is_eager=True),
) -> None:
    """Show the version or, without a command, the help."""
    if version:
        write_stdout(f"{PROGRAM} {__version__}\n")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        write_stdout(context.get_help() + "\n")
        raise typer.Exit()


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # A catalog is hundreds of thousands of values that live to the end. Looking for cycles among them after every
    # 700 new ones took half the time of reading a large snapshot.
    gc.set_threshold(50_000)
    again.know(commands_of)
    keep_for_documents(show_stray="--debug" in given)
    code = _guarded(given)
    interrupts.leave_at_next(code)
    sys.exit(code)


def _guarded(given: list[str]) -> int:
    """The exit code; every exception ends here."""
    from indexpilot_cli.cli.show import CommandInterrupted, bug
    from indexpilot_cli.cli.terminal import close_quietly

    trace = "--debug" in given
    if trace:
        _show_faults()
    try:
        try:
            return _dispatch(given)
        except CommandInterrupted as error:
            interrupts.hold_off()
            return _fail(error, error.code_number, given, trace=trace)
        except IndexPilotError as error:
            return _fail(error, error.exit_code, given, trace=trace)
        except KeyboardInterrupt as error:
            interrupts.hold_off()
            stop = CommandInterrupted("interrupted", hint=_left(given))
            stop.__cause__ = error
            return _fail(stop, 130, given, trace=trace)
        except Terminated as error:
            interrupts.hold_off()
            return _fail(CommandInterrupted("terminated", hint=_left(given)), error.exit_code, given, trace=trace)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - the rim: what nobody foresaw is told, not thrown at the user
            apology = bug(error)
            apology.__cause__ = error
            return _fail(apology, 1, given, trace=True)
    except BrokenPipeError:
        close_quietly()
        return 1


def _show_faults() -> None:
    """With --debug a statement that is set aside is told with the traceback of its fault."""
    import logging

    logger = logging.getLogger("indexpilot_cli")
    logger.addHandler(logging.StreamHandler(sys.stderr))
    logger.setLevel(logging.DEBUG)


def _left(given: Sequence[str]) -> str | None:
    """Where to look after an interrupted change."""
    changes = given[:1] in (["apply"], ["rollback"], ["experiment"]) or "--execute" in given
    return "indexpilot doctor" if changes else None


def _dispatch(given: list[str]) -> int:
    _plain_help()
    given = complete_values(given)
    completing = f"_{PROGRAM.upper()}_COMPLETE" in os.environ
    wanted = next((a for a in given if not a.startswith("-")), None)
    command = typer.main.get_command(build(wanted, whole=completing))
    if completing:
        _ready_completion()
    try:
        code = command.main(given, prog_name=PROGRAM, standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _CLICK_ERROR as error:
        raise _usage(error) from error
    if code == 130:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def complete_values(given: Sequence[str]) -> list[str]:
    """``--window`` and ``--verify`` may stand alone: Click knows no option whose value may be left out."""
    after = [*given, ""][1:]
    words = []
    for word, following in zip(given, after, strict=True):
        value, default = _MAY_STAND_ALONE.get(word, (_ANYTHING, ""))
        words.append(word if value.match(following) else f"{word}={default}")
    return words


def _ready_completion() -> None:
    """Register Typer's completion protocol, which it does by itself only with its own options."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()


def _usage(error: BaseException) -> UsageError:
    format_message: Callable[[], str] = getattr(error, "format_message", lambda: str(error))
    context: typer.Context | None = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = " ".join(format_message().split()) or "which one? A command is missing"
    return UsageError(message[:1].lower() + message[1:], hint=f"{path} --help")


def _plain_help() -> None:
    """Typer colours its help under GITHUB_ACTIONS and NO_COLOR leaves bold in: say plainly what we want."""
    from indexpilot_cli.cli.terminal import is_tty, wants_color

    if not wants_color("auto", is_tty(sys.stdout), os.environ):
        os.environ[_TYPER_PLAIN] = "1"


def _fail(error: IndexPilotError, code: int, given: Sequence[str], *, trace: bool) -> int:
    from indexpilot_cli.cli.show import report
    from indexpilot_cli.cli.terminal import look

    report(error, code, given, look(_color(given)), trace=trace)
    return code


def _color(given: Sequence[str]) -> str:
    joined = " ".join(given)
    return next((c for c in ("always", "never") if f"--color {c}" in joined or f"--color={c}" in joined), "auto")
