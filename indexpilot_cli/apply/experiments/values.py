"""What an experiment is asked, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from indexpilot_cli.apply.experiments.judge import ExperimentVerdict
from indexpilot_cli.apply.values import ApplyRequest, ApplyResult
from indexpilot_cli.core.command import Connection, Record
from indexpilot_cli.core.names import QualifiedName

BEFORE, WINNER = "before", "winner"


@dataclass(frozen=True, slots=True)
class ExperimentStart:
    """Two variants, each CREATE INDEX statements or R- ids (none at all: the table without those of the other).

    ``apply`` says how indexes are built: guards, limits, --yes, --dry-run. ``window_seconds`` is the least length of a
    window, ``rounds`` how many pairs of them there are at most.
    """

    name: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    apply: ApplyRequest = field(default_factory=ApplyRequest)
    window_seconds: float = 3600.0
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class ExperimentStep:
    """Go on with the experiment of that name, or (None) with all that are due."""

    name: str | None = None
    apply: ApplyRequest = field(default_factory=ApplyRequest)


@dataclass(frozen=True, slots=True)
class ExperimentStop:
    """End it and leave ``keep``: a, b, before (the indexes there were), or winner (before, where there is none)."""

    name: str
    keep: str = WINNER
    apply: ApplyRequest = field(default_factory=ApplyRequest)


@dataclass(frozen=True, slots=True)
class ExperimentStatusRequest:
    """How the experiment of that name stands, or (None) all of them."""

    name: str | None = None
    connection: Connection = field(default_factory=Connection)
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """An experiment as it stands. ``variants`` are readable lines by a and b; ``in_place`` is which of them is there.

    ``windows`` counts those measured, ``ends_at`` is when the running one may end (UTC). ``predicted`` is what the
    planner says of b against a, ``verdict`` what the measurements do, ``metrics`` the verdicts on a host's metrics.
    """

    name: str
    table: QualifiedName
    kind: str
    status: str
    variants: Mapping[str, tuple[str, ...]]
    created_at: datetime | None
    verdict: ExperimentVerdict
    winner: str | None = None
    in_place: str | None = None
    windows: int = 0
    planned: int = 0
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    predicted: str = ""
    split: float | None = None
    metrics: Mapping[str, ExperimentVerdict] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExperimentsResult:
    """Experiments, those that run first."""

    experiments: tuple[ExperimentReport, ...]


@dataclass(frozen=True, slots=True)
class ExperimentResult(ApplyResult):
    """What was changed for experiments, and how they stand then. ``what`` says it in a line for each."""

    experiments: tuple[ExperimentReport, ...] = ()
    what: tuple[str, ...] = ()
