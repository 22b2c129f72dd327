"""Whether a file's own statement_timeout ends its statements."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import seconds
from indexpilot_cli.evolve.review.probes.question import Probe, ProbeAnswer, ProbeKind
from indexpilot_cli.evolve.review.values import Duration, Impact, StatementVerdict
from indexpilot_cli.sql.ddl.action import Act, Migration, MigrationStatement

# https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-NAMES-VALUES
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "": 1e-3}
_VALUE = re.compile(r"\s*'?\s*([\d.]+)\s*(us|ms|s|min|h|d|)\s*'?\s*")
_LOCAL = re.compile(r"\s*set\s+local\b", re.IGNORECASE)


def late_answers(migration: Migration, verdicts: Sequence[StatementVerdict]) -> tuple[ProbeAnswer, ...]:
    """For statements that take longer than statement_timeout: surely, or perhaps (then nobody knows)."""
    found = []
    limits = _limits(migration.statements)
    for statement, limit, verdict in zip(migration.statements, limits, verdicts, strict=True):
        if limit and verdict.duration and verdict.impact is not Impact.FAILS and verdict.duration.high > limit:
            found.append(_late(statement, limit, verdict.duration))
    return tuple(found)


def _late(statement: MigrationStatement, limit: float, duration: Duration) -> ProbeAnswer:
    words = f"its work takes longer than statement_timeout ({seconds(limit)})"
    probe = Probe(statement.number, ProbeKind.EXISTS, "57014", QualifiedName("", ""), words, None)
    expected = f"{seconds(duration.low)} to {seconds(duration.high)} are expected"
    sure = duration.low > limit
    return ProbeAnswer(probe, True if sure else None, "statistics" if sure else "none", 0.0, expected)


def _limits(statements: Sequence[MigrationStatement]) -> Iterator[float]:
    """Seconds that hold for each statement, 0 for no limit."""
    session = local = 0.0
    within = False
    for statement in statements:
        yield local if within else session
        for action in statement.actions:
            if action.kind in (Act.COMMIT, Act.ROLLBACK) and not action.nested:
                within = False
            value = dict(action.parameters).get("statement_timeout") if action.kind is Act.SET else None
            if value is None:
                continue
            if _LOCAL.match(statement.sql):
                local, within = _seconds(value), True
            else:
                session, within = _seconds(value), False


def _seconds(value: str) -> float:
    match = _VALUE.fullmatch(value)
    return float(match[1]) * _UNITS[match[2]] if match else 0.0
