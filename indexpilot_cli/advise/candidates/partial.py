"""Partial variants: constant conditions the workload always gives, rare values, and nulls nobody asks for.

The planner uses a partial index only when the query's condition implies the predicate (manual, "Partial
Indexes"), so a predicate never comes from a parameter, with one exception that says so: a rare value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from indexpilot_cli.advise.candidates.site import Demand, Draft, Proposed, Site, absent_value, key_of, label, unfit_key
from indexpilot_cli.core.catalog import Column
from indexpilot_cli.core.index import BTREE, IndexKey, Reason, Rejection
from indexpilot_cli.core.names import quote_identifier, quote_literal
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.sql.failing import can_fail
from indexpilot_cli.sql.normal import columns, conjuncts, normal
from indexpilot_cli.sql.selectivity import index_statistics, predicate_selectivity
from indexpilot_cli.sql.volatility import unsafe

_CONSTANT = (AtomKind.EQUAL, AtomKind.IN, AtomKind.NOT_EQUAL, AtomKind.RANGE)
_NULLS = (AtomKind.IS_NULL, AtomKind.IS_NOT_NULL)
_NO_KEY = (AtomKind.IS_NOT_NULL, AtomKind.NOT_EQUAL)
_STRICT = (AtomKind.EQUAL, AtomKind.IN, AtomKind.RANGE, AtomKind.JOIN, AtomKind.LIKE_PREFIX)
_FLAG_VALUES = 5
_FLAG_NUMBERS = 12  # numbers of a kind or state; more of them are places, shops and the like
_ORDERED = 0.9  # correlation of values and rows
_BARE_WORDS = ("bool", "int2", "int4", "int8", "numeric", "float4", "float8")


def propose_partial(site: Site, drafts: Iterable[Draft]) -> Iterator[Draft]:
    """Partial variants of the drafts, then indexes on rare values."""
    for draft in drafts:
        if draft.definition.method == BTREE and draft.definition.predicate is None:
            yield from _variants(site, draft)
            yield from _without_nulls(site, draft)
    for demand in site.demands:
        yield from _rare(site, demand)
        yield from _alone(site, demand)
        yield from _alternatives(site, demand)


def constants(site: Site, demand: Demand) -> dict[str, Atom]:
    """Conditions of a use that are the same in every call and could be a predicate, by canonical text."""
    found: dict[str, Atom] = {}
    for atom in demand.atoms(*_CONSTANT, *_NULLS):
        if atom.sql is not None and _steady(site, atom) and _may_filter(site, atom):
            found[normal(atom.sql)] = atom
    return found


def _may_filter(site: Site, atom: Atom) -> bool:
    sql = atom.sql or ""
    fields = [site.table.column(n) for n in columns(sql)]
    if not fields or not all(f is not None and f.indexable for f in fields) or unsafe(sql, site.table, site.catalog):
        return False
    return can_fail(sql, site.table, site.catalog) is None  # a predicate is evaluated for every row written


def own_guard(site: Site, demand: Demand, key: IndexKey) -> str | None:
    """The conditions of the use that keep the values apart for which the key's expression fails, or None.

    Such is a constant that a column equals (``kind = 'num'``), and a test of the column the expression is made of
    (``ref ~ '^[0-9]+$'``). That they do keep them apart is the query's claim: it would fail if they did not.
    """
    found: dict[str, str] = {}
    mine = columns(key.expression or "")
    for atom in demand.use.atoms:
        if not atom.conjunctive or atom.sql is None or atom.parameters or atom.kind in _NULLS:
            continue
        tests = columns(atom.sql) <= mine or (atom.kind in (AtomKind.EQUAL, AtomKind.IN) and _steady(site, atom))
        if tests and _may_filter(site, atom):
            found[normal(atom.sql)] = atom.sql
    return " AND ".join(found[text] for text in sorted(found)) or None


def propose_guarded(site: Site, demand: Demand, refused: dict[str, Rejection]) -> Iterator[Draft]:
    """Partial indexes over expressions that can fail, where the query guards them; takes their refusals away."""
    keys = {label(key_of(a)): key_of(a) for a in demand.atoms(*_STRICT)}
    for text, key in keys.items():
        rejection = refused.get(text)
        guard = own_guard(site, demand, key) if rejection is not None and rejection.reason == "can_fail" else None
        if guard is not None:
            del refused[text]
            yield from _guarded(site, demand, key, guard)


def _guarded(site: Site, demand: Demand, key: IndexKey, guard: str) -> Iterator[Draft]:
    text = f"only where {guard}, as the queries say: a value there that fails stops the build, and later its own write"
    equal = (key_of(a) for a in demand.atoms(AtomKind.EQUAL) if a.column is not None and (a.sql or "") not in guard)
    head = [k for k in sorted(equal, key=site.rank) if unfit_key(site, k) is None]
    for keys in dict.fromkeys(((key,), (*head[: site.options.max_key_columns - 1], key))):
        definition = site.definition(keys, predicate=guard)
        yield Draft(definition, "partial", (demand,), len(keys), (Reason("guarded", text, "model"),))


def _steady(site: Site, atom: Atom) -> bool:
    """Whether the condition looks like a flag of the row rather than a value that happened to be asked for."""
    if atom.kind in _NULLS:
        return True
    if atom.constant is None or atom.parameters or atom.elements > _FLAG_VALUES:
        return False
    column = site.table.column(atom.column) if atom.column is not None else None
    if column is None:
        known = index_statistics(atom.expression, site.table) if atom.expression is not None else None
        return known is not None and known.distinct(site.rows) <= site.options.partial_distinct
    if atom.kind is AtomKind.RANGE:
        # A range of dates moves on with the calendar, one of ids and counters with the rows.
        return column.category == "N" and atom.operator.upper() != "BETWEEN" and not _grows(site, column)
    if atom.kind is AtomKind.NOT_EQUAL:
        return True
    most = site.options.partial_distinct
    if column.category == "N":
        most = min(most, _FLAG_NUMBERS)
    few = column.statistics is None or column.statistics.distinct(site.rows) <= most
    return few and not _names_rows(column)


# A shop, forum or account that was asked for is one of many, however few there are today; kinds and states are flags.
_OF_ROWS = re.compile(r"(?:(?P<stem>.*)_)?(?:id|uuid)|(?P<camel>.*[a-z])Id")
_KINDS = re.compile(r".*(?:state|status|type|kind|level)", re.IGNORECASE)


def _names_rows(column: Column) -> bool:
    found = _OF_ROWS.fullmatch(column.name)
    stem = "" if found is None else found["stem"] or found["camel"] or ""
    return found is not None and column.category in "NU" and _KINDS.fullmatch(stem) is None


def _grows(site: Site, column: Column) -> bool:
    """Whether the values follow the order of the rows, as those of ids, counters and times in seconds do."""
    known = column.statistics
    if known is None or (known.correlation or 0.0) <= _ORDERED:
        return False
    return known.distinct(site.rows) > site.options.partial_distinct


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
    return share is not None and share <= site.options.rare_value and not absent_value(site, atom)


def _narrows(site: Site, atom: Atom) -> bool:
    if absent_value(site, atom):
        return False
    share = predicate_selectivity(atom.sql or "", site.table)
    most = site.options.null_partial_selectivity if atom.kind in _NULLS else site.options.partial_selectivity
    return share is not None and share < most


def _variant(site: Site, draft: Draft, chosen: dict[str, Atom]) -> Iterator[Draft]:
    predicate = " AND ".join(chosen[t].sql or "" for t in sorted(chosen))
    # Where the predicate says the value, the key need not.
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


def _alone(site: Site, demand: Demand) -> Iterator[Draft]:
    """Conditions that no key serves, true of few rows: the index holds just those, whatever else is asked of them."""
    for atom in constants(site, demand).values():
        share = predicate_selectivity(atom.sql or "", site.table)
        key = key_of(atom)
        if atom.kind not in _NO_KEY or share is None or share > site.options.partial_selectivity:
            continue
        if unfit_key(site, key) is None:
            text = f"{atom.sql} is true of only {share:.1%} of the rows"
            definition = site.definition((key,), predicate=atom.sql)
            yield Draft(definition, "partial", (demand,), 1, (Reason("partial", text, "pg_stats"),))


def _alternatives(site: Site, demand: Demand) -> Iterator[Draft]:
    """Rare flags under OR: each side needs its index, and a plain one on a flag is none."""
    for atom in demand.use.atoms:
        wanted = not atom.conjunctive and atom.sql is not None and atom.kind in (AtomKind.EQUAL, AtomKind.IS_NULL)
        if not wanted or not _steady(site, atom) or not _may_filter(site, atom) or not _narrows(site, atom):
            continue
        if unfit_key(site, key_of(atom)) is None:
            definition = site.definition((key_of(atom),), predicate=atom.sql)
            text = f"{atom.sql} is one of several alternatives (OR), each needs its own index"
            yield Draft(definition, "partial", (demand,), 1, (Reason("alternative", text),))


def _values_seen(demand: Demand, atom: Atom) -> frozenset[str | None] | None:
    if len(atom.parameters) != 1 or not demand.samples:
        return None
    place = atom.parameters[0] - 1
    seen = frozenset(s[place] for s in demand.samples if place < len(s))
    short = {"true": "t", "false": "f"}  # as pg_stats writes them
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


# Documents grow: an index that carries them would be as big as the table some day, and a long one cannot be stored.
_DOCUMENTS = frozenset({"json", "jsonb", "xml", "bytea", "tsvector"})
_LOW_DISTINCT = 3
_MOST_LISTS = 4


def propose_covering(site: Site, drafts: Iterable[Draft]) -> Iterator[Proposed]:
    """Drafts with INCLUDE columns; one refusal when the table's pages are mostly not all-visible."""
    options = site.options
    if not options.covering or site.rows < options.medium_rows:
        return
    suited: list[tuple[Draft, tuple[str, ...]]] = []
    for draft in drafts:
        suited += [(draft, include) for include in _includes(site, draft)]
    if suited and site.visible < options.all_visible_share:
        first = suited[0][0]
        detail = (
            f"index-only scans would still visit the table: {site.visible:.0%} of its pages are all-visible;"
            " VACUUM it first"
        )
        subject = site.subject(first.definition.keys) + " INCLUDE (…)"
        yield Rejection(subject, "too_little_benefit", detail, templates=first.templates)
        return
    for draft, include in suited:
        yield _with(draft, include)


def _with(draft: Draft, include: tuple[str, ...]) -> Draft:
    stored = {*draft.definition.columns, *include}
    served = tuple(d for d in draft.demands if _may_cover(d) and _to_read(d, draft.definition.predicate) <= stored)
    text = f"reads only {', '.join(include)} besides the key, so the table need not be visited"
    reasons = (*draft.reasons, Reason("covering", text))
    definition = replace(draft.definition, include=include)
    return replace(draft, definition=definition, kind="covering", demands=served, reasons=reasons)


def _includes(site: Site, draft: Draft) -> tuple[tuple[str, ...], ...]:
    """What different demands want included, heaviest first, as far as it is narrow enough."""
    definition = draft.definition
    if definition.method != BTREE or any(k.expression is not None for k in definition.keys) or _only_flags(site, draft):
        return ()
    if _finds_one(site, draft):
        return ()
    wanted: dict[tuple[str, ...], float] = {}
    for demand in filter(_may_cover, draft.demands):
        names = _to_read(demand, definition.predicate) - set(definition.columns)
        include = tuple(c.name for c in site.table.columns if c.name in names)
        if len(include) == len(names) and _narrow(site, (*definition.columns, *include), include):
            wanted[include] = wanted.get(include, 0.0) + demand.weight
    return tuple(sorted(wanted, key=lambda i: -wanted[i])[:_MOST_LISTS])


def _to_read(demand: Demand, predicate: str | None) -> frozenset[str]:
    """The columns an index must hold to be read alone: not those whose only condition its predicate implies.

    The planner leaves implied conditions out of what an index-only scan must check (check_index_only of indxpath.c).
    """
    implied = frozenset(conjuncts(predicate)) if predicate is not None else frozenset()
    left = {a.column for a in demand.use.atoms if a.sql is None or not a.conjunctive or normal(a.sql) not in implied}
    expressions = (a.expression for a in demand.use.atoms if a.expression is not None)
    left.update(chain.from_iterable(map(columns, expressions)))
    return demand.use.columns - (demand.use.tested - left)


def _narrow(site: Site, stored: tuple[str, ...], include: tuple[str, ...]) -> bool:
    width = _width(site, stored)
    options = site.options
    if not include or len(include) > options.max_include_columns or width is None:
        return False
    return width <= min(options.max_include_width, 0.7 * _row_width(site))


def _may_cover(demand: Demand) -> bool:
    use = demand.use
    return bool(use.columns) and not (use.whole_row or use.locked or use.target)


def _finds_one(site: Site, draft: Draft) -> bool:
    """Whether a unique index finds the one row that is asked for: a copy of it with more columns saves one page."""
    keys = set(draft.definition.columns)
    whole = (i.definition for i in site.table.indexes if i.valid and i.definition.unique)
    plain = (d for d in whole if d.predicate is None and len(d.columns) == len(d.keys))
    return draft.kind == "equality" and any(set(d.columns) <= keys for d in plain)


def _only_flags(site: Site, draft: Draft) -> bool:
    """Whether the key has so few values that an index-only scan would read a large part of the index."""
    return draft.definition.predicate is None and all(site.distinct(k) <= _LOW_DISTINCT for k in draft.definition.keys)


def _width(site: Site, names: Iterable[str]) -> float | None:
    total = 0.0
    for name in names:
        column = site.table.column(name)
        if column is None or not column.indexable or column.base_type in _DOCUMENTS:
            return None
        total += column.statistics.avg_width if column.statistics else max(column.length, 32)
    return total


def _row_width(site: Site) -> float:
    """Bytes of heap a row takes, dead space included."""
    return site.pages * 8192 / site.rows if site.rows else 0.0
