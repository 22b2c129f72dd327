"""Drafts of many templates brought together: equal ones joined, prefixes shared, INCLUDE lists united.

After Chaudhuri and Narasayya, "Index Merging", ICDE 1999, with the merges restricted to those that keep
every key usable for the templates that asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.advisor.candidates.site import Demand, Draft, Site
from indexpilot_cli.advisor.existing import covers, same_structure
from indexpilot_cli.model.candidate import Reason, Rejection
from indexpilot_cli.model.index import BTREE, IndexDefinition

Size = Callable[[IndexDefinition], float]
_SAME_SIZE = 1.1  # a longer index at most this much larger makes the shorter one pointless
_MOST_MERGES = 200


def joined(drafts: Iterable[Draft]) -> tuple[Draft, ...]:
    """One draft per structure, with the demands and reasons of all; the order of first appearance."""
    known: dict[tuple[object, ...], list[Draft]] = {}
    for draft in drafts:
        bucket = known.setdefault(_bucket(draft.definition), [])
        for place, other in enumerate(bucket):
            if same_structure(other.definition, draft.definition):
                bucket[place] = _together(other, draft)
                break
        else:
            bucket.append(draft)
    return tuple(d for bucket in known.values() for d in bucket)


def _bucket(definition: IndexDefinition) -> tuple[object, ...]:
    return definition.table, definition.method, tuple(k.column for k in definition.keys), definition.include


def _together(left: Draft, right: Draft) -> Draft:
    demands = _unique([*left.demands, *right.demands])
    reasons = tuple(dict.fromkeys((*left.reasons, *right.reasons)))
    return replace(left, demands=demands, free=min(left.free, right.free), reasons=reasons)


def _unique(demands: Sequence[Demand]) -> tuple[Demand, ...]:
    return tuple({id(d): d for d in demands}.values())


def merged(site: Site, drafts: Sequence[Draft]) -> tuple[Draft, ...]:
    """The drafts, those that a longer one also serves lent to it, and united INCLUDE lists."""
    plain = [d for d in drafts if d.definition.method == BTREE]
    united = list(_united(site, plain))
    return tuple(_lent(d, plain) for d in joined((*drafts, *united)))


def _united(site: Site, drafts: Sequence[Draft]) -> Iterator[Draft]:
    covering = sorted((d for d in drafts if d.definition.include), key=lambda d: -d.weight)
    made = 0
    for place, left in enumerate(covering):
        for right in covering[place + 1 :]:
            union = _union(site, left, right)
            if union is not None and made < _MOST_MERGES:
                made += 1
                yield union


def _union(site: Site, left: Draft, right: Draft) -> Draft | None:
    long, short = (left, right) if len(left.definition.keys) >= len(right.definition.keys) else (right, left)
    bare = replace(short.definition, include=())
    if not covers(replace(long.definition, include=()), bare, short.free, partial_by_full=False):
        return None
    names = {*long.definition.include, *short.definition.include} - set(long.definition.columns)
    include = tuple(c.name for c in site.table.columns if c.name in names)
    if set(include) == set(long.definition.include) or len(include) > site.options.max_include_columns:
        return None
    if _width(site, (*long.definition.columns, *include)) > site.options.max_include_width:
        return None
    both = _together(long, short)
    reason = Reason("merged", f"joins the wishes of {len(both.templates)} templates", "model")
    definition = replace(long.definition, include=include)
    return replace(both, definition=definition, kind="merged", free=long.free, reasons=(*both.reasons, reason))


def _width(site: Site, names: Iterable[str]) -> float:
    known = (site.table.column(n) for n in names)
    return sum(c.statistics.avg_width if c.statistics else 32 for c in known if c is not None)


def _lent(draft: Draft, others: Sequence[Draft]) -> Draft:
    """The draft with the demands of shorter drafts it covers."""
    if draft.definition.method != BTREE:
        return draft
    extra = [
        d
        for other in others
        if other is not draft and covers(draft.definition, other.definition, other.free, partial_by_full=False)
        for d in other.demands
    ]
    return replace(draft, demands=_unique([*draft.demands, *extra]))


def dominated(site: Site, drafts: Sequence[Draft], size: Size) -> tuple[tuple[Draft, ...], tuple[Rejection, ...]]:
    """Drafts without those that another serves completely at about the same size, and a rejection for each."""
    sizes = {d.definition: size(d.definition) for d in drafts}
    moving = frozenset(c for d in site.demands for c in d.use.updated)
    kept: list[Draft] = []
    gone: list[Rejection] = []
    for draft in sorted(drafts, key=lambda d: (-len(d.definition.keys) - len(d.definition.include), -d.weight)):
        by = next((k for k in kept if _dominates(k, draft, sizes, moving)), None)
        if by is None:
            kept.append(draft)
            continue
        detail = f"{by.definition.id} serves the same templates and is about as large"
        gone.append(
            Rejection(
                site.subject(draft.definition.keys),
                "dominated",
                detail,
                draft.definition,
                by.definition.id,
                draft.templates,
            )
        )
    return tuple(kept), tuple(gone)


def _dominates(by: Draft, draft: Draft, sizes: dict[IndexDefinition, float], moving: frozenset[str]) -> bool:
    more = _stored(by.definition) - _stored(draft.definition)
    return (
        draft.templates <= by.templates
        and sizes[by.definition] <= _SAME_SIZE * sizes[draft.definition]
        and not more & moving  # an updated column costs writes that the shorter index does not
        and covers(by.definition, draft.definition, draft.free, partial_by_full=False)
    )


def _stored(definition: IndexDefinition) -> frozenset[str]:
    return frozenset((*definition.columns, *definition.include))


def capped(site: Site, drafts: Sequence[Draft], size: Size) -> tuple[tuple[Draft, ...], tuple[Rejection, ...]]:
    """The most promising drafts of the table: by weight and by weight per byte in turn, up to the cap."""
    limit = site.options.per_table
    if len(drafts) <= limit:
        return tuple(drafts), ()
    by_weight = sorted(drafts, key=lambda d: -d.weight)
    by_density = sorted(drafts, key=lambda d: -d.weight / max(size(d.definition), 1.0))
    order = list(dict.fromkeys(d.definition for pair in zip(by_weight, by_density, strict=True) for d in pair))
    chosen = set(order[:limit])
    detail = f"only the {limit} most promising candidates of a table are priced"
    gone = tuple(
        Rejection(site.subject(d.definition.keys), "over_limit", detail, d.definition, templates=d.templates)
        for d in drafts
        if d.definition not in chosen
    )
    return tuple(d for d in drafts if d.definition in chosen), gone
