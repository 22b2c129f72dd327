"""Where statements come from: SQL files, server logs, recorded statistics."""

from indexpilot_cli.workload.sources.logs import read_log
from indexpilot_cli.workload.sources.query_stats import RecordedQueries, from_query_stats
from indexpilot_cli.workload.sources.sql import read_sql

__all__ = ["RecordedQueries", "from_query_stats", "read_log", "read_sql"]
