"""The machine's form: one document on stdout, on failure too. YAML is the same document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from indexpilot_cli import __version__
from indexpilot_cli.core.codec import DocumentShape, Facets, From, to_document
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.render.document import Json

VERSION = 1
_STATUS = {6: "refused", 7: "partial"}

ProgramVersion = Annotated[str, "version of the program", From(lambda _: __version__)]


class ServerDocument(DocumentShape):
    """The server that was asked."""

    version: str
    database: str
    host: str | None
    port: int | None
    user: str
    in_recovery: bool


class ErrorDocument(DocumentShape):
    """What went wrong; code is a stable word."""

    code: str
    message: str
    detail: str | None
    hint: str | None


class EnvelopeDocument(DocumentShape):
    """What stands around every result."""

    schema: str
    indexpilot: ProgramVersion
    generated_at: datetime
    server: Annotated[ServerDocument | None, From("outcome.server")]
    status: Annotated[Literal["ok", "findings", "skipped", "refused", "partial", "failed"], From("outcome.status")]
    exit_code: Annotated[int, Facets(0, 255)]
    result: Any
    warnings: Annotated[tuple[Warn, ...], From("outcome.warnings")]
    next: Annotated[tuple[str, ...], "command lines to go on with", From("outcome.next")]


class FailureDocument(DocumentShape):
    """What stands around an error."""

    schema: str
    indexpilot: ProgramVersion
    generated_at: datetime
    server: Annotated[None, From(lambda _: None)]
    status: Literal["failed", "refused", "partial"]
    exit_code: Annotated[int, Facets(1, 255)]
    error: ErrorDocument
    warnings: Annotated[tuple[Warn, ...], From(lambda _: ())]
    next: Annotated[tuple[str, ...], From(lambda _: ())]


@dataclass(frozen=True, slots=True)
class _Told:
    """What the envelope of a result is made of."""

    outcome: Outcome[Any]
    result: Json
    exit_code: int
    generated_at: datetime

    @property
    def schema(self) -> str:
        return f"indexpilot.{self.outcome.command}/{VERSION}"


@dataclass(frozen=True, slots=True)
class _Failed:
    """What the envelope of an error is made of."""

    error: IndexPilotError
    exit_code: int
    generated_at: datetime
    schema: str = f"indexpilot.error/{VERSION}"

    @property
    def status(self) -> str:
        return _STATUS.get(self.exit_code, "failed")


def envelope(outcome: Outcome[Any], payload: Json, exit_code: int, now: datetime) -> dict[str, Any]:
    """The envelope of a result."""
    document: dict[str, Any] = to_document(_Told(outcome, payload, exit_code, now), EnvelopeDocument)
    return document


def failure(error: IndexPilotError, exit_code: int, now: datetime) -> dict[str, Any]:
    """The envelope of an error."""
    document: dict[str, Any] = to_document(_Failed(error, exit_code, now), FailureDocument)
    return document


def as_json(document: Mapping[str, Any]) -> str:
    """Indented JSON that ends with a line feed. NaN and infinities become null: JSON has no such numbers."""
    return json.dumps(finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_yaml(document: Mapping[str, Any]) -> str:
    """The same document as YAML."""
    import yaml

    return yaml.safe_dump(finite(document), sort_keys=False, allow_unicode=True, width=2**30, default_flow_style=False)


def finite(value: Any) -> Any:
    """The value with null for NaN and infinities."""
    if value is None or isinstance(value, str):  # most of a document; asking whether something is a Mapping is slow
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
