"""Snapshots of databases: read one, save it, load it, take the sampled values out of it."""

from __future__ import annotations

from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.snapshot.capture import capture
from indexpilot_cli.snapshot.redact import redact
from indexpilot_cli.snapshot.snapshot_file import load, save
from indexpilot_cli.snapshot.values import ExtendedStatistics, RelationSize, RelationStatistics, SchemaObject, Snapshot

__all__ = [
    "ExtendedStatistics",
    "NotModelled",
    "RelationSize",
    "RelationStatistics",
    "SchemaObject",
    "Snapshot",
    "capture",
    "load",
    "redact",
    "save",
]
