"""``explain --query``: one statement planned as things are, and with indexes added or hidden."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.advise.pipeline import advise_on, prepared, types_from
from indexpilot_cli.advise.values import Alternative, Evidence, ExplainRequest, ExplainResult, PlanView
from indexpilot_cli.core import units
from indexpilot_cli.core.catalog import Catalog, Index, Table
from indexpilot_cli.core.command import Outcome, Progress, TableFilter, WorkloadRequest
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.index import BTREE, IndexDefinition, IndexKey, Reason
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.core.workload import FAILED, Atom, AtomKind, FoldedWorkload, Plannable, QueryTemplate, RelationUse
from indexpilot_cli.db.plans import access, lines
from indexpilot_cli.errors import PrerequisiteError, UsageError
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.sql.parser import Node, Unparsed, deparse_expression, parse
from indexpilot_cli.sql.selectivity import atom_selectivity, index_statistics, row_count
from indexpilot_cli.workload.templates import fold_workload


def explain_query(source: Source, request: ExplainRequest, progress: Progress) -> Outcome[ExplainResult]:
    """Plans side by side, the verdict against the minimum benefit, the facts behind it and what would be better."""

    added = tuple(read_create_index(text, source.catalog) for text in request.with_indexes)
    hidden = tuple(_existing(name, source.catalog) for name in request.without_indexes)
    asked = WorkloadRequest(queries=(request.query or "",))
    folded = fold_workload(source, asked, TableFilter(), progress)
    with open_estimator(source, request.planner, progress) as estimator:
        folded = prepared(folded, source.catalog, types_from(estimator))
        template = only(folded)
        statement = template.scenarios[0].statement
        _refusals(estimator, added)
        answers = _plans(estimator, statement, added, hidden)
        result = _result(source, request, template, answers, added, hidden, estimator.name)
        plan = advise_on(source, folded, estimator, request, progress)
    views = (*result.plans, *_really_run(source, request, statement))
    told = replace(result, plans=views, alternatives=_alternatives(plan, added), rewrites=plan.rewrites)
    return Outcome("explain", told, server=source.server)


def _plans(
    estimator: CostEstimator, statement: Plannable, added: Sequence[IndexDefinition], hidden: Sequence[Index]
) -> tuple[PlannedStatement, ...]:
    now = WhatIf(statement, keep_tree=True)
    changed = WhatIf(statement, frozenset(added), frozenset(i.name for i in hidden), keep_tree=True)
    return estimator.plan((now, changed) if added or hidden else (now,))


def _result(
    source: Source,
    request: ExplainRequest,
    template: QueryTemplate,
    answers: Sequence[PlannedStatement],
    added: Sequence[IndexDefinition],
    hidden: Sequence[Index],
    estimator: str,
) -> ExplainResult:
    label = " and ".join((*(f"with {summary(d)}" for d in added), *(f"without {i.name.short}" for i in hidden)))
    views = tuple(_view(name, answer) for name, answer in zip(("now", label), answers, strict=False))
    if not answers[0].ok:
        raise UsageError("the query cannot be planned", detail=answers[0].error, code="not_plannable")
    benefit = 1 - answers[1].total_cost / answers[0].total_cost if len(answers) > 1 and answers[1].ok else None
    verdict, text, reason = _verdict(benefit, request.min_benefit, bool(added))
    return ExplainResult(
        "query",
        title=template.text,
        verdict=verdict,
        verdict_text=text,
        reason=reason,
        minimum=request.min_benefit if benefit is not None else None,
        benefit=benefit,
        estimator=estimator,
        plans=views,
        evidence=of_uses(template.uses, source.catalog),
    )


def _verdict(benefit: float | None, minimum: float, added: bool) -> tuple[str, str, str | None]:
    if benefit is None:
        return "", "", None
    if abs(benefit) < 1e-4:
        return "no_difference", "no difference: the planner does not use it", "not_used" if added else None
    if not added:
        return "", f"the query costs {-benefit:+.1%} without it", None
    if benefit < minimum:
        return (
            "rejected",
            f"not recommended: benefit {benefit:.1%} is under the {minimum:.1%} you asked for",
            "benefit_below_minimum",
        )
    return "recommended", f"worth it for this query: {benefit:.1%} cheaper", None


def _view(label: str, answer: PlannedStatement) -> PlanView:
    if not answer.ok or answer.tree is None:
        return PlanView(label, None, error=answer.error)
    used = tuple(sorted((*map(str, answer.existing), *(summary(d) for d in answer.hypothetical))))
    return PlanView(label, answer.total_cost, answer.rows, None, access(answer.tree), lines(answer.tree), used)


def only(folded: FoldedWorkload) -> QueryTemplate:
    """The one template of the workload. Raises UsageError when it cannot be planned, with the reason."""
    if not folded.templates or not folded.templates[0].scenarios:
        why = folded.skipped[0] if folded.skipped else None
        ours = why is not None and why.reason == FAILED
        raise UsageError(
            "the query cannot be planned",
            detail=(why.detail or why.reason) if why else None,
            hint="a fault of indexpilot: please report it with the query"
            if ours
            else "give one SELECT, INSERT, UPDATE, DELETE or MERGE on tables of this database",
            code="not_plannable",
        )
    return folded.templates[0]


def _refusals(estimator: CostEstimator, added: Sequence[IndexDefinition]) -> None:
    for definition in added:
        refusal = estimator.refuses(definition)
        if refusal is not None:
            raise UsageError(f"the planner refuses {summary(definition)}", detail=refusal, code="index_refused")


def _existing(name: str, catalog: Catalog) -> Index:
    indexes = tuple(catalog.indexes())
    for index in indexes:
        if name in (index.name.name, str(index.name), index.name.short, f"{index.name.schema}.{index.name.name}"):
            return index
    close = difflib.get_close_matches(name, [i.name.name for i in indexes], n=1)
    hint = f"did you mean {close[0]}?" if close else "indexpilot discover --verbose lists the indexes"
    raise UsageError(f'no index "{name}"', hint=hint, code="unknown_index")


def _alternatives(plan: Plan, added: Sequence[IndexDefinition]) -> tuple[Alternative, ...]:
    """What the advisor itself would build for this one query, where that is something else."""
    return tuple(
        Alternative(r.id, r.summary, f"{r.reduction:.1%} cheaper, {units.size(r.size_bytes)}")
        for r in plan.recommendations
        if r.definition not in added
    )


def _really_run(source: Source, request: ExplainRequest, statement: Plannable) -> tuple[PlanView, ...]:
    """With ``--analyze``: the query run once, in a read-only transaction that is rolled back."""
    if not request.analyze:
        return ()
    if source.session is None:
        raise PrerequisiteError("--analyze needs a connection, not a snapshot", code="no_connection")
    from indexpilot_cli.db.plans import explain_analyze

    tree = explain_analyze(source.session, statement.sql, request.connection.statement_timeout_ms)
    return (
        PlanView(
            "really run",
            float(tree["Total Cost"]),
            float(tree["Actual Rows"]),
            float(tree["Actual Total Time"]),
            access(tree),
            lines(tree),
        ),
    )


_DESCENDING = "SORTBY_DESC"
_NULLS = {"SORTBY_NULLS_FIRST": True, "SORTBY_NULLS_LAST": False}


def read_create_index(text: str, catalog: Catalog) -> IndexDefinition:
    """The structure of the index a CREATE INDEX statement asks for; name, CONCURRENTLY and the like are dropped.

    Raises UsageError when the text is not one such statement or names a table or column that is not there.
    """
    statement = parse(text)
    if isinstance(statement, Unparsed):
        raise UsageError(f"cannot read the index: {statement.message}", detail=text, code="unparsed")
    node = statement.node
    if node.kind != "IndexStmt":
        raise UsageError("not a CREATE INDEX statement", detail=text, hint='--with "CREATE INDEX ON t (a, b)"')
    table = _table(node, catalog)
    where = node.child("where_clause")
    return IndexDefinition(
        table.name,
        tuple(_key(key, table) for key in node.children("index_params")),
        node.text("access_method") or BTREE,
        tuple(_column(key.text("name"), table) for key in node.children("index_including_params")),
        deparse_expression(where) if where else None,
        node.flag("unique"),
        node.flag("nulls_not_distinct"),
        tuple(_option(option) for option in node.children("options")),
    )


def _table(node: Node, catalog: Catalog) -> Table:
    relation = node.child("relation")
    assert relation is not None  # the grammar has no CREATE INDEX without a table
    name, schema = relation.text("relname"), relation.text("schemaname") or None
    table = catalog.resolve(name, schema)
    if table is None:
        raise UsageError(f'no table "{name}"', hint="indexpilot discover lists what is there", code="unknown_table")
    return table


def _key(node: Node, table: Table) -> IndexKey:
    expression = node.child("expr")
    return IndexKey(
        None if expression else _column(node.text("name"), table),
        deparse_expression(expression) if expression else None,
        ".".join(node.names("opclass")) or None,
        ".".join(node.names("collation")) or None,
        node.enum("ordering") == _DESCENDING,
        _NULLS.get(node.enum("nulls_ordering")),
    )


def _column(name: str, table: Table) -> str:
    if table.column(name) is None:
        raise UsageError(f'table {table.name.short} has no column "{name}"', code="unknown_column")
    return name


def _option(node: Node) -> tuple[str, str]:
    value = node.child("arg")
    return node.text("defname"), "on" if value is None else str(_value(value))


def _value(node: Node) -> object:
    return node.number("ival") if node.kind == "Integer" else deparse_expression(node)


_PATTERNS = (AtomKind.LIKE_PREFIX, AtomKind.LIKE_INFIX, AtomKind.SIMILAR, AtomKind.MATCHES)
_SILENT = (AtomKind.JOIN, AtomKind.OTHER, AtomKind.DISTANCE, AtomKind.NOT_EQUAL)


def of_uses(uses: Sequence[RelationUse], catalog: Catalog) -> tuple[Evidence, ...]:
    """One fact per restricting atom: the share of the rows it keeps, and where that is known from."""
    found: dict[Evidence, None] = {}
    for use in uses:
        if (table := catalog.table(use.table)) is not None:
            found |= dict.fromkeys(_of_use(use, table))
    return tuple(found)


def of_reasons(reasons: Sequence[Reason]) -> tuple[Evidence, ...]:
    """The reasons of a recommendation as evidence."""
    return tuple(Evidence(reason.source, reason.text) for reason in reasons)


def _of_use(use: RelationUse, table: Table) -> Iterator[Evidence]:
    for atom in use.atoms:
        if atom.kind not in _SILENT:
            yield _of_atom(atom, table)


def _of_atom(atom: Atom, table: Table) -> Evidence:
    column = table.column(atom.column) if atom.column else None
    what = atom.sql or f"{atom.column or atom.expression} {atom.operator} …"
    if atom.kind in _PATTERNS:
        return Evidence("planner", f"{what}: how many rows match a pattern is estimated in the plan alone")
    if atom.expression is not None and index_statistics(atom.expression, table) is not None:
        return Evidence("planner", f"{what}: estimated in the plan from the statistics of an index on the expression")
    share = atom_selectivity(atom, table)
    if column is None or column.statistics is None:
        return Evidence("model", f"{what}: no statistics, the planner assumes {share:.2%} of {table.name.short}")
    rows = share * row_count(table)
    return Evidence(
        "pg_stats", f"{what}: {share:.2%} of {table.name.short}, about {rows:,.0f} rows", column=column.name
    )
