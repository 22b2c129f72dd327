"""SQLAlchemy's engine events."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from indexpilot_cli.db.recording import is_streamed
from indexpilot_cli.host.hooks.recorder import StatementRecorder, Tenant

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine, ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncEngine

# Weak, so that an engine which the host has forgotten is not kept by us.
_recorders: WeakKeyDictionary[Engine, StatementRecorder] = WeakKeyDictionary()


def record_sqlalchemy(engine: Engine | AsyncEngine, tenant: Tenant = None) -> bool:
    """Record the statements of an engine from now on; False, and nothing is done, when it is not PostgreSQL's.

    What a statement touches is found out later, in another thread. A call of ``executemany`` is one row, as long as the
    whole call; a result that is streamed from the server is not measured. ``tenant`` is called for each statement, in
    its thread or task: a function or a ContextVar; None: that of ``tenant_context``. Called again it replaces the
    tenant.
    """
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import AsyncEngine

    # SQLAlchemy has no events of asyncio engines: theirs are those of the engine inside.
    sync = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    if sync.dialect.name != "postgresql":
        logging.getLogger(__name__).warning("statements of %s are not recorded", sync.dialect.name)
        return False
    if sync in _recorders:
        _recorders[sync].ask(tenant)
        return True
    recorder = _recorders[sync] = StatementRecorder(tenant)
    percent = sync.dialect.paramstyle in ("format", "pyformat")

    def before(_conn: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        # None: SQLAlchemy's own questions at a first connection, for instance.
        if context is not None:
            context._indexpilot_began = time.perf_counter()

    def after(_conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, _many: bool) -> None:
        if context is None:
            return
        seconds = time.perf_counter() - context._indexpilot_began
        if is_streamed(cursor):
            recorder.unmeasured()
        else:
            # Without parameters a driver that was asked so leaves the text as it is.
            plain = context.no_parameters and not parameters
            recorder.note(statement, seconds, placeholders=percent and not plain)

    def failed(context: ExceptionContext) -> None:
        if context.statement is not None:  # else it failed to connect
            recorder.failed()

    event.listen(sync, "before_cursor_execute", before)
    event.listen(sync, "after_cursor_execute", after)
    event.listen(sync, "handle_error", failed)
    return True
