"""All findings of a database, made so that no two of them undo each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from indexpilot_cli.core.index import Reason
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.lifecycle.findings.invalid import invalid_findings
from indexpilot_cli.lifecycle.findings.references import reference_findings
from indexpilot_cli.lifecycle.findings.statistics import statistics_findings
from indexpilot_cli.lifecycle.findings.structure import overlapping_findings, redundant_findings
from indexpilot_cli.lifecycle.findings.unused import unused_findings
from indexpilot_cli.lifecycle.findings.upkeep import (
    dead_row_findings,
    hot_findings,
    metadata_findings,
    view_findings,
    wraparound_findings,
)
from indexpilot_cli.lifecycle.values import LifecycleFacts, LifecycleFinding
from indexpilot_cli.methods.existing import redundant_indexes


def find(facts: LifecycleFacts) -> tuple[LifecycleFinding, ...]:
    """Findings in no order; an index that is offered to be dropped is offered once."""
    return tuple(_all(facts))


def by_gravity(finding: LifecycleFinding) -> tuple[object, ...]:
    """The gravest and largest first."""
    return finding.severity.rank, -(finding.size_bytes or 0), finding.table, finding.index or finding.table, finding.id


def _all(facts: LifecycleFacts) -> Iterator[LifecycleFinding]:
    yield from invalid_findings(facts)
    redundant = redundant_indexes(facts.catalog.tables)
    needless = list(redundant_findings(redundant, facts))
    unused = list(unused_findings(facts, {found.by for found in redundant}))
    yield from _once(needless, unused)
    gone = {f.index for f in (*needless, *unused) if f.index is not None and f.ddl is not None}
    yield from overlapping_findings(facts, gone)
    yield from reference_findings(facts)
    yield from statistics_findings(facts)
    yield from hot_findings(facts)
    yield from wraparound_findings(facts)
    yield from dead_row_findings(facts)
    yield from view_findings(facts)
    yield from metadata_findings(facts)


def _once(needless: Sequence[LifecycleFinding], unused: Sequence[LifecycleFinding]) -> Iterator[LifecycleFinding]:
    """What is both needless and unused is told once, as the former, with the latter's evidence."""
    silent: dict[QualifiedName | None, tuple[Reason, ...]] = {f.index: f.evidence[:1] for f in unused}
    for finding in needless:
        yield replace(finding, evidence=(*finding.evidence, *silent.get(finding.index, ())))
    told = {finding.index for finding in needless}
    yield from (f for f in unused if f.index not in told)
