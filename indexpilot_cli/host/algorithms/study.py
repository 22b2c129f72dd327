"""A study for one question of a host: the catalog, page samples, and the statements that are known of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexpilot_cli.core.catalog import Catalog, Column, Table
from indexpilot_cli.core.command import Silent, TableFilter, WorkloadRequest
from indexpilot_cli.core.estimator import CostEstimator, PlannedStatement, WhatIf
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.workload import QueryTemplate, SourceKind
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host import place

if TYPE_CHECKING:
    from indexpilot_cli.algorithms.base import Study
    from indexpilot_cli.snapshot.source import Source


@dataclass(frozen=True, slots=True)
class TableStudy:
    """A study, and the table and columns it is about."""

    study: Study
    table: Table
    columns: tuple[Column, ...]


@contextmanager
def table_study(
    function: str, table_name: str, fields: Sequence[str] = (), queries: Sequence[str] = ()
) -> Iterator[TableStudy]:
    """The study of a table, with the statements given, else those of pg_stat_statements; one row of the log.

    Raises UsageError for a table or field that is not there.
    """
    from indexpilot_cli.algorithms.base import Study
    from indexpilot_cli.db.samples import PageSamples
    from indexpilot_cli.log import calibrations
    from indexpilot_cli.methods.size import Sizes
    from indexpilot_cli.methods.written import table_writes
    from indexpilot_cli.snapshot.source import SourceRequest, open_source

    place.checked_table(table_name)  # what is no name needs no server to say so
    with (
        place.logged(MutationType.EXPLAIN, function) as note,
        open_source(SourceRequest(place.connection()), Silent()) as source,
    ):
        table = find_table(source.catalog, table_name)
        columns = tuple(find_column(table, place.checked_name(field, "field")) for field in fields)
        note.table(table.name.name, table.name.schema, columns[0].name if columns else None)
        assert source.session is not None  # the source is a server
        samples = PageSamples(source.session, source.catalog, {table.name: {c.name for c in table.columns}})
        templates = tuple(t for t in _templates(source, queries) if table.name in t.relations)
        features = place.current_settings().features
        rates = calibrations.kept(source.session, source.connection.metadata_schema).rates
        study = Study(
            source.catalog,
            templates,
            features,
            samples,
            NoPlanner(),
            Sizes(source.catalog),
            writes=table_writes(source.catalog, templates, rates=rates),
        )
        yield TableStudy(study, table, columns)


def find_table(catalog: Catalog, typed: str) -> Table:
    """The table of that name, with its schema or without. Raises UsageError where there is none."""
    schema, name = place.checked_table(typed)
    table = catalog.resolve(name or "", schema)
    if table is None:
        hint = "indexpilot discover lists what is there"
        raise UsageError(f'no table "{typed}"', hint=hint, code="unknown_table")
    return table


def find_column(table: Table, name: str) -> Column:
    """The column of that name. Raises UsageError where there is none."""
    column = table.column(name)
    if column is None:
        hint = "indexpilot discover --verbose lists the columns"
        raise UsageError(f'table {table.name.short} has no column "{name}"', hint=hint, code="unknown_column")
    return column


def _templates(source: Source, queries: Sequence[str]) -> tuple[QueryTemplate, ...]:
    from indexpilot_cli.workload.templates import fold_workload, with_scenarios

    if not queries and not source.records_statements:
        return ()
    asked = WorkloadRequest(SourceKind.STATEMENTS)
    if queries:
        asked = WorkloadRequest(SourceKind.SQL, queries=tuple(queries))
    folded = fold_workload(source, asked, TableFilter(), Silent())
    return with_scenarios(folded, source.catalog, None).templates


class NoPlanner(CostEstimator):
    """In place of a planner where nothing is priced."""

    name = "none"
    calls = 0

    def plan(self, questions: Sequence[WhatIf]) -> tuple[PlannedStatement, ...]:
        """No plans."""
        return tuple(PlannedStatement(float("nan"), error="nothing is planned here") for _ in questions)

    def refuses(self, definition: IndexDefinition) -> str | None:  # noqa: ARG002
        """Whatever the planner would say."""
        return None

    def set_size(self, definition: IndexDefinition, pages: int, tuples: float, height: int | None = None) -> None:
        """Nothing is remembered."""

    def size(self, definition: IndexDefinition) -> int:  # noqa: ARG002
        """Unknown."""
        return 0
