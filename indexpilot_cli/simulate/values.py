"""What ``demo`` is asked, and what it gives back."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from indexpilot_cli.core.command import PlannerRequest, Record
from indexpilot_cli.core.plan import Plan


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """``stop`` removes a demo server that ``keep`` left running.

    ``rows`` are those of the biggest table (None: 1.2 million); ``state_directory`` is where a kept server is
    remembered (None: the user's own).
    """

    keep: bool = False
    stop: bool = False
    seed: int = 1
    rows: int | None = None
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    record: Record = field(default_factory=Record)
    state_directory: str | None = None


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One thing the demo did: a label, a sentence, and the time it took."""

    label: str
    text: str
    milliseconds: float | None = None


@dataclass(frozen=True, slots=True)
class DemoLatency:
    """Milliseconds per call of one kind of read, measured over ``calls`` runs without and with the advice."""

    template: str
    calls: int
    before_ms: float
    after_ms: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """``state`` is finished, running (kept) or stopped; ``conninfo`` reaches a kept server.

    ``before_ms`` and ``after_ms`` are all measured reads together, ``latencies`` each kind, slowest before first.
    """

    state: str
    steps: tuple[DemoStep, ...] = ()
    conninfo: str | None = None
    plan: Plan | None = None
    before_ms: float | None = None
    after_ms: float | None = None
    notes: tuple[str, ...] = field(default=())
    latencies: tuple[DemoLatency, ...] = field(default=())


@dataclass(slots=True)
class StepLog:
    """The steps so far; each lasted from the one before."""

    steps: list[DemoStep] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def step(self, label: str, text: str) -> None:
        """Write a step down."""
        now = time.monotonic()
        self.steps.append(DemoStep(label, text, (now - self._began) * 1000))
        self._began = now

    def remark(self, text: str) -> None:
        """Write down something worth knowing."""
        self.notes.append(text)
