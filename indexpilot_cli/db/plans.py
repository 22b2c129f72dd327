"""EXPLAIN without running anything: literal, generic and prepared statements; and, on request, EXPLAIN ANALYZE.

Everything goes through the extended protocol, where the server refuses text that holds two statements.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from indexpilot_cli.core.workload import PlanMode, Plannable
from indexpilot_cli.db.session import Session
from indexpilot_cli.db.shapes import walk
from indexpilot_cli.errors import IndexPilotError, UsageError

_COMMENTS_AND_PARENTHESES = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_STRINGS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
_PARAMETERS = re.compile(r"\$(\d+)")
_PLANNED = frozenset({"select", "insert", "update", "delete", "merge", "with", "values", "table"})
_READS = frozenset({"select", "with", "values", "table"})
_counter = itertools.count(1)


def explain_text(session: Session, statement: Plannable, *, verbose: bool = False) -> Mapping[str, Any]:
    """The ``Plan`` object of EXPLAIN's JSON; nothing is executed.

    GENERIC and PREPARED both become a forced generic plan of a prepared statement, on every version:
    ``EXPLAIN (GENERIC_PLAN)`` gives the same plan but needs the simple protocol, which runs several statements.
    Raises UsageError for anything but one SELECT or DML statement, StatementError when it cannot be planned.
    """
    refuse_others(statement.sql)
    options = "FORMAT JSON, VERBOSE" if verbose else "FORMAT JSON"
    if statement.mode is PlanMode.LITERAL:
        return _alone(session, f"EXPLAIN ({options}) {statement.sql}")
    return _prepared(session, statement, options)


def explain_analyze(session: Session, sql: str, timeout_ms: int) -> Mapping[str, Any]:
    """The ``Plan`` object of EXPLAIN (ANALYZE, BUFFERS): the query really runs, for ``timeout_ms`` at most.

    Only for queries; the transaction is read-only and rolled back, so rows cannot change.
    Raises UsageError for DML, RefusedError when the query tries to write, UnreachableError on timeout.
    """
    if first_word(sql) not in _READS:
        raise UsageError("EXPLAIN ANALYZE runs the statement, so only a query is accepted", code="not_a_query")
    limit = f"SET LOCAL statement_timeout = {int(timeout_ms)}"
    run = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}"
    return _rolled_back(session, (limit, run))


def refuse_others(sql: str) -> None:
    """Raise UsageError unless the text begins as a query or DML statement."""
    word = first_word(sql)
    if word not in _PLANNED:
        raise UsageError(
            f"cannot plan a statement that begins with {word.upper() or 'nothing'}",
            hint="give one SELECT, INSERT, UPDATE, DELETE or MERGE",
            code="not_plannable",
        )


def first_word(sql: str) -> str:
    """The first key word in lower case, after comments and opening parentheses; empty when there is none."""
    match = _COMMENTS_AND_PARENTHESES.match(sql)
    word = re.match(r"[A-Za-z]+", sql[match.end() if match else 0 :])
    return word.group().lower() if word else ""


def _alone(session: Session, explain: str) -> Mapping[str, Any]:
    safe = session.read_only and not session.pooled
    return session.explain(explain) if safe else _rolled_back(session, (explain,))


def _prepared(session: Session, statement: Plannable, options: str) -> Mapping[str, Any]:
    """A generic plan prunes partitions at start-up by the values we do not have: all of them, for NULL.

    EXPLAIN then hides the pruned parts, though the cost counts them. The plan without pruning shows them.
    """
    plan = _executed(session, statement, options)
    if not any("Subplans Removed" in node for node in walk(plan)):
        return plan
    whole = _executed(session, statement, options, "SET LOCAL enable_partition_pruning = off")
    return {**whole, **{name: plan[name] for name in ("Startup Cost", "Total Cost", "Plan Rows")}}


def _executed(session: Session, statement: Plannable, options: str, *settings: str) -> Mapping[str, Any]:
    name = f"indexpilot_{next(_counter)}"
    count = statement.parameters or _highest_parameter(statement.sql)
    nulls = f"({', '.join(['NULL'] * count)})" if count else ""
    return _rolled_back(
        session,
        (
            "SET LOCAL plan_cache_mode = force_generic_plan",
            *settings,
            f"PREPARE {name} AS {statement.sql}",
            f"EXPLAIN ({options}) EXECUTE {name}{nulls}",
        ),
        after=f"DEALLOCATE {name}",
    )


def _highest_parameter(sql: str) -> int:
    """For statements that do not say how many parameters they have."""
    return max((int(number) for number in _PARAMETERS.findall(_STRINGS.sub("", sql))), default=0)


def _rolled_back(session: Session, statements: tuple[str, ...], after: str | None = None) -> Mapping[str, Any]:
    """Prepared statements outlive a rollback, so ``after`` is sent outside the transaction, also on failure."""
    tail = ("ROLLBACK", after) if after else ("ROLLBACK",)
    try:
        return session.explain_in(("BEGIN READ ONLY", *statements, *tail))
    except IndexPilotError:
        _clean_up(session, tail)
        raise


def _clean_up(session: Session, tail: tuple[str, ...]) -> None:
    for statement in tail:
        try:
            session.execute(statement)
        except IndexPilotError:
            continue  # never prepared, or the connection is gone: the first error tells
