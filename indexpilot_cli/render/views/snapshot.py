"""``snapshot``: what was written to the file."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from indexpilot_cli.admin.snapshot import SnapshotResult
from indexpilot_cli.core.codec import DocumentShape
from indexpilot_cli.core.units import size
from indexpilot_cli.render.document import Count, Document
from indexpilot_cli.render.units import plural, stamp
from indexpilot_cli.render.views.common import facts, notes


class SnapshotDocument(DocumentShape):
    """What was written to the file."""

    path: str
    bytes: Count
    digest: str
    taken_at: datetime
    tables: Count
    indexes: Count
    statements: Count
    redacted: bool
    cost: Annotated[str, "what redaction costs in accuracy"]
    notes: tuple[str, ...]


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
    return Document(blocks, result, SnapshotDocument)
