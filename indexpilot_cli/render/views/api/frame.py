"""What stands around every answer: its age, what is done for a newer one, and what is not known."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from typing import Annotated, Any

from indexpilot_cli.core.catalog import Server
from indexpilot_cli.core.codec import Amount, DocumentShape, From
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.render.envelope import ErrorDocument, ProgramVersion, ServerDocument


class AnswerStatus(StrEnum):
    """What is to be thought of an answer.

    LOADING: there is none yet; STALE: one is there, and a newer one could not be had; EMPTY: there is nothing of what
    was asked for, or no such thing.
    """

    OK = "ok"
    LOADING = "loading"
    STALE = "stale"
    EMPTY = "empty"
    NOT_INITIALISED = "not_initialised"
    REFUSED = "refused"
    DATABASE_AWAY = "database_away"
    FAILED = "failed"

    @property
    def gravity(self) -> int:
        """0 is well; greater is worse."""
        return list(AnswerStatus).index(self)


@dataclass(frozen=True, slots=True)
class ApiSource:
    """One thing that was asked for an answer: how that went, and how old what is known of it is."""

    name: str
    status: AnswerStatus
    as_of: datetime | None = None
    age_seconds: float | None = None
    stage: str | None = None
    error: IndexPilotError | None = None
    server: Server | None = None
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What the frame of an answer is made of; the first source is the one without which there is no answer."""

    name: str
    sources: tuple[ApiSource, ...] = ()
    result: Any = None
    notes: tuple[str, ...] = ()
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def status(self) -> AnswerStatus:
        """That of the first source; a graver one of the others only where a database is away."""
        worst = max((s.status for s in self.sources), key=lambda s: s.gravity, default=AnswerStatus.OK)
        first = self.sources[0].status if self.sources else AnswerStatus.OK
        return worst if worst is AnswerStatus.DATABASE_AWAY else first

    @property
    def as_of(self) -> datetime | None:
        """The moment of the first source."""
        return self.sources[0].as_of if self.sources else self.at

    @property
    def age_seconds(self) -> float | None:
        """Its age."""
        return self.sources[0].age_seconds if self.sources else 0.0

    @property
    def stage(self) -> str | None:
        """What is done just now for any of them."""
        return next((s.stage for s in self.sources if s.stage), None)

    @property
    def why(self) -> str | None:
        """The first error, in a sentence."""
        return next((s.error.text for s in self.sources if s.error is not None), None)

    @property
    def server(self) -> Server | None:
        """The server that answered."""
        return next((s.server for s in self.sources if s.server is not None), None)

    @property
    def warnings(self) -> tuple[Warn, ...]:
        """Those of all sources, each once."""
        return tuple(dict.fromkeys(chain.from_iterable(s.warnings for s in self.sources)))


class SourceDocument(DocumentShape):
    """One thing that was asked of the database for the answer."""

    name: str
    status: AnswerStatus
    as_of: Annotated[datetime | None, "null: nothing is known of it yet"]
    age_seconds: Amount | None
    stage: Annotated[str | None, "what is done just now for a newer one"]
    error: ErrorDocument | None


class ApiDocument(DocumentShape):
    """What stands around every answer of the API."""

    schema: Annotated[str, From(lambda answer: f"indexpilot.{answer.name}/1")]
    indexpilot: ProgramVersion
    generated_at: Annotated[datetime, From("at")]
    status: AnswerStatus
    why: Annotated[str | None, "where the status is not ok"]
    as_of: Annotated[datetime | None, "when the database was asked; null: it never answered"]
    age_seconds: Amount | None
    stage: Annotated[str | None, "what is done just now in the background"]
    server: ServerDocument | None
    sources: tuple[SourceDocument, ...]
    warnings: tuple[Warn, ...]
    notes: Annotated[tuple[str, ...], "what is not known, and why"]


class ApiResultDocument(ApiDocument):
    """What the same command prints, with its age."""

    result: Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path and what it gives."""

    path: str
    gives: str


class ApiIndexDocument(ApiDocument):
    """What can be asked here."""

    endpoints: Annotated[tuple[Endpoint, ...], From("result")]
