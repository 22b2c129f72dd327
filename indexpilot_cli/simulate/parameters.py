"""Where the values of the demo's statements come from: sampled rows, dates before a fixed day, and dice.

A source is one word: ``pool.column`` (all columns of one pool come from one row per statement), ``ago(days)``,
``day(days)``, ``one(a,b)``, ``int(low,high)``, ``serial`` or ``hex``. Values are text, as a driver sends them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from indexpilot_cli.db.replay import Replay
from indexpilot_cli.simulate import steps

TODAY = datetime(2026, 6, 30, 18, tzinfo=UTC)  # the data's last moment; nothing here reads the clock
Row = Mapping[str, str | None]
Pools = Mapping[str, Sequence[Row]]

_CALL = re.compile(r"(?P<name>[a-z]+)(?:\((?P<arguments>[^)]*)\))?")


def sample(member: Replay) -> Pools:
    """The pools of ``sql/pools.sql``, read from the database. Pools that a tiny database leaves empty are left out."""
    found = {step.name: member.rows(step.statements[0]) for step in steps.load("pools")}
    return {name: rows for name, rows in found.items() if rows}


@dataclass(slots=True)
class Values:
    """Draws the values of one statement after the other, always the same ones for the same seed."""

    pools: Pools
    seed: int
    _dice: Random = field(init=False)
    _serial: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)

    def draw(self, sources: Sequence[str]) -> tuple[str | None, ...]:
        """One value for each source."""
        rows: dict[str, Row] = {}
        return tuple(self._value(source, rows) for source in sources)

    def _value(self, source: str, rows: dict[str, Row]) -> str | None:
        pool, dot, column = source.partition(".")
        if dot:
            if pool not in rows:
                rows[pool] = self._dice.choice(self.pools[pool])
            return rows[pool][column]
        match = _CALL.fullmatch(source)
        if match is None or match["name"] not in _KINDS:
            raise ValueError(f"not a source of values: {source!r}")
        return _KINDS[match["name"]](self, (match["arguments"] or "").split(","))

    def _ago(self, arguments: list[str]) -> str:
        return (TODAY - timedelta(days=float(arguments[0]) * self._dice.random())).isoformat()

    def _day(self, arguments: list[str]) -> str:
        return (TODAY - timedelta(days=self._dice.randrange(int(arguments[0])))).date().isoformat()

    def _one(self, arguments: list[str]) -> str:
        return self._dice.choice(arguments)

    def _int(self, arguments: list[str]) -> str:
        return str(self._dice.randint(int(arguments[0]), int(arguments[1])))

    def _next(self, arguments: list[str]) -> str:  # noqa: ARG002 - one signature for all kinds
        self._serial += 1
        return str(self._serial)

    def _hex(self, arguments: list[str]) -> str:  # noqa: ARG002
        return f"{self._dice.getrandbits(128):032x}"


_KINDS: Mapping[str, Callable[[Values, list[str]], str]] = {
    "ago": Values._ago,
    "day": Values._day,
    "one": Values._one,
    "int": Values._int,
    "serial": Values._next,
    "hex": Values._hex,
}
