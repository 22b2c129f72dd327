"""The planner's opinion of an index that really exists: a twin of now, with it and with it hidden."""

from __future__ import annotations

from collections import defaultdict

from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.apply.values import ApplyRequest
from indexpilot_cli.apply.verify.by_planner import Cost, judge_costs
from indexpilot_cli.apply.verify.verdict import Verification
from indexpilot_cli.apply.verify.workload import family, reads_on
from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.operation import Operation
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import open_source


def check(operation: Operation, request: ApplyRequest, folded: FoldedWorkload, progress: Progress) -> Verification:
    """Plan costs of every read of the table in ``folded`` with the built index, at its real size, and without it.

    Both sides have the statistics of now, so a difference is the index's. Raises PrerequisiteError without a planner.
    """
    with (
        open_source(request.connection, None, progress) as source,
        open_estimator(source, request.planner, progress) as estimator,
    ):
        ready = prepared(folded, source.catalog, types_from(estimator))
        affected = reads_on(ready.templates, family(source.catalog, operation.table))
        hidden = frozenset({QualifiedName(operation.table.schema, operation.name)})
        scenarios = [(t, s) for t in affected for s in t.scenarios]
        progress.stage(f"planning {len(affected)} templates with and without {operation.name}")
        with_it = estimator.plan([WhatIf(s.statement) for _, s in scenarios])
        without = estimator.plan([WhatIf(s.statement, hidden=hidden) for _, s in scenarios])
    before: dict[str, float] = defaultdict(float)
    after: dict[str, float] = defaultdict(float)
    for (template, scenario), old, new in zip(scenarios, without, with_it, strict=True):
        before[template.id] += scenario.share * old.total_cost
        after[template.id] += scenario.share * new.total_cost
    return judge_costs(_costs(affected, before, after))


def _costs(affected: tuple[QueryTemplate, ...], before: dict[str, float], after: dict[str, float]) -> tuple[Cost, ...]:
    return tuple(Cost(t.id, before[t.id], after[t.id], t.calls) for t in affected)
