"""From templates to priced cases: the unit of the objective, weights, and which candidates matter where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from indexpilot_cli.advise.cost.costing import Case, Mask, Pool
from indexpilot_cli.core.candidate import Candidate
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable, QueryTemplate, Scenario

MS = "ms"
COST = "cost"


def unit_of(templates: Sequence[QueryTemplate]) -> str:
    """``ms`` when every template's time is known, else ``cost``: half a workload in ms would weigh nothing."""
    return MS if templates and all(t.total_ms is not None for t in templates) else COST


def weight_of(template: QueryTemplate, cost: float, unit: str) -> float:
    """What one unit of the template's cost per call is worth in the objective.

    ``cost`` is the mean cost per call now. In ms the template keeps its measured time; in cost it has its calls.
    """
    if unit == MS and template.total_ms is not None:
        return template.total_ms / cost if cost > 0 else 0.0
    return template.calls


def scenarios_of(template: QueryTemplate) -> tuple[Scenario, ...]:
    """The parameter classes, their shares scaled to sum to 1; the text itself where there are none."""
    total = sum(s.share for s in template.scenarios)
    if total <= 0:
        return (Scenario(Plannable(template.text), 1.0, "as_written"),)
    return tuple(Scenario(s.statement, s.share / total, s.label) for s in template.scenarios)


def cases_of(templates: Sequence[QueryTemplate], pool: Pool) -> tuple[Case, ...]:
    """One case per template and parameter class, in the order of the templates."""
    by_table: dict[QualifiedName, list[int]] = {}
    for number, candidate in enumerate(pool.candidates):
        by_table.setdefault(candidate.definition.table, []).append(number)
    cases = []
    for position, template in enumerate(templates):
        relevant = relevance(template, pool, by_table)
        cases += [Case(position, s.statement, s.share, s.label, relevant) for s in scenarios_of(template)]
    return tuple(cases)


def relevance(template: QueryTemplate, pool: Pool, by_table: Mapping[QualifiedName, Sequence[int]]) -> Mask:
    """The candidates of the whole pool that could change the template's plan, not only those it asked for."""
    read = _columns_read(template)
    mask = 0
    for name, columns in read.items():
        for number in by_table.get(name, ()):
            candidate = pool.candidates[number]
            if template.id in candidate.templates or _could_serve(candidate, columns):
                mask |= 1 << number
    return mask


def _columns_read(template: QueryTemplate) -> dict[QualifiedName, set[str] | None]:
    """Columns per relation; None: all of them, or not known."""
    read: dict[QualifiedName, set[str] | None] = {}
    for use in template.uses:
        columns = {atom.column for atom in use.atoms if atom.column is not None}
        columns |= {k.column for k in (*use.order_by, *use.group_by, *use.distinct) if k.column is not None}
        columns |= {column for _, column in use.aggregates}
        known = read.get(use.table, set())
        read[use.table] = None if known is None else known | columns | (set() if use.whole_row else use.columns)
    return dict.fromkeys(template.relations) | read


def _could_serve(candidate: Candidate, columns: set[str] | None) -> bool:
    """Whether the leading key occurs in the statement; expressions are left to their own templates and the planner."""
    lead = candidate.definition.keys[0]
    return columns is None or lead.column is None or lead.column in columns


def leads(pool: Pool) -> tuple[Mask, ...]:
    """Candidates grouped by table, method and leading key."""
    groups: dict[object, Mask] = {}
    for number, candidate in enumerate(pool.candidates):
        definition = candidate.definition
        key = (definition.table, definition.method, definition.keys[0].text)
        groups[key] = groups.get(key, 0) | 1 << number
    return tuple(groups.values())


def stand_ins(pool: Pool) -> tuple[Mask, ...]:
    """Per candidate those that can do its work: the same keys first, the same predicate, at least its columns."""
    by_table: dict[QualifiedName, list[int]] = {}
    for number, candidate in enumerate(pool.candidates):
        by_table.setdefault(candidate.definition.table, []).append(number)
    return tuple(
        sum(1 << m for m in by_table[c.definition.table] if _stands_in(pool.definition(m), c.definition))
        for c in pool.candidates
    )


def _stands_in(other: IndexDefinition, wanted: IndexDefinition) -> bool:
    if other == wanted:
        return True
    if other.method != wanted.method or other.predicate != wanted.predicate or other.method != "btree":
        return False
    held = {*other.columns, *other.include}
    return other.keys[: len(wanted.keys)] == wanted.keys and held >= {*wanted.columns, *wanted.include}
