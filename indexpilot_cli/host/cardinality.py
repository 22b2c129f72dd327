"""A planner's estimate for a value of a field held against counted rows of the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.cert.conditions import Conjunction, counting
from indexpilot_cli.algorithms.cert.intervals import CardinalityCheck, sampled_shares
from indexpilot_cli.algorithms.cert.survey import Cause, Estimate, cause_of
from indexpilot_cli.core.catalog import Column, Table
from indexpilot_cli.core.estimator import PlannedStatement, WhatIf
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.core.samples import Samples
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.db.plans import PlanNames, explain_text, read_plan
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.host.algorithms.study import NoPlanner, find_column, find_table
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.snapshot.source import Source

_VALUES = 3  # of a field that are looked at, the commonest of the sample


class _ServerPlanner(NoPlanner):
    """The server's own planner, without anything hypothetical."""

    name = "server"

    def __init__(self, session: Session):
        self._session = session

    def plan(self, questions: Sequence[WhatIf]) -> tuple[PlannedStatement, ...]:
        """The plans of the statements as they are."""
        self.calls += len(questions)
        names = PlanNames(lambda _relation, _name: None)
        return tuple(read_plan(explain_text(self._session, q.statement), names) for q in questions)


def check(
    source: Source, features: FeatureSettings, field: tuple[str, str], value: object, times: float
) -> CardinalityCheck:
    """The estimate that is most wrong. Raises UsageError for an unknown field, PrerequisiteError without rows."""
    if source.session is None:  # place.connection() is a server's
        raise PrerequisiteError("there is no server to ask")
    table = find_table(source.catalog, field[0])
    column = find_column(table, field[1])
    samples = PageSamples(source.session, source.catalog, {})
    planner = _ServerPlanner(source.session)
    study = Study(source.catalog, (), features, samples, planner, Sizes(source.catalog))
    asked = tuple(_asked(samples, table, column, value))
    read = samples.matches(table.name, [c.sql for c in asked]) if asked else None
    if read is None or not read.pages:
        text = f"the rows of {table.name.short} may not be read, or there are none with a value"
        raise PrerequisiteError(text, code="no_sample")
    plans = planner.plan([WhatIf(counting(table, c.sql)) for c in asked])
    found = [
        Estimate(c.sql, plan.rows if plan.ok else 0.0, share, read.rows)
        for c, plan, share in zip(asked, plans, sampled_shares(read), strict=True)
    ]
    number = max(range(len(found)), key=lambda n: (found[n].is_off(times), found[n].error))
    return _checked(study, table, column, asked[number], found[number], times)


def _asked(samples: Samples, table: Table, column: Column, value: object) -> Iterator[Conjunction]:
    name = quote_identifier(column.name)
    if value is not None:
        yield _equal(table.name, column.name, str(value))
        return
    read = samples.values(table.name, [name], [])
    counts = Counter(values[0] for values, _ in read.rows if values[0] is not None) if read is not None else Counter()
    for text, _ in counts.most_common(_VALUES):
        yield _equal(table.name, column.name, text)


def _equal(table: QualifiedName, column: str, value: str) -> Conjunction:
    literal = quote_literal(value)
    atom = Atom(AtomKind.EQUAL, "=", column, constant=literal, sql=f"{quote_identifier(column)} = {literal}")
    return Conjunction(table, (atom,), frozenset())


def _checked(
    study: Study, table: Table, column: Column, asked: Conjunction, found: Estimate, times: float
) -> CardinalityCheck:
    wrong = found.is_off(times)
    cause, why = cause_of(study, table, asked, found, (found,), times) if wrong else (None, "")
    return CardinalityCheck(
        table.name.schema,
        table.name.name,
        column.name,
        found.expected,
        found.share.share * found.rows,
        found.low,
        found.high,
        found.share.share,
        found.error * 100,
        wrong,
        cause in (Cause.STALE, Cause.NEVER_ANALYZED),
        cause.value if cause is not None else "",
        why,
    )
