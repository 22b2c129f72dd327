"""Reasons to doubt a recommendation, the statement that would settle each, and a confidence in words.

A doubt is raised only where it could turn the decision: where the error it stands for is larger than the margin
between the costs with and without the index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from indexpilot_cli.advise.explain.shapes import DEARER, early_ends, error_factor, index_reads, risky_loops
from indexpilot_cli.advise.rewrites.find import keysets
from indexpilot_cli.advise.select.problem import Choice, Selection
from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.index import BRIN, IndexDefinition
from indexpilot_cli.core.names import QualifiedName, cut_name, quote_identifier
from indexpilot_cli.core.plan import Risk, TemplateEffect
from indexpilot_cli.core.workload import Atom, AtomKind, QueryTemplate
from indexpilot_cli.sql.failing import can_fail
from indexpilot_cli.sql.selectivity import index_statistics

STALE = 0.2  # share of rows changed since ANALYZE, twice what autovacuum waits for by default
SMALL = 1000.0  # rows below which nothing is worth a doubt
OF_EXPRESSIONS = 14  # the first version that takes an expression in CREATE STATISTICS
DEFAULT_SELECTIVITY = 0.005  # of "expression = constant" without statistics
FROM_PLANS = frozenset({"nested_loop", "limit_order", "index_reads"})
LOW = frozenset({"never_analyzed", "statistics_hidden", "limit_order"})
Extended = Mapping[QualifiedName, Sequence[frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Assessment:
    """Doubts of one recommendation; ``confidence`` is high, medium or low, ``why`` a clause."""

    risks: tuple[Risk, ...]
    confidence: str
    why: str


def assess(
    choice: Choice,
    selection: Selection,
    templates: Sequence[QueryTemplate],
    catalog: Catalog,
    extended: Extended | None = None,
    limits: Mapping[str, str] | None = None,
) -> Assessment:
    """The doubts about a chosen index. ``extended`` are column sets of extended statistics per table, when known;
    ``limits`` says by template what a LIMIT costs for a common and a rare value.
    """
    definition = choice.candidate.definition
    table = catalog.table(definition.table)
    served = {e.template: e for e in choice.effects}
    mine = [t for t in templates if t.id in served]
    risks = [*_from_plans(choice, selection, limits or {}), *_keysets(mine, catalog)]
    if table is not None:
        risks += _from_statistics(table, mine)
        risks += _correlated(table, mine, served, (extended or {}).get(table.name, ()))
        risks += _expressions(definition, table, mine, served, catalog.major)
        risks += _failing(definition, table, catalog)
    risks += _sensitive(choice)
    if definition.method == BRIN:
        risks.append(_physical_order(definition))
    if definition.method in ("hnsw", "ivfflat"):
        risks.append(_approximate(definition))
    merged = _merged(risks)
    if _made_up(choice, mine):
        return Assessment(merged, "low", "it rests on statements made from recorded fields")
    return Assessment(merged, *_confidence(choice, merged))


def _merged(risks: Sequence[Risk]) -> tuple[Risk, ...]:
    """One per kind of doubt and settling statement, with the templates of all; plan doubts by the first only."""
    found: dict[tuple[str, str], Risk] = {}
    for risk in risks:
        key = (risk.code, "" if risk.code in FROM_PLANS else risk.text)
        known = found.get(key)
        if known is None:
            found[key] = risk
        else:
            found[key] = Risk(known.code, known.text, known.settle, known.templates | risk.templates)
    return tuple(found.values())


def _made_up(choice: Choice, templates: Sequence[QueryTemplate]) -> bool:
    """Whether most of the saving is that of statements nobody saw."""
    made = {t.id for t in templates if t.assumed}
    saved = {e.template: (e.before - e.after) * e.weight for e in choice.effects}
    return bool(made) and 2 * sum(saved[name] for name in made) >= sum(saved.values())


# -- from plans


def _from_plans(choice: Choice, selection: Selection, limits: Mapping[str, str]) -> Iterator[Risk]:
    """Doubts about the plans that use the index, the narrowest margin first."""
    found = sorted(_plan_risks(choice, selection, limits), key=lambda pair: pair[0])
    return (risk for _, risk in found)


def _plan_risks(choice: Choice, selection: Selection, limits: Mapping[str, str]) -> Iterator[tuple[float, Risk]]:
    definition = choice.candidate.definition
    before = {e.template: e.before for e in choice.effects}
    for (template, _), plan in selection.plans.items():
        if plan.tree is None or template not in before or definition not in plan.hypothetical:
            continue
        loops = [n for n in risky_loops(plan.tree, before[template]) if n.relation == definition.table.name]
        for loop in loops:
            text = (
                f"{template} probes it an estimated {loop.probes:,.0f} times; "
                f"with {loop.factor:.1f} times as many it would cost more than without the index"
            )
            yield loop.factor, Risk("nested_loop", text, _run(template), frozenset({template}))
        reads = index_reads(plan.tree)
        factor = error_factor(before[template], float(plan.tree["Total Cost"]), reads.cost)
        if not loops and reads.rows >= SMALL and factor < DEARER:
            text = (
                f"{template} reads an estimated {reads.rows:,.0f} rows one by one through indexes; where that takes "
                f"{factor:.1f} times what the planner says, it is slower than without the index"
            )
            yield factor, Risk("index_reads", text, _run(template), frozenset({template}))
        for end in early_ends(plan.tree, before[template]):
            if end.relation == definition.table.name:
                text = (
                    f"{template} reads {end.relation} in order and hopes to find {end.limit:,.0f} matching rows early; "
                    "that holds when matching rows are spread evenly"
                )
                text += f"; {limits[template]}" if template in limits else ""
                yield end.factor, Risk("limit_order", text, _run(template), frozenset({template}))


def _keysets(templates: Sequence[QueryTemplate], catalog: Catalog) -> Iterator[Risk]:
    """Pages by key written with OR: no plan begins where the last page ended."""
    for template in templates:
        if any(use.limited and use.order_by for use in template.uses):
            for hint in keysets(template.text, catalog):
                text = f"{template.id} asks for a page by {hint.before}: {hint.why}; write {hint.after}"
                yield Risk("keyset", text, f"EXPLAIN (ANALYZE, BUFFERS) of a late page of {template.id} in both forms",
                           frozenset({template.id}))  # fmt: skip


def _run(template: str) -> str:
    return f"EXPLAIN (ANALYZE, BUFFERS) of {template} with a rare and a common value"


# -- from statistics


def _from_statistics(table: Table, templates: Sequence[QueryTemplate]) -> Iterator[Risk]:
    analyze, ids = f"ANALYZE {table.name}", frozenset(t.id for t in templates)
    unknown = table.rows > SMALL and all(c.statistics is None for c in table.columns)
    if unknown and table.activity.last_analyze is not None:
        # pg_stats hides the rows of tables whose policies the role is subject to.
        # https://www.postgresql.org/docs/current/view-pg-stats.html
        text = f"this role may not see the statistics of {table.name.short}: every estimate is a guess"
        yield Risk("statistics_hidden", text, f"indexpilot recommend as the owner of {table.name}", ids)
    elif table.tuples < 0 or unknown:
        yield Risk("never_analyzed", f"{table.name.short} was never analyzed: every estimate is a guess", analyze, ids)
    elif table.rows > SMALL and table.activity.modified_since_analyze > STALE * table.rows:
        share = table.activity.modified_since_analyze / table.rows
        text = f"rows changed since the last ANALYZE of {table.name.short}: {share * 100:.0f} % of the table"
        yield Risk("stale_statistics", text, analyze, ids)


def _correlated(
    table: Table,
    templates: Sequence[QueryTemplate],
    served: Mapping[str, TemplateEffect],
    extended: Sequence[frozenset[str]],
) -> Iterator[Risk]:
    """Equalities on several columns, taken as independent, where dependence could turn the decision."""
    for template in templates:
        for atoms in _blocks(template, table):
            columns = sorted(
                {a.column for a in atoms if a.kind in (AtomKind.EQUAL, AtomKind.IN) and a.column is not None}
            )
            if len(columns) < 2 or any(set(columns) <= known for known in extended):
                continue
            if _possible_error(table, columns) > _margin(served[template.id]):
                names = ", ".join(columns)
                yield Risk(
                    "correlated",
                    f"conditions on {names} are taken as independent; if they depend on each other, "
                    "more rows match than estimated",
                    _create_statistics(table, columns),
                    frozenset({template.id}),
                )


def _possible_error(table: Table, columns: Sequence[str]) -> float:
    """How many times too few rows independence can give: all columns but the most selective might add nothing."""
    distinct = []
    for name in columns:
        column = table.column(name)
        if column is not None and column.statistics is not None:
            distinct.append(column.statistics.distinct(table.rows))
    # The most selective column alone leaves a row or two: dependence cannot make that many more.
    if len(distinct) < 2 or max(distinct) > table.rows / 2:
        return 1.0
    product = 1.0
    for number in sorted(distinct)[:-1]:
        product *= number
    return min(product, table.rows / max(distinct))


def _margin(effect: TemplateEffect) -> float:
    return effect.before / effect.after if effect.after > 0 else float("inf")


def _create_statistics(table: Table, columns: Sequence[str]) -> str:
    listed = ", ".join(map(quote_identifier, columns))
    name = _free_name(table, columns)
    return f"CREATE STATISTICS {name} (dependencies, mcv) ON {listed} FROM {table.name}; ANALYZE {table.name}"


def _free_name(table: Table, about: Sequence[str]) -> str:
    """A name for statistics, which every version takes (16 is the first that finds one itself)."""
    return quote_identifier(cut_name("_".join((table.name.name, *about, "stat"))))


def _blocks(template: QueryTemplate, table: Table) -> Iterator[tuple[Atom, ...]]:
    for use in template.uses:
        if use.table == table.name:
            yield tuple(a for a in use.atoms if a.conjunctive)


def _expressions(
    definition: IndexDefinition,
    table: Table,
    templates: Sequence[QueryTemplate],
    served: Mapping[str, TemplateEffect],
    major: int,
) -> Iterator[Risk]:
    """Expressions the planner has no statistics of; the index itself brings them, after ANALYZE."""
    held = {k.expression for k in chain.from_iterable(i.definition.keys for i in table.indexes)}
    own = {k.expression for k in definition.keys if k.expression is not None}
    for template in templates:
        atoms = chain.from_iterable(_blocks(template, table))
        asked = {a.expression for a in atoms if a.expression is not None}
        for expression in sorted(asked - held):
            if expression in own and index_statistics(expression, table) is not None:
                continue  # read from rows: what apply's ANALYZE will find
            if _margin(served[template.id]) < 1 / DEFAULT_SELECTIVITY:
                text = f"there are no statistics of {expression} yet: how many rows match is guessed"
                settle = f"ANALYZE {table.name}"
                if expression not in own and major < OF_EXPRESSIONS:
                    settle = _run(template.id)
                elif expression not in own:
                    name = _free_name(table, re.findall(r"\w+", expression))
                    settle = f"CREATE STATISTICS {name} ON ({expression}) FROM {table.name}; {settle}"
                yield Risk("expression_statistics", text, settle, frozenset({template.id}))


def _failing(definition: IndexDefinition, table: Table, catalog: Catalog) -> Iterator[Risk]:
    """A guarded expression that can fail: what the guard lets through and fails can no longer be written."""
    for key in definition.keys:
        why = can_fail(key.expression, table, catalog) if key.expression is not None else None
        if why is not None:
            where = f" WHERE {definition.predicate}" if definition.predicate else ""
            text = f"{why}: where {definition.predicate or 'it'} holds, such values can no longer be written"
            settle = f"count({key.expression}) of {table.name}{where}: it fails at the first such value there is"
            yield Risk("unwritable_values", text, settle)


# -- from parameter classes and methods


def _sensitive(choice: Choice) -> Iterator[Risk]:
    if choice.scenarios > 1 and choice.holds < choice.scenarios:
        templates = frozenset(e.template for e in choice.effects if e.after >= e.before * FALLS or e.scenarios > 1)
        text = f"it helps in {choice.holds} of {choice.scenarios} parameter classes"
        yield Risk("parameter_sensitive", text, "EXPLAIN the statements with the values that matter", templates)


def _approximate(definition: IndexDefinition) -> Risk:
    text = f"{definition.method} is approximate: the nearest rows may be missing, and with a filter fewer may come back"
    setting = "hnsw.ef_search" if definition.method == "hnsw" else "ivfflat.probes"
    return Risk("approximate", text, f"compare its rows with those of enable_indexscan = off, and set {setting}")


def _physical_order(definition: IndexDefinition) -> Risk:
    text = "its worth rests on the physical order of the table, which the planner knows by one number only"
    return Risk("physical_order", text, f"ANALYZE {definition.table}")


def _confidence(choice: Choice, risks: Sequence[Risk]) -> tuple[str, str]:
    codes = {risk.code for risk in risks}
    grave = sorted(codes & LOW)
    if grave:
        return "low", next(r.text for r in risks if r.code == grave[0])
    if choice.scenarios > 1 and choice.holds * 2 < choice.scenarios:
        return "low", f"it helps in only {choice.holds} of {choice.scenarios} parameter classes"
    if risks:
        return "medium", risks[0].text
    if choice.reduction < 0.3:
        return "medium", f"the statements it serves get only {choice.reduction * 100:.0f} % cheaper"
    if choice.scenarios > 1:
        return "high", f"it helps in all {choice.scenarios} parameter classes and rests on sound statistics"
    return "high", "it rests on sound statistics and a wide margin"


FALLS = 0.98  # the planner's own fuzz: cheaper by less is not cheaper


@dataclass(frozen=True, slots=True)
class ClassEffect:
    """One parameter class of one template: cost before and after, and whether the index is used."""

    label: str
    share: float
    before: float
    after: float
    used: bool

    @property
    def holds(self) -> bool:
        """The index is used and the cost falls noticeably."""
        return self.used and self.after < self.before * FALLS


def holds_in(effects: Sequence[ClassEffect]) -> tuple[int, int]:
    """(classes in which the index holds, classes)."""
    return sum(e.holds for e in effects), len(effects)
