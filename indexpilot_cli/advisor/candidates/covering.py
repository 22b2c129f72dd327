"""Covering variants: the few other columns a query reads, kept in the leaf for index-only scans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from indexpilot_cli.advisor.candidates.site import Demand, Draft, Proposed, Site
from indexpilot_cli.model.candidate import Reason, Rejection
from indexpilot_cli.model.index import BTREE

_LOW_DISTINCT = 3


def propose_covering(site: Site, drafts: Iterable[Draft]) -> Iterator[Proposed]:
    """Drafts with INCLUDE columns; one refusal when the table's pages are mostly not all-visible."""
    options = site.options
    if not options.covering or site.rows < options.medium_rows:
        return
    suited = [(d, i) for d in drafts if (i := _included(site, d)) is not None]
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
        reads = ", ".join(include)
        reason = Reason("covering", f"reads only {reads} besides the key, so the table need not be visited")
        yield replace(
            draft,
            definition=replace(draft.definition, include=include),
            kind="covering",
            reasons=(*draft.reasons, reason),
        )


def _included(site: Site, draft: Draft) -> tuple[str, ...] | None:
    definition = draft.definition
    if definition.method != BTREE or any(k.expression is not None for k in definition.keys):
        return None
    if not all(_may_cover(d) for d in draft.demands) or _only_flags(site, draft):
        return None
    wanted = frozenset(c for d in draft.demands for c in d.use.columns) - set(definition.columns)
    include = tuple(sorted(wanted, key=lambda n: _number(site, n)))
    if not include or len(include) > site.options.max_include_columns:
        return None
    width = _width(site, (*definition.columns, *include))
    if width is None or width > site.options.max_include_width or width > 0.7 * _row_width(site):
        return None
    return include


def _may_cover(demand: Demand) -> bool:
    return bool(demand.use.columns) and not (demand.use.whole_row or demand.use.target)


def _only_flags(site: Site, draft: Draft) -> bool:
    """Whether the key has so few values that an index-only scan would read a large part of the index."""
    return draft.definition.predicate is None and all(site.distinct(k) <= _LOW_DISTINCT for k in draft.definition.keys)


def _number(site: Site, name: str) -> int:
    column = site.table.column(name)
    return column.number if column else 0


def _width(site: Site, names: Iterable[str]) -> float | None:
    total = 0.0
    for name in names:
        column = site.table.column(name)
        if column is None or not column.indexable:
            return None
        total += column.statistics.avg_width if column.statistics else max(column.length, 32)
    return total


def _row_width(site: Site) -> float:
    """Bytes of heap a row takes, dead space included."""
    return site.pages * 8192 / site.rows if site.rows else 0.0
