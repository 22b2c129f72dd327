"""The interceptor around statements that a host runs itself: a block, a decorator, an event of SQLAlchemy.

All three judge first (``QueryBlockedError`` keeps the statement from running), then note how long it took.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host.interceptor import intercept_query, note_outcome
from indexpilot_cli.host.interceptor.statement_text import Values, kind_of_value
from indexpilot_cli.host.interceptor.verdict import QueryVerdict

F = TypeVar("F", bound=Callable[..., Any])
GivenSettings = Mapping[str, str]
_CANCELLED = "57014"
_STARTED = "indexpilot_started"
_VERDICT = "indexpilot_verdict"


class InterceptedQuery:
    """A block in which the host runs one statement: ``with intercepted_query(sql, params): cursor.execute(...)``.

    It may be used with ``async with``, too: then a plan is waited for in another thread. The verdict is what the block
    is given.
    """

    def __init__(self, sql: Any, params: Values | None, tenant_id: int | str | None, session: GivenSettings | None):
        self._ask = functools.partial(intercept_query, sql, params, tenant_id=tenant_id, session=session)
        self._verdict: QueryVerdict | None = None
        self._started = 0.0

    def __enter__(self) -> QueryVerdict:
        return self._begin(self._ask())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._verdict is not None:
            note_outcome(self._verdict, _since(self._started), failed=kind is not None, cancelled=was_cancelled(error))

    async def __aenter__(self) -> QueryVerdict:
        return self._begin(await asyncio.to_thread(self._ask))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, tb)

    def _begin(self, verdict: QueryVerdict) -> QueryVerdict:
        self._verdict, self._started = verdict, time.perf_counter()
        return verdict


def intercepted_query(
    sql: Any,
    params: Values | None = None,
    *,
    tenant_id: int | str | None = None,
    session: GivenSettings | None = None,
) -> InterceptedQuery:
    """A block around one statement; its arguments are those of ``intercept_query``."""
    return InterceptedQuery(sql, params, tenant_id, session)


def intercepted(sql: str = "sql", params: str = "params", tenant_id: str = "tenant_id") -> Callable[[F], F]:
    """A decorator for functions (``async`` ones, too) that run the statement they are given.

    The names are those of the function's parameters; it needs the first, and may lack the others. Raises UsageError
    when the function has no parameter for the statement.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        if sql not in signature.parameters:
            raise UsageError(f"{function.__name__} has no parameter {sql!r}", code="no_parameter")

        def block(args: tuple[Any, ...], named: dict[str, Any]) -> InterceptedQuery:
            bound = signature.bind(*args, **named)
            bound.apply_defaults()
            given = bound.arguments
            return InterceptedQuery(given[sql], given.get(params), given.get(tenant_id), None)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **named: Any) -> Any:
                async with block(args, named):
                    return await function(*args, **named)

            return awaited  # type: ignore[return-value]

        @functools.wraps(function)
        def called(*args: Any, **named: Any) -> Any:
            with block(args, named):
                return function(*args, **named)

        return called  # type: ignore[return-value]

    return decorate


def install_interceptor(
    engine: Any,
    *,
    tenant: Callable[[Any], int | str | None] | None = None,
    session: Callable[[Any], GivenSettings | None] | None = None,
) -> Callable[[], None]:
    """Judge every statement of a SQLAlchemy engine (an asyncio one, too); what is given back takes it off again.

    Plans are asked for through the process's pool, so its database must be the engine's. ``tenant`` and ``session`` are
    called with SQLAlchemy's connection and tell whose statement it is, and the settings (role, search_path) it runs
    under. Raises UsageError for an engine of another database system.
    """
    from sqlalchemy import event

    target = getattr(engine, "sync_engine", engine)
    if target.dialect.name != "postgresql":
        raise UsageError(f"the interceptor is for PostgreSQL, not {target.dialect.name}", code="other_system")

    def before(conn: Any, _cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        tenant_id = tenant(conn) if tenant else None
        settings = session(conn) if session else None
        verdicts = [
            intercept_query(statement, values, tenant_id=tenant_id, session=settings)
            for values in _parameter_sets(conn, parameters, context, executemany)
        ]
        if context is not None and verdicts:
            # Of many sets of parameters the first stands for all: the driver tells one time for them.
            setattr(context, _VERDICT, verdicts[0])
            setattr(context, _STARTED, time.perf_counter())

    def after(_conn: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        _note(context, None)

    def on_error(failure: Any) -> None:
        _note(failure.execution_context, failure.original_exception)

    listeners: dict[str, Callable[..., Any]] = {
        "before_cursor_execute": before,
        "after_cursor_execute": after,
        "handle_error": on_error,
    }
    for name, listener in listeners.items():
        event.listen(target, name, listener)

    def uninstall() -> None:
        for name, listener in listeners.items():
            event.remove(target, name, listener)

    return uninstall


def _parameter_sets(conn: Any, parameters: Any, context: Any, executemany: bool) -> Sequence[Values | None]:
    """The parameters as the driver reads them; of many sets one of each kind."""
    plain = context is not None and context.execution_options.get("no_parameters", False)
    formatted = conn.dialect.paramstyle in ("format", "pyformat")
    # An INSERT of many rows that SQLAlchemy writes as one statement says so too, and has one set.
    if not executemany or not isinstance(parameters, list):
        return [None if not parameters and (plain or not formatted) else parameters]
    kinds: dict[object, Values] = {}
    for values in parameters:
        ordered = values.values() if isinstance(values, Mapping) else values
        kinds.setdefault(tuple(map(kind_of_value, ordered)), values)
    return list(kinds.values())


def _note(context: Any, error: BaseException | None) -> None:
    # An error before the statement was sent, a refusal among them, has nothing to tell of how it ran.
    verdict = context.__dict__.pop(_VERDICT, None) if context is not None else None
    if verdict is not None:
        seconds = _since(context.__dict__.pop(_STARTED))
        note_outcome(verdict, seconds, failed=error is not None, cancelled=was_cancelled(error))


def _since(started: float) -> float:
    return time.perf_counter() - started


def was_cancelled(error: BaseException | None) -> bool:
    """Whether the server cancelled the statement, for a timeout or on request, as each driver says it."""
    while error is not None:
        state = sqlstate(error) or getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if state == _CANCELLED:
            return True
        error = getattr(error, "orig", None) or error.__cause__
    return False
