"""Django's ``execute_wrappers``: installed on every connection, or by a middleware that knows the request's tenant."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from indexpilot_cli.db.recording import is_streamed
from indexpilot_cli.host.hooks.recorder import StatementRecorder, Tenant, tenant_context, told_tenant

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

_recorder = StatementRecorder()


def record_django(tenant: Tenant = None) -> None:
    """Record the statements of every PostgreSQL connection that Django has or opens, in any thread.

    May stand in the settings, in ``wsgi.py`` or ``asgi.py``, or in ``AppConfig.ready``. What a statement touches is
    found out later, in another thread. A call of ``executemany`` is one row; ``iterator()`` reads from a cursor on the
    server and is not measured. ``tenant`` as in ``record_sqlalchemy``. Called again it replaces the tenant.
    """
    _recorder.ask(tenant)
    _install_everywhere()


def _install_everywhere() -> None:
    from django.conf import settings
    from django.db import connections
    from django.db.backends.signals import connection_created

    # One uid: it is connected once, however often somebody calls us.
    connection_created.connect(_install, dispatch_uid="indexpilot", weak=False)
    if settings.configured:  # else we are called by the settings, and no connection is open
        # Only those that this thread has made already: of the others the signal tells.
        for connection in connections.all(initialized_only=True):
            _install(connection=connection)


def _install(*, connection: Any, **_signal: Any) -> None:
    if connection.vendor == "postgresql" and _measured not in connection.execute_wrappers:
        # In front: a host's ``with connection.execute_wrapper(…)`` takes the last one away when it ends.
        connection.execute_wrappers.insert(0, _measured)


def _measured(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    began = time.perf_counter()
    try:
        result = execute(sql, params, many, context)
    except BaseException:
        _recorder.failed()
        raise
    seconds = time.perf_counter() - began
    if is_streamed(context["cursor"].cursor):
        _recorder.unmeasured()
    else:
        _recorder.note(sql, seconds, placeholders=params is not None)
    return result


class QueryRecordingMiddleware:
    """For ``MIDDLEWARE``: as ``record_django`` does, with the tenant of each request, sync or async.

    ``settings.INDEXPILOT_TENANT`` is a function of the request that gives the tenant's number or None, or its dotted
    name; without it statements are of no tenant. It stands behind what the function needs (authentication).
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        from asgiref.sync import iscoroutinefunction, markcoroutinefunction
        from django.conf import settings
        from django.utils.module_loading import import_string

        tenant = getattr(settings, "INDEXPILOT_TENANT", None)
        self._tenant_of = import_string(tenant) if isinstance(tenant, str) else tenant
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        _install_everywhere()

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """The response, with the tenant set meanwhile."""
        if self._is_async:
            return self._answered(request)
        with tenant_context(self._tenant(request)):
            response: HttpResponseBase = self._get_response(request)
            return response

    async def _answered(self, request: HttpRequest) -> HttpResponseBase:
        with tenant_context(self._tenant(request)):
            response = self._get_response(request)
            answer: HttpResponseBase = await response if inspect.isawaitable(response) else response
            return answer

    def _tenant(self, request: HttpRequest) -> int | None:
        ask = self._tenant_of
        return None if ask is None else told_tenant(lambda: ask(request))
