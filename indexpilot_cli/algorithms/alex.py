"""ALEX: where new keys land among the old ones, and how much room an index should be built with for them.

Ding, Minhas, Yu, Wang, Do, Li, Zhang, Chandramouli, Gehrke, Kossmann, Lomet and Kraska, "ALEX: An Updatable Adaptive
Learned Index", SIGMOD 2020, https://arxiv.org/abs/1905.08898 (the citation is right). Used here is its idea that gaps
pay where inserts are spread, and not where keys are appended. PostgreSQL's gaps are the fillfactor: where the newest
rows' keys are spread like the older ones and the table grows, a new B-tree is built so full only that its leaves hold
what is to come, instead of splitting them all to halves. Room for less than comes is paid for twice, so there is some
for half as much again as was seen, and none where that is more than any fillfactor holds.

What cannot be told: how old a row is where deleted rows' space is used again; how long the growth will go on.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from math import sqrt
from typing import Any

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.core.catalog import Index, Table
from indexpilot_cli.core.index import BTREE, Candidate, IndexDefinition, Proposal, Reason
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from indexpilot_cli.core.samples import PageSample
from indexpilot_cli.core.workload import StatementKind
from indexpilot_cli.methods.writes import touch_share
from indexpilot_cli.methods.written import hot_share, rows_per_call
from indexpilot_cli.sql.selectivity import row_count

Key = tuple[Any, ...]
NEWEST = 0.1  # share of the pages, those at the end, that hold the newest rows
LEAST_KEYS = 200  # of each window
LEAST_PAGES = 5
APPENDED = 0.95  # share of new keys beyond the old ones from which the index grows at its end
IN_GROUPS = 0.5  # share of the places that spread keys would take, and these do not
HOT = 0.2  # share of new keys in a hundredth of the old ones
DIFFERENT = 0.5  # share of keys that differ, below which posting lists take in what is new
ALPHA = 1.63  # Kolmogorov-Smirnov: a distance that one of a hundred pairs of equal windows exceeds
LEAST_GROWTH = 0.14  # a fifth less still fills what a default build leaves empty, a ninth of what is there
MORE = 1.5  # times the growth seen, for which room is kept: leaves that fill up after all split as well
HORIZON = 30.0  # days for which room is kept
LEAST_PAGES_OF_INDEX = 128
FULLEST, EMPTIEST, STEP = 90, 60, 5
NOT_HOT = 0.2  # share of updates that were not, for a word about it
REUSED = 0.1  # deleted rows over rows from which the place of a row says nothing of its age


class Landing(StrEnum):
    """Where new keys land among the old ones."""

    APPEND = "append"
    GROUPS = "groups"
    SPREAD = "spread"
    HOT_SPOT = "hot_spot"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """New keys among old ones. ``append`` is the share beyond all of them, ``grouped`` how many fewer places between
    old ones they take than as many spread keys would, ``hot`` the share in the fullest hundredth; ``distance`` is the
    largest difference of both distributions (Kolmogorov-Smirnov), ``chance`` what one of a hundred pairs of equal
    windows exceeds.
    """

    new: int
    old: int
    append: float
    grouped: float
    hot: float
    distance: float
    chance: float
    different: float

    def landing(self, threshold: float) -> Landing:
        """What that comes to, with distances above the threshold taken as drift."""
        if self.append >= APPENDED:
            return Landing.APPEND
        if self.grouped >= IN_GROUPS:
            return Landing.GROUPS
        if self.hot >= HOT:
            return Landing.HOT_SPOT
        return Landing.DRIFT if self.distance > max(threshold, self.chance) else Landing.SPREAD

    @property
    def reason(self) -> Reason:
        """The figures as a clause."""
        text = (
            f"of {self.new:,} keys on the newest pages {self.append:.0%} are beyond all {self.old:,} older ones,"
            f" {self.hot:.0%} in their fullest hundredth; distance of both distributions {self.distance:.2f}"
            f" ({self.chance:.2f} by chance)"
        )
        return Reason("arrivals", text, "sample")


def arrivals(pages: Sequence[Sequence[Key]]) -> Arrivals | None:
    """New keys (of the last tenth of the pages, in the order in which they lie) among old ones; None for too few."""
    cut = len(pages) - max(LEAST_PAGES, round(NEWEST * len(pages)))
    if cut < LEAST_PAGES:
        return None
    older, newer = pages[:cut], pages[cut:]
    old, new = sorted(chain.from_iterable(older)), sorted(chain.from_iterable(newer))
    if min(len(old), len(new)) < LEAST_KEYS:
        return None
    places = [(bisect_left(old, key) + bisect_right(old, key)) / 2 / len(old) for key in new]
    hundredths = [0] * 101
    for place in places:
        hundredths[int(place * 100)] += 1
    return Arrivals(
        len(new),
        len(old),
        sum(key > old[-1] for key in new) / len(new),
        _grouped(old, new),
        max(hundredths) / len(new),
        distance(old, new),
        ALPHA * sqrt(1 / effective(older, old) + 1 / effective(newer, old)),
        len(set(old)) / len(old),
    )


def distance(old: Sequence[Key], new: Sequence[Key]) -> float:
    """The largest difference between the shares of both that lie at or below a key. Both are sorted."""
    return max(abs(bisect_right(new, key) / len(new) - bisect_right(old, key) / len(old)) for key in {*old, *new})


def effective(pages: Sequence[Sequence[Key]], old: Sequence[Key]) -> float:
    """How many keys drawn one by one would say as much: those of one page are alike (Kish's design effect)."""
    ranks = [[bisect_right(old, key) / len(old) for key in page] for page in pages if page]
    everything = list(chain.from_iterable(ranks))
    seen, groups = len(everything), len(ranks)
    middle = sum(everything) / seen
    means = [sum(page) / len(page) for page in ranks]
    between = sum(len(page) * (mean - middle) ** 2 for page, mean in zip(ranks, means, strict=True))
    within = sum((rank - middle) ** 2 for rank in everything) - between
    if groups < 2 or seen <= groups:
        return float(groups)
    a_page, b, w = seen / groups, between / (groups - 1), max(within, 0.0) / (seen - groups)
    alike = (b - w) / (b + (a_page - 1) * w) if b > 0 or w > 0 else 1.0
    return seen / max(1.0, 1.0 + (a_page - 1) * alike)


def _grouped(old: Sequence[Key], new: Sequence[Key]) -> float:
    """Keys appended to each of some groups take as many places as there are groups, and fill the leaves there only."""
    places = sorted(set(old))
    taken = len({bisect_right(places, key) for key in new})
    return max(0.0, 1.0 - taken / (len(places) * (1.0 - (1.0 - 1.0 / len(places)) ** len(new))))


@dataclass(frozen=True, slots=True)
class Growth:
    """By what share of its rows a table grows until its indexes are looked at again, and how that is known."""

    share: float
    reason: Reason


def growth(study: Study, table: Table) -> Growth | None:
    """The growth seen, by the counters as a rate and by the workload as it is; None where neither shows any."""
    rows, found = row_count(table), [g for g in (_counted(study, table), _recorded(study, table)) if g is not None]
    return max(found, key=lambda g: g.share, default=None) if rows > 0 else None


def _counted(study: Study, table: Table) -> Growth | None:
    activity, rows = table.activity, row_count(table)
    more = float(activity.inserts - activity.deletes)
    # A table that was filled since the counters began says nothing of how it grows from now on.
    if more <= 0 or activity.inserts > rows / 2:
        return None
    since, now = activity.since or study.catalog.statistics_since, study.catalog.taken_at
    days = (now - since).total_seconds() / 86400 if since is not None and now is not None else 0.0
    factor = HORIZON / days if days >= 1 else 1.0
    span = f"in {days:,.0f} days" if days >= 1 else "since the counters began"
    text = f"{more:,.0f} more rows {span}, of {rows:,.0f}"
    return Growth(more * factor / (rows - more), Reason("growth", text, "catalog"))


def _recorded(study: Study, table: Table) -> Growth | None:
    added = removed = 0.0
    for template, use in study.uses_of(table.name):
        touched = template.calls * rows_per_call(template)
        added += touched * (use.write is StatementKind.INSERT)
        removed += touched * (use.write is StatementKind.DELETE)
    if added <= removed:
        return None
    text = f"the workload inserts {added - removed:,.0f} rows into {row_count(table):,.0f}"
    return Growth((added - removed) / row_count(table), Reason("growth", text))


def write_share(study: Study, table: Table) -> float:
    """The share of the table's statements that write it: of the workload, else scans and written rows as counted."""
    writes = reads = 0.0
    for template, use in study.uses_of(table.name):
        writes, reads = writes + template.calls * use.target, reads + template.calls * (not use.target)
    counted = table.activity
    if not writes:
        writes = float(counted.inserts + counted.updates + counted.deletes)
        reads = float(counted.seq_scans + counted.index_scans)
    return writes / (writes + reads) if writes + reads > 0 else 0.0


def fillfactor(share: float) -> int:
    """How full to build leaves that are to be 90 per cent full after growth by the share."""
    wanted = round(FULLEST / (1 + share) / STEP) * STEP
    return min(FULLEST, max(EMPTIEST, wanted))


@dataclass(frozen=True, slots=True)
class Room:
    """What an index's keys call for. ``fill`` is None where it is built as always; ``why`` says why, in a clause."""

    fill: int | None
    why: str
    arrivals: Arrivals | None = None


class Alex(Algorithm):
    """Room in new B-trees for the keys to come."""

    name = "alex"
    title = "room in new B-trees where keys come in spread"
    source = "Ding et al., SIGMOD 2020, arXiv:1905.08898"

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:
        """See Algorithm."""
        names = dict.fromkeys(c.definition.table for c in proposal.candidates)
        tables = [t for t in map(study.catalog.table, names) if t is not None]
        grown = {t.name: found for t in tables if (found := growing(study, t)) is not None}
        built = [_built(study, candidate, grown) for candidate in proposal.candidates]
        findings = list(chain.from_iterable(found for _, found in built))
        for table in tables:
            findings += [*_existing(study, table, grown), *_hot(study, table)]
        return Found(replace(proposal, candidates=tuple(c for c, _ in built)), tuple(findings))


Grown = Mapping[QualifiedName, Growth]


def growing(study: Study, table: Table) -> Growth | None:
    """The table's growth, where it is one to build for: written enough, and rows lie in the order of their age."""
    grown = growth(study, table)
    if grown is None or grown.share < LEAST_GROWTH or table.kind == "p":
        return None
    if write_share(study, table) < study.features.alex.write_heavy_threshold:
        return None
    return grown if table.activity.deletes <= REUSED * row_count(table) else None


def room(study: Study, table: Table, definition: IndexDefinition, grown: Growth) -> Room | None:
    """How full to build an index; None where nothing is known of its keys."""
    columns = definition.columns
    sample = study.samples.of(table.name)
    plain = definition.method == BTREE and definition.predicate is None and len(columns) == len(definition.keys)
    if not plain or dict(definition.options).get("fillfactor") or sample is None:
        return None
    seen = arrivals(key_pages(sample, columns)) if set(columns) <= set(sample.columns) else None
    if seen is None:
        return None
    landing = seen.landing(study.features.alex.dynamic_workload_threshold)
    if landing is not Landing.SPREAD:
        return Room(None, _WHY[landing], seen)
    if seen.different < DIFFERENT:
        return Room(None, "keys repeat: new ones join posting lists", seen)
    if 1 + MORE * grown.share > 100 / EMPTIEST:
        return Room(None, "so much is to come that leaves would split all the same", seen)
    fill = fillfactor(MORE * grown.share)
    return Room(fill, f"new keys are spread like the older ones, and {grown.share:.0%} more are to come", seen)


_WHY = {
    Landing.APPEND: "new keys come at the end, where the default build and its splits leave nothing empty",
    Landing.GROUPS: "new keys come at few places among the older ones: room everywhere else would stay empty",
    Landing.HOT_SPOT: "new keys crowd into a small part: room everywhere else would stay empty",
    Landing.DRIFT: "new keys are not spread like the older ones: room would be in the wrong places",
}


def key_pages(sample: PageSample, columns: Sequence[str]) -> list[list[Key]]:
    """The keys of an index by page, without those that hold a NULL."""
    places = [sample.columns.index(name) for name in columns]
    found: list[list[Key]] = []
    for page in sample.pages:
        keys = (tuple(row[place] for place in places) for row in page.rows)
        found.append([key for key in keys if None not in key])
    return found


def _built(study: Study, candidate: Candidate, grown: Grown) -> tuple[Candidate, list[AlgorithmFinding]]:
    """The candidate, built with room where that is called for."""
    definition = candidate.definition
    table, share = study.catalog.table(definition.table), grown.get(definition.table)
    large = table is not None and share is not None and study.sizes.of(definition).pages >= LEAST_PAGES_OF_INDEX
    wanted = room(study, table, definition, share) if large and table is not None and share is not None else None
    if table is None or share is None or wanted is None:
        return candidate, []
    if wanted.fill is None:
        told = wanted.why in (_WHY[Landing.DRIFT], _WHY[Landing.HOT_SPOT])
        return candidate, [_finding(table, definition, wanted, share, Effect.REPORT_ONLY)] if told else []
    roomy = replace(definition, options=(*definition.options, ("fillfactor", str(wanted.fill))))
    reason = Reason("fillfactor", f"built {wanted.fill} % full: {wanted.why}", "sample")
    changed = replace(candidate, definition=roomy, reasons=(*candidate.reasons, reason))
    return changed, [_finding(table, roomy, wanted, share, Effect.RETYPED)]


def _finding(
    table: Table, definition: IndexDefinition, wanted: Room, grown: Growth, effect: Effect, decision: str = ""
) -> AlgorithmFinding:
    keys = ", ".join(map(quote_identifier, definition.columns))
    evidence = (*((wanted.arrivals.reason,) if wanted.arrivals else ()), grown.reason)
    built = f"built {wanted.fill} % full" if wanted.fill is not None else "built as always"
    return AlgorithmFinding(
        Alex.name,
        "fillfactor" if wanted.fill is not None else "drift",
        f"{table.name.short} ({keys})",
        effect,
        decision or f"{built}: {wanted.why}",
        evidence,
        confidence="page sample",
        cannot_tell="how long it goes on growing; whether old pages took in new rows",
        statements=1,
        pages=0,
        definition=definition if effect is Effect.RETYPED else None,
    )


# -- what is there already: reports


def _existing(study: Study, table: Table, grown: Grown) -> Iterator[AlgorithmFinding]:
    """Indexes that are there and whose leaves will split everywhere."""
    share = grown.get(table.name)
    for index in table.indexes if share is not None else ():
        large = index.valid and index.pages >= LEAST_PAGES_OF_INDEX
        wanted = room(study, table, index.definition, share) if large and share is not None else None
        if wanted is None or wanted.fill is None or share is None:
            continue
        steps = f"ALTER INDEX {index.name} SET (fillfactor = {wanted.fill}); REINDEX INDEX CONCURRENTLY {index.name}"
        decision = f"{wanted.why}: when it is rebuilt, {steps}{_random_ids(study, table, index)}"
        yield _finding(table, index.definition, wanted, share, Effect.REPORT_ONLY, decision)


def _random_ids(study: Study, table: Table, index: Index) -> str:
    """What to use instead of random uuids, where the first key holds them."""
    column = table.column(index.definition.columns[0])
    sample = study.samples.of(table.name)
    if column is None or column.base_type != "uuid" or sample is None:
        return ""
    values = [v for v in sample.values(column.name) if v is not None]
    if sum(str(v)[14:15] == "4" for v in values) < APPENDED * len(values):
        return ""
    ordered = "uuidv7()" if study.catalog.major >= 18 else "uuids of version 7 made by the application, or bigint"
    return f"; its keys are random uuids: {ordered} would be appended instead"


def _hot(study: Study, table: Table) -> Iterator[AlgorithmFinding]:
    """Updates that touch no indexed column and still find no room on their page."""
    updates, share = table.activity.updates, 1 - hot_share(table)
    written = study.writes.get(table.name)
    few = table.fillfactor < 100 or share < NOT_HOT or updates < row_count(table) / 10
    if few or written is None or not written.updated:
        return
    if any(touch_share(index.definition, table, written) > 0 for index in table.indexes):
        return
    names = ", ".join(sorted(frozenset(chain.from_iterable(columns for columns, _ in written.updated))))
    text = f"{share:.0%} of {updates:,} updates were not HOT, though no index holds {names}"
    yield AlgorithmFinding(
        Alex.name,
        "hot",
        table.name.short,
        Effect.REPORT_ONLY,
        f"room on the table's pages would make them HOT: ALTER TABLE {table.name} SET (fillfactor = 90)",
        (Reason("hot", text, "catalog"),),
        confidence="counters",
        cannot_tell="pages that are there stay full until they are rewritten (VACUUM FULL, CLUSTER, pg_repack)",
    )
