"""B-tree candidates of one use: equality, then range or sort; joins; grouping; minimum and maximum.

The order of keys follows the rule that an index serves equality on leading keys together with one range or
one sort order (manual, "Multicolumn Indexes"; "Indexes and ORDER BY").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from indexpilot_cli.advise.candidates.partial import propose_guarded
from indexpilot_cli.advise.candidates.site import (
    EQUALITY,
    Demand,
    Demands,
    Draft,
    Proposed,
    Site,
    key_of,
    label,
    unfit_key,
)
from indexpilot_cli.core.catalog import ForeignKey, Index
from indexpilot_cli.core.index import IndexKey, Reason, Rejection
from indexpilot_cli.core.workload import Atom, AtomKind, SortKey, StatementKind
from indexpilot_cli.sql.selectivity import selectivity


@dataclass(frozen=True, slots=True)
class Parts:
    """The usable keys of a use. ``equal`` in the order for an index; ``pinned`` hold one value each.

    ``joins`` are groups of keys joined to one relation; ``ranges`` most selective first; ``single`` stand under OR.
    """

    equal: tuple[IndexKey, ...]
    pinned: tuple[IndexKey, ...]
    joins: tuple[tuple[IndexKey, ...], ...]
    ranges: tuple[IndexKey, ...]
    single: tuple[IndexKey, ...]


def propose_btree(site: Site, demand: Demand) -> Iterator[Proposed]:
    """Drafts of B-trees that serve this use, and refusals of keys that cannot be used."""
    refused: dict[str, Rejection] = {}
    parts = _parts(site, demand, refused)
    yield from propose_guarded(site, demand, refused)
    yield from _lookups(site, demand, parts)
    yield from _joins(site, demand, parts)
    yield from _sorts(site, demand, parts, refused)
    yield from _groups(site, demand, parts, refused)
    yield from _ends(site, demand, parts, refused)
    yield from refused.values()


def _parts(site: Site, demand: Demand, refused: dict[str, Rejection]) -> Parts:
    def usable(atoms: Sequence[Atom]) -> tuple[IndexKey, ...]:
        return tuple(k for k in _unique(key_of(a) for a in atoms) if _fits(site, demand, k, refused))

    # IS NULL is better said by a predicate; as a key it stands only where there is nothing else.
    equal = usable(demand.atoms(AtomKind.EQUAL, AtomKind.IN)) or usable(demand.atoms(AtomKind.IS_NULL))
    one = [a for a in demand.atoms(AtomKind.EQUAL, AtomKind.IN) if a.elements == 1]  # IS NULL pins no order
    groups: dict[object, list[Atom]] = {}
    for atom in demand.atoms(AtomKind.JOIN):
        groups.setdefault(atom.join_to[0] if atom.join_to else None, []).append(atom)
    kinds = (*EQUALITY, AtomKind.RANGE, AtomKind.JOIN)
    alone = [a for a in demand.use.atoms if not a.conjunctive and a.kind in kinds]
    return Parts(
        equal=tuple(sorted(equal, key=site.rank)),
        pinned=usable(one),
        joins=tuple(g for g in (usable(atoms) for atoms in groups.values()) if g),
        ranges=tuple(sorted(usable(demand.atoms(AtomKind.RANGE)), key=lambda k: _range_share(site, demand, k))),
        single=usable([a for a in alone if (a.column or a.expression) is not None]),
    )


def _fits(site: Site, demand: Demand, key: IndexKey, refused: dict[str, Rejection]) -> bool:
    rejection = unfit_key(site, key, demand=demand)
    if rejection is not None:
        refused.setdefault(label(key), rejection)
    return rejection is None


def _range_share(site: Site, demand: Demand, key: IndexKey) -> float:
    return selectivity((a for a in demand.atoms(AtomKind.RANGE) if key_of(a) == key), site.table)


def _lookups(site: Site, demand: Demand, parts: Parts) -> Iterator[Draft]:
    for key in parts.equal:
        yield _draft(site, demand, (key,), 1, _equality_reason((key,)))
    if len(parts.equal) > 1:
        keys = _enough(site, parts.equal)
        yield _draft(site, demand, keys, len(keys), _equality_reason(keys))
    # One range in each: behind it no other key narrows what is read.
    for key in parts.ranges[:3]:
        yield _draft(site, demand, (key,), 1, _range_reason(key, ()))
        head = _enough(site, parts.equal, room=1)
        if head:
            yield _draft(site, demand, (*_without(head, key), key), len(head), _range_reason(key, head))
    tenant = [k for k in parts.equal if k.column == site.tenant]
    for key in parts.single:
        reason = Reason("alternative", f"{label(key)} is one of several alternatives (OR), each needs its own index")
        for keys in _unique_rows([(key,), (*_without(tenant, key), key)]):
            yield _draft(site, demand, keys, len(keys), reason)


def _joins(site: Site, demand: Demand, parts: Parts) -> Iterator[Draft]:
    for group in parts.joins:
        together = _ordered(site, group)
        for keys in _unique_rows([*((k,) for k in together), together[: site.options.max_key_columns]]):
            yield _join_draft(site, demand, keys, ())
        if parts.equal:
            both = _enough(site, _ordered(site, (*group, *parts.equal)))
            yield _join_draft(site, demand, both, ())
            yield _join_draft(site, demand, _enough(site, _unique((*together, *parts.equal))), ())
        for key in parts.ranges[:1]:
            head = _enough(site, _ordered(site, (*group, *parts.equal)), room=1)
            yield _join_draft(site, demand, _without(head, key), (key,))
            if parts.equal:
                yield _join_draft(site, demand, _without(together, key), (key,))


def _join_draft(site: Site, demand: Demand, head: Sequence[IndexKey], tail: tuple[IndexKey, ...]) -> Draft:
    keys = (*head, *tail)
    reason = Reason("join", f"joined on {_names(head)}" + (f" and limited by {_names(tail)}" if tail else ""))
    return _draft(site, demand, keys, len(head), reason, kind="join")


def _sorts(site: Site, demand: Demand, parts: Parts, refused: dict[str, Rejection]) -> Iterator[Draft]:
    use = demand.use
    wanted = _sort_keys(site, demand, use.order_by, refused)
    if not wanted or not (use.limited or use.order_complete):
        return
    pinned = {label(k) for k in parts.pinned}
    wanted = _until_unique(site, pinned, [k for k in wanted if label(k) not in pinned])
    tail = canonical_order(wanted)[: site.options.max_key_columns]
    if not tail:
        return
    fixed = [k for k in parts.equal if label(k) in pinned]
    code, text = ("limit", "ORDER BY with LIMIT") if use.limited else ("sort", "ORDER BY")
    # With a LIMIT also without what is compared: read in order, a few rows may be enough.
    for head in _unique_rows([_enough(site, fixed, room=len(tail)), ()] if use.limited else [fixed]):
        after = f" after {_names(head)} =" if head else ""
        reason = Reason(code, f"{text} {_names(tail)}{after} needs no sort")
        yield _draft(site, demand, (*head, *tail), len(head), reason, kind="sort")
    for group in parts.joins if use.limited else ():
        reason = Reason(code, f"{text} {_names(tail)} within each {_names(group)} needs no sort")
        yield _draft(
            site, demand, (*_ordered(site, (*fixed, *group)), *tail), len(fixed) + len(group), reason, kind="sort"
        )


def _groups(site: Site, demand: Demand, parts: Parts, refused: dict[str, Rejection]) -> Iterator[Draft]:
    pinned = {label(k) for k in parts.pinned}
    for keys in (demand.use.group_by, demand.use.distinct):
        tail = [k for k in _sort_keys(site, demand, keys, refused) if label(k) not in pinned]
        # Groups have no direction.
        plain = [IndexKey(column=k.column, expression=k.expression) for k in tail][: site.options.max_key_columns]
        head = [k for k in parts.equal if label(k) in pinned]
        if plain:
            word = "grouped" if keys is demand.use.group_by else "made distinct"
            reason = Reason("group", f"{word} by {_names(plain)}, which the index gives in order")
            yield _draft(site, demand, (*_enough(site, head, room=1), *plain), len(head), reason, kind="group")


def _ends(site: Site, demand: Demand, parts: Parts, refused: dict[str, Rejection]) -> Iterator[Draft]:
    for function, column in demand.use.aggregates:
        key = IndexKey(column=column)
        if _fits(site, demand, key, refused):
            head = _without(_enough(site, [k for k in parts.equal if k in parts.pinned], room=1), key)
            reason = Reason("minmax", f"{function}({column}) is the end of an index")
            yield _draft(site, demand, (*head, key), len(head), reason, kind="sort")


def _sort_keys(
    site: Site, demand: Demand, keys: Sequence[SortKey], refused: dict[str, Rejection]
) -> tuple[IndexKey, ...]:
    found: list[IndexKey] = []
    for sort in keys:
        if (sort.column is None) == (sort.expression is None):
            break
        plain = IndexKey(column=sort.column, expression=sort.expression)
        # Without this key nothing behind it is in order either.
        if not _fits(site, demand, plain, refused):
            break
        found.append(replace(plain, descending=sort.descending, nulls_first=sort.nulls_first))
    return tuple(found)


def _until_unique(site: Site, pinned: set[str], keys: Sequence[IndexKey]) -> tuple[IndexKey, ...]:
    """The keys of an order up to where they, with what is pinned, identify a row: behind it no order is left."""
    unique = [u for i in site.table.indexes if (u := _identifying(site, i)) is not None]
    known = set(pinned)
    for place, key in enumerate(keys, 1):
        known.add(label(key))
        if any(columns <= known for columns in unique):
            return tuple(keys[:place])
    return tuple(keys)


def _identifying(site: Site, index: Index) -> set[str] | None:
    """Labels of the keys of a unique index over all rows, none of which can be null; None for another index."""
    definition = index.definition
    columns = [site.table.column(k.column) if k.column is not None else None for k in definition.keys]
    if not (definition.unique and index.valid) or definition.predicate is not None or None in columns:
        return None
    return {label(k) for k in definition.keys} if all(c.not_null for c in columns if c is not None) else None


def canonical_order(keys: Sequence[IndexKey]) -> tuple[IndexKey, ...]:
    """The same order read from whichever end makes the first key ascending (a B-tree is read both ways)."""
    if not keys or not keys[0].descending:
        return tuple(keys)
    return tuple(_turned(k) for k in keys)


def _turned(key: IndexKey) -> IndexKey:
    # NULLS FIRST is the default of DESC, NULLS LAST that of ASC.
    first = key.descending if key.nulls_first is None else key.nulls_first
    return replace(key, descending=not key.descending, nulls_first=not first)


def _ordered(site: Site, keys: Sequence[IndexKey]) -> tuple[IndexKey, ...]:
    return tuple(sorted(_unique(keys), key=site.rank))


def _enough(site: Site, keys: Sequence[IndexKey], room: int = 0) -> tuple[IndexKey, ...]:
    """Leading keys, one at least, until they identify a row or the index is wide enough, leaving room for more."""
    chosen: list[IndexKey] = []
    combined = 1.0
    for key in keys:
        wide = len(chosen) >= site.options.max_key_columns - room
        if wide or (chosen and combined >= site.rows):
            break
        chosen.append(key)
        combined *= max(site.distinct(key), 1.0)
    return tuple(chosen)


def _without(keys: Sequence[IndexKey], key: IndexKey) -> tuple[IndexKey, ...]:
    return tuple(k for k in keys if label(k) != label(key))


def _unique(keys: object) -> tuple[IndexKey, ...]:
    return tuple({label(k): k for k in keys}.values())  # type: ignore[attr-defined]


def _unique_rows(rows: Sequence[Sequence[IndexKey]]) -> tuple[tuple[IndexKey, ...], ...]:
    return tuple(dict.fromkeys(tuple(r) for r in rows))


def _draft(
    site: Site, demand: Demand, keys: Sequence[IndexKey], free: int, reason: Reason, kind: str | None = None
) -> Draft:
    unique = _unique(keys)
    chosen = kind or ("range" if reason.code == "range" else "equality")
    reasons = [reason]
    if unique[0].column is not None and unique[0].column == site.tenant and len(unique) > 1:
        chosen = "tenant" if chosen == "equality" else chosen
        reasons.append(Reason("tenant_first", f"{site.tenant} comes first: nearly every statement compares it"))
    if any(k.expression is not None for k in unique):
        chosen = "expression" if len(unique) == 1 and chosen == "equality" else chosen
        reasons.append(Reason("expression", f"the queries compare {_names([k for k in unique if k.expression])}"))
    return Draft(site.definition(unique), chosen, (demand,), min(free, len(unique)), tuple(reasons))


def _equality_reason(keys: Sequence[IndexKey]) -> Reason:
    return Reason("equality", f"compared for equality: {_names(keys)}")


def _range_reason(key: IndexKey, head: Sequence[IndexKey]) -> Reason:
    after = f" after {_names(head)} =" if head else ""
    return Reason("range", f"a range of {_names((key,))}{after}")


def _names(keys: Sequence[IndexKey]) -> str:
    return ", ".join(k.column if k.column is not None else k.expression or "" for k in keys)


def propose_foreign_keys(site: Site, wanted: Demands) -> Iterator[Proposed]:
    """A draft for each foreign key of the table whose parent loses rows or changes keys, else a refusal."""
    for foreign in site.catalog.keys_of(site.name):
        yield from _foreign_key(site, foreign, wanted)


def _foreign_key(site: Site, foreign: ForeignKey, wanted: Demands) -> Iterator[Proposed]:
    keys = tuple(IndexKey(column=c) for c in foreign.columns)
    refused = next((r for k in keys if (r := unfit_key(site, k)) is not None), None)
    if refused is not None:
        yield refused
        return
    demands = tuple(d for d in wanted.get(foreign.referenced, ()) if _touches(d, foreign))
    parent = site.catalog.table(foreign.referenced)
    deletes = parent.activity.deletes if parent else 0
    if not demands and not deletes:
        if not _covered(site, foreign):
            detail = (
                f"no delete or key change of {foreign.referenced.short} was seen, so {foreign.name} costs nothing now"
            )
            yield Rejection(site.subject(keys), "too_little_benefit", detail, site.definition(keys))
        return
    seen = f"{deletes} deletes of {foreign.referenced.short} counted" if deletes else "its deletes are in the workload"
    text = f"{foreign.name} has no index: each delete of {foreign.referenced.short} reads the whole table; {seen}"
    reason = Reason("foreign_key", text, "catalog")
    yield Draft(site.definition(keys), "foreign_key", demands, len(keys), (reason,))


def _touches(demand: Demand, foreign: ForeignKey) -> bool:
    if demand.use.write is StatementKind.UPDATE:
        return bool(demand.use.updated & set(foreign.referenced_columns))
    return demand.use.write in (StatementKind.DELETE, StatementKind.MERGE)  # a MERGE may delete


def _covered(site: Site, foreign: ForeignKey) -> bool:
    wanted = set(foreign.columns)
    return any(
        i.valid and {k.column for k in i.definition.keys[: len(wanted)]} == wanted and i.definition.predicate is None
        for i in site.table.indexes
    )
