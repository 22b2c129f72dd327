"""Second audit trails: a function of the host's, Python's logging, a file of JSON lines."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from indexpilot_cli.core.codec import to_json


class CallbackAudit:
    """Calls the host's function with each event."""

    def __init__(self, callback: Callable[[Mapping[str, Any]], object]):
        self._callback = callback

    def record(self, event: Mapping[str, Any]) -> None:
        """A row of the log."""
        self._callback(event)


class LoggingAudit:
    """A line of Python's logging for each event: INFO, WARNING for what failed. The event is ``record.indexpilot``."""

    def __init__(self, logger: logging.Logger | str = "indexpilot.audit"):
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger

    def record(self, event: Mapping[str, Any]) -> None:
        """A row of the log."""
        level = logging.WARNING if str(event["state"]).startswith("FAILED") else logging.INFO
        where = ".".join(str(event[name]) for name in ("schema_name", "table_name", "field_name") if event.get(name))
        said = (event["mutation_type"], event["state"] or "-", event["id"], where or "-", event["actor"] or "unknown")
        self._logger.log(level, "%s %s M-%s on %s by %s", *said, extra={"indexpilot": event})


class JsonLinesAudit:
    """A file that each event is appended to as one line of JSON; a line is written whole, also beside other processes.

    The file is made with rights for its owner alone, and opened for each event: it may be rotated away.
    """

    def __init__(self, path: str | Path):
        self._path = Path(path)

    def record(self, event: Mapping[str, Any]) -> None:
        """A row of the log."""
        line = json.dumps(to_json(dict(event)), ensure_ascii=False, default=str).encode() + b"\n"
        # One write under O_APPEND: the kernel puts it behind all others, whoever else writes.
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
