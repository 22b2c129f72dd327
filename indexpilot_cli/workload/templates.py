"""From what was observed to templates a planner accepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.command import Progress, TableFilter, WorkloadRequest
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.siblings import Siblings
from indexpilot_cli.core.workload import (
    UNPLANNED,
    FoldedWorkload,
    ObservedStatement,
    QueryTemplate,
    Skipped,
    SkippedReport,
    Stage,
    TemplateReport,
    Workload,
    is_own,
)
from indexpilot_cli.snapshot.source import Source, wanted_tables
from indexpilot_cli.sql.parser import Statement, Unparsed, deparse, parse, relocated, skeleton
from indexpilot_cli.workload.aside import each
from indexpilot_cli.workload.collect import collect
from indexpilot_cli.workload.covered import COVERED
from indexpilot_cli.workload.reading import tables_named

if TYPE_CHECKING:
    from indexpilot_cli.workload.plannable import TypesOf


_SCHEMA = "public"  # of names without one, where there is no catalog: whatever the search path would find


def fold_workload(source: Source, request: WorkloadRequest, wanted: TableFilter, progress: Progress) -> FoldedWorkload:
    """The workload as templates that touch a wanted table, in order of weight. Without any catalog the tables are those
    that the statements name."""
    workloads = read_workload(source, request, progress)
    progress.stage("folding statements into templates")
    catalog = sketched(workloads) if source.is_offline else source.catalog
    return touching(fold_read(workloads, catalog, request), catalog, wanted)


def sketched(workloads: Iterable[Workload]) -> Catalog:
    """A catalog drawn from statements alone, to tell templates apart: nothing to advise on.

    Every relation that a statement names is a table without columns; those without a schema are in ``public``.
    """
    names = dict.fromkeys(_relations(workloads))
    return Catalog(0, "", tuple(Table(name, "r", ()) for name in names), search_path=(_SCHEMA,))


def _relations(workloads: Iterable[Workload]) -> Iterator[QualifiedName]:
    shapes: set[str] = set()
    for workload in workloads:
        for observed in workload.statements:
            shape = skeleton(observed.text) or observed.text
            statement = parse(observed.text) if shape not in shapes else None
            shapes.add(shape)
            if statement is not None and not isinstance(statement, Unparsed):
                for node in tables_named(statement.node):
                    yield QualifiedName(node.text("schemaname") or _SCHEMA, node.text("relname"))


def read_workload(source: Source, request: WorkloadRequest, progress: Progress) -> tuple[Workload, ...]:
    """What was observed, place by place; where a schema stands for others, their statements are on its tables."""
    progress.stage("reading the workload")
    workloads = collect(source, request)
    siblings = source.siblings
    return workloads if siblings is None else tuple(on_representatives(w, source.catalog, siblings) for w in workloads)


def fold_read(workloads: Sequence[Workload], catalog: Catalog, request: WorkloadRequest) -> FoldedWorkload:
    """The templates of what was read, in order of weight."""
    from indexpilot_cli.workload.fold import fold

    return fold(workloads, catalog, min_calls=request.min_calls, min_ms=request.min_total_ms)


def touching(folded: FoldedWorkload, catalog: Catalog, wanted: TableFilter) -> FoldedWorkload:
    """The templates that touch a wanted table."""
    if wanted == TableFilter():
        return folded
    names = {t.name for t in wanted_tables(catalog, wanted)}
    return replace(folded, templates=tuple(t for t in folded.templates if names.intersection(t.relations)))


def with_scenarios(folded: FoldedWorkload, catalog: Catalog, types_of: TypesOf | None) -> FoldedWorkload:
    """The templates with their parameter classes; ``types_of`` names the types of ``$n`` where a planner knows."""
    from indexpilot_cli.workload.plannable import with_scenarios as filled

    done = each(Stage.PARAMETERS, folded.templates, lambda template: filled(template, catalog, types_of))
    return replace(done.without_lost(folded), templates=tuple(done.result))


def shares(templates: Sequence[QueryTemplate]) -> dict[str, float]:
    """Each template's share of the workload: of time where every template has times, else of calls."""
    by_time = all(t.total_ms is not None for t in templates)
    weights = {t.id: (t.total_ms or 0.0) if by_time else t.calls for t in templates}
    total = sum(weights.values()) or 1.0
    return {name: weight / total for name, weight in weights.items()}


def report(template: QueryTemplate, share: float, reads: str | None = None) -> TemplateReport:
    """The template as commands print it."""
    return TemplateReport(
        id=template.id,
        kind=template.kind,
        calls=template.calls,
        total_ms=template.total_ms,
        mean_ms=template.mean_ms,
        share=share,
        is_write=template.is_write,
        reads=reads,
        blocks=template.blocks,
        cancelled=template.cancelled,
        relations=template.relations,
        text=template.text,
    )


def unplanned(template: QueryTemplate, stage: Stage, why: str, catalog: Catalog) -> Skipped:
    """A template that no planner could take: a privilege we lack says more than the planner's words."""
    tables = [catalog.table(name) for name in template.relations]
    hidden = ", ".join(str(t.name) for t in tables if t is not None and not t.readable)
    detail = f"no SELECT on {hidden}" if hidden else why
    return Skipped(UNPLANNED, template.text, detail, template.calls, template.total_ms or 0.0, stage)


def with_shares(skipped: Iterable[Skipped], folded: FoldedWorkload) -> tuple[Skipped, ...]:
    """The skipped with their shares of the whole workload: of time where every template has times, else of calls.

    What we sent ourselves is no part of it, nor what was recorded of statements that are there.
    """
    items = tuple(skipped)
    timed = folded.templates or [s for s in items if s.total_ms]
    by_time = bool(timed) and all(t.total_ms is not None for t in folded.templates)

    def measure(item: QueryTemplate | Skipped) -> float:
        if isinstance(item, Skipped) and item.reason in ("own", COVERED):
            return 0.0
        return (item.total_ms or 0.0) if by_time else item.calls

    total = sum(map(measure, folded.templates)) + sum(map(measure, folded.skipped)) or 1.0
    return tuple(replace(item, share=measure(item) / total) for item in items)


def skipped_reports(folded: FoldedWorkload) -> tuple[SkippedReport, ...]:
    """What was left out, by reason and stage: how many statements, and their share of all that was observed."""
    items = with_shares(folded.skipped, folded)
    reports = []
    for (reason, stage), count in Counter((s.reason, s.stage) for s in items).most_common():
        alike = [s for s in items if (s.reason, s.stage) == (reason, stage)]
        example = max(alike, key=lambda s: s.share)
        share = sum(s.share for s in alike)
        told = SkippedReport(
            reason=reason, stage=stage, count=count, share=share, detail=example.detail, example=example.text
        )
        reports.append(told)
    return tuple(reports)


SchemaOf = Callable[[str | None, str | None], str | None]


def on_representatives(workload: Workload, catalog: Catalog, siblings: Siblings) -> Workload:
    """The workload with its statements moved; ``catalog`` has the representatives only.

    A name without a schema means what the search path of whoever sent it finds first, as far as that is known; what no
    search path finds means the group that has such a table, the largest where several have.
    """
    moving = _Moving(catalog, siblings, siblings.representatives)
    statements = tuple(replace(s, text=moving.text(s)) for s in workload.statements)
    return replace(workload, statements=statements)


@dataclass(frozen=True, slots=True)
class _Moving:
    """Where statements go; each distinct text is read once."""

    catalog: Catalog
    siblings: Siblings
    instead: Mapping[str, str]
    known: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def text(self, observed: ObservedStatement) -> str:
        path = observed.search_path or self.catalog.search_path
        key = observed.text, path
        if key not in self.known:
            self.known[key] = self._moved(observed.text, path)
        return self.known[key]

    def _moved(self, text: str, path: tuple[str, ...]) -> str:
        statement = None if is_own(text) else parse(text)
        if not isinstance(statement, Statement) or statement.kind is None:
            return text
        tables = tables_named(statement.node)
        schema_of = self._schema_of(path, {n.text("relname") for n in tables if not n.text("schemaname")})
        try:
            return deparse(relocated(statement.node, schema_of))
        except ValueError:  # no SQL text for some node: advised on as it was written
            return text

    def _schema_of(self, path: tuple[str, ...], bare: set[str]) -> SchemaOf:
        """``bare`` are the statement's tables without a schema: other such names are those of WITH queries."""

        def schema_of(schema: str | None, table: str | None) -> str | None:
            if schema is not None or table is None:
                return self.instead.get(schema or "")
            return self._found(path, table) if table in bare else None

        return schema_of

    def _found(self, path: tuple[str, ...], table: str) -> str | None:
        for schema in path:
            name = QualifiedName(self.instead.get(schema, schema), table)
            if self.catalog.table(name) is not None or name in self.catalog.views:
                return name.schema if schema in self.instead or path != self.catalog.search_path else None
        having = [g for g in self.siblings.groups if QualifiedName(g.representative, table) in g.tables]
        return max(having, key=lambda g: len(g.schemas)).representative if having else None
