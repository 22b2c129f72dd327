"""What pages ask beyond the questions that JSON shares with them."""

from __future__ import annotations

from functools import partial

from indexpilot_cli.advise.explain import explain
from indexpilot_cli.advise.values import ExplainRequest, ExplainResult
from indexpilot_cli.apply import apply
from indexpilot_cli.apply.values import ApplyResult
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.serve.results import Question
from indexpilot_cli.serve.site import Site


def compared(site: Site, query: str, index: str) -> Question[ExplainResult]:
    """The plans of a statement without and with an index that is not there."""
    asked = ExplainRequest(
        site.connection, query=query, with_indexes=(index,), planner=site.planner, record=site.reader
    ).by(site.settings)
    return Question(f"compare {index} {query}", partial(explain.run, asked), 3600.0, long=True)


def permitted(site: Site, plan: str) -> Question[ApplyResult]:
    """What ``apply`` would do with the plan now, and what the guards say."""
    asked = site.apply_request((plan,), dry_run=True)

    def ask(progress: Progress) -> Outcome[ApplyResult]:
        return apply.run(asked, progress, lambda _: False)

    return Question(f"permit {plan}", ask, 15.0, 3)
