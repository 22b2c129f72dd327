"""LIMIT over an order: what the statement costs for a value that many rows have and for one that few have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, Column
from indexpilot_cli.core.estimator import CostEstimator, WhatIf
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.workload import AtomKind, Plannable, QueryTemplate, Stage
from indexpilot_cli.sql.parser import (
    Node,
    Statement,
    deparse,
    parameters,
    parse,
    parse_expression,
    renumber,
    rewrite,
    set_child,
)
from indexpilot_cli.workload.aside import Fault, attempted

_MOST = 100  # templates priced again


def limit_prices(
    templates: Sequence[QueryTemplate], chosen: frozenset[IndexDefinition], catalog: Catalog, estimator: CostEstimator
) -> dict[str, str]:
    """By template id a clause with the costs for the commonest and a rare value of the compared column.

    Of templates with ORDER BY and LIMIT that compare a column whose frequent values are known.
    """
    asked: dict[str, tuple[str, Valued]] = {}
    for template in templates:
        question = attempted(Stage.EXPLAIN, partial(_asked, template, catalog)) if len(asked) < _MOST else None
        if question is not None and not isinstance(question, Fault):
            asked[template.id] = question  # an extra of the risk's text: what cannot be read is advised on without it
    statements = [s for _, s in chain.from_iterable(valued for _, valued in asked.values())]
    new, old = (iter(estimator.plan([WhatIf(s, there) for s in statements])) for there in (chosen, frozenset()))
    found: dict[str, str] = {}
    for identity, (name, valued) in asked.items():
        prices = [(value, next(new), next(old)) for value, _ in valued]
        if all(after.ok and before.ok for _, after, before in prices):
            parts = (
                f"{name} = {value} costs {after.total_cost:,.0f} (without new indexes {before.total_cost:,.0f})"
                for value, after, before in prices
            )
            found[identity] = "planned with a common and a rare value, " + " and ".join(parts)
    return found


Valued = tuple[tuple[str, Plannable], ...]


def _asked(template: QueryTemplate, catalog: Catalog) -> tuple[str, Valued] | None:
    """The column, and the usual statement with its commonest and with a rare value."""
    column = _compared(template, catalog)
    statement = parse(max(template.scenarios, key=lambda s: s.share).statement.sql) if column is not None else None
    if column is None or column.statistics is None or not isinstance(statement, Statement):
        return None
    common, bounds = column.statistics.most_common_vals, column.statistics.histogram_bounds
    values = (common[0], bounds[len(bounds) // 2] if bounds else common[-1])
    return column.name, tuple(_valued(statement.node, column, value, template) for value in values)


def _valued(node: Node, column: Column, value: str, template: QueryTemplate) -> tuple[str, Plannable]:
    text = quote_literal(value)
    fresh = renumber(_with_value(node, column, f"{text}::{column.type}"))
    return text, Plannable(deparse(fresh), template.scenarios[0].statement.mode, len(parameters(fresh)))


def _compared(template: QueryTemplate, catalog: Catalog) -> Column | None:
    """The column compared for equality, in a block with ORDER BY and LIMIT, whose values are least evenly spread."""
    found: list[tuple[float, Column]] = []
    for use in template.uses if template.scenarios else ():
        table = catalog.table(use.table)
        for atom in use.atoms if table is not None and use.limited and use.order_by else ():
            column = table.column(atom.column) if table is not None and atom.column is not None else None
            known = column.statistics if column is not None and atom.kind is AtomKind.EQUAL else None
            if column is not None and known is not None and known.most_common_freqs:
                several = len(known.most_common_freqs) > 1 or known.histogram_bounds
                found += [(known.most_common_freqs[0], column)] if several else []
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _with_value(statement: Node, column: Column, value: str) -> Node:
    def replaced(here: Node, _parent: Node) -> Node | None:
        if here.kind != "A_Expr" or here.enum("kind") != "AEXPR_OP" or here.names("name")[-1] != "=":
            return None
        left, right = here.child("lexpr"), here.child("rexpr")
        if left is None or right is None or left.kind != "ColumnRef" or left.names("fields")[-1] != column.name:
            return None
        fixed = not any(n.kind in ("ColumnRef", "SubLink") for n in right.walk())
        return set_child(here, "rexpr", parse_expression(value)) if fixed else None

    return rewrite(statement, replaced)
