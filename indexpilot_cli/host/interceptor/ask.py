"""The server asked for a plan: never by running the statement, never longer than the host wants to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.plans import Node, relations
from indexpilot_cli.db.queries import Jsonb
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.host import place
from indexpilot_cli.host.interceptor.plan_risk import TableRows
from indexpilot_cli.host.interceptor.statement_text import parameter_name

SessionSettings = tuple[tuple[str, str], ...]


class PlanFailedError(IndexPilotError):
    """There is no plan. ``server_down``: not for this statement alone. ``slow``: it took too long."""

    default_code = "no_plan"

    def __init__(self, message: str, *, server_down: bool = False, slow: bool = False):
        super().__init__(message)
        self.server_down = server_down
        self.slow = slow


class CircuitBreaker:
    """Keeps callers from a server that does not answer: after a failure one of them asks again each ``seconds``."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        self._seconds, self._clock = seconds, clock
        self._lock = threading.Lock()
        self._again: float | None = None
        self.opened = 0

    def lets_pass(self) -> bool:
        """Whether this caller may ask."""
        with self._lock:
            if self._again is None:
                return True
            if self._clock() < self._again:
                return False
            # The others go on without an answer while this one finds out.
            self._again = self._clock() + self._seconds
            return True

    def succeeded(self) -> None:
        """The server answered, be it with an error."""
        with self._lock:
            self._again = None

    def failed(self) -> None:
        """It did not."""
        with self._lock:
            self.opened += 1
            self._again = self._clock() + self._seconds

    @property
    def open(self) -> bool:
        """Whether callers are kept away now."""
        with self._lock:
            return self._again is not None and self._clock() < self._again


@dataclass(frozen=True, slots=True)
class AskedPlan:
    """A plan with the sizes of the tables in it."""

    plan: Node
    sizes: Mapping[QualifiedName, TableRows]


def ask_plan(sql: str, values: Sequence[Any], settings: SessionSettings, timeout: float) -> AskedPlan:
    """The plan of one statement under the session settings, within so many seconds. Raises PlanFailedError.

    A thread of its own asks: neither libpq nor the pool ends a wait for a network that swallows packets, or for a
    stopped server, and the host's thread goes on after ``timeout`` whatever that one waits for.
    """
    answer: list[AskedPlan | PlanFailedError] = []
    done = threading.Event()

    def run() -> None:
        try:
            answer.append(_asked(sql, values, settings, timeout))
        except IndexPilotError as error:
            answer.append(_failure(error))
        except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
            # What a host's own adapter of a value, or its own pool, may raise.
            answer.append(PlanFailedError(f"the values cannot be sent: {type(error).__name__}"))
        finally:
            done.set()

    if place.in_background(run, "indexpilot-plan") is None:
        raise PlanFailedError("no thread can be started")
    if not done.wait(timeout):
        raise PlanFailedError(f"the server gave no plan within {timeout:g} s", server_down=True, slow=True)
    if not answer:
        raise PlanFailedError("the server could not be asked")
    if isinstance(answer[0], PlanFailedError):
        raise answer[0]
    return answer[0]


def _asked(sql: str, values: Sequence[Any], settings: SessionSettings, timeout: float) -> AskedPlan:
    limit = max(1, int(timeout * 900))  # the server gives up first, so that its thread comes back with an answer
    with place.session(statement_timeout_ms=limit, lock_timeout_ms=limit) as session:
        # Read-only: functions that are marked as harmless are run while a plan is made, whatever they do.
        chosen = (*settings, ("transaction_read_only", "on"))
        session.rows("host/settings", {"names": [n for n, _ in chosen], "values": [v for _, v in chosen]})
        given = {parameter_name(number): _sendable(value) for number, value in enumerate(values)}
        plan = session.explain(f"EXPLAIN (FORMAT JSON, VERBOSE) {sql}", given or None)
        return AskedPlan(plan, _sizes(session, relations(plan)))


def _sendable(value: Any) -> Any:
    """A document as JSON, which psycopg sends only when told so; hosts that do tell it mean the same."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
        return Jsonb(value)
    return value


def _sizes(session: Session, tables: Collection[QualifiedName]) -> Mapping[QualifiedName, TableRows]:
    if not tables:
        return {}
    rows = session.rows("host/relations", {"schemas": [t.schema for t in tables], "tables": [t.name for t in tables]})
    return {
        QualifiedName(r.schema_name, r.table_name): TableRows(r.rows, QualifiedName(r.root_schema, r.root_name))
        for r in rows
    }


def _failure(error: IndexPilotError) -> PlanFailedError:
    # A statement that was cancelled (57014) or waited for a lock (55P03) met a server that lives.
    state = sqlstate(error)
    slow = state in ("57014", "55P03")
    down = isinstance(error, UnreachableError) and not slow
    return PlanFailedError(error.text, server_down=down, slow=slow)
