"""The snapshot file: one gzip-compressed JSON document that says what it is and which version."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.errors import UsageError
from indexpilot_cli.snapshot.values import (
    FORMAT,
    Snapshot,
)

KIND = "indexpilot.snapshot"


def save(snapshot: Snapshot, path: Path) -> None:
    """Write the snapshot; the file appears whole or not at all (written beside, then renamed). Mode 0600."""
    document = {"kind": KIND, "format": FORMAT, "snapshot": to_json(snapshot)}
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        # In the same directory: a rename is atomic within one file system only.
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UsageError(f"cannot write {path}", detail=error.strerror) from error
    try:
        with os.fdopen(handle, "wb") as file:
            # No time and no name in the header: equal snapshots make equal files.
            file.write(gzip.compress(data, compresslevel=6, mtime=0))
        Path(beside).replace(path)
    except OSError as error:
        Path(beside).unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}", detail=error.strerror) from error


def load(path: Path) -> Snapshot:
    """The snapshot in the file. Raises UsageError when it is missing, damaged, something else, or too new."""
    document = _read(path)
    if document.get("kind") != KIND:
        raise UsageError(f"{path} is not a snapshot", hint="write one with  indexpilot snapshot", code="not_a_snapshot")
    written = document.get("format")
    if not isinstance(written, int) or written > FORMAT:
        raise UsageError(
            f"{path} was written by a newer indexpilot",
            detail=f"file format {written}, this program reads up to {FORMAT}",
            hint="upgrade indexpilot-cli, or take the snapshot again",
            code="snapshot_too_new",
        )
    try:
        return from_json(Snapshot, document.get("snapshot"))
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}", detail=error.strerror, code="no_snapshot") from error
    try:
        document = json.loads(gzip.decompress(raw))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        # The first two bytes of every gzip file: something else was given, not a damaged snapshot.
        if raw[:2] != b"\x1f\x8b":
            raise UsageError(f"{path} is not a snapshot", code="not_a_snapshot") from None
        raise _damaged(path, str(error)) from error
    return document if isinstance(document, dict) else {}


def _damaged(path: Path, detail: str) -> UsageError:
    return UsageError(
        f"{path} is damaged", detail=detail[:200], hint="take the snapshot again", code="damaged_snapshot"
    )
