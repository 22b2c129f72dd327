"""Partial variants: constant conditions the workload always gives, rare values, and nulls nobody asks for.

The planner uses a partial index only when the query's condition implies the predicate (manual, "Partial
Indexes"), so a predicate never comes from a parameter, with one exception that says so: a rare value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from indexpilot_cli.advise.candidates.site import Demand, Draft, Site, key_of
from indexpilot_cli.core.candidate import Reason
from indexpilot_cli.core.index import BTREE, IndexKey
from indexpilot_cli.core.names import quote_identifier, quote_literal
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.sql.normal import columns, normal
from indexpilot_cli.sql.selectivity import predicate_selectivity
from indexpilot_cli.sql.volatility import unsafe

_CONSTANT = (AtomKind.EQUAL, AtomKind.IN, AtomKind.NOT_EQUAL, AtomKind.RANGE)
_NULLS = (AtomKind.IS_NULL, AtomKind.IS_NOT_NULL)
_STRICT = (AtomKind.EQUAL, AtomKind.IN, AtomKind.RANGE, AtomKind.JOIN, AtomKind.LIKE_PREFIX)
_FLAG_VALUES = 5
_BARE_WORDS = ("bool", "int2", "int4", "int8", "numeric", "float4", "float8")


def propose_partial(site: Site, drafts: Iterable[Draft]) -> Iterator[Draft]:
    """Partial variants of the drafts, then indexes on rare values."""
    for draft in drafts:
        if draft.definition.method == BTREE and draft.definition.predicate is None:
            yield from _variants(site, draft)
            yield from _without_nulls(site, draft)
    for demand in site.demands:
        yield from _rare(site, demand)


def constants(site: Site, demand: Demand) -> dict[str, Atom]:
    """Conditions of a use that are the same in every call and could be a predicate, by canonical text."""
    found: dict[str, Atom] = {}
    for atom in demand.atoms(*_CONSTANT, *_NULLS):
        if atom.sql is not None and _steady(site, atom) and _may_filter(site, atom):
            found[normal(atom.sql)] = atom
    return found


def _may_filter(site: Site, atom: Atom) -> bool:
    names = columns(atom.sql or "")
    fields = [site.table.column(n) for n in names]
    return bool(fields) and all(f is not None for f in fields) and not unsafe(atom.sql or "", site.table, site.catalog)


def _steady(site: Site, atom: Atom) -> bool:
    """Whether the condition looks like a flag of the row rather than a value that happened to be asked for."""
    if atom.kind in _NULLS:
        return True
    column = site.table.column(atom.column) if atom.column is not None else None
    if column is None or atom.constant is None or atom.parameters or atom.elements > _FLAG_VALUES:
        return False
    if atom.kind is AtomKind.RANGE:
        return column.category == "N" and atom.operator.upper() != "BETWEEN"
    few = column.statistics is None or column.statistics.distinct(site.rows) <= site.options.partial_distinct
    return few or atom.kind is AtomKind.NOT_EQUAL


def _variants(site: Site, draft: Draft) -> Iterator[Draft]:
    usual = _usual(site, draft)
    narrow = [(text, atom) for text, atom in usual.items() if _narrows(site, atom)]
    sets = [[pair] for pair in narrow]
    if len({a.column for _, a in narrow}) > 1:
        sets.append(narrow)
    for chosen in sets:
        yield from _variant(site, draft, dict(chosen))


def _usual(site: Site, draft: Draft) -> dict[str, Atom]:
    """Conditions that carry at least ``partial_weight`` of the draft's weight, and rare ones whatever they carry."""
    weights: dict[str, float] = {}
    atoms: dict[str, Atom] = {}
    for demand in draft.demands:
        for text, atom in constants(site, demand).items():
            weights[text] = weights.get(text, 0.0) + demand.weight
            atoms.setdefault(text, atom)
    total = sum(d.weight for d in draft.demands)
    least = site.options.partial_weight * total
    return {t: atoms[t] for t in sorted(weights) if weights[t] >= least or _is_rare(site, atoms[t])}


def _is_rare(site: Site, atom: Atom) -> bool:
    share = predicate_selectivity(atom.sql or "", site.table)
    return share is not None and share <= site.options.rare_value


def _narrows(site: Site, atom: Atom) -> bool:
    share = predicate_selectivity(atom.sql or "", site.table)
    most = site.options.null_partial_selectivity if atom.kind in _NULLS else site.options.partial_selectivity
    return share is not None and share < most


def _variant(site: Site, draft: Draft, chosen: dict[str, Atom]) -> Iterator[Draft]:
    predicate = " AND ".join(chosen[t].sql or "" for t in sorted(chosen))
    settled = {key_of(a).text for a in chosen.values() if a.kind is AtomKind.EQUAL or a.kind is AtomKind.IS_NULL}
    keys = tuple(k for k in draft.definition.keys if k.text not in settled) or draft.definition.keys[:1]
    dropped = len(draft.definition.keys) - len(keys)
    demands = tuple(d for d in draft.demands if set(chosen) <= set(constants(site, d)))
    if not demands:
        return
    share = predicate_selectivity(predicate, site.table) or 0.0
    reason = Reason("partial", f"every such statement says {predicate}, true of {share:.1%} of the rows", "pg_stats")
    definition = replace(draft.definition, keys=keys, predicate=predicate)
    yield Draft(definition, "partial", demands, max(0, min(draft.free - dropped, len(keys))), (*draft.reasons, reason))


def _without_nulls(site: Site, draft: Draft) -> Iterator[Draft]:
    """A key that is mostly null is compared by strict operators only, which imply IS NOT NULL."""
    key = draft.definition.keys[0]
    column = site.table.column(key.column) if key.column is not None else None
    if column is None or column.statistics is None or column.not_null:
        return
    if column.statistics.null_frac < 1.0 - site.options.null_partial_selectivity:
        return
    if draft.kind not in ("equality", "range", "join", "tenant", "foreign_key"):
        return
    strict = tuple(d for d in draft.demands if any(a.column == key.column for a in d.atoms(*_STRICT)))
    if strict and len(strict) == len(draft.demands):
        predicate = f"{quote_identifier(column.name)} IS NOT NULL"
        text = f"{column.name} is null in {column.statistics.null_frac:.0%} of the rows, and nobody asks for those"
        reasons = (*draft.reasons, Reason("not_null", text, "pg_stats"))
        yield Draft(replace(draft.definition, predicate=predicate), "partial", strict, draft.free, reasons)


def _rare(site: Site, demand: Demand) -> Iterator[Draft]:
    for atom in demand.atoms(AtomKind.EQUAL):
        column = site.table.column(atom.column) if atom.column is not None else None
        if column is None or column.statistics is None or not column.indexable:
            continue
        statistics = column.statistics
        if atom.constant is not None or statistics.distinct(site.rows) > 20:
            continue
        seen = _values_seen(demand, atom)
        for value, share in zip(statistics.most_common_vals, statistics.most_common_freqs, strict=False):
            if share > site.options.rare_value or (seen is not None and value not in seen):
                continue
            yield _rare_draft(site, demand, column.name, column.base_type, value, share)


def _values_seen(demand: Demand, atom: Atom) -> frozenset[str | None] | None:
    if len(atom.parameters) != 1 or not demand.samples:
        return None
    place = atom.parameters[0] - 1
    seen = frozenset(s[place] for s in demand.samples if place < len(s))
    short = {"true": "t", "false": "f"}
    return frozenset(short.get(v, v) if v is not None else None for v in seen) or None


def _rare_draft(site: Site, demand: Demand, name: str, base_type: str, value: str, share: float) -> Draft:
    quoted = quote_identifier(name)
    if base_type == "bool":
        predicate = quoted if value == "t" else f"NOT {quoted}"
    else:
        literal = value if base_type in _BARE_WORDS else quote_literal(value)
        predicate = f"{quoted} = {literal}"
    text = f"{predicate} is true of only {share:.1%} of the rows; it serves statements planned with that very value"
    definition = site.definition((IndexKey(column=name),), predicate=predicate)
    return Draft(definition, "partial", (demand,), 1, (Reason("rare_value", text, "pg_stats"),))
