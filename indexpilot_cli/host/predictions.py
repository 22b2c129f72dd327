"""What an index of a field is likely to be worth, by forecasts of recorded queries and by outcomes of like indexes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.errors import UsageError
from indexpilot_cli.host import place
from indexpilot_cli.host.estimates import TableField, find_field

if TYPE_CHECKING:
    from indexpilot_cli.algorithms.predictive_indexing import LikeOutcomes
    from indexpilot_cli.db.session import Session

_LOOKED_AT = 120  # days of recorded queries


@dataclass(frozen=True, slots=True)
class IndexUtility:
    """What an index saves over the coming days less what building it costs, in the unit of the costs given.

    ``utility`` is what is expected, ``low`` and ``high`` its 20 % and 80 % quantiles by the forecast alone;
    ``should_create`` is whether even the low one is above zero. ``queries_per_day`` are expected ones. ``forecast``
    says how they were forecast, or why there is no forecast and recorded queries are taken to go on; ``history`` what
    like indexes were measured to save, empty where too few were.
    """

    table_name: str
    field_name: str
    should_create: bool
    utility: float
    low: float
    high: float
    queries_per_day: float
    observed_days: int
    forecast: str
    history: str


@dataclass(frozen=True, slots=True)
class RefinedDecision:
    """A decision after what like indexes were measured to save; ``confidence`` is 0 (open) to 1.

    ``changed``: the outcomes turned it round. ``outcomes`` of like indexes, ``good`` of them saved 5 % or more.
    """

    should_create: bool
    confidence: float
    changed: bool
    outcomes: int
    good: int
    reason: str


def predict_index_utility(
    table_name: str,
    field_name: str,
    estimated_build_cost: float,
    extra_cost_per_query_without_index: float,
    horizon_days: int = 30,
) -> IndexUtility:
    """What an index of the field is worth over the coming days, by the queries recorded (``log_query_stat``) so far.

    The saving of a query shrinks towards what like indexes were measured to save, by ``features.predictive_indexing``.
    Raises UsageError for a table or field that is not there, and for costs or days that are no numbers from 0 on.
    """
    from indexpilot_cli.algorithms.forecasting import NoForecast, forecast

    for what, value in (
        ("the build cost", estimated_build_cost),
        ("the cost per query", extra_cost_per_query_without_index),
        ("the days", horizon_days),
    ):
        if not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise UsageError(f"{what} is no finite number from 0 on", code="bad_number")
    horizon = max(1, int(horizon_days))
    with place.logged(MutationType.EXPLAIN, "predict_index_utility") as note, place.session() as session:
        field = find_field(session, table_name, field_name)
        note.table(field.table.name, field.table.schema, field.name)
        first, calls = _daily(session, field)
        like = _like(session, field)
        found = forecast(calls, first, horizon)
        mean = sum(calls) / len(calls) if calls else 0.0
        sums = (mean * horizon,) * 3 if isinstance(found, NoForecast) else (found.total, found.low, found.high)
        share = 1.0 if like is None else max(0.0, like.expected(1.0, _weight()))
        saved = extra_cost_per_query_without_index * share
        expected, low, high = (total * saved - estimated_build_cost for total in sums)
        note.details(utility=expected, low=low, observed_days=len(calls))
    told = found.why if isinstance(found, NoForecast) else found.text
    history = "" if like is None else like.text
    return IndexUtility(
        field.table.name, field.name, low > 0, expected, low, high, sums[0] / horizon, len(calls), told, history
    )


def refine_heuristic_decision(
    table_name: str, field_name: str, should_create: bool, confidence: float
) -> RefinedDecision:
    """A decision on an index of the field, and how clear it is (0-1), together with measured outcomes of like indexes.

    They count by their number, at most ``features.predictive_indexing.weight``; too few, or the switch off, change
    nothing. Raises UsageError for a table or field that is not there, and for a confidence outside of 0 to 1.
    """
    if not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise UsageError("the confidence is no number from 0 to 1", code="bad_number")
    with place.logged(MutationType.EXPLAIN, "refine_heuristic_decision") as note, place.session() as session:
        field = find_field(session, table_name, field_name)
        note.table(field.table.name, field.table.schema, field.name)
        like = _like(session, field)
        refined = _refined(bool(should_create), float(confidence), like)
        note.details(should_create=refined.should_create, changed=refined.changed, outcomes=refined.outcomes)
    return refined


def _refined(should_create: bool, confidence: float, like: LikeOutcomes | None) -> RefinedDecision:
    from indexpilot_cli.algorithms.predictive_indexing import GOOD

    if like is None:
        return RefinedDecision(should_create, confidence, False, 0, 0, "too few outcomes of like indexes were measured")
    # Only what is sure of its sign speaks: mixed outcomes leave the decision as it is.
    says = 1.0 if like.low >= GOOD else -1.0 if like.high < GOOD else 0.0
    trust = like.trust(_weight()) if says else 0.0
    score = (1 - trust) * (confidence if should_create else -confidence) + trust * says
    wanted = score > 0 if score else should_create
    return RefinedDecision(wanted, abs(score), wanted is not should_create, like.count, like.good, like.text)


def _daily(session: Session, field: TableField) -> tuple[date, list[float]]:
    """The first day with recorded queries, and those of each day from it to yesterday."""
    from indexpilot_cli.workload.query_stats import daily

    names = (field.table.name, str(field.table), field.table.short)
    rows = daily(session, names, field.name, _LOOKED_AT, schema=place.metadata_schema())
    today = datetime.now(UTC).date()
    first = rows[0].day if rows else today
    counts = {row.day: float(row.queries) for row in rows}
    # Without today, which is not over and would look like a fall.
    return first, [counts.get(first + timedelta(days=n), 0.0) for n in range((today - first).days)]


def _like(session: Session, field: TableField) -> LikeOutcomes | None:
    from indexpilot_cli.algorithms.predictive_indexing import like_outcomes
    from indexpilot_cli.core.index import IndexDefinition, IndexKey
    from indexpilot_cli.log.outcomes import outcomes

    if not place.current_settings().features.predictive_indexing.use_historical_data:
        return None
    wanted = IndexDefinition(field.table, (IndexKey(field.name),))
    return like_outcomes(wanted, outcomes(session, schema=place.metadata_schema()))


def _weight() -> float:
    settings = place.current_settings().features.predictive_indexing
    return settings.weight if settings.enabled else 0.0
