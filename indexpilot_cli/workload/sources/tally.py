"""Counting observations in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from indexpilot_cli.core.workload import ObservedStatement
from indexpilot_cli.sql.parser import fingerprint

LIMIT = 20_000  # distinct statements kept apart; beyond it they join one of the same shape

_Key = tuple[str, tuple[str | None, ...]]


@dataclass(slots=True)
class Tally:
    """Sums of equal statements. Beyond ``limit`` distinct ones a new statement is added to one that differs
    in constants only, so that no calls are lost and memory follows the number of templates."""

    limit: int = LIMIT
    statements: dict[_Key, ObservedStatement] = field(default_factory=dict)
    shapes: dict[str, _Key] = field(default_factory=dict)
    merged: float = 0.0

    def add(self, observed: ObservedStatement) -> None:
        """Count one observation."""
        key: _Key = (observed.text, observed.parameters)
        if key not in self.statements and len(self.statements) >= self.limit:
            key = self._representative(observed.text, key)
        known = self.statements.get(key)
        self.statements[key] = observed if known is None else _sum(known, observed)

    def _representative(self, text: str, key: _Key) -> _Key:
        if not self.shapes:
            for kept in self.statements:
                self.shapes.setdefault(str(fingerprint(kept[0])), kept)
        shape = str(fingerprint(text))
        if shape in self.shapes:
            self.merged += 1
        return self.shapes.setdefault(shape, key)

    def all(self) -> tuple[ObservedStatement, ...]:
        """What was counted, in order of first sight."""
        return tuple(self.statements.values())


def _sum(one: ObservedStatement, other: ObservedStatement) -> ObservedStatement:
    total = one.total_ms if other.total_ms is None else (one.total_ms or 0.0) + other.total_ms
    return replace(one, calls=one.calls + other.calls, total_ms=total)
