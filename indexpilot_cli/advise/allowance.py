"""How many questions a search may ask, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Allowance:
    """How many calls and seconds may be spent. ``clock`` gives seconds; only differences matter.

    ``None`` means without limit. ``begun`` is taken at the first look.
    """

    calls: int | None = None
    seconds: float | None = None
    clock: Callable[[], float] = field(default=lambda: 0.0)
    begun: float | None = None

    def elapsed(self) -> float:
        """Seconds since the first look."""
        now = self.clock()
        if self.begun is None:
            self.begun = now
        return now - self.begun

    def remaining(self) -> float | None:
        """Seconds that are left; None without limit."""
        return None if self.seconds is None else self.seconds - self.elapsed()

    def expired(self) -> bool:
        """Whether time has run out."""
        return self.seconds is not None and self.elapsed() >= self.seconds
