"""Rows of the mutation log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class MutationType(StrEnum):
    """Every action the log knows; an unknown word is refused."""

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
