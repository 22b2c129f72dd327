"""A build writes all of its pages to the standbys: not while one is far behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.core import units
from indexpilot_cli.db.session import Session
from indexpilot_cli.guards.context import Guard, Verdict

# Seconds and bytes of replay lag: a standby that is far behind before the build is further behind after it.
LAG_WARN, LAG_REFUSE = 10.0, 60.0
LAG_BYTES_WARN, LAG_BYTES_REFUSE = 256 << 20, 2 << 30


@dataclass(frozen=True, slots=True)
class StandbyFacts:
    """A standby. ``seconds`` and ``bytes`` are how far its replay is behind; None: hidden or not known."""

    name: str
    state: str = "streaming"
    seconds: float | None = None
    bytes: int | None = None


def standbys(session: Session) -> tuple[StandbyFacts, ...]:
    """Connected standbys and how far behind each is."""
    return tuple(StandbyFacts(*row) for row in session.rows("guards/standbys"))


def judge(found: Sequence[StandbyFacts]) -> Verdict:
    """By the standby that is furthest behind; a lag that our role may not see warns."""
    origin = "pg_stat_replication"
    if not found:
        return Verdict("replication", True, "no standby is connected", origin)
    hidden = [s for s in found if s.seconds is None and s.bytes is None]
    worst = max(found, key=lambda s: (_behind(s), s.seconds or 0.0))
    text = f"standby {worst.name} is {_lag_text(worst)} behind"
    if _behind(worst) >= 2:
        return Verdict("replication", False, text, origin, forceable=True)
    if hidden:
        text = f"the lag of {len(hidden)} of {len(found)} standbys is hidden from our role (pg_monitor sees it)"
        return Verdict("replication", True, text, origin, warning=True)
    return Verdict("replication", True, text, origin, warning=_behind(worst) == 1)


def _behind(standby: StandbyFacts) -> int:
    # replay_lag turns NULL on a standby that has caught up while nothing is written: that is no lag.
    # https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW
    seconds, size = standby.seconds or 0.0, standby.bytes or 0
    if seconds > LAG_REFUSE or size > LAG_BYTES_REFUSE:
        return 2
    return int(seconds > LAG_WARN or size > LAG_BYTES_WARN)


def _lag_text(standby: StandbyFacts) -> str:
    seconds = "" if standby.seconds is None else f"{standby.seconds:.1f} s"
    size = "" if standby.bytes is None else units.size(standby.bytes)
    return " and ".join(part for part in (seconds, size) if part) or "an unknown time"


GUARD = Guard("replication", 8, lambda context: (judge(standbys(context.session)),))
