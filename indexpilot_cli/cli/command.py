"""How a function with its own options becomes a command with the shared ones, and options become requests."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from indexpilot_cli.cli.options import (
    COMMON_FORMS,
    OUTPUT,
    RUN,
    ConnectionOptions,
    DatabaseOptions,
    Format,
    OutputOptions,
    RunOptions,
    option,
)
from indexpilot_cli.cli.session import CommandSession, HasConnection
from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from indexpilot_cli.advise.values import RecommendRequest
    from indexpilot_cli.cli.options import StatementOptions, TableOptions
    from indexpilot_cli.core.command import Outcome, PlannerRequest, Progress, TableFilter, WorkloadRequest
    from indexpilot_cli.lifecycle.values import LifecycleRequest
    from indexpilot_cli.render.document import Document


Group = type["DataclassInstance"]
LOCAL: tuple[Group, ...] = (OutputOptions, RunOptions)
SERVER: tuple[Group, ...] = (OutputOptions, ConnectionOptions, RunOptions)


def command(
    name: str, *groups: Group, sql: bool = False, also: tuple[str, ...] = ()
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Decorate ``f(session, *, option…) -> exit code``; the result also takes the fields of the session's ``groups``.

    A parameter that is a group itself (``PlannerOptions``, …) stands for the options in it.
    ``sql`` says that the command's result has an SQL form, ``also`` which others it has beyond the common ones.
    """

    def wrap(function: Callable[..., int]) -> Callable[..., int]:
        taken = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        within: dict[str, Group] = {p.name: p.annotation for p in taken if _is_group(p.annotation)}
        own = list(chain.from_iterable(_parameters(within[p.name]) if p.name in within else [p] for p in taken))
        last = sorted((p for p in own if _panel(p) == RUN), key=lambda p: p.name == "exit_code")
        own = [p for p in own if _panel(p) != RUN]
        forms = (*also, "sql") if sql else also
        shared = [_offering(p, forms) for p in chain.from_iterable(map(_parameters, groups))]

        def run(**given: Any) -> int:
            options = {group: _value(group, given) for group in groups}
            parts = {part: _value(group, given) for part, group in within.items()}
            session = CommandSession.open(
                name,
                output=typing.cast(OutputOptions, options[OutputOptions]),
                connection=typing.cast(
                    ConnectionOptions | DatabaseOptions | None,
                    options.get(ConnectionOptions) or options.get(DatabaseOptions),
                ),
                run=typing.cast(RunOptions, options[RunOptions]),
                forms=forms,
            )
            return function(session, **parts, **given)

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *shared, *last)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__doc__ = function.__doc__
        run.__name__ = function.__name__
        return run

    return wrap


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def _value(group: Group, given: dict[str, Any]) -> Any:
    """The group made of what was given, of which it takes its part."""
    return group(**{f.name: given.pop(f.name) for f in dataclasses.fields(group)})


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


def _offering(parameter: inspect.Parameter, forms: tuple[str, ...]) -> inspect.Parameter:
    """``--format`` with the forms that the command's result has; other parameters as they are."""
    if parameter.name != "format":
        return parameter
    names = [f.value for f in Format if f in (*COMMON_FORMS, *forms)]
    text = f"{', '.join(names[:-1])} or {names[-1]}."
    choice = option("--format FORM", text, panel=OUTPUT, autocompletion=lambda: names)
    return parameter.replace(annotation=typing.Annotated[Format | None, choice])


R = TypeVar("R", bound=HasConnection)
T = TypeVar("T")


def table_filter(session: CommandSession, asked: TableOptions) -> TableFilter:
    """The filter, with the tables the settings exclude."""
    from indexpilot_cli.core.command import TableFilter

    excluded = (*(asked.exclude_table or ()), *session.settings.advisor.exclude_tables)
    return TableFilter(tuple(asked.schema or ()), tuple(asked.table or ()), excluded)


def workload(
    session: CommandSession,
    asked: StatementOptions,
    files: Sequence[str] | None,
    queries: Sequence[str] | None = None,
) -> WorkloadRequest:
    """The statements to look at; limits come from the settings, where flags have gone already."""
    from indexpilot_cli.core.command import WorkloadRequest
    from indexpilot_cli.core.workload import SourceKind

    return WorkloadRequest(
        SourceKind(asked.source.value) if asked.source else None,
        tuple(files or ()),
        tuple(queries or ()),
        session.since(asked.since),
        session.settings.advisor.min_calls,
        session.settings.advisor.min_time * 1000,
        asked.log_database,
    )


def planner(session: CommandSession, *, cross_check: bool = False) -> PlannerRequest:
    """The planner to ask, from the settings."""
    from indexpilot_cli.core.command import PlannerRequest

    advisor = session.settings.advisor
    return PlannerRequest(advisor.what_if, cross_check, advisor.workers, advisor.max_calls, advisor.max_seconds)


def recommend_request(
    session: CommandSession,
    snapshot: str | None,
    statements: WorkloadRequest,
    tables: TableFilter,
    *,
    cross_check: bool,
    tenants: Sequence[str] | None = None,
    without: Sequence[str] | None = None,
) -> RecommendRequest:
    """The request of ``recommend``; limits and features come from the settings, where flags have gone already."""
    from indexpilot_cli.advise.values import RecommendRequest
    from indexpilot_cli.algorithms import registry

    return dataclasses.replace(
        RecommendRequest.by(session.settings),
        features=registry.without(session.settings.features, without or ()),
        connection=session.connection(),
        snapshot=snapshot,
        workload=statements,
        filter=tables,
        planner=planner(session, cross_check=cross_check),
        record=session.record(),
        tenants=tuple(tenants or ()),
    )


def lifecycle_request(
    session: CommandSession,
    statements: WorkloadRequest,
    standbys: Sequence[str] | None,
    snapshot: str | None = None,
) -> LifecycleRequest:
    """The request of ``lifecycle``; limits and planner come from the settings, where flags have gone already."""
    from indexpilot_cli.lifecycle.values import LifecycleRequest

    return dataclasses.replace(
        LifecycleRequest.by(session.settings),
        connection=session.connection(),
        snapshot=snapshot,
        standbys=tuple(standbys or ()),
        workload=statements,
        planner=planner(session),
        record=session.record(),
    )


def answer(
    session: CommandSession,
    workflow: Callable[[R, Progress], Outcome[T]],
    request: R,
    view: Callable[[T], Document],
    *,
    exit_code: bool = False,
) -> int:
    """Run the workflow on the command's server, and print what came of it; the exit code."""
    from indexpilot_cli.cli.show import finish

    outcome = session.call(workflow, session.signed(request))
    return finish(session, outcome, view(outcome.result), exit_code=exit_code)


def seconds_of(flag: str, text: str | None) -> float | None:
    """Seconds of a flag's text. Raises UsageError."""
    from indexpilot_cli.settings.keys import duration

    return _parsed(flag, text, duration)


def size_of(flag: str, text: str | None) -> int | None:
    """Bytes of a flag's text. Raises UsageError."""
    from indexpilot_cli.settings.keys import size

    return _parsed(flag, text, size)


def _parsed(flag: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from None
