"""What recorded queries need of a clone: databases to run and plan in, as a stranger, watched from outside."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.evolve.review.clone.clone import Clone
from indexpilot_cli.evolve.review.clone.prepare import PRISTINE
from indexpilot_cli.planner.twin.layout import Storage

_PLANNING_MS = 10_000


class Stage:
    """A clone with the databases before (``pristine``) and after (``database``) the migrations."""

    def __init__(self, clone: Clone):
        self._clone = clone
        self.pristine = PRISTINE
        self.database = clone.database

    def dsn(self, database: str) -> str:
        """How the role that ran the migrations connects."""
        return self._clone.sandbox.dsn(database)

    def superuser(self, database: str | None = None) -> Session:
        """A session that may change catalogs; names mean those of pg_catalog there, whatever a migration made."""
        return self._clone.sandbox.superuser(database)

    def untrusted(self, database: str) -> Session:
        """A session of the role that ran the migrations."""
        return self._clone.sandbox.planner(database, timeout_ms=_PLANNING_MS)

    def duplicate(self, source: str, name: str) -> Storage:
        """A copy of a database nobody is in, and where its files are."""
        return self._clone.copy(source, name)[1]

    @contextmanager
    def watched(self, backend_pid: int, seconds: float) -> Iterator[None]:
        """End the backend when the block has not ended in time; what it runs may have switched off its own limits."""
        timer = threading.Timer(seconds, self._terminate, [backend_pid])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _terminate(self, backend_pid: int) -> None:
        with contextlib.suppress(IndexPilotError), self.superuser() as admin:
            admin.value("SELECT pg_terminate_backend(%s)", [backend_pid])
