"""Covering variants: the few other columns a query reads, kept in the leaf for index-only scans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from indexpilot_cli.advise.candidates.site import Demand, Draft, Proposed, Site
from indexpilot_cli.core.candidate import Reason, Rejection
from indexpilot_cli.core.index import BTREE

# Documents grow: an index that carries them would be as big as the table some day, and a long one cannot be stored.
_DOCUMENTS = frozenset({"json", "jsonb", "xml", "bytea", "tsvector"})
_LOW_DISTINCT = 3
_MOST_LISTS = 4


def propose_covering(site: Site, drafts: Iterable[Draft]) -> Iterator[Proposed]:
    """Drafts with INCLUDE columns; one refusal when the table's pages are mostly not all-visible."""
    options = site.options
    if not options.covering or site.rows < options.medium_rows:
        return
    suited = [(draft, include) for draft in drafts for include in _includes(site, draft)]
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
    served = tuple(d for d in draft.demands if _may_cover(d) and d.use.columns <= stored)
    text = f"reads only {', '.join(include)} besides the key, so the table need not be visited"
    reasons = (*draft.reasons, Reason("covering", text))
    definition = replace(draft.definition, include=include)
    return replace(draft, definition=definition, kind="covering", demands=served, reasons=reasons)


def _includes(site: Site, draft: Draft) -> tuple[tuple[str, ...], ...]:
    """What different demands want included, heaviest first, as far as it is narrow enough."""
    definition = draft.definition
    if definition.method != BTREE or any(k.expression is not None for k in definition.keys) or _only_flags(site, draft):
        return ()
    wanted: dict[tuple[str, ...], float] = {}
    for demand in filter(_may_cover, draft.demands):
        names = demand.use.columns - set(definition.columns)
        include = tuple(c.name for c in site.table.columns if c.name in names)
        if len(include) == len(names) and _narrow(site, (*definition.columns, *include), include):
            wanted[include] = wanted.get(include, 0.0) + demand.weight
    return tuple(sorted(wanted, key=lambda i: -wanted[i])[:_MOST_LISTS])


def _narrow(site: Site, stored: tuple[str, ...], include: tuple[str, ...]) -> bool:
    width = _width(site, stored)
    options = site.options
    if not include or len(include) > options.max_include_columns or width is None:
        return False
    return width <= min(options.max_include_width, 0.7 * _row_width(site))


def _may_cover(demand: Demand) -> bool:
    return bool(demand.use.columns) and not (demand.use.whole_row or demand.use.target)


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
