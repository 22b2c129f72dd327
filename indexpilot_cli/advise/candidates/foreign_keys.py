"""Foreign keys without an index: every delete of a parent row reads the whole child table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from indexpilot_cli.advise.candidates.fitness import unfit_key
from indexpilot_cli.advise.candidates.site import Demand, Draft, Proposed, Site, gather
from indexpilot_cli.core.candidate import Reason, Rejection
from indexpilot_cli.core.catalog import ForeignKey
from indexpilot_cli.core.index import IndexKey
from indexpilot_cli.core.workload import QueryTemplate, StatementKind


def propose_foreign_keys(site: Site, templates: Sequence[QueryTemplate]) -> Iterator[Proposed]:
    """A draft for each foreign key of the table whose parent loses rows or changes keys, else a refusal."""
    for foreign in site.catalog.foreign_keys:
        if foreign.table == site.name:
            yield from _foreign_key(site, foreign, templates)


def _foreign_key(site: Site, foreign: ForeignKey, templates: Sequence[QueryTemplate]) -> Iterator[Proposed]:
    keys = tuple(IndexKey(column=c) for c in foreign.columns)
    refused = next((r for k in keys if (r := unfit_key(site, k)) is not None), None)
    if refused is not None:
        yield refused
        return
    demands = tuple(d for d in gather(templates, foreign.referenced) if _touches(d, foreign))
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
    if not demand.use.target:
        return False
    if demand.kind is StatementKind.UPDATE:
        return bool(demand.use.updated & set(foreign.referenced_columns))
    return demand.kind in (StatementKind.DELETE, StatementKind.MERGE)


def _covered(site: Site, foreign: ForeignKey) -> bool:
    wanted = set(foreign.columns)
    return any(
        i.valid and {k.column for k in i.definition.keys[: len(wanted)]} == wanted and i.definition.predicate is None
        for i in site.table.indexes
    )
