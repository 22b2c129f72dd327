"""What pages ask beyond the questions that JSON shares with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from indexpilot_cli.advise.explain import explain
from indexpilot_cli.advise.values import ExplainRequest, ExplainResult
from indexpilot_cli.apply import apply, rollback
from indexpilot_cli.apply.values import ApplyRequest, ApplyResult, RollbackRequest
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.serve.results import Question
from indexpilot_cli.serve.site import Site

T = TypeVar("T")
R = TypeVar("R")
_DAY = 86_400.0


def compared(site: Site, query: str, index: str) -> Question[ExplainResult]:
    """The plans of a statement without and with an index that is not there."""
    asked = ExplainRequest(
        site.connection, query=query, with_indexes=(index,), planner=site.planner, record=site.reader
    ).by(site.settings)
    return Question(f"compare {index} {query}", partial(explain.run, asked), 3600.0, long=True)


def permitted(site: Site, plan: str) -> Question[ApplyResult]:
    """What ``apply`` would do with the plan now, and what the guards say."""
    asked = replace(_apply_request(site, plan), dry_run=True, record=site.reader)
    return Question(f"permit {plan}", partial(_unasked(apply.run), asked), 15.0)


def applied(site: Site, plan: str) -> Question[ApplyResult]:
    """``apply`` of the plan: to be begun, never to be asked because somebody looks."""
    asked = replace(_apply_request(site, plan), confirmed=True)
    return Question(f"apply {plan}", partial(_unasked(apply.run), asked), _DAY, sessions=2, long=True)


def taken_back(site: Site, target: str) -> Question[ApplyResult]:
    """``rollback`` of a plan or of one mutation: to be begun only."""
    locks = site.settings.production_safeguards.lock_manager
    asked = RollbackRequest(
        site.connection,
        (target,),
        confirmed=True,
        lock_timeout=locks.lock_timeout_seconds,
        bypass=site.settings.bypass,
        record=site.request.record,
    )
    return Question(f"rollback {target}", partial(_unasked(rollback.run), asked), _DAY, sessions=2, long=True)


def _apply_request(site: Site, plan: str) -> ApplyRequest:
    return replace(
        ApplyRequest.by(site.settings),
        connection=site.connection,
        targets=(plan,),
        workload=site.request.workload,
        planner=site.planner,
        record=site.request.record,
    )


def _unasked(
    run: Callable[[R, Progress, Callable[[ApplyResult], bool]], Outcome[T]],
) -> Callable[[R, Progress], Outcome[T]]:
    """The workflow for who has said yes already: nobody is asked in the middle."""
    return lambda request, progress: run(request, progress, lambda _: False)
