"""Partial indexes for fields that few tenants use, by the expression profiles.

The planner proves ``tenant_id IN (3, 7)`` from ``tenant_id = 7`` where it sees the value: literals and custom plans
(manual, "Partial Indexes"). Whether that is so, and whether it pays, is for the price and the selection to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from indexpilot_cli.advise.candidates.site import Demand, Draft, Site
from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.index import Reason, TenantUse
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.core.workload import AtomKind, StatementKind
from indexpilot_cli.sql.normal import columns
from indexpilot_cli.sql.selectivity import predicate_selectivity, row_count

_TENANT = "tenant_id"  # what a profile calls it, where neither workload nor foreign keys tell of another column
_TENANTS = "tenants"
_INTEGERS = ("int2", "int4", "int8")
_LARGE = 3.0  # times the average from which on a tenant is called large
_TOLD = 3


def propose_for_tenants(site: Site, drafts: Iterable[Draft]) -> Iterator[Draft]:
    """The drafts on such fields, for the rows of those tenants only."""
    tenant = _tenant_column(site)
    if tenant is None:
        return
    for draft in drafts:
        used = site.options.tenants or _used(site, draft) if draft.definition.predicate is None else None
        # Led by the tenant, it finds the tenant's rows for whatever else is asked, as the whole index would.
        led = draft.definition.keys[0].column == tenant
        demands = tuple(d for d in (site.demands if led else draft.demands) if _of_a_tenant(d, tenant))
        if used is not None and demands:
            yield _for(site, draft, demands, tenant, used)


def _tenant_column(site: Site) -> str | None:
    if site.options.tenants is not None:
        return site.options.tenant_columns.get(site.name)
    name = tenant_column(site.table, site.catalog, site.tenant)
    column = site.table.column(name) if name is not None else None
    return name if column is not None and column.base_type in _INTEGERS else None  # as the ids of profiles


def tenant_column(table: Table, catalog: Catalog, *names: str | None) -> str | None:
    """The column by which rows of the table belong to a tenant: one of the names, the reference to ``tenants``, or
    ``tenant_id``; None where it has none of them.
    """
    keys = [k.columns[0] for k in catalog.keys_of(table.name) if k.referenced.name == _TENANTS and len(k.columns) == 1]
    return next((n for n in (*names, *keys, _TENANT) if n is not None and table.column(n) is not None), None)


def tenant_columns(detected: Mapping[QualifiedName, str], catalog: Catalog) -> dict[QualifiedName, str]:
    """The tenant column of each table that has one; ``detected`` are those that the workload tells."""
    others = dict.fromkeys(detected.values())
    found = ((t.name, tenant_column(t, catalog, detected.get(t.name), *others)) for t in catalog.tables)
    return {name: column for name, column in found if column is not None}


def skew(columns: Mapping[QualifiedName, str], catalog: Catalog) -> tuple[str, ...]:
    """Who the large tenants are, by the statistics of the largest table with a tenant column; empty: all are alike."""
    table = max((t for t in catalog.tables if t.name in columns), key=lambda t: t.rows, default=None)
    column = table.column(columns[table.name]) if table is not None else None
    if table is None or column is None or column.statistics is None:
        return ()
    known, many = column.statistics, column.statistics.distinct(row_count(table))
    pairs = zip(known.most_common_vals, known.most_common_freqs, strict=False)
    large = [f"{value} {share:.0%}" for value, share in pairs if share * many >= _LARGE][:_TOLD]
    about = f"of the rows of {table.name.short}, of about {many:,.0f} tenants"
    return (f"large tenants by {column.name}: {', '.join(large)} {about}",) if large else ()


def _used(site: Site, draft: Draft) -> TenantUse | None:
    """Who uses all the fields of the draft's keys; None: many, or nobody."""
    found = [c.used_by for n in _fields(draft) if (c := site.table.column(n)) is not None and c.used_by is not None]
    tenants = [t for t in found[0].tenants if all(t in other.tenants for other in found)] if found else []
    return TenantUse(tuple(tenants), found[0].of) if tenants else None


def _of_a_tenant(demand: Demand, tenant: str) -> bool:
    kinds = (AtomKind.EQUAL, AtomKind.IN)
    return demand.use.write is not StatementKind.INSERT and any(a.column == tenant for a in demand.atoms(*kinds))


def _for(site: Site, draft: Draft, demands: tuple[Demand, ...], tenant: str, used: TenantUse) -> Draft:
    column = site.table.column(tenant)
    texts = [t if column is not None and column.category == "N" else quote_literal(t) for t in map(str, used.tenants)]
    listed = ", ".join(texts)
    single = len(used.tenants) == 1
    predicate = f"{quote_identifier(tenant)} {f'= {listed}' if single else f'IN ({listed})'}"
    # Where the predicate says the value, the key need not.
    keys = tuple(k for k in draft.definition.keys if not single or k.column != tenant) or draft.definition.keys
    free = max(0, min(draft.free - len(draft.definition.keys) + len(keys), len(keys)))
    share = predicate_selectivity(predicate, site.table) or 0.0
    fields = ", ".join(sorted(n for n in _fields(draft) if (c := site.table.column(n)) and c.used_by))
    whose = f"only tenant {listed}" if single else f"only tenants {listed}"
    text = f"{whose} of {used.of} {'uses' if single else 'use'} {fields} (expression profiles), {share:.1%} of the rows"
    source = "expression_profile"
    if site.options.tenants is not None:
        text, source = f"for {whose.removeprefix('only ')} alone (--tenant), {share:.1%} of the rows", "settings"
    text += "; plans made for such a tenant use it, generic ones cannot"
    reasons = (*draft.reasons, Reason("few_tenants", text, source))
    return Draft(replace(draft.definition, keys=keys, predicate=predicate), "partial", demands, free, reasons)


def _fields(draft: Draft) -> Iterator[str]:
    for key in draft.definition.keys:
        yield from columns(key.expression) if key.expression is not None else (key.column or "",)
