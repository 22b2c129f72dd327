"""Statements that a host application recorded in ``query_stats``, as a workload."""

from __future__ import annotations

from datetime import UTC, datetime

from indexpilot_cli.core.workload import Workload
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.snapshot.source import Source


def recorded_workload(source: Source, *, since: datetime | None = None) -> Workload:
    """The recorded reads and writes since ``since`` (None: all).

    Raises PrerequisiteError before ``init``.
    """
    from indexpilot_cli.workload.sources.query_stats import RecordedQueries, from_query_stats
    from indexpilot_cli.workload.sources.recorded_rows import figures

    assert source.session is not None
    if source.capabilities is None or source.capabilities.metadata_version is None:
        raise PrerequisiteError(
            "nothing is recorded: IndexPilot's tables are not there", hint="indexpilot init", code="not_initialised"
        )
    hours = None if since is None else (datetime.now(UTC) - since).total_seconds() / 3600
    groups = figures(source.session, hours, schema=source.connection.metadata_schema)
    return from_query_stats(
        RecordedQueries(g.table_name, g.field_name, g.query_type, g.count, g.count * g.avg_ms) for g in groups
    )
