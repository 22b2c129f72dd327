"""What counters prove: since when an index was not read, over snapshots of them, resets and crashes.

A counter that stands at zero proves nothing by itself: it may have been reset, or the index built, a minute ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, pairwise, starmap
from types import MappingProxyType

from indexpilot_cli.lifecycle.values import IndexUsage

PRIMARY = "primary"


@dataclass(frozen=True, slots=True)
class IndexCount:
    """An index's counter at one moment. ``last_scan`` is known from version 16 on, ``made`` where commits are timed.

    ``rebuilt``: pages after REINDEX by the statistics of then (0: not known).
    """

    scans: int
    pages: int = 0
    last_scan: datetime | None = None
    made: datetime | None = None
    rebuilt: int = 0


@dataclass(frozen=True, slots=True)
class UsageSnapshot:
    """The counters of one server (``place``: primary, or a standby's name) at one moment, by oid.

    ``commits`` is the database's own counter: it falls only when all of them began anew.
    """

    place: str
    taken_at: datetime
    counters_since: datetime | None
    commits: int
    counts: Mapping[int, IndexCount] = field(default_factory=lambda: MappingProxyType({}))


def usage_of(now: Sequence[UsageSnapshot], earlier: Iterable[UsageSnapshot]) -> Mapping[int, IndexUsage]:
    """By oid what is known of each index of today: on the first server of ``now``, and on the standbys behind it."""
    kept = sorted(earlier, key=lambda s: s.taken_at)
    chains = [_chain([*(s for s in kept if s.place == today.place), today]) for today in now]
    found = {}
    for oid in now[0].counts if now else ():
        there = min(_sightings(oid, chains), default=None)
        quiet = [_quiet_since(oid, chain, there) for chain in chains]
        scans = [today.counts[oid].scans for today in now if oid in today.counts]
        moments = [moment for moment in quiet if moment is not None]
        # A standby is looked at a moment later, and by its own clock.
        silent = min(max(moments), now[0].taken_at) if len(moments) == len(chains) else None
        used = sorted(chain.from_iterable(_used(oid, c) for c in chains)) if silent is not None else ()
        found[oid] = IndexUsage(sum(scans), silent, sum(scans[1:]), tuple(used))
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True)
class _Chain:
    """The snapshots of one server, oldest first; ``anew``: all counters began anew between this one and the next."""

    snapshots: tuple[UsageSnapshot, ...]
    anew: tuple[bool, ...]


def _chain(snapshots: Sequence[UsageSnapshot]) -> _Chain:
    # Asked once for each pair of snapshots, not for each index: it looks at all of them.
    return _Chain(tuple(snapshots), tuple(starmap(began_anew, pairwise(snapshots))))


def _sightings(oid: int, chains: Sequence[_Chain]) -> Iterator[datetime]:
    """Moments at which the index was there for certain."""
    for one in chains:
        for snapshot in one.snapshots:
            count = snapshot.counts.get(oid)
            if count is not None:
                yield snapshot.taken_at
                yield from (moment for moment in (count.last_scan, count.made) if moment is not None)


def _quiet_since(oid: int, chain: _Chain, there: datetime | None) -> datetime | None:
    """Since when the counter of this server has not moved; None when it moved after the last look but this."""
    seen = chain.snapshots
    last = seen[-1].counts.get(oid)
    if last is None:
        # A standby that has not got the index yet, or a counter nobody may read: nothing is known of it.
        return None
    if last.last_scan is not None:
        return last.last_scan
    for number in range(len(seen) - 1, 0, -1):
        before, later = seen[number - 1], seen[number]
        if oid not in before.counts:
            return _begun(later, oid, seen)
        if chain.anew[number - 1]:
            return _after_reset(before, later, oid, seen)
        if later.counts[oid].scans != before.counts[oid].scans:
            return _begun(later, oid, seen)
    if seen[0].counts[oid].scans == 0:
        return _further_back(seen[0], there)
    return _begun(seen[0], oid, seen)


def _used(oid: int, seen: _Chain) -> Iterator[datetime]:
    """The looks at which the counter had moved since the one before."""
    for (before, later), anew in zip(pairwise(seen.snapshots), seen.anew, strict=True):
        old, new = before.counts.get(oid), later.counts.get(oid)
        if old is not None and new is not None and new.scans > (0 if anew else old.scans):
            yield later.taken_at


def began_anew(before: UsageSnapshot, later: UsageSnapshot) -> bool:
    """Whether all counters were set to zero in between, by somebody or by a crash."""
    if before.counters_since != later.counters_since or later.commits < before.commits:
        return True
    return any(later.counts[oid].scans < c.scans for oid, c in before.counts.items() if oid in later.counts)


def _begun(snapshot: UsageSnapshot, oid: int, chain: Sequence[UsageSnapshot]) -> datetime | None:
    """The silence begins with this look; there is none when it is the present one and the counter is not zero."""
    used = snapshot is chain[-1] and snapshot.counts[oid].scans > 0
    return None if used else snapshot.taken_at


def _after_reset(
    before: UsageSnapshot, later: UsageSnapshot, oid: int, chain: Sequence[UsageSnapshot]
) -> datetime | None:
    if later.counts[oid].scans:
        return _begun(later, oid, chain)
    since = later.counters_since
    return since if since is not None and since > before.taken_at else later.taken_at


def _further_back(first: UsageSnapshot, there: datetime | None) -> datetime:
    """A counter of zero speaks for the time since it began, as far as the index is known to have been there."""
    since = first.counters_since
    if since is None or there is None:
        return first.taken_at
    return min(first.taken_at, max(since, there))
