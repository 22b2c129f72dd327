"""``explain q-…``: one template of the workload: how often, how long, how it is planned now."""

from __future__ import annotations

import difflib
from dataclasses import replace

from indexpilot_cli.advise.explain import evidence
from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.advise.values import ExplainRequest, ExplainResult, PlanView
from indexpilot_cli.core.command import Outcome, Progress, TableFilter
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate
from indexpilot_cli.db.plans import access, lines
from indexpilot_cli.errors import UsageError
from indexpilot_cli.planner.open import open_estimator
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.workload.fold.templates import fold_workload, report, shares


def explain_template(source: Source, request: ExplainRequest, progress: Progress) -> Outcome[ExplainResult]:
    """The template with one plan per parameter class."""
    folded = fold_workload(source, request.workload, TableFilter(), progress)
    template = _find(folded, request.subject or "")
    share = shares(folded.templates)[template.id]
    with open_estimator(source, request.planner, progress) as estimator:
        alone = prepared(replace(folded, templates=(template,)), source.catalog, types_from(estimator)).templates[0]
        answers = estimator.plan([WhatIf(s.statement, keep_tree=True) for s in alone.scenarios])
        name = estimator.name
    views = tuple(
        PlanView(
            f"{scenario.label} ({scenario.share:.0%})",
            answer.total_cost if answer.ok else None,
            lines(answer.tree) if answer.tree else (),
            access(answer.tree) if answer.tree else "",
            tuple(sorted(map(str, answer.existing))),
            answer.rows,
            error=answer.error,
        )
        for scenario, answer in zip(alone.scenarios, answers, strict=True)
    )
    result = ExplainResult(
        "template",
        template.id,
        template.text,
        estimator=name,
        plans=views,
        evidence=evidence.of_uses(template.uses, source.catalog),
        template=report(template, share),
    )
    return Outcome("explain", result, server=source.server)


def _find(folded: FoldedWorkload, wanted: str) -> QueryTemplate:
    for template in folded.templates:
        if template.id == wanted:
            return template
    close = difflib.get_close_matches(wanted, [t.id for t in folded.templates], n=1)
    hint = f"did you mean {close[0]}?" if close else "indexpilot analyze prints the ids of templates"
    raise UsageError(f"unknown id {wanted}", hint=hint, code="unknown_id")
