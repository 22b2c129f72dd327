"""The life of one change of one index, as the intent log tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import TemplateEffect


class OperationState(StrEnum):
    """States of ``mutation_log.state`` for an operation; rows are append-only events."""

    INTENT = "INTENT"
    STARTED = "STARTED"
    VALID = "VALID"
    FAILED_CLEAN = "FAILED_CLEAN"
    FAILED_LEFTOVER = "FAILED_LEFTOVER"
    UNKNOWN = "UNKNOWN"
    CONFLICT = "CONFLICT"
    VERIFIED = "VERIFIED"
    REVERTED = "REVERTED"
    KEPT = "KEPT"


class OperationKind(StrEnum):
    """What an operation does."""

    CREATE = "create_index"
    DROP = "drop_index"
    REINDEX = "reindex"
    ATTACH = "attach_index"


@dataclass(frozen=True, slots=True)
class Operation:
    """One index to build or to take back, fixed before anything happens.

    ``op_id`` is a UUID; ``name`` the fixed index name; ``relid`` and ``columns_fingerprint`` identify the table as
    planned; ``sql`` and ``undo_sql`` run as they are. ``recommendation`` is the R- id where there is one.
    ``only``: the index of a partitioned table, invalid until all partitions are attached. ``parent`` is the index
    that an ATTACH attaches this one to; ``part_of`` the operation of the whole.
    """

    op_id: str
    kind: OperationKind
    table: QualifiedName
    name: str
    definition: IndexDefinition
    sql: str
    undo_sql: str
    relid: int
    columns_fingerprint: str
    recommendation: str | None = None
    plan: str | None = None
    attempt: int = 1
    size_bytes: int = 0
    templates: tuple[TemplateEffect, ...] = ()
    only: bool = False
    parent: QualifiedName | None = None
    part_of: str | None = None

    @property
    def index(self) -> QualifiedName:
        """The index's name with the schema of its table."""
        return QualifiedName(self.table.schema, self.name)


@dataclass(frozen=True, slots=True)
class MutationReport:
    """How one operation ended, for people and JSON.

    ``outcome`` is planned, done, already_done, failed, leftover, unknown, reverted, conflict or skipped;
    ``id`` is the number behind ``M-``; ``verification`` is kept, verified, reverted, not_enough_evidence or None.
    ``slower_templates``: how many templates get slower by a drop, None where that is unknown or does not apply.
    """

    outcome: str
    kind: OperationKind
    table: QualifiedName
    index: str
    sql: str
    undo_sql: str
    id: int | None = None
    recommendation: str | None = None
    summary: str = ""
    milliseconds: float | None = None
    size_bytes: int | None = None
    tries: int = 1
    error_code: str | None = None
    error: str | None = None
    verification: str | None = None
    verification_text: str = ""
    started_at: datetime | None = None
    notes: tuple[str, ...] = ()
    slower_templates: int | None = None
