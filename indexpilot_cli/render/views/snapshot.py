"""``snapshot``: what was written to the file."""

from __future__ import annotations

from indexpilot_cli.admin.values import SnapshotResult
from indexpilot_cli.core.units import size
from indexpilot_cli.render.document import Document, Json
from indexpilot_cli.render.units import plural, stamp
from indexpilot_cli.render.views.common import facts, notes, when


def view(result: SnapshotResult, *, verbose: bool = False) -> Document:
    """Path, size and content of the snapshot file; with ``verbose`` its digest."""
    content = ", ".join(
        (
            plural(result.tables, "table"),
            plural(result.indexes, "index", "indexes"),
            plural(result.statements, "statement"),
        )
    )
    values = "replaced by surrogates" if result.redacted else "real values of your columns and queries"
    blocks = (
        facts(
            ("Snapshot", f"{result.path}, {size(result.bytes)}, taken {stamp(result.taken_at)}"),
            ("Holds", content),
            ("Values", f"{values}; {result.cost}" if result.cost else values),
            ("Digest", result.digest) if verbose else None,
        ),
        *notes(result.notes),
    )
    return Document(blocks, _payload(result))


def _payload(result: SnapshotResult) -> Json:
    return {
        "path": result.path,
        "bytes": result.bytes,
        "digest": result.digest,
        "taken_at": when(result.taken_at),
        "tables": result.tables,
        "indexes": result.indexes,
        "statements": result.statements,
        "redacted": result.redacted,
        "cost": result.cost,
        "notes": list(result.notes),
    }
