"""The machine's form: one document on stdout, on failure too. YAML is the same document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from indexpilot_cli import __version__
from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.render.document import Json

VERSION = 1
_STATUS = {6: "refused", 7: "partial"}


def envelope(outcome: Outcome[Any], payload: Json, exit_code: int, now: datetime) -> dict[str, Any]:
    """The envelope of a result."""
    return {
        "schema": f"indexpilot.{outcome.command}/{VERSION}",
        "indexpilot": __version__,
        "generated_at": instant(now),
        "server": server(outcome.server),
        "status": outcome.status,
        "exit_code": exit_code,
        "result": payload,
        "warnings": [warning(w) for w in outcome.warnings],
        "next": list(outcome.next),
    }


def failure(error: IndexPilotError, exit_code: int, now: datetime) -> dict[str, Any]:
    """The envelope of an error."""
    return {
        "schema": f"indexpilot.error/{VERSION}",
        "indexpilot": __version__,
        "generated_at": instant(now),
        "server": None,
        "status": _STATUS.get(exit_code, "failed"),
        "exit_code": exit_code,
        "error": {"code": error.code, "message": error.message, "detail": error.detail, "hint": error.hint},
        "warnings": [],
        "next": [],
    }


def server(value: Server | None) -> dict[str, Any] | None:
    """The server as the envelope prints it."""
    if value is None:
        return None
    return {
        "version": value.version,
        "database": value.database,
        "host": value.host,
        "port": value.port,
        "user": value.user,
        "in_recovery": value.in_recovery,
    }


def warning(value: Warn) -> dict[str, Any]:
    """A warning as the envelope prints it."""
    return {"code": value.code, "object": value.object, "message": value.message}


def instant(when: datetime | None) -> str | None:
    """UTC with Z, to the second."""
    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(document: Mapping[str, Any]) -> str:
    """Indented JSON that ends with a line feed. NaN and infinities become null: JSON has no such numbers."""
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_yaml(document: Mapping[str, Any]) -> str:
    """The same document as YAML."""
    import yaml

    return yaml.safe_dump(_finite(document), sort_keys=False, allow_unicode=True, width=2**30, default_flow_style=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
