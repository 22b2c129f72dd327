"""What every draft must pass: usefulness, width, and no existing index that does the same."""

from __future__ import annotations

from dataclasses import replace

from indexpilot_cli.advise.candidates.merge import set_aside
from indexpilot_cli.advise.candidates.site import Demand, Draft, Site, key_of
from indexpilot_cli.core.candidate import Rejection
from indexpilot_cli.core.index import BTREE, HASH, IndexDefinition
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.methods.existing import covered_by, invalid_twin, same_structure
from indexpilot_cli.sql.expressions import CAST, CONSTANT, read_expression
from indexpilot_cli.sql.selectivity import average_equal, selectivity

_LOOKUP = ("equality", "range", "tenant", "expression", "hash")
_FLAG = 3
_OPEN_RANGE = 0.1


def refusal(site: Site, draft: Draft) -> Rejection | None:
    """Why the draft of all who want it is no candidate, or None."""
    return _covered(site, draft) or _too_wide(site, draft)


def futility(site: Site, draft: Draft) -> Rejection | None:
    """Why the index would not help the one use that the draft was made for, or None."""
    return _unselective(site, draft) or _whole_table(site, draft)


def notice(site: Site, draft: Draft) -> Rejection | None:
    """That an invalid index of the same structure exists and should be dropped; the draft stays."""
    index = invalid_twin(draft.definition, site.table.indexes, free=draft.free)
    if index is None:
        return None
    detail = f"{index.name.name} is invalid and serves no query: drop it before building it again"
    return set_aside(site, draft, "invalid_exists", detail, index.name.name)


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
    if definition.method not in (BTREE, HASH):
        return None
    share = min((_share(site, draft, d) for d in range(len(draft.demands))), default=0.0)
    options = site.options
    most = options.max_selectivity if site.rows >= options.medium_rows else options.medium_selectivity
    flags = all(site.distinct(k) <= _FLAG for k in definition.keys)
    if share <= most and not flags:
        return None
    values = " × ".join(f"{site.distinct(k):.0f}" for k in definition.keys)
    detail = f"{values} distinct values: a lookup returns about {share:.0%} of the rows, reading the table is cheaper"
    if share <= most:
        detail = f"{values} distinct values: only the rare ones are worth an index, and a partial index holds just them"
    return set_aside(site, draft, "low_selectivity", detail)


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
    return demand.use.whole_row or not demand.use.columns <= set(definition.columns)


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
