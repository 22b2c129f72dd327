"""Indexes that nothing reads, as far as the counters of every server that was looked at reach back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain

from indexpilot_cli.algorithms.predictive_indexing import IdleSpell, explained
from indexpilot_cli.core.catalog import Catalog, ForeignKey, Index, Table
from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.lifecycle.findings.references import supports
from indexpilot_cli.lifecycle.findings.structure import dropping
from indexpilot_cli.lifecycle.values import LifecycleFacts, LifecycleFinding, LifecycleState
from indexpilot_cli.methods.existing import must_stay

# One that was read at any time needs a longer silence than the shortest one asked for: a job that runs once a week.
ONCE_USED = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Silence:
    """Since when nobody has read an index, and whether that is long enough; ``known``: it was there all the time."""

    since: datetime | None
    enough: bool
    known: bool = True


def unused_findings(facts: LifecycleFacts, needed: Collection[QualifiedName]) -> Iterator[LifecycleFinding]:
    """One for each index that may go and that nothing has read for ``min_age``.

    ``needed`` are those that take over the work of an index offered to be dropped; they and those that a foreign key
    would miss are reported, not offered.
    """
    if facts.catalog.settings.get("track_counts") == "off":
        return  # a counter that nobody moves is no witness
    for table in facts.catalog.tables:
        leaving: set[QualifiedName] = set()
        for index in sorted(table.indexes, key=lambda i: (-i.size_bytes, i.oid)):
            may_go = must_stay(index, table) is None and index.valid and index.ready and index.name not in needed
            silence = silence_of(index, facts) if may_go else None
            if silence is not None and silence.enough:
                left = [i for i in table.indexes if i is not index and i.name not in leaving]
                finding = _finding(index, table, left, facts, silence)
                if finding.ddl is not None:
                    leaving.add(index.name)
                yield finding


def silence_of(index: Index, facts: LifecycleFacts) -> Silence | None:
    """How long nothing has read the index or any of its parts; None when it is in use or nothing is known."""
    usage = facts.known_usage(index)
    if not usage or any(u.quiet_since is None for u in usage):
        return None
    since = max(u.quiet_since for u in usage if u.quiet_since is not None)
    wanted = max(facts.min_age, ONCE_USED) if any(u.scans for u in usage) else facts.min_age
    if facts.now - since >= wanted:
        return Silence(since, enough=True)
    counted = facts.counters_since
    long = counted is not None and facts.now - counted >= wanted and not any(u.scans for u in usage)
    # The counter stands at zero for long enough, but an index of yesterday has a counter of zero as well.
    return Silence(counted if long else since, enough=long, known=False)


def _finding(
    index: Index, table: Table, left: Sequence[Index], facts: LifecycleFacts, silence: Silence
) -> LifecycleFinding:
    where = " and ".join(["on the primary" if facts.standbys else "here", *(f"on {name}" for name in facts.standbys)])
    text = f"no scan {where} since {silence.since:%Y-%m-%d %H:%M}Z"
    source = "pg_stat_user_indexes"
    offer = dropping(index, facts, LifecycleState.UNUSED, (Reason("no_scan", text, source),))
    offer = replace(offer, scans=0, since=silence.since)
    against = tuple(_against(index, table, left, facts, silence))
    return offer.only_reported(*against) if against else offer


def _against(
    index: Index, table: Table, left: Sequence[Index], facts: LifecycleFacts, silence: Silence
) -> Iterator[Reason]:
    """Why the drop is not offered although nothing reads the index; ``left`` are those that stay beside it."""
    if not silence.known:
        text = "when it was built is not known: it is offered once our snapshots have seen it for so long"
        yield Reason("age_unknown", text, "log")
    if facts.untold:
        text = f"{facts.untold} connected standbys were not looked at: give each with --standby"
        yield Reason("standbys", text, "pg_stat_replication")
    spell = _explained(index, facts) if facts.periods else None
    if spell is not None and spell.protected:
        yield Reason("period", f"{spell.why}: it is offered once that is over", "snapshots")
    key = _only_support(index, table, left, facts.catalog)
    if key is not None:
        text = f"nothing else serves foreign key {key.name}: deletes in {key.referenced.short} would read all of it"
        yield Reason("foreign_key", text, "catalog")


def _explained(index: Index, facts: LifecycleFacts) -> IdleSpell:
    """Whether the index, or a part of it, is used from time to time and its time may still come."""
    used = sorted(chain.from_iterable(usage.used for usage in facts.known_usage(index)))
    if not used:
        return IdleSpell(False)
    last = max(facts.now, used[-1])  # a standby's clock may be ahead
    days = [0.0] * ((last - used[0]).days + 1)
    for moment in used:
        days[(moment - used[0]).days] = 1.0
    return explained(days)


def _only_support(index: Index, table: Table, left: Sequence[Index], catalog: Catalog) -> ForeignKey | None:
    keys = chain.from_iterable(map(catalog.keys_of, _with_those_above(table, catalog)))
    alone = (k for k in keys if supports(index, k, table) and not any(supports(i, k, table) for i in left))
    return min(alone, key=lambda k: (k.table, k.name), default=None)


def _with_those_above(table: Table, catalog: Catalog) -> Iterator[QualifiedName]:
    """The table and those it is a partition of: a key of the whole is checked in each partition."""
    above: Table | None = table
    while above is not None:
        yield above.name
        above = catalog.table(above.parent) if above.is_partition and above.parent is not None else None


def too_young(facts: LifecycleFacts) -> tuple[Index, ...]:
    """Indexes that may go, that nothing was seen to read, and of which not enough is known yet."""
    found = []
    for table in facts.catalog.tables:
        for index in table.indexes:
            silence = silence_of(index, facts) if must_stay(index, table) is None and index.valid else None
            used = any(usage.scans for usage in facts.known_usage(index))
            if silence is not None and not silence.enough and not used:
                found.append(index)
    return tuple(found)
