"""What a rewritten condition would cost: the statement as it is and as it could be, with the index each could use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from indexpilot_cli.advise.rewrites.condition import Sargable
from indexpilot_cli.advise.rewrites.find import sargable
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import CostEstimator, WhatIf
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.plan import Rewrite
from indexpilot_cli.core.workload import Plannable, QueryTemplate, Stage
from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.sql.parser import Node, Statement, deparse, parameters, parse, renumber
from indexpilot_cli.workload.aside import Fault, attempted

_ENOUGH = 0.9  # a rewrite that saves less than a tenth is not worth an edit of the application
_MOST_TEMPLATES = 50
_MOST_CANDIDATES = 8


# Rules that belong to a published algorithm, and go with it.
_OF_ALGORITHMS = {"suffix": "radix_string_spline", "distance": "idistance"}


def rules_left_out(features: FeatureSettings) -> frozenset[str]:
    """The rules of the algorithms that are off."""
    return frozenset(rule for rule, name in _OF_ALGORITHMS.items() if not getattr(features, name).enabled)


def priced_rewrites(
    templates: Sequence[QueryTemplate],
    chosen: frozenset[IndexDefinition],
    catalog: Catalog,
    estimator: CostEstimator,
    left_out: frozenset[str] = frozenset(),
) -> tuple[Rewrite, ...]:
    """The rewrites that make a statement cheaper than all chosen indexes do, or as cheap without one of them over an
    expression, the heaviest statements first.

    Rules that are ``left_out`` are not looked for.
    """
    found: list[Rewrite] = []
    asked = 0
    for template in templates:
        hints = attempted(Stage.EXPLAIN, partial(_hints, template, catalog))
        if isinstance(hints, Fault) or not hints or asked >= _MOST_TEMPLATES:
            continue  # a hint is an extra: what cannot be read has been advised on without it
        asked += 1
        for hint, statement in hints:
            if hint.rule in left_out:
                continue
            priced = _priced(template, hint, statement, chosen, catalog, estimator)
            found += [priced] if priced is not None else []
    return tuple(found)


def _hints(template: QueryTemplate, catalog: Catalog) -> tuple[tuple[Sargable, Node], ...]:
    if not template.scenarios:
        return ()
    statement = parse(_usual(template).sql)
    return sargable(statement.node, catalog) if isinstance(statement, Statement) else ()


def _usual(template: QueryTemplate) -> Plannable:
    return max(template.scenarios, key=lambda s: s.share).statement


def _priced(
    template: QueryTemplate,
    hint: Sargable,
    statement: Node,
    chosen: frozenset[IndexDefinition],
    catalog: Catalog,
    estimator: CostEstimator,
) -> Rewrite | None:
    usual = _usual(template)
    # Numbered without gaps: a parameter that only the old form has would have no type.
    fresh = Plannable(deparse(renumber(statement)), usual.mode, len(parameters(statement)))
    offers = tuple(_offers(template, hint, statement, catalog, estimator))
    questions = [WhatIf(usual, chosen), WhatIf(fresh, chosen), *(WhatIf(fresh, chosen | {d}) for d in offers)]
    before, plain, *others = estimator.plan(questions)
    if not before.ok or not plain.ok:
        return None
    best, wanted = plain.total_cost, list[IndexDefinition]()
    for _ in (hint.table, *hint.others):  # an index for each of the tables at most
        added = None
        for definition, answer in zip(offers, others, strict=True):
            if answer.ok and answer.total_cost < best * _ENOUGH:
                best, added = answer.total_cost, definition
        if added is None or not hint.others:
            wanted += [added] if added is not None else []
            break
        wanted.append(added)
        others = list(estimator.plan([WhatIf(fresh, chosen | {*wanted, d}) for d in offers]))
    why = hint.why
    # Pages by key are told whatever the planner says: it takes the rows of earlier pages for few.
    if best >= before.total_cost * _ENOUGH and hint.rule != "keyset":
        spared = {d for d in before.hypothetical & chosen if any(key.expression for key in d.keys)}
        (without,) = estimator.plan([WhatIf(fresh, chosen - spared)]) if spared else (plain,)
        if not spared or not without.ok or without.total_cost * _ENOUGH > before.total_cost:
            return None
        best, why = without.total_cost, f"{why}, for which {', '.join(sorted(map(summary, spared)))} would be built"
    return Rewrite(
        template.id, hint.table, hint.rule, hint.before, hint.after, why, hint.only,
        before.total_cost, best, " and ".join(map(summary, wanted)) or None,
    )  # fmt: skip


def _offers(
    template: QueryTemplate, hint: Sargable, statement: Node, catalog: Catalog, estimator: CostEstimator
) -> Iterator[IndexDefinition]:
    """Indexes that the rewritten statement asks for on the table, sized and known to the planner."""
    from indexpilot_cli.advise.candidates import propose
    from indexpilot_cli.methods.size import Sizes
    from indexpilot_cli.workload.predicates.blocks import relation_uses

    asking = replace(template, uses=relation_uses(statement, catalog))
    proposed = [c.definition for c in propose([asking], catalog).candidates]
    narrow = sorted(proposed, key=lambda d: (len(d.keys) + len(d.include), d.predicate or ""))
    found: list[IndexDefinition] = []
    for table in (hint.table, *hint.others):
        found += [d for d in narrow if d.table == table][:_MOST_CANDIDATES]
    Sizes(catalog).tell(estimator, found)
    estimator.prepare(found)
    yield from (d for d in found if estimator.refuses(d) is None)
