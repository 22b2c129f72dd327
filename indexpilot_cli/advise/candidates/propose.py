"""The generator: templates and a catalog in, candidates and refusals out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.advise.candidates.btree import propose_btree, propose_foreign_keys
from indexpilot_cli.advise.candidates.fitness import too_small, unfit_relation
from indexpilot_cli.advise.candidates.gates import futility, notice, refusal
from indexpilot_cli.advise.candidates.kinds import mismatches, propose_kinds
from indexpilot_cli.advise.candidates.merge import capped, dominated, joined, merged
from indexpilot_cli.advise.candidates.partial import propose_covering, propose_partial
from indexpilot_cli.advise.candidates.site import CandidateOptions, Demand, Draft, Proposed, Site, gather, make_site
from indexpilot_cli.advise.candidates.tenant import detect
from indexpilot_cli.core.candidate import Candidate, Proposal, Rejection
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import QueryTemplate, StatementKind
from indexpilot_cli.methods.size import estimate

_CLOSELY = 3  # candidates compared with each other, as a multiple of those given out


def propose(templates: Sequence[QueryTemplate], catalog: Catalog, options: CandidateOptions | None = None) -> Proposal:
    """Indexes worth pricing for these templates, and everything set aside with its reason.

    Candidates come by table, most wanted first; each names the templates that asked for it. Nothing is read
    but the arguments, and equal arguments give equal proposals.
    """
    chosen = options or CandidateOptions()
    tenant = detect(templates, catalog)
    candidates: list[Candidate] = []
    rejections: list[Rejection] = []
    for name in _relations(templates, catalog):
        demands = gather(templates, name)
        problem = unfit_relation(name, catalog)
        table = catalog.table(name)
        if problem is not None or table is None:
            rejections.append(_unsupported(name, problem or "", demands))
            continue
        site = make_site(table, demands, catalog, chosen, tenant.of(name) if tenant else None)
        kept, refused = _table(site, templates)
        candidates.extend(_candidate(d) for d in kept)
        rejections.extend(refused)
    return Proposal(tuple(candidates), _without_repeats(rejections))


def _relations(templates: Sequence[QueryTemplate], catalog: Catalog) -> tuple[QualifiedName, ...]:
    used: dict[QualifiedName, None] = {}
    losing: set[QualifiedName] = set()
    for template in templates:
        used |= dict.fromkeys(use.table for use in template.uses)
        if template.kind is not StatementKind.INSERT:
            losing |= {use.table for use in template.uses if use.target}
    losing |= {t.name for t in catalog.tables if t.activity.deletes and t.name in used}
    return tuple(used | dict.fromkeys(k.table for k in catalog.foreign_keys if k.referenced in losing))


def _unsupported(name: QualifiedName, problem: str, demands: Sequence[Demand]) -> Rejection:
    detail = f"{name.short} {problem}"
    return Rejection(name.short, "unsupported_relation", detail, templates=frozenset(d.template for d in demands))


def _table(site: Site, templates: Sequence[QueryTemplate]) -> tuple[tuple[Draft, ...], list[Rejection]]:
    first, rejections = _sorted_out(_first(site, templates))
    small = too_small(site)
    if small is not None:
        return (), [*rejections, *_all_small(site, first, small)]
    drafts = joined(first)
    covering, more = _sorted_out(propose_covering(site, drafts))
    partial = tuple(propose_partial(site, drafts))
    covering_partial, _ = _sorted_out(propose_covering(site, joined(partial)))
    useful, futile = _useful(site, first)
    passed, refused = _gated(site, joined((*useful, *covering, *partial, *covering_partial)))
    refused += [r for r in futile if r.definition not in {d.definition for d in passed}]
    sizes: dict[IndexDefinition, float] = {}

    def size(definition: IndexDefinition) -> float:
        if definition not in sizes:
            sizes[definition] = float(estimate(definition, site.table, site.catalog).bytes)
        return sizes[definition]

    wide, far = capped(site, passed, _CLOSELY * site.options.per_table)
    kept, gone = dominated(site, merged(site, wide), size)
    ordered = sorted(kept, key=lambda d: (-d.weight, d.definition.id))
    final, over = capped(site, ordered, site.options.per_table, size)
    return final, [*rejections, *more, *refused, *far, *gone, *over]


def _first(site: Site, templates: Sequence[QueryTemplate]) -> Iterator[Proposed]:
    for demand in site.demands:
        if demand.kind is StatementKind.INSERT and demand.use.target:
            continue
        yield from mismatches(site, demand)
        yield from propose_btree(site, demand)
        yield from propose_kinds(site, demand)
    yield from propose_foreign_keys(site, templates)


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
        warned = notice(site, draft)
        if warned is not None:
            rejections.append(warned)
    return passed, rejections


def _candidate(draft: Draft) -> Candidate:
    return Candidate(draft.definition, draft.kind, draft.templates, draft.reasons)


def _without_repeats(rejections: Sequence[Rejection]) -> tuple[Rejection, ...]:
    """One rejection per subject, reason and definition, with the templates of all."""
    known: dict[tuple[object, ...], Rejection] = {}
    for item in rejections:
        key = (item.subject, item.reason, item.definition, item.by)
        other = known.get(key)
        known[key] = item if other is None else replace(other, templates=other.templates | item.templates)
    return tuple(known.values())
