"""The workload as verification needs it: which templates an index can touch, and statements that stand for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from indexpilot_cli.advise.pipeline import prepared
from indexpilot_cli.apply.values import ApplyRequest
from indexpilot_cli.apply.verify.run_trial import TrialStatement, is_read
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Silent, TableFilter
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import FoldedWorkload, PlanMode, QueryTemplate, StatementKind
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.workload.fold.templates import fold_workload


def templates_of(source: Source, request: ApplyRequest) -> FoldedWorkload:
    """The templates of the request's workload, without parameter classes.

    Raises UsageError for a file that cannot be read, PrerequisiteError where the server has no statements to tell.
    """
    try:
        return fold_workload(source, request.workload, TableFilter(), Silent())
    except PrerequisiteError as error:
        hint = f"{error.hint}, or give the statements with --workload FILE" if error.hint else None
        raise PrerequisiteError(error.message, detail=error.detail, hint=hint, code=error.code) from error


def with_classes(folded: FoldedWorkload, source: Source) -> tuple[QueryTemplate, ...]:
    """The templates with their parameter classes."""
    return prepared(folded, source.catalog, None).templates


def family(catalog: Catalog, table: QualifiedName) -> frozenset[QualifiedName]:
    """The table, what it is a partition of, and its partitions."""
    found = {table}
    known = {t.name: t for t in catalog.tables}
    while (last := known.get(table)) is not None and last.parent is not None:
        table = last.parent
        found.add(table)
    grown = True
    while grown:
        children = {t.name for t in catalog.tables if t.parent in found}
        grown = not children <= found
        found |= children
    return frozenset(found)


def reads_on(templates: Iterable[QueryTemplate], tables: frozenset[QualifiedName]) -> tuple[QueryTemplate, ...]:
    """Templates that only read and touch one of the tables, heaviest first as they come."""
    return tuple(t for t in templates if t.kind is StatementKind.SELECT and tables.intersection(t.relations))


def runnable(templates: Sequence[QueryTemplate]) -> tuple[TrialStatement, ...]:
    """Statements with values that can be run: real samples, else values from the statistics."""
    return tuple(
        TrialStatement(template.id, scenario.statement.sql, scenario.share)
        for template in templates
        for scenario in template.scenarios
        if scenario.statement.mode is PlanMode.LITERAL and is_read(scenario.statement.sql)
    )
