"""What the interceptor says of a statement, and the error that keeps an unsafe one from running."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from indexpilot_cli.errors import RefusedError


class SafetyLevel(StrEnum):
    """SAFE and WARNING may run, UNSAFE may not. UNKNOWN: there is no plan to judge (a failed EXPLAIN, DDL)."""

    SAFE = "SAFE"
    WARNING = "WARNING"
    UNSAFE = "UNSAFE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class SafetyReason:
    """One number of a plan against its limit. ``code`` is the limit's name, ``table`` whose it is or ''."""

    code: str
    value: float
    limit: float
    table: str = ""

    @property
    def ratio(self) -> float:
        """The number as a share of the limit; over 1 it is exceeded."""
        if self.limit > 0:
            return self.value / self.limit
        return float("inf") if self.value > 0 else 0.0

    @property
    def text(self) -> str:
        """As a person reads it: ``max_seq_scan_rows on public.orders: 1,200,000, the limit is 1,000,000``."""
        place = f" on {self.table}" if self.table else ""
        return f"{self.code}{place}: {self.value:,.6g}, the limit is {self.limit:,.6g}"


@dataclass(frozen=True, slots=True)
class QueryVerdict:
    """Whether a statement may run (``allowed``) and why.

    ``score`` is 1 for a plan that costs nothing, 0.5 at a limit, and falls towards 0 beyond it; None where there was no
    plan. ``reasons`` are the numbers that come near their limits, worst first. ``why`` says in a word what decided:
    plan, allow, deny, failure, rate, off or no_plan; ``error`` is the server's word on a failed EXPLAIN. ``template``
    is the statement without values, ``template_id`` its digest. ``cost`` is the planner's. ``cached``: no server was
    asked.
    """

    allowed: bool
    level: SafetyLevel
    score: float | None = None
    reasons: tuple[SafetyReason, ...] = ()
    why: str = "plan"
    error: str = ""
    template: str = ""
    template_id: str = ""
    cost: float | None = None
    cached: bool = field(default=False, compare=False)
    retry_after: float | None = None

    @property
    def text(self) -> str:
        """The reasons on one line."""
        return "; ".join(reason.text for reason in self.reasons) or self.error or self.why


_CODES = {"rate": "rate_limited"}
_MESSAGES = {
    "deny": "the statement is on the list of denied ones",
    "failure": "the statement cannot be planned, and what cannot be planned is refused",
    "rate": "too many calls",
}


class QueryBlockedError(RefusedError):
    """The interceptor refuses a statement; it did not run. ``code`` is query_blocked, or rate_limited.

    ``score``, ``level`` and ``reasons`` are the verdict's; ``sql`` is the statement without its values; ``retry_after``
    is seconds, for a rate limit.
    """

    default_code = "query_blocked"

    def __init__(self, verdict: QueryVerdict):
        message = _MESSAGES.get(verdict.why, "the plan of the statement is unsafe")
        super().__init__(f"{message}: {verdict.text}", detail=verdict.template or None, code=_CODES.get(verdict.why))
        self.verdict = verdict

    def __reduce__(self) -> tuple[type[QueryBlockedError], tuple[QueryVerdict]]:
        """Task queues send errors from process to process."""
        return type(self), (self.verdict,)

    @property
    def score(self) -> float | None:
        """0-1, None where there was no plan."""
        return self.verdict.score

    @property
    def level(self) -> SafetyLevel:
        """UNSAFE or UNKNOWN as a rule."""
        return self.verdict.level

    @property
    def reasons(self) -> tuple[SafetyReason, ...]:
        """The numbers with their limits, worst first."""
        return self.verdict.reasons

    @property
    def sql(self) -> str:
        """The statement with ? for its values."""
        return self.verdict.template

    @property
    def retry_after(self) -> float | None:
        """Seconds until there is room again, for a rate limit."""
        return self.verdict.retry_after
