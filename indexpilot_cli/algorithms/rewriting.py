"""A statement in another form, with the index it then wants, priced beside the best index for the form it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import IndexDefinition, Proposal
from indexpilot_cli.core.plan import Rewrite
from indexpilot_cli.core.workload import Plannable, QueryTemplate
from indexpilot_cli.sql.parser import (
    Node,
    Statement,
    deparse,
    deparse_expression,
    parameters,
    parse,
    parse_expression,
    renumber,
    rewrite,
)

_ENOUGH = 0.9  # a rewrite that saves less than a tenth is not worth an edit of the application
_CLAUSES = ("SelectStmt", "UpdateStmt", "DeleteStmt")


@dataclass(frozen=True, slots=True)
class OtherForm:
    """Another form of a statement; texts as in ``Rewrite``. ``index`` is what the new form wants."""

    rule: str
    before: str
    after: str
    why: str
    only: str
    statement: Node
    index: IndexDefinition


def usual_statement(template: QueryTemplate) -> tuple[Plannable, Node] | None:
    """The most frequent scenario of the template, and its tree; None where there is none."""
    if not template.scenarios:
        return None
    usual = max(template.scenarios, key=lambda s: s.share).statement
    parsed = parse(usual.sql)
    return (usual, parsed.node) if isinstance(parsed, Statement) else None


def clauses(statement: Node) -> Iterator[tuple[Node, Node]]:
    """The queries of a statement that have a WHERE clause, each with it."""
    for node in statement.walk():
        where = node.child("where_clause") if node.kind in _CLAUSES else None
        if where is not None:
            yield node, where


def conjuncts_of(condition: Node) -> tuple[Node, ...]:
    """The conditions that are joined by AND."""
    joined = condition.kind == "BoolExpr" and condition.enum("boolop") == "AND_EXPR"
    return condition.children("args") if joined else (condition,)


def with_conditions(statement: Node, where: Node, conditions: Sequence[str]) -> Node:
    """The statement with that WHERE clause made of these conditions."""
    before = deparse_expression(where)
    fresh = parse_expression(" AND ".join(f"({text})" for text in conditions))

    def exchanged(here: Node, parent: Node) -> Node | None:
        own = parent.kind in _CLAUSES and here.kind == where.kind
        return fresh if own and deparse_expression(here) == before else None

    return rewrite(statement, exchanged)


def priced(
    study: Study, proposal: Proposal, template: QueryTemplate, usual: Plannable, form: OtherForm
) -> Rewrite | None:
    """The form with its price, where it is cheaper than the statement as it is with every index proposed for it."""
    estimator, sizes = study.estimator, study.sizes
    if estimator.refuses(form.index) is not None:
        return None
    ordinary = [c.definition for c in proposal.candidates if template.id in c.templates]
    for definition in (*ordinary, form.index):
        size = sizes.of(definition)
        estimator.set_size(definition, size.pages, size.tuples, size.height)
    # Numbered without gaps: a parameter that only the old form has would have no type.
    fresh = Plannable(deparse(renumber(form.statement)), usual.mode, len(parameters(form.statement)))
    asked = [WhatIf(usual), WhatIf(usual, frozenset(ordinary)), WhatIf(fresh, frozenset({form.index}))]
    now, best, after = estimator.plan(asked)
    if not (now.ok and best.ok and after.ok):
        return None
    before = min(now.total_cost, best.total_cost)
    if form.index not in after.hypothetical or after.total_cost >= before * _ENOUGH:
        return None
    return Rewrite(
        template.id, form.index.table, form.rule, form.before, form.after, form.why, form.only,
        before, after.total_cost, summary(form.index),
    )  # fmt: skip
