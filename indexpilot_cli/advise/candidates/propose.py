"""The generator: templates and a catalog in, candidates and refusals out; and the tenant column they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from indexpilot_cli.advise.candidates.btree import propose_btree, propose_foreign_keys
from indexpilot_cli.advise.candidates.drafts import capped, dominated, futility, joined, merged, refusal
from indexpilot_cli.advise.candidates.kinds import mismatches, propose_kinds, unknown_constants
from indexpilot_cli.advise.candidates.partial import propose_covering, propose_partial
from indexpilot_cli.advise.candidates.site import (
    CandidateOptions,
    Demand,
    Demands,
    Draft,
    Proposed,
    Site,
    gather,
    make_site,
    too_small,
    unfit_relation,
)
from indexpilot_cli.advise.candidates.tenants import propose_for_tenants
from indexpilot_cli.core.catalog import Catalog, Column, ForeignKey, Table
from indexpilot_cli.core.index import Candidate, IndexDefinition, Proposal, Rejection
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import AtomKind, QueryTemplate, RelationUse, StatementKind
from indexpilot_cli.methods.partitioned import upwards
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.sql.selectivity import row_count

_CLOSELY = 3  # candidates compared with each other, as a multiple of those given out


def propose(
    templates: Sequence[QueryTemplate],
    catalog: Catalog,
    options: CandidateOptions | None = None,
    sizes: Sizes | None = None,
) -> Proposal:
    """Indexes worth pricing for these templates, and everything set aside with its reason.

    Candidates come by table, most wanted first; each names the templates that asked for it. Nothing is read
    but the arguments, and equal arguments give equal proposals.
    """
    chosen, sizes = options or CandidateOptions(), sizes or Sizes(catalog)
    tenant = detect(templates, catalog)
    candidates: list[Candidate] = []
    rejections: list[Rejection] = []
    wanted = gather(templates)
    for name in _relations(templates, catalog):
        demands = tuple(chain.from_iterable(wanted.get(n, ()) for n in (name, *_ancestors(name, catalog))))
        problem = unfit_relation(name, catalog)
        table = catalog.table(name)
        if problem is not None or table is None:
            rejections.append(_unsupported(name, problem or "", demands))
            continue
        site = make_site(table, demands, catalog, chosen, tenant.of(name) if tenant else None)
        kept, refused = _table(site, wanted, sizes)
        candidates.extend(Candidate(d.definition, d.kind, d.templates, d.reasons) for d in kept)
        rejections.extend(refused)
    return Proposal(_for_parts_too(candidates, catalog), _without_repeats(rejections))


def _for_parts_too(candidates: Sequence[Candidate], catalog: Catalog) -> tuple[Candidate, ...]:
    """Indexes of partitioned tables also with the templates that ask a partition for the like: each is one of those."""
    asking: dict[tuple[QualifiedName, str, str], frozenset[str]] = {}
    for candidate in candidates:
        lead = candidate.definition.keys[0].text
        for name in upwards(candidate.definition.table, catalog):
            key = (name, candidate.definition.method, lead)
            asking[key] = asking.get(key, frozenset()) | candidate.templates
    keys = [(c.definition.table, c.definition.method, c.definition.keys[0].text) for c in candidates]
    return tuple(replace(c, templates=asking[key]) for c, key in zip(candidates, keys, strict=True))


def _relations(templates: Sequence[QueryTemplate], catalog: Catalog) -> tuple[QualifiedName, ...]:
    used: dict[QualifiedName, None] = {}
    losing: set[QualifiedName] = set()
    for template in templates:
        used |= dict.fromkeys(use.table for use in template.uses)
        losing |= {use.table for use in template.uses if use.write not in (None, StatementKind.INSERT)}
    losing |= {t.name for t in catalog.tables if t.activity.deletes and t.name in used}
    for name in tuple(used):
        used |= dict.fromkeys(_heirs(name, catalog))
    # The server looks for rows that refer to each row that goes, or whose key changes: a search of its own.
    return tuple(used | dict.fromkeys(k.table for k in catalog.foreign_keys if k.referenced in losing))


def _heirs(name: QualifiedName, catalog: Catalog) -> Iterator[QualifiedName]:
    """Tables that inherit from this one: a query of it reads them too, each by indexes of its own."""
    for table in catalog.children_of(name):
        if not table.is_partition:
            yield table.name
            yield from _heirs(table.name, catalog)


def _ancestors(name: QualifiedName, catalog: Catalog) -> Iterator[QualifiedName]:
    table = catalog.table(name)
    if table is not None and table.parent is not None and not table.is_partition:
        yield table.parent
        yield from _ancestors(table.parent, catalog)


def _unsupported(name: QualifiedName, problem: str, demands: Sequence[Demand]) -> Rejection:
    detail = f"{name.short} {problem}"
    return Rejection(name.short, "unsupported_relation", detail, templates=frozenset(d.template for d in demands))


def _table(site: Site, wanted: Demands, sizes: Sizes) -> tuple[tuple[Draft, ...], list[Rejection]]:
    first, rejections = _sorted_out(_first(site, wanted))
    small = too_small(site)
    if small is not None:
        return (), [*rejections, *_all_small(site, first, small)]
    drafts = joined(first)
    covering, more = _sorted_out(propose_covering(site, drafts))
    partial = (*propose_partial(site, drafts), *propose_for_tenants(site, drafts))
    covering_partial, _ = _sorted_out(propose_covering(site, joined(partial)))
    useful, futile = _useful(site, first)
    passed, refused = _gated(site, joined((*useful, *covering, *partial, *covering_partial)))
    refused += [r for r in futile if r.definition not in {d.definition for d in passed}]

    def size(definition: IndexDefinition) -> float:
        return float(sizes.of(definition).bytes)

    wide, far = capped(site, passed, _CLOSELY * site.options.per_table)
    kept, gone = dominated(site, merged(site, wide), size)
    ordered = sorted(kept, key=lambda d: (-d.weight, d.definition.id))
    final, over = capped(site, ordered, site.options.per_table, size)
    return final, [*rejections, *more, *refused, *far, *gone, *over]


def _first(site: Site, wanted: Demands) -> Iterator[Proposed]:
    for demand in site.demands:
        if demand.use.write is StatementKind.INSERT:
            continue
        yield from mismatches(site, demand)
        yield from unknown_constants(site, demand)
        yield from propose_btree(site, demand)
        yield from propose_kinds(site, demand)
    yield from propose_foreign_keys(site, wanted)


def _sorted_out(proposed: Iterable[Proposed]) -> tuple[tuple[Draft, ...], list[Rejection]]:
    drafts: list[Draft] = []
    rejections: list[Rejection] = []
    for item in proposed:
        if isinstance(item, Draft):
            drafts.append(item)
        else:
            rejections.append(item)
    return tuple(drafts), rejections


def _all_small(site: Site, drafts: Sequence[Draft], detail: str) -> Iterator[Rejection]:
    for draft in joined(d for d in drafts if len(d.definition.keys) == 1 or d.kind == "foreign_key"):
        subject = site.subject(draft.definition.keys)
        yield Rejection(subject, "too_small", detail, draft.definition, templates=draft.templates)


def _useful(site: Site, drafts: Sequence[Draft]) -> tuple[list[Draft], list[Rejection]]:
    """Drafts that help the use they were made for: one template's futile wish must not outvote another's."""
    found = [(draft, futility(site, draft)) for draft in drafts]
    return [d for d, why in found if why is None], [why for _, why in found if why is not None]


def _gated(site: Site, drafts: Sequence[Draft]) -> tuple[list[Draft], list[Rejection]]:
    passed: list[Draft] = []
    rejections: list[Rejection] = []
    for draft in drafts:
        refused = refusal(site, draft)
        if refused is not None:
            rejections.append(refused)
            continue
        passed.append(draft)
    return passed, rejections


def _without_repeats(rejections: Sequence[Rejection]) -> tuple[Rejection, ...]:
    """One rejection per subject, reason and definition, with the templates of all."""
    known: dict[tuple[object, ...], Rejection] = {}
    for item in rejections:
        key = (item.subject, item.reason, item.definition, item.by)
        other = known.get(key)
        known[key] = item if other is None else replace(other, templates=other.templates | item.templates)
    return tuple(known.values())


_COMPARED = 0.8  # share of the uses' weight on a table that must compare the column
_TABLES = 2  # tables at least, when a common parent is referenced
_TABLES_BY_NAME = 3  # tables at least, when only name and type agree
_SMALL_PARENT = 0.2  # a tenant table is at most this much of its children


@dataclass(frozen=True, slots=True)
class Tenant:
    """How tenants are told apart. ``columns`` is the tenant column of each table that has one.

    ``parent`` is the table of tenants where foreign keys name it; ``share`` the share of the uses' weight on
    these tables that compares the column; ``why`` a clause for people.
    """

    columns: Mapping[QualifiedName, str]
    parent: QualifiedName | None
    share: float
    why: str = field(default="", compare=False)

    def of(self, table: QualifiedName) -> str | None:
        """The tenant column of the table, or None."""
        return self.columns.get(table)


def detect(templates: Sequence[QueryTemplate], catalog: Catalog) -> Tenant | None:
    """The best supported tenant scheme of the workload, or None when there is none.

    Asks for a column that equality or a join restricts in at least 80 % of the weight on each table, on two
    tables or more that reference one smaller table with it, or three that share its name and type.
    """
    uses = _weights(templates)
    parents = _by_parent(key for key in catalog.foreign_keys if key.table in uses)
    groups = (*parents.items(), *((None, group) for group in _by_name(uses, catalog)))
    found = [t for t in (_scheme(parent, group, uses, catalog) for parent, group in groups) if t is not None]
    return max(found, key=lambda t: (len(t.columns), t.share, t.parent is not None), default=None)


def nearest_scheme(templates: Sequence[QueryTemplate], catalog: Catalog) -> Mapping[QualifiedName, str]:
    """The columns with which tables refer to one other table, where the workload compares them most: what somebody
    probably means who speaks of tenants, although not enough statements bear it out for ``detect``.
    """
    uses = _weights(templates)
    compared: list[tuple[float, Group]] = []
    for group in _by_parent(catalog.foreign_keys).values():
        if len(group) >= _TABLES:
            compared.append((sum(_weight_of(uses.get(table, ()), column) for table, column in group.items()), group))
    best = max(compared, key=lambda pair: pair[0], default=(0.0, {}))
    return best[1] if best[0] > 0 else {}


Group = dict[QualifiedName, str]
Uses = dict[QualifiedName, list[tuple[float, frozenset[str]]]]


def _weights(templates: Iterable[QueryTemplate]) -> Uses:
    found: Uses = {}
    for template in templates:
        for use in template.uses:
            if use.write is not StatementKind.INSERT:
                found.setdefault(use.table, []).append((template.weight, _compared(use)))
    return found


def _compared(use: RelationUse) -> frozenset[str]:
    kinds = (AtomKind.EQUAL, AtomKind.IN, AtomKind.JOIN)
    return frozenset(a.column for a in use.atoms if a.conjunctive and a.kind in kinds and a.column is not None)


def _weight_of(seen: Sequence[tuple[float, frozenset[str]]], column: str) -> float:
    return sum(weight for weight, names in seen if column in names)


def _by_parent(keys: Iterable[ForeignKey]) -> dict[QualifiedName, Group]:
    found: dict[QualifiedName, Group] = {}
    for key in keys:
        if len(key.columns) == 1:
            found.setdefault(key.referenced, {}).setdefault(key.table, key.columns[0])
    return found


def _by_name(uses: Uses, catalog: Catalog) -> Iterable[Group]:
    """Of the tables that are used, the columns of one name and type."""
    found: dict[tuple[str, str], Group] = {}
    for table in catalog.tables:
        for column in table.columns if table.name in uses else ():
            if not _identifies(table, column):
                found.setdefault((column.name, column.base_type), {})[table.name] = column.name
    return found.values()


def _identifies(table: Table, column: Column) -> bool:
    if any(i.definition.unique and i.definition.columns == (column.name,) for i in table.indexes):
        return True
    rows = row_count(table)
    return column.statistics is not None and rows > 100 and column.statistics.distinct(rows) > rows / 3


def _scheme(parent: QualifiedName | None, group: Group, uses: Uses, catalog: Catalog) -> Tenant | None:
    columns: Group = {}
    total = compared = 0.0
    for name, column in group.items():
        seen = uses.get(name, [])
        weight = sum(w for w, _ in seen)
        having = _weight_of(seen, column)
        if weight > 0 and having >= _COMPARED * weight and not _one_per_row(catalog, name, column):
            columns[name] = column
            total, compared = total + weight, compared + having
    used = [n for n in group if uses.get(n)]
    enough = _TABLES if parent is not None else _TABLES_BY_NAME
    if len(columns) < enough or len(columns) < _COMPARED * len(used):
        return None
    if parent is not None and not _small(parent, columns, catalog):
        return None
    names = ", ".join(sorted(set(columns.values())))
    whose = f" and references {parent.short}" if parent is not None else ""
    why = f"{names} is compared in {compared / total:.0%} of the work on {len(columns)} tables{whose}"
    return Tenant(columns, parent, compared / total, why)


def _one_per_row(catalog: Catalog, name: QualifiedName, column: str) -> bool:
    table = catalog.table(name)
    field_ = table.column(column) if table else None
    return table is None or field_ is None or _identifies(table, field_)


def _small(parent: QualifiedName, columns: Group, catalog: Catalog) -> bool:
    table = catalog.table(parent)
    largest = max((row_count(t) for n in columns if (t := catalog.table(n)) is not None), default=0.0)
    return table is not None and row_count(table) <= max(_SMALL_PARENT * largest, 1.0)
