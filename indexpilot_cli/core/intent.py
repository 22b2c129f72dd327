"""Events of the intent log, and what the catalog says of one index: the two things every decision rests on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.operation import OperationState


@dataclass(frozen=True, slots=True)
class Event:
    """One row of an operation in the mutation log. ``id`` and ``created_at`` are None before it is written.

    ``details`` is JSON; of an operation it holds ``kind`` (create_index, drop_index, attach_index), ``structure``
    (the IndexDefinition), ``plan`` and ``recommendation``. ``definition_sql`` is the server's own text of the index
    as soon as there is one, else our statement. ``leftover`` names an index that is still there and should not be.
    """

    op_id: str
    type: MutationType
    state: OperationState
    table: QualifiedName
    index: QualifiedName
    relid: int
    columns_fingerprint: str = ""
    field: str | None = None
    attempt: int = 1
    actor: str | None = None
    definition_sql: str | None = None
    undo_sql: str | None = None
    backend_pid: int | None = None
    backend_start: datetime | None = None
    sqlstate: str | None = None
    error: str | None = None
    leftover: str | None = None
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    id: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """An index as ``pg_index`` has it now. ``ddl`` is ``pg_get_indexdef``; ``bytes`` its size on disk.

    ``attached`` is the parent index it belongs to; ``children`` counts attached partitions, ``expected`` the
    partitions of its table (both 0 for an ordinary index). ``dependents`` are descriptions of what needs it
    (constraints by name). ``builder`` is the process that builds it now. ``targets`` are statistics targets of
    expression columns by their number.
    """

    oid: int
    name: QualifiedName
    table: QualifiedName
    relid: int
    ddl: str
    valid: bool
    ready: bool
    live: bool = True
    definition: IndexDefinition | None = dataclasses.field(default=None, compare=False)
    partitioned: bool = False
    attached: QualifiedName | None = None
    children: int = 0
    expected: int = 0
    comment: str | None = None
    replica_identity: bool = False
    clustered: bool = False
    tablespace: str | None = None
    targets: tuple[tuple[int, int], ...] = ()
    dependents: tuple[str, ...] = ()
    bytes: int = 0
    builder: int | None = None


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session somebody waits for. ``seconds`` is the age of its transaction, None when it is not to be seen."""

    pid: int
    user: str = ""
    application: str = ""
    state: str = ""
    seconds: float | None = None

    def __str__(self) -> str:
        age = f", transaction open for {self.seconds:.0f} s" if self.seconds is not None else ""
        return f"pid {self.pid} ({self.user or 'unknown user'}, {self.application or 'no application name'}{age})"


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """One look at a running build: ``phase`` in the server's words, ``share`` 0–1 of the phase, who holds it up.

    ``waits_for_table`` is true while it has not got its first lock yet; ``index_oid`` once the index is there.
    """

    phase: str = ""
    share: float | None = None
    index_oid: int | None = None
    waits_for_table: bool = False
    blockers: tuple[Blocker, ...] = ()
