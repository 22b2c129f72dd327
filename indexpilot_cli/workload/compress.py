"""Fewer templates that stand for all, with the loss stated.

After ISUM (Siddiqui et al., SIGMOD 2022): pick templates greedily by how much of the weighted indexable features
they cover; what is left out is represented by the most similar template that is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import chain

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.workload import AtomKind, FoldedWorkload, QueryTemplate, RelationUse, Skipped, Stage

Feature = tuple[str, str, str]
_SMALL_TABLE_PAGES = 8  # an index on a table this small changes nothing: such templates have no potential


def compress(folded: FoldedWorkload, catalog: Catalog, *, keep: float = 0.99) -> FoldedWorkload:
    """The fewest templates (greedily) that hold ``keep`` of the benefit potential.

    The potential is the time (else calls) of templates that read tables worth an index. A template left out adds its
    calls and time to the most similar kept one; writes are always kept, since their cost is the price of indexes.
    ``compression_loss`` is the share of potential whose features no kept template has at all: nothing can be
    recommended for it.
    """
    weights = {t.id: _potential(t, catalog) for t in folded.templates}
    total = sum(weights.values())
    features = {t.id: frozenset(features_of(t)) for t in folded.templates}
    kept = _cover(folded.templates, weights, features, keep * total)
    dropped = [t for t in folded.templates if t.id not in kept]
    if not dropped:
        return folded
    heirs = _heirs(dropped, kept, features)
    lost = sum(weights[t.id] for t in dropped if heirs[t.id] is None)
    represented: dict[str | None, list[QueryTemplate]] = {}
    for template in dropped:
        represented.setdefault(heirs[template.id], []).append(template)
    templates = tuple(_merged(t, represented.get(t.id, ())) for t in folded.templates if t.id in kept)
    skipped = tuple(_represented(t, heirs[t.id]) for t in dropped)
    loss = lost / total if total > 0 else 0.0
    return replace(folded, templates=templates, skipped=folded.skipped + skipped, compression_loss=loss)


def _represented(template: QueryTemplate, heir: str | None) -> Skipped:
    why, total = f"represented by {heir or 'none'}", template.total_ms or 0.0
    return Skipped("compressed", template.text, why, template.calls, total, Stage.COMPRESS)


def features_of(template: QueryTemplate) -> Iterator[Feature]:
    """(table, column or expression, role) of everything an index could serve in the template."""
    for use in template.uses:
        table = str(use.table)
        for atom in use.atoms:
            if atom.kind not in (AtomKind.OTHER, AtomKind.NOT_EQUAL):
                yield table, atom.column or atom.expression or "", atom.kind.value
        yield from ((table, key, role) for key, role in _keys(use))


def _keys(use: RelationUse) -> Iterator[tuple[str, str]]:
    for keys, role in ((use.order_by, "order"), (use.group_by, "group"), (use.distinct, "distinct")):
        yield from ((key.column or key.expression or "", role) for key in keys)
    yield from ((column, name) for name, column in use.aggregates)


def _potential(template: QueryTemplate, catalog: Catalog) -> float:
    tables = (catalog.table(name) for name in template.relations)
    if not any(t is not None and t.pages >= _SMALL_TABLE_PAGES for t in tables):
        return 0.0
    return template.weight


def _cover(
    templates: tuple[QueryTemplate, ...],
    weights: Mapping[str, float],
    features: Mapping[str, frozenset[Feature]],
    wanted: float,
) -> frozenset[str]:
    """Writes, then the templates with the largest own weight plus the weight of similar ones they stand for."""
    kept = {t.id for t in templates if t.is_write}
    open_ids = [t.id for t in templates if t.id not in kept and weights[t.id] > 0]
    held = sum(weights[i] for i in kept)
    importance: dict[Feature, float] = {}
    for name in open_ids:
        for feature in features[name]:
            importance[feature] = importance.get(feature, 0.0) + weights[name] / len(features[name])

    def score(name: str) -> float:
        return sum(importance[f] for f in features[name]) + weights[name]

    # Importance only falls, so a score that is still the same when its turn comes is the best of all.
    heap = [(-score(name), -place, name) for place, name in enumerate(sorted(open_ids))]
    heapify(heap)
    while heap and held < wanted:
        before, place, best = heappop(heap)
        now = score(best)
        if now < -before:
            heappush(heap, (-now, place, best))
            continue
        kept.add(best)
        held += weights[best]
        for feature in features[best]:
            importance[feature] = 0.0
    return frozenset(kept)


def _heirs(
    dropped: Iterable[QueryTemplate], kept: frozenset[str], features: Mapping[str, frozenset[Feature]]
) -> dict[str, str | None]:
    """For each dropped template the kept one that shares most features, or None when none shares any.

    Only those that share a feature are compared: with every kept one, thousands of templates took minutes.
    """
    holders: dict[Feature, list[str]] = {}
    for name in kept:
        for feature in features[name]:
            holders.setdefault(feature, []).append(name)
    return {t.id: _nearest(features[t.id], holders, features) for t in dropped}


def _nearest(
    mine: frozenset[Feature], holders: Mapping[Feature, list[str]], features: Mapping[str, frozenset[Feature]]
) -> str | None:
    shared = Counter(chain.from_iterable(holders.get(feature, ()) for feature in mine))
    scores = {name: count / (len(mine) + len(features[name]) - count) for name, count in shared.items()}
    return max(scores, key=lambda n: (scores[n], n)) if scores else None


def _merged(template: QueryTemplate, represented: Sequence[QueryTemplate]) -> QueryTemplate:
    """The template with the calls and times of those it stands for."""
    if not represented:
        return template
    times = [t.total_ms for t in (template, *represented) if t.total_ms is not None]
    calls = template.calls + sum(t.calls for t in represented)
    cancelled = template.cancelled + sum(t.cancelled for t in represented)
    return replace(template, calls=calls, total_ms=sum(times) if times else None, cancelled=cancelled)
