"""When a running build may end, from looks at its progress: never from anything but what was seen to pass.

https://www.postgresql.org/docs/current/progress-reporting.html#CREATE-INDEX-PROGRESS-REPORTING
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated

from indexpilot_cli.core.index import BTREE
from indexpilot_cli.core.mutation import Blocker
from indexpilot_cli.core.names import QualifiedName

FIRST_LOCK = "waiting for the lock of its table"  # ours: the server's phases begin behind it
_WAIT = "waiting for "
_BUILD = "building index"
_CREATED = (
    "waiting for writers before build",
    _BUILD,
    "waiting for writers before validation",
    "index validation: scanning index",
    "index validation: sorting tuples",
    "index validation: scanning table",
    "waiting for old snapshots",
)
_SWAPPED = ("waiting for readers before marking dead", "waiting for readers before dropping")
# Of a B-tree, as its access method tells them; others count blocks of the table and say little more.
_BTREE = (": scanning table", ": sorting live tuples", ": sorting dead tuples", ": loading tuples in tree")
_IN_ONE_GO = ("brin", "spgist")  # the index is there when the table is read; others then sort or insert what they hold
_REST = f"{_BUILD}: what remains after the table is read"


@dataclass(frozen=True, slots=True)
class BuildLook:
    """One look at a running build.

    ``phase`` is in the server's words, None where our role may not see it; ``done`` of ``total`` (0: not counted) are
    ``unit`` of the phase. ``began`` is when its statement did, None when hidden; ``at`` the server's clock at the look.
    ``blockers`` are waited for now; ``later`` are open transactions that a later phase waits for. ``mutation`` is the
    row of our log when a run of ours builds it.
    """

    pid: int
    at: datetime
    began: datetime | None = None
    command: str | None = None
    phase: str | None = None
    unit: str = ""
    done: int = 0
    total: int = 0
    partitions_done: int = 0
    partitions_total: int = 0
    database: str = ""
    here: bool = True
    role: str = ""
    application: str = ""
    table: QualifiedName | None = None
    relid: int | None = None
    index: QualifiedName | None = None
    method: str = BTREE
    blockers: tuple[Blocker, ...] = ()
    later: tuple[Blocker, ...] = ()
    mutation: int | None = None

    @property
    def share(self) -> float | None:
        """How much of the phase is done, 0–1; None where the server does not count."""
        return min(self.done / self.total, 1.0) if self.total > 0 else None

    @property
    def waits(self) -> bool:
        """Whether others' transactions are all it waits for."""
        return (self.phase or "").startswith(_WAIT)

    @property
    def concurrent(self) -> bool:
        """Whether it lets writers pass, and so waits for transactions in between."""
        return (self.command or "").endswith("CONCURRENTLY")


@dataclass(frozen=True, slots=True)
class EndsBetween:
    """A moment between two, by the server's clock."""

    earliest: datetime
    latest: Annotated[datetime | None, "null: cannot be told yet"] = None


@dataclass(frozen=True, slots=True)
class BuildForecast:
    """When the phase ends and when the build does; None: cannot be told yet. ``why`` says what is not known and why.

    ``then`` are the phases that follow.
    """

    phase_ends: EndsBetween | None = None
    ends: EndsBetween | None = None
    why: str = ""
    then: tuple[str, ...] = ()


def forecast(looks: Sequence[BuildLook]) -> BuildForecast:
    """From looks at one build, oldest first; the last is how it stands."""
    now = looks[-1]
    then = _following(now)
    if now.phase is None:
        return BuildForecast(why="its progress is hidden from this role")
    if now.blockers:
        return BuildForecast(why=f"it waits for {_names(now.blockers)}", then=then)
    same = [look for look in looks if (look.phase, look.total) == (now.phase, now.total) and look.done <= now.done]
    if now.waits or now.share is None:
        return BuildForecast(why=f"the server counts nothing while {_plain(now.phase)}", then=then)
    if len(same) < len(looks):
        return BuildForecast(why="its phase has just begun", then=then)
    ends = _phase_ends(same)
    if ends is None:
        seen = (now.at - looks[0].at).total_seconds()
        return BuildForecast(why=f"no progress was seen in {seen:.1f} s", then=then)
    return _whole(now, ends, then)


def _phase_ends(looks: Sequence[BuildLook]) -> EndsBetween | None:
    """By the fastest and the slowest pace seen; a pace of zero has no end. None where nothing was seen to move."""
    now = looks[-1]
    spans = [(b.done - a.done, (b.at - a.at).total_seconds()) for a, b in pairwise(looks)]
    left = now.total - now.done
    if left <= 0:
        return EndsBetween(now.at, now.at)
    if not any(amount for amount, _ in spans):
        return None
    # A scan stands still while a full sort memory is sorted and written (measured: for a second of every three), so
    # looks within two seconds see too much or too little: the pace since the statement began counts as one more.
    spans += [(now.done, (now.at - now.began).total_seconds())] if now.began is not None else []
    paces = [amount / length for amount, length in spans if length > 0]
    latest = now.at + timedelta(seconds=left / min(paces)) if min(paces) > 0 else None
    return EndsBetween(now.at + timedelta(seconds=left / max(paces)), latest)


def _whole(now: BuildLook, ends: EndsBetween, then: tuple[str, ...]) -> BuildForecast:
    """The end of the phase is the build's only where nothing follows that takes a time nobody has seen."""
    parts = now.partitions_total - now.partitions_done
    if parts > 1:
        rest = f"{parts - 1} more partition{'s' if parts > 2 else ''}"
        return BuildForecast(ends, EndsBetween(ends.earliest), f"{rest} will be built after this", then)
    work = [phase for phase in then if not phase.startswith(_WAIT)]
    if work:
        more = f" and {len(work) - 1} more phases" if len(work) > 2 else " and one more phase" if len(work) == 2 else ""
        return BuildForecast(ends, EndsBetween(ends.earliest), f"{_plain(work[0])}{more} will follow", then)
    if then and now.later:
        return BuildForecast(ends, EndsBetween(ends.earliest), f"it will then wait for {_names(now.later)}", then)
    return BuildForecast(ends, ends, "" if ends.latest is not None else "its pace is uneven", then)


def _following(now: BuildLook) -> tuple[str, ...]:
    """The phases behind this one, of the statement that builds it."""
    phase, command = now.phase, now.command or ""
    if phase is None:
        return ()
    whole = (*_CREATED, *(_SWAPPED if command.startswith("REINDEX") else ())) if now.concurrent else (_BUILD,)
    known = next((n for n, name in enumerate(whole) if phase.startswith(name)), -1)
    rest = whole[known + 1 :]
    if not phase.startswith(_BUILD) or now.method in _IN_ONE_GO:
        return rest
    inner = phase.removeprefix(_BUILD)
    if now.method != BTREE or inner not in _BTREE:
        return (_REST, *rest)
    # Dead tuples are sorted apart only in a unique index, and not always: nothing is said of them.
    inside = [_BUILD + word for word in _BTREE[_BTREE.index(inner) + 1 :] if "dead" not in word]
    return (*inside, *rest)


def _names(blockers: Sequence[Blocker]) -> str:
    return ", ".join(f"pid {b.pid}" if b.pid else b.application for b in blockers)


def _plain(phase: str) -> str:
    return phase.partition(": ")[2] or phase
