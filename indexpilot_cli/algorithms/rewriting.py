"""A statement in another form, with the index it then wants, priced beside the best index for the form it has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, Table
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import AssumedStatistics, AssumedTogether, WhatIf
from indexpilot_cli.core.index import IndexDefinition, Proposal
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Rewrite
from indexpilot_cli.core.statistics import EXPRESSIONS_SINCE
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
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_CLAUSES = ("SelectStmt", "UpdateStmt", "DeleteStmt")


@dataclass(frozen=True, slots=True)
class OtherForm:
    """Another form of a statement; texts as in ``Rewrite``. ``wants`` are the indexes that the new form asks for,
    ``index`` the one that serves it; ``often`` a condition with the share of rows that meet it, for which the form asks
    for statistics.
    """

    rule: str
    table: QualifiedName
    before: str
    after: str
    why: str
    only: str
    statement: Node
    wants: tuple[IndexDefinition, ...]
    often: tuple[str, float] | None = None

    @property
    def index(self) -> IndexDefinition:
        """The last of them."""
        return self.wants[-1]


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


def relations(query: Node) -> Iterator[Node]:
    """The tables in the query's own FROM, and the one that it changes."""
    field = {"SelectStmt": "from_clause", "UpdateStmt": "from_clause", "DeleteStmt": "using_clause"}[query.kind]
    relation = query.child("relation") if query.kind != "SelectStmt" else None
    for top in (*query.children(field), *([relation] if relation is not None else [])):
        yield from (node for node in top.level() if node.kind == "RangeVar")


def column_of(reference: Node, query: Node, catalog: Catalog) -> tuple[Table, Column] | None:
    """The column that the reference means among the tables in the query's own FROM; None where that is not sure."""
    *before, name = reference.names("fields")
    found = []
    for item in relations(query):
        alias = item.child("alias")
        called = alias.text("aliasname") if alias is not None else item.text("relname")
        table = catalog.resolve(item.text("relname"), item.text("schemaname") or None)
        column = table.column(name) if table is not None and (not before or before[-1] == called) else None
        if table is not None and column is not None:
            found.append((table, column))
    return found[0] if len(found) == 1 else None


_WHOLE = ("int2", "int4", "int8")


def same_type(value: Node, kind: str) -> bool:
    """Whether the value is surely compared as one of the column's own type, and can be cast to it."""
    text = deparse_expression(value)
    if value.kind == "ParamRef" or (value.kind == "A_Const" and value.child("sval") is not None):
        return True
    if kind in _WHOLE or kind == "numeric":
        return re.fullmatch(r"-? ?\d+" if kind in _WHOLE else r"-? ?\d+(\.\d+)?", text) is not None
    if value.kind == "TypeCast":
        target = value.child("type_name")
        return target is not None and target.names("names")[-1:] == (kind,)
    moment = value.kind == "FuncCall" and value.names("funcname")[-1:] == ("now",)
    moment = moment or (value.kind == "SQLValueFunction" and value.enum("op") == "SVFOP_CURRENT_TIMESTAMP")
    today = value.kind == "SQLValueFunction" and value.enum("op") == "SVFOP_CURRENT_DATE"
    return (moment and kind == "timestamptz") or (today and kind == "date")


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
    prices = prices_of(study, proposal, template, usual, form)
    if prices is None or prices[2] >= min(prices[:2]) * _ENOUGH:
        return None
    return as_rewrite(template, form, min(prices[:2]), prices[2])


def prices_of(
    study: Study, proposal: Proposal, template: QueryTemplate, usual: Plannable, form: OtherForm
) -> tuple[float, float, float] | None:
    """Planner costs of the statement as it is now, with every index proposed for it, and in the other form by the
    indexes that it wants; None where one cannot be planned, or an index is not used.
    """
    estimator, wanted = study.estimator, frozenset(form.wants)
    if any(estimator.refuses(definition) is not None for definition in form.wants):
        return None
    ordinary = [c.definition for c in proposal.candidates if template.id in c.templates]
    study.sizes.tell(estimator, (*ordinary, *form.wants))
    # Numbered without gaps: a parameter that only the old form has would have no type.
    fresh = Plannable(deparse(renumber(form.statement)), usual.mode, len(parameters(form.statement)))
    now, best = estimator.plan([WhatIf(usual), WhatIf(usual, frozenset(ordinary))])
    with _known(study, form):
        (after,) = estimator.plan([WhatIf(fresh, wanted)])
    if not (now.ok and best.ok and after.ok) or not wanted <= set(after.hypothetical):
        return None
    return now.total_cost, best.total_cost, after.total_cost


@contextmanager
def _known(study: Study, form: OtherForm) -> Iterator[None]:
    """The planner as if the statistics that the form asks for were there, where it can be told of any."""
    before = study.estimator.assumed
    if form.often is not None and study.catalog.version >= EXPRESSIONS_SINCE:
        condition, share = form.often
        values = ColumnStatistics(0.0, 1, 2.0, ("t", "f"), (share, 1.0 - share))
        told = AssumedTogether(expression=condition, statistics=values)
        study.estimator.assume((*before, AssumedStatistics(form.table, together=(told,))))
    try:
        yield
    finally:
        study.estimator.assume(before)


def as_rewrite(template: QueryTemplate, form: OtherForm, before: float, after: float) -> Rewrite:
    """The form as a plan holds it."""
    return Rewrite(
        template.id, form.table, form.rule, form.before, form.after, form.why, form.only,
        before, after, " and ".join(map(summary, form.wants)) or None,
    )  # fmt: skip
