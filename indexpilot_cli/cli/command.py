"""How a function with its own options becomes a command with the shared ones."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from itertools import chain
from typing import Any

from indexpilot_cli.cli.options import RUN, ConnectionOptions, OutputOptions, RunOptions
from indexpilot_cli.cli.session import CommandSession

Group = type[OutputOptions] | type[ConnectionOptions] | type[RunOptions]
LOCAL: tuple[Group, ...] = (OutputOptions, RunOptions)
SERVER: tuple[Group, ...] = (OutputOptions, ConnectionOptions, RunOptions)


def command(
    name: str, *groups: Group, sql: bool = False, also: tuple[str, ...] = ()
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Decorate ``f(session, *, option…) -> exit code``; the result also takes the fields of the groups.

    ``sql`` says that the command's result has an SQL form, ``also`` which others it has beyond the common ones.
    """

    def wrap(function: Callable[..., int]) -> Callable[..., int]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        own, last = [p for p in own if _panel(p) != RUN], [p for p in own if _panel(p) == RUN]
        shared = list(chain.from_iterable(map(_parameters, groups)))

        def run(**given: Any) -> int:
            options = {g: g(**{f.name: given.pop(f.name) for f in dataclasses.fields(g)}) for g in groups}
            session = CommandSession.open(
                name,
                output=typing.cast(OutputOptions, options[OutputOptions]),
                connection=typing.cast(ConnectionOptions | None, options.get(ConnectionOptions)),
                run=typing.cast(RunOptions, options[RunOptions]),
                forms=(*also, "sql") if sql else also,
            )
            return function(session, **given)

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *shared, *last)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__doc__ = function.__doc__
        run.__name__ = function.__name__
        return run

    return wrap


def _panel(parameter: inspect.Parameter) -> str | None:
    """The help panel of an option."""
    found = (getattr(extra, "rich_help_panel", None) for extra in typing.get_args(parameter.annotation)[1:])
    return next((panel for panel in found if isinstance(panel, str)), None)


def _parameters(group: Group) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in dataclasses.fields(group)
    ]
