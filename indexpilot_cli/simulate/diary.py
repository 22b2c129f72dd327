"""What the demo did, step by step, in words and milliseconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from indexpilot_cli.simulate.values import DemoStep


@dataclass(slots=True)
class Diary:
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
