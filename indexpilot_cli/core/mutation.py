"""Rows of the mutation log."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import TemplateEffect


class MutationType(StrEnum):
    """Every action the log knows; an unknown word is refused. Who writes it:

    CREATE_INDEX            apply: intent, start and end of each build
    INDEX_CREATION_FAILED   apply: a build that failed, and builds that a guard or the user refused
    RATE_LIMIT_EXCEEDED     the same, refused by the guard ``rate``; host.intercept_query: calls over a rate limit
    ROLLBACK_INDEX          rollback, apply --auto-revert: what was built is dropped, what was dropped is built
    DROP_INDEX              apply: a drop that a plan asks for, the end of a replacement; and an index that goes by our
                            doing without being what was asked for: an invalid remnant (apply, doctor --reconcile),
                            with its column (schema-evolve drop-column), after an online type change
    REINDEX                 apply: a rebuilding that a plan asks for
    RECOMMEND_INDEX         recommend; apply that only looked or had nothing to do
    ENABLE_FIELD            tenant enable and host.enable_field, when it changed something
    DISABLE_FIELD           tenant disable and host.disable_field, likewise
    INITIALIZE_TENANT       tenant init and host.initialize_tenant_expression, likewise
    SYSTEM_ENABLE           bypass enable
    SYSTEM_DISABLE          bypass disable
    SYSTEM_CONFIG_CHANGE    init, plan approve, genome set, calibrate, model forget; experiment start, step and stop,
                            whose builds and drops have rows of their own; host.create_experiment and stop_experiment;
                            tenant init, enable and disable that failed; the host's functions that make tables or fill
                            the genome catalog
    CREATE_TABLE            the table of schema-evolve drop-column --save; seen by a sync (SCHEMA_SYNC)
    DROP_TABLE              that table when it is taken back; seen likewise
    ALTER_TABLE             seen likewise; schema-evolve rollback --execute that failed before its column was known
    ADD_COLUMN              schema-evolve add-column: plan, steps, end, way back
    DROP_COLUMN             schema-evolve drop-column, likewise
    ALTER_COLUMN            schema-evolve alter-type and finish, likewise
    RENAME_COLUMN           schema-evolve rename-column, likewise
    SCHEMA_SYNC             discover --sync --write and host.detect_and_sync_schema_changes, when the catalog followed
                            or could not
    DISCOVER                discover, doctor, history, snapshot save, init --check, plan show, bypass status, types,
                            genome, tenant, experiment, calibrate, model and rollback that only looked, lifecycle builds
                            and query-stats; host.discover_schema_from_database and the host's functions that generate
                            types
    ANALYZE_WORKLOAD        analyze; model train, host.learn_query_risk
    EXPLAIN                 explain, schema-evolve check, every preview of schema-evolve and of the host's functions
    BULK_UPDATE             a backfill of schema-evolve add-column; lifecycle query-stats --write, by itself and in the
                            daily job; host.prune_query_stats
    DATA_MIGRATION          values that schema-evolve drop-column --save keeps, and that its way back restores;
                            lifecycle query-stats --write that makes a partitioned table
    LIFECYCLE_RUN           lifecycle, its jobs by the clock, host.perform_weekly_lifecycle and its like; apply: a table
                            vacuumed or analyzed, extended statistics made
    QUERY_BLOCKED           host.intercept_query: statements that it refused, a row per template and minute
    SECURITY_VIOLATION      a plan file whose ids do not fit what it would run
    AUTHENTICATION_FAILURE  a login that the server refused; written at the next connection to that database from the
                            same account of this machine, with how often and when (``log.pending``)
    CONNECTION_ERROR        a server that could not be reached, likewise; a connection that was lost, at once
    AUTHORIZATION_DENIED    a command that ended for want of a privilege; builds that the guards ``privileges`` and
                            ``approval`` refused
    CRITICAL_ERROR          a command that ended by a fault of ours, or with an outcome nobody knows (exit code 8)

    What a failed command would have been stands in the ``command`` of its row. Runs of a timer that found nothing to do
    are counted in ``idle_runs``, and one within an hour leaves a row: apply --window, doctor --live and --ready,
    discover --sync and the host's without changes, lifecycle run due, watch, status and metrics, experiment step before
    a window is over.
    """

    CREATE_INDEX = "CREATE_INDEX"
    DROP_INDEX = "DROP_INDEX"
    REINDEX = "REINDEX"
    ROLLBACK_INDEX = "ROLLBACK_INDEX"
    INDEX_CREATION_FAILED = "INDEX_CREATION_FAILED"
    RECOMMEND_INDEX = "RECOMMEND_INDEX"
    ENABLE_FIELD = "ENABLE_FIELD"
    DISABLE_FIELD = "DISABLE_FIELD"
    INITIALIZE_TENANT = "INITIALIZE_TENANT"
    SYSTEM_ENABLE = "SYSTEM_ENABLE"
    SYSTEM_DISABLE = "SYSTEM_DISABLE"
    SYSTEM_CONFIG_CHANGE = "SYSTEM_CONFIG_CHANGE"
    CREATE_TABLE = "CREATE_TABLE"
    DROP_TABLE = "DROP_TABLE"
    ALTER_TABLE = "ALTER_TABLE"
    ADD_COLUMN = "ADD_COLUMN"
    DROP_COLUMN = "DROP_COLUMN"
    ALTER_COLUMN = "ALTER_COLUMN"
    RENAME_COLUMN = "RENAME_COLUMN"
    SCHEMA_SYNC = "SCHEMA_SYNC"
    DISCOVER = "DISCOVER"
    ANALYZE_WORKLOAD = "ANALYZE_WORKLOAD"
    EXPLAIN = "EXPLAIN"
    LIFECYCLE_RUN = "LIFECYCLE_RUN"
    QUERY_BLOCKED = "QUERY_BLOCKED"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    SECURITY_VIOLATION = "SECURITY_VIOLATION"
    AUTHENTICATION_FAILURE = "AUTHENTICATION_FAILURE"
    AUTHORIZATION_DENIED = "AUTHORIZATION_DENIED"
    CRITICAL_ERROR = "CRITICAL_ERROR"
    CONNECTION_ERROR = "CONNECTION_ERROR"
    BULK_UPDATE = "BULK_UPDATE"
    DATA_MIGRATION = "DATA_MIGRATION"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One event of the log. ``id`` prints as ``M-<id>``; ``details`` is JSON without secrets.

    ``state`` is DONE, FAILED or INTERRUPTED for a command, a word of the intent protocol for an index;
    ``op_id`` (a UUID) joins the events of one operation. ``undo_sql`` runs as it is.
    """

    type: MutationType
    details: Mapping[str, Any] = field(default_factory=dict)
    tenant_id: int | None = None
    table_name: str | None = None
    field_name: str | None = None
    id: int | None = None
    created_at: datetime | None = None
    schema_name: str | None = None
    op_id: str | None = None
    state: str | None = None
    actor: str | None = None
    index_name: str | None = None
    definition_sql: str | None = None
    undo_sql: str | None = None
    sqlstate: str | None = None
    error: str | None = None


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

    @property
    def kind(self) -> OperationKind | None:
        """What the operation does; None when an unknown version wrote the row."""
        kind = self.details.get("kind")
        return OperationKind(kind) if kind in list(OperationKind) else None


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """An index as ``pg_index`` has it now. ``ddl`` is ``pg_get_indexdef``; ``bytes`` its size on disk.

    ``attached`` is the parent index it belongs to. ``dependents`` are descriptions of what needs it (constraints by
    name). ``builder`` is the process that builds it now. ``targets`` are statistics targets of expression columns by
    their number.
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
    ANALYZE = "analyze"
    VACUUM = "vacuum"
    STATISTICS = "create_statistics"
    DROP_STATISTICS = "drop_statistics"
    STATISTICS_TARGET = "set_statistics_target"


@dataclass(frozen=True, slots=True)
class Operation:
    """One index to build or to take back, fixed before anything happens.

    ``op_id`` is a UUID; ``name`` the fixed index name; ``relid`` and ``columns_fingerprint`` identify the table as
    planned; ``sql`` and ``undo_sql`` run as they are. ``recommendation`` is the R- id where there is one.
    ``only``: the index of a partitioned table, invalid until all partitions are attached. ``parent`` is the index
    that an ATTACH attaches this one to; ``part_of`` the operation of the whole. ``instead`` is the index that stands
    in the place of one that is dropped, where there must be one.
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
    instead: QualifiedName | None = None

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
