"""How faithfully the twin plans, as numbers: its plans against plain EXPLAIN on the source, statement by statement."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from indexpilot_cli.core.estimator import Fidelity, PlannedStatement, TwinDifference, WhatIf
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.plans import explain_text, failed
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.planner.twin.planner import TwinEstimator

NEGLIGIBLE = 0.001  # of the cost: a plan of equal shape with less is not listed


def measure(twin: TwinEstimator, session: Session, statements: Sequence[tuple[str, Plannable]]) -> Fidelity:
    """Compare both planners on every statement, given as (template id, statement) pairs; nothing is executed.

    Statements without a plan on either side count as ``not_compared``. Raises UnreachableError when the
    source is gone.
    """
    questions = [WhatIf(statement) for _, statement in statements]
    pairs = [
        (name, statement, _on_source(twin, session, statement), answer)
        for (name, statement), answer in zip(statements, twin.plan(questions), strict=True)
    ]
    usable = [pair for pair in pairs if pair[2].ok and pair[3].ok]
    guessed = frozenset().union(*(twin.guessed(statement) for _, statement, _, _ in usable))
    errors = sorted(relative_error(real.total_cost, guess.total_cost) for _, _, real, guess in usable)
    return Fidelity(
        estimator=twin.name,
        compared=len(usable),
        identical=sum(real.shape == guess.shape for _, _, real, guess in usable),
        median_error=quantile(errors, 0.5),
        p90_error=quantile(errors, 0.9),
        max_error=errors[-1] if errors else 0.0,
        not_compared=len(pairs) - len(usable),
        differences=tuple(_difference(*pair) for pair in usable if _differs(pair[2], pair[3])),
        guessed=tuple(sorted(guessed)),
    )


def relative_error(real: float, guess: float) -> float:
    """|guess - real| / real; 0 when both are 0."""
    return abs(guess - real) / real if real else float(guess != real)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the ordered values that at least ``share`` of them do not exceed; 0 without values."""
    if not ordered:
        return 0.0
    rank = max(0, -int(-share * len(ordered) // 1) - 1)
    return ordered[rank]


def _on_source(twin: TwinEstimator, session: Session, statement: Plannable) -> PlannedStatement:
    try:
        node = explain_text(session, statement, verbose=twin.needs_schemas(statement))
    except UnreachableError as error:
        if error.code != "timeout":
            raise
        return failed(error.detail or error.message)
    except IndexPilotError as error:
        return failed(error.detail or error.message)
    return twin.understand(statement, node)


def _differs(real: PlannedStatement, guess: PlannedStatement) -> bool:
    error = relative_error(real.total_cost, guess.total_cost)
    return real.shape != guess.shape or not isfinite(error) or error > NEGLIGIBLE


def _difference(name: str, statement: Plannable, real: PlannedStatement, guess: PlannedStatement) -> TwinDifference:
    return TwinDifference(
        template=name,
        server_cost=real.total_cost,
        twin_cost=guess.total_cost,
        error=relative_error(real.total_cost, guess.total_cost),
        text=statement.sql,
    )
