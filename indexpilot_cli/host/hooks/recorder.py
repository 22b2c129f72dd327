"""What all hooks share: a statement, its time and its tenant, noted without asking or raising anything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from indexpilot_cli.db import recording
from indexpilot_cli.host import place, stats
from indexpilot_cli.host.statements import ObservedText, counts

Tenant: TypeAlias = Callable[[], int | None] | ContextVar[int] | ContextVar[int | None] | None

current_tenant: ContextVar[int | None] = ContextVar("indexpilot_tenant", default=None)
# A longer text is a load of data as a rule; ten thousand that wait may not fill the host's memory.
_LONGEST = 32 * 1024
_TEXTS = 2_000
_texts: dict[tuple[str, bool], ObservedText] = {}


@contextmanager
def tenant_context(tenant_id: int | None) -> Iterator[None]:
    """Inside the block the statements of this thread or task are the tenant's, for hooks that were not told another."""
    token = current_tenant.set(tenant_id)
    try:
        yield
    finally:
        current_tenant.reset(token)


class StatementRecorder:
    """Notes statements for ``log_query_stat``'s table; none of its methods raises.

    ``tenant`` is called in the thread or task of the statement: a function, or a ContextVar that may be unset; None:
    the tenant of ``tenant_context``.
    """

    def __init__(self, tenant: Tenant = None) -> None:
        self.ask(tenant)

    def ask(self, tenant: Tenant) -> None:
        """Another way to the tenant from now on."""
        self._tenant_of = _asked(tenant)

    def note(self, text: object, seconds: float, *, placeholders: bool) -> None:
        """One that succeeded; ``placeholders``: its driver filled in ``%s`` and read ``%%`` as a percent sign."""
        # The broad except is the promise: whatever is wrong here or with the host's tenants, its query has succeeded.
        try:
            if place.collects():
                self._note(text, seconds, placeholders)
        except Exception as error:
            counts.skip("failed")
            logging.getLogger(__name__).debug("a statement is not recorded", exc_info=error)

    def failed(self) -> None:
        """One that raised: how long it took says nothing of the query."""
        counts.add("failed")

    def unmeasured(self) -> None:
        """One whose time is spent elsewhere: a cursor on the server is only declared, a pipeline only fed."""
        counts.skip("unmeasured")

    def _note(self, text: object, seconds: float, placeholders: bool) -> None:
        if not isinstance(text, str):
            counts.skip("no_text")
            return
        # Without a lock: two threads at once make the same entry, and setdefault keeps one of them.
        observed = _texts.get((text, placeholders)) or _observed(text, placeholders)
        if observed.never:
            counts.skip(observed.never)
        else:
            stats.note_statement(observed, told_tenant(self._tenant_of), seconds * 1000)


def told_tenant(ask: Callable[[], int | None]) -> int | None:
    """What the host's function gives; None, and counted, when it raises."""
    try:
        return ask()
    except Exception:  # noqa: BLE001 - it is the host's: anything may be wrong with it, and its query is right
        counts.add("without_tenant")
        return None


def _asked(tenant: Tenant) -> Callable[[], int | None]:
    if isinstance(tenant, ContextVar):
        return lambda: tenant.get(None)
    return tenant or current_tenant.get


def _observed(text: str, placeholders: bool) -> ObservedText:
    if len(text) > _LONGEST:
        return ObservedText("", placeholders, never="too_long")
    # Texts that are never the same (constants written into them) must not pile up.
    if len(_texts) >= _TEXTS:
        _texts.clear()
    return _texts.setdefault((text, placeholders), ObservedText(text, placeholders))


def recording_cursor(tenant: Tenant = None, base: type[Any] | None = None) -> type[Any]:
    """A cursor class whose statements are recorded: ``psycopg.connect(dsn, cursor_factory=recording_cursor())``.

    For a pool: ``ConnectionPool(dsn, kwargs={"cursor_factory": recording_cursor()})``. ``base`` is the class that the
    application would use (``ClientCursor``, ``RawCursor``); ``tenant`` as in ``record_sqlalchemy``. A call of
    ``executemany`` is one row; what a pipeline runs is counted, and not recorded. Named cursors, which psycopg makes by
    another factory, ``stream`` and ``copy`` are not seen.
    """
    notes = StatementRecorder(tenant)
    return recording.recording_cursor(notes) if base is None else recording.recording_cursor(notes, base)


def recording_async_cursor(tenant: Tenant = None, base: type[Any] | None = None) -> type[Any]:
    """The same for ``AsyncConnection.connect(dsn, cursor_factory=recording_async_cursor())``."""
    notes = StatementRecorder(tenant)
    return recording.recording_async_cursor(notes) if base is None else recording.recording_async_cursor(notes, base)
