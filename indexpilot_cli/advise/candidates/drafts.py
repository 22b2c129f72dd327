"""Drafts judged and brought together: useless ones refused, equal ones joined, prefixes shared, INCLUDE lists united.

After Chaudhuri and Narasayya, "Index Merging", ICDE 1999, with the merges restricted to those that keep
every key usable for the templates that asked for it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.advise.candidates.site import Demand, Draft, Site, absent_value, key_of
from indexpilot_cli.core.index import BTREE, HASH, IndexDefinition, IndexKey, Reason, Rejection
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.methods.existing import covered_by, covers, same_structure
from indexpilot_cli.sql.expressions import CAST, CONSTANT, read_expression
from indexpilot_cli.sql.selectivity import average_equal, selectivity

Size = Callable[[IndexDefinition], float]
_SAME_SIZE = 1.1  # a longer index at most this much larger makes the shorter one pointless
_MOST_MERGES = 200
_HEAVY = 12


def joined(drafts: Iterable[Draft]) -> tuple[Draft, ...]:
    """One draft per structure, with the demands and reasons of all; the order of first appearance."""
    known: dict[tuple[object, ...], list[Draft]] = {}
    for draft in drafts:
        # Only within a bucket: whether structures are the same is a look into expressions.
        bucket = known.setdefault(_bucket(draft.definition), [])
        for place, other in enumerate(bucket):
            if same_structure(other.definition, draft.definition):
                bucket[place] = _together(other, draft)
                break
        else:
            bucket.append(draft)
    return tuple(chain.from_iterable(known.values()))


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
    united = [*_united(site, plain), *_appended(site, plain)]
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


def _appended(site: Site, drafts: Sequence[Draft]) -> Iterator[Draft]:
    """One index for two that begin alike: the keys of the heavier, then what the other has besides."""
    plain = [d for d in drafts if d.free == len(d.definition.keys) > 1 and _bare_definition(d.definition)]
    # The heaviest alone, for pairs grow with the square.
    heavy = sorted(plain, key=lambda d: -d.weight)[:_HEAVY]
    for place, left in enumerate(heavy):
        for right in heavy[place + 1 :]:
            if left.definition.keys[0] != right.definition.keys[0]:
                continue
            more = tuple(k for k in right.definition.keys if k not in left.definition.keys)
            keys = (*left.definition.keys, *more)
            if more and len(more) < len(right.definition.keys) and len(keys) <= site.options.max_key_columns:
                both = _together(left, right)
                reason = Reason("merged", f"joins the wishes of {len(both.templates)} templates", "model")
                definition = replace(left.definition, keys=keys)
                reasons = (*both.reasons, reason)
                yield replace(both, definition=definition, kind="merged", free=len(keys), reasons=reasons)


def _bare_definition(definition: IndexDefinition) -> bool:
    return not definition.include and definition.predicate is None


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
    demands = [*draft.demands]
    for other in others:
        if other is not draft and covers(draft.definition, other.definition, other.free, partial_by_full=False):
            demands += other.demands
    return replace(draft, demands=_unique(demands))


def dominated(site: Site, drafts: Sequence[Draft], size: Size) -> tuple[tuple[Draft, ...], tuple[Rejection, ...]]:
    """Drafts without those that another serves completely at about the same size, and a rejection for each."""
    moving = frozenset(chain.from_iterable(d.use.updated for d in site.demands))
    kept: list[_Measured] = []
    gone: list[Rejection] = []
    for draft in sorted(drafts, key=lambda d: (-len(d.definition.keys) - len(d.definition.include), -d.weight)):
        measured = _Measured(draft, draft.templates, _stored(draft.definition), size(draft.definition))
        by = next((k.draft for k in kept if _dominates(k, measured, moving)), None)
        if by is None:
            kept.append(measured)
        else:
            detail = f"{by.definition.id} serves the same templates and is about as large"
            gone.append(set_aside(site, draft, "dominated", detail, by.definition.id))
    return tuple(m.draft for m in kept), tuple(gone)


def set_aside(site: Site, draft: Draft, reason: str, detail: str, by: str | None = None) -> Rejection:
    """The rejection of a draft."""
    text = site.subject(draft.definition.keys)
    text += (
        f" INCLUDE ({', '.join(map(quote_identifier, draft.definition.include))})" if draft.definition.include else ""
    )
    text += f" WHERE {draft.definition.predicate}" if draft.definition.predicate else ""
    return Rejection(text, reason, detail, draft.definition, by, draft.templates)


@dataclass(frozen=True, slots=True)
class _Measured:
    draft: Draft
    templates: frozenset[str]
    stored: frozenset[str]
    size: float


def _dominates(by: _Measured, draft: _Measured, moving: frozenset[str]) -> bool:
    return (
        by.size <= _SAME_SIZE * draft.size
        and draft.templates <= by.templates
        and not (by.stored - draft.stored) & moving  # an updated column costs writes that the shorter does not
        and covers(by.draft.definition, draft.draft.definition, draft.draft.free, partial_by_full=False)
    )


def _stored(definition: IndexDefinition) -> frozenset[str]:
    return frozenset((*definition.columns, *definition.include))


_SIZE_POWER = 0.3  # how much a larger index counts against itself


def capped(
    site: Site, drafts: Sequence[Draft], limit: int, size: Callable[[IndexDefinition], float] | None = None
) -> tuple[tuple[Draft, ...], tuple[Rejection, ...]]:
    """At most ``limit`` drafts in their order, and rejections for the rest.

    Chosen greedily by the weight of their templates, where a template counts 1/(1+n) when n chosen drafts
    already serve it, divided by a low power of the size: lazy greedy, since scores only fall.
    """
    if len(drafts) <= limit:
        return tuple(drafts), ()
    chosen = _greedy(drafts, limit, size)
    detail = f"only the {limit} most promising candidates of a table are looked at closely"
    gone = tuple(set_aside(site, d, "over_limit", detail) for n, d in enumerate(drafts) if n not in chosen)
    return tuple(d for n, d in enumerate(drafts) if n in chosen), gone


def _greedy(drafts: Sequence[Draft], limit: int, size: Callable[[IndexDefinition], float] | None) -> frozenset[int]:
    weights = [{d.template: d.weight for d in draft.demands} for draft in drafts]
    penalty = [max(size(d.definition), 1.0) ** -_SIZE_POWER if size else 1.0 for d in drafts]
    served: dict[str, int] = {}

    def score(number: int) -> float:
        return penalty[number] * sum(w / (1 + served.get(t, 0)) for t, w in weights[number].items())

    queue = [(-score(n), n) for n in range(len(drafts))]
    heapq.heapify(queue)
    chosen: set[int] = set()
    while queue and len(chosen) < limit:
        _, number = heapq.heappop(queue)
        now = -score(number)
        if queue and now > queue[0][0]:
            heapq.heappush(queue, (now, number))
            continue
        chosen.add(number)
        for template in weights[number]:
            served[template] = served.get(template, 0) + 1
    return frozenset(chosen)


_LOOKUP = ("equality", "range", "tenant", "expression", "hash")
_FLAG = 3
_OPEN_RANGE = 0.1


def refusal(site: Site, draft: Draft) -> Rejection | None:
    """Why the draft of all who want it is no candidate, or None."""
    return _covered(site, draft) or _too_wide(site, draft)


def futility(site: Site, draft: Draft) -> Rejection | None:
    """Why the index would not help the one use that the draft was made for, or None."""
    return _unselective(site, draft) or _whole_table(site, draft)


def _covered(site: Site, draft: Draft) -> Rejection | None:
    index = covered_by(draft.definition, site.table.indexes, free=draft.free)
    if index is None:
        return None
    same = same_structure(index.definition, draft.definition)
    name = index.name.name
    detail = f"{name} is this index" if same else f"{name} already serves what this index would"
    return set_aside(site, draft, "exists" if same else "covered_by", detail, name)


def _too_wide(site: Site, draft: Draft) -> Rejection | None:
    definition = draft.definition
    if definition.method != BTREE:
        return None
    known = [site.statistics(k) for k in definition.keys]
    included = [site.table.column(n) for n in definition.include]
    width = sum(s.avg_width for s in known if s)
    width += sum(c.statistics.avg_width for c in included if c and c.statistics)
    if width <= site.options.max_key_width:
        return None
    detail = f"its entries would be {width} bytes; a B-tree holds about 2,700 at most"
    return set_aside(site, draft, "too_wide", detail)


def _unselective(site: Site, draft: Draft) -> Rejection | None:
    """A plain lookup that returns a large part of the table: reading the table is cheaper."""
    definition = draft.definition
    if draft.kind not in _LOOKUP or definition.predicate is not None or definition.include:
        return None
    if definition.method not in (BTREE, HASH) or any(_read_alone(site, d, definition) for d in draft.demands):
        return None
    share = min((_share(site, draft, d) for d in range(len(draft.demands))), default=0.0)
    options = site.options
    most = options.max_selectivity if site.rows >= options.medium_rows else options.medium_selectivity
    if len(definition.keys) == 1 and all(_asks_absent(site, d, definition.keys[0]) for d in draft.demands):
        share, most = average_equal(site.statistics(definition.keys[0]), site.rows), options.medium_selectivity
    flags = all(site.distinct(k) <= _FLAG for k in definition.keys)
    if share <= most and not flags:
        return None
    values = " × ".join(f"{site.distinct(k):.0f}" for k in definition.keys)
    detail = f"{values} distinct values: a lookup returns about {share:.0%} of the rows, reading the table is cheaper"
    if share <= most:
        detail = f"{values} distinct values: only the rare ones are worth an index, and a partial index holds just them"
    return set_aside(site, draft, "low_selectivity", detail)


def _read_alone(site: Site, demand: Demand, definition: IndexDefinition) -> bool:
    """Whether the index holds all that the demand reads: a part of it is less than the table, however many rows."""
    alone = bool(demand.use.columns) and not demand.use.target and not _fetches(demand, definition)
    return alone and definition.method == BTREE and site.visible >= site.options.all_visible_share


def _asks_absent(site: Site, demand: Demand, key: IndexKey) -> bool:
    """Whether only a value is asked for that no row has: once rows have it, they will be as many as of the others."""
    atoms = [a for a in demand.use.atoms if a.column is not None and a.column == key.column]
    return bool(atoms) and all(absent_value(site, a) for a in atoms)


def _whole_table(site: Site, draft: Draft) -> Rejection | None:
    """An order or grouping of the whole table, all of whose rows would be fetched one by one."""
    definition = draft.definition
    if draft.kind not in ("sort", "group") or draft.free or definition.include or definition.predicate:
        return None
    first = site.statistics(definition.keys[0])
    in_order = first is not None and abs(first.correlation or 0.0) > site.options.brin_correlation
    if in_order or any(d.use.limited or d.use.aggregates or not _fetches(d, definition) for d in draft.demands):
        return None
    detail = "every row is needed: sorting or hashing them is cheaper than fetching each through an index"
    return set_aside(site, draft, "too_little_benefit", detail)


def _fetches(demand: Demand, definition: IndexDefinition) -> bool:
    """Whether the table must be visited for columns outside the index."""
    use = demand.use
    return use.whole_row or use.locked or not use.columns <= set(definition.columns)


def _share(site: Site, draft: Draft, number: int) -> float:
    """Share of rows the demand's conditions on the index's keys keep."""
    demand = draft.demands[number]
    texts = {k.text for k in draft.definition.keys}
    atoms = [a for a in demand.use.atoms if (a.column or a.expression) is not None and key_of(a).text in texts]
    joined = 1.0
    for atom in atoms:
        if atom.kind is AtomKind.JOIN:
            joined *= average_equal(site.statistics(key_of(atom)), site.rows)
    known = [_standing(a) for a in atoms if a.kind is not AtomKind.JOIN and not _open(a)]
    return joined * selectivity(known, site.table) * (_OPEN_RANGE if any(map(_open, atoms)) else 1.0)


def _open(atom: Atom) -> bool:
    """A range whose bounds are not literals: the default of a third would say nothing of them."""
    if atom.kind is not AtomKind.RANGE:
        return False
    tree = read_expression(atom.constant) if atom.constant is not None else None
    return tree is None or any(n.kind not in (CONSTANT, CAST) and n.value != "and" for n in tree.walk())


def _standing(atom: Atom) -> Atom:
    """The atom as if it stood alone: one branch of an OR is a lookup of its own."""
    return replace(atom, conjunctive=True)
