"""Findings as a plan, so that ``apply`` stays the one door for changes and ``rollback`` knows all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from indexpilot_cli.core.catalog import Catalog, Index
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import (
    Plan,
    PlanAction,
    PlannedVacuum,
    Recommendation,
    TemplateEffect,
    schema_digest,
    unpriced_plan,
)
from indexpilot_cli.lifecycle.findings.references import index_for
from indexpilot_cli.lifecycle.values import LifecycleAction, LifecycleFinding, LifecycleState
from indexpilot_cli.methods.size import estimate
from indexpilot_cli.snapshot.source import Source

_ACTIONS = {LifecycleAction.DROP: PlanAction.DROP, LifecycleAction.REINDEX: PlanAction.REINDEX}
PLANNABLE = frozenset({*_ACTIONS, LifecycleAction.CREATE, LifecycleAction.ANALYZE, LifecycleAction.VACUUM})
_ORDER = (PlanAction.CREATE, PlanAction.REINDEX, PlanAction.DROP)


def make_plan(findings: Iterable[LifecycleFinding], source: Source, database: str, now: datetime) -> Plan:
    """The plan that carries the findings out: first what is built, then what is rebuilt, last what is dropped.

    What is only reported is left out. Extended statistics are made and tables vacuumed and analyzed at the end.
    """
    catalog, findings = source.catalog, tuple(findings)
    statistics = tuple(f.statistics for f in findings if f.statistics is not None and f.ddl is not None)
    vacuum = tuple(_vacuums(findings))
    analyzed = (f.table for f in findings if f.action is LifecycleAction.ANALYZE)
    tables = tuple(dict.fromkeys((*analyzed, *(s.table for s in statistics))))
    wanted = sorted(_wanted(findings, catalog), key=lambda r: _ORDER.index(r.action))
    content = [*(f"{r.id} {r.ddl}" for r in wanted), *map(str, tables)]
    content += [*(v.sql for v in vacuum), *(s.ddl for s in statistics)]
    plan = replace(
        unpriced_plan(content, now, source.server, "lifecycle"),
        recommendations=tuple(wanted),
        size_bytes=sum(r.size_bytes for r in wanted if r.action is PlanAction.CREATE),
        database=database,
        analyze=tables,
        vacuum=vacuum,
        statistics=statistics,
    )
    return replace(plan, schema_digest=schema_digest(catalog, plan.tables))


def _vacuums(findings: Iterable[LifecycleFinding]) -> Iterator[PlannedVacuum]:
    """Once for each table; frozen where any finding wants that."""
    wanted: dict[QualifiedName, bool] = {}
    for finding in findings:
        if finding.action is LifecycleAction.VACUUM:
            wanted[finding.table] = wanted.get(finding.table, False) or finding.state is LifecycleState.WRAPAROUND
    yield from (PlannedVacuum(table, freeze) for table, freeze in wanted.items())


def _wanted(findings: Iterable[LifecycleFinding], catalog: Catalog) -> Iterator[Recommendation]:
    indexes = {index.name: index for index in catalog.indexes()}
    for finding in findings:
        if finding.action in _ACTIONS and finding.index is not None:
            yield _of_existing(finding, indexes[finding.index])
        elif finding.action is LifecycleAction.CREATE and finding.statistics is None:
            yield _new(finding, catalog)


def _of_existing(finding: LifecycleFinding, index: Index) -> Recommendation:
    return Recommendation(
        id=finding.id,
        definition=index.definition,
        name=index.name.name,
        ddl=(finding.ddl or "").rstrip(";"),
        undo=(finding.undo or "").rstrip(";"),
        summary=f"{finding.action.value} {index.name.short}",
        kind=finding.state.value,
        size_bytes=finding.size_bytes or 0,
        size_method="measured",
        templates=tuple(TemplateEffect(s.template, s.before, s.after, 0.0) for s in finding.slower),
        reasons=finding.evidence,
        action=_ACTIONS[finding.action],
    )


def _new(finding: LifecycleFinding, catalog: Catalog) -> Recommendation:
    definition = IndexDefinition(finding.table, tuple(IndexKey(column) for column in finding.columns))
    table = catalog.table(finding.table)
    assert table is not None  # the finding is about a table of this catalog
    built = estimate(definition, table, catalog)
    return Recommendation(
        id=definition.id,
        definition=definition,
        name=index_for(definition, catalog),
        ddl=(finding.ddl or "").rstrip(";"),
        undo=(finding.undo or "").rstrip(";"),
        summary=summary(definition),
        kind="foreign_key",
        size_bytes=built.bytes,
        size_method=built.method,
        reasons=finding.evidence,
    )
