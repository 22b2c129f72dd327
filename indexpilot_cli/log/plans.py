"""Plans kept in the database, so that advice of today can be explained or applied tomorrow; and their approvals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any

from indexpilot_cli.core.codec import UNPUBLISHED, Count, from_json, to_json
from indexpilot_cli.core.index import Rejection
from indexpilot_cli.core.plan import EXPERIMENT, AlgorithmFinding, Effect, Plan, Recommendation
from indexpilot_cli.db.queries import Jsonb
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import UsageError
from indexpilot_cli.log.metadata import SCHEMA, question
from indexpilot_cli.log.redact import scrub_text

_LOOK_BACK = 20  # plans; each is read whole
_IDS = 1000


@dataclass(frozen=True, slots=True)
class KeptAdvice:
    """What an id stands for: the plan it is from, and the recommendation or the rejection."""

    plan: Plan
    recommendation: Recommendation | None = None
    rejection: Rejection | None = None


def store(session: Session, plan: Plan, *, keep: int = 200, schema: str = SCHEMA) -> None:
    """Keep the plan (again, when it is known) and forget all but the newest ``keep``.

    What each algorithm decided in it has rows of its own, for as long as the plan is kept.
    """
    values = {"id": plan.id, "created_at": plan.created_at, "plan": Jsonb(to_json(plan))}
    decided = [_decided(plan, found) for found in plan.findings if found.effect is not Effect.REPORT_ONLY]
    with session.transaction():  # nobody sees more than ``keep`` plans
        session.execute(question(session, "log/plan_store", schema), values)
        session.execute(question(session, "log/plan_prune", schema), {"keep": keep})
        session.execute(question(session, "log/usage_store", schema), {"plan": plan.id, "decided": Jsonb(decided)})


def _decided(plan: Plan, found: AlgorithmFinding) -> dict[str, Any]:
    """A row: which algorithm changed what. The column is the first of the index's keys."""
    definition = found.definition
    table = definition.table if definition is not None else found.analyze
    return {
        "algorithm": found.algorithm,
        "schema_name": table.schema if table is not None else None,
        "table_name": table.name if table is not None else None,
        "field_name": next(iter(definition.columns), None) if definition is not None else None,
        "recommendation_id": definition.id if definition is not None else None,
        "decision": found.effect.value,
        "details": {"plan": plan.id, "kind": found.kind, "object": found.object, "decision": found.decision},
    }


@dataclass(frozen=True, slots=True)
class AlgorithmDecisions:
    """What an algorithm did in the plans that are kept."""

    algorithm: str
    effect: Effect
    decisions: Count
    plans: Annotated[Count, "in how many plans"]
    indexes: Annotated[Count, "to how many indexes"]
    built: Annotated[Count, "how many of them were built at some time"]
    standing: Annotated[Count, "how many of them are there, by the log"]
    last: datetime


def decisions(
    session: Session,
    table: tuple[str | None, str] | None = None,
    since: datetime | None = None,
    *,
    schema: str = SCHEMA,
) -> tuple[AlgorithmDecisions, ...]:
    """What each algorithm did in the plans that are kept, by name; on one table (its schema may be None), since."""
    of_schema, of_table = table or (None, None)
    values = {"table_schema": of_schema, "table": of_table, "since": since}
    rows = session.rows(question(session, "log/usage", schema), values)
    found = (AlgorithmDecisions(*row) for row in rows)
    return tuple(replace(d, effect=Effect(d.effect), last=d.last.astimezone(UTC)) for d in found)


def load(session: Session, plan_id: str, *, schema: str = SCHEMA) -> Plan:
    """The plan of that id or unambiguous beginning of one; UsageError with the nearest ids when there is none."""
    whole = resolve(plan_id, plan_ids(session, schema=schema), "plan")
    row = session.one(question(session, "log/plan_load", schema), {"id": whole, "own": EXPERIMENT, "limit": 1})
    if row is None:
        raise UsageError(f"no plan {whole}", code="unknown_id")
    return _plan(row)


def latest(session: Session, count: int = 1, *, schema: str = SCHEMA) -> tuple[Plan, ...]:
    """The newest plans, newest first; without those of experiments, which only the experiment may carry out."""
    values = {"id": None, "own": EXPERIMENT, "limit": count}
    rows = session.rows(question(session, "log/plan_load", schema), values)
    return tuple(_plan(row) for row in rows)


def plan_ids(session: Session, *, schema: str = SCHEMA) -> tuple[str, ...]:
    """Ids of the plans, newest first."""
    return tuple(row.id for row in session.rows(question(session, "log/plan_ids", schema), {"limit": _IDS}))


def find_recommendation(session: Session, advice_id: str, *, schema: str = SCHEMA) -> KeptAdvice:
    """The newest advice with that id (or unambiguous beginning) among the latest plans.

    Raises UsageError with the nearest ids when no plan has it.
    """
    found: dict[str, KeptAdvice] = {}
    # Ids follow from structure, so the same advice has the same id in many plans: the newest one's numbers count.
    for plan in latest(session, _LOOK_BACK, schema=schema):
        for advice_key, advice in advice_of(plan).items():
            found.setdefault(advice_key, advice)
    return found[resolve(advice_id, found, "recommendation")]


def advice_of(plan: Plan) -> dict[str, KeptAdvice]:
    """Everything in the plan that has an id; a recommendation goes before a rejection of the same id."""
    rejected = {r.id: KeptAdvice(plan, rejection=r) for r in plan.rejections if r.id is not None}
    return rejected | {r.id: KeptAdvice(plan, recommendation=r) for r in plan.recommendations}


def resolve(typed: str, known: Iterable[str], what: str) -> str:
    """The one known id that is, or begins with, what was typed (in any case; ``R-`` may be left out).

    Raises UsageError: ambiguous ones are listed, unknown ones answered with the nearest.
    """
    ids = tuple(dict.fromkeys(known))
    wanted = typed.strip().lower()
    exact = [i for i in ids if i.lower() == wanted]
    begins = [i for i in ids if wanted and (i.lower().startswith(wanted) or i.lower()[2:].startswith(wanted))]
    if exact or len(begins) == 1:
        return (exact or begins)[0]
    if begins:
        raise UsageError(f"{typed[:80]} fits several: {', '.join(begins[:8])}", code="ambiguous_id")
    near = suggestions(typed, ids)
    hint = f"did you mean {' or '.join(near)}?" if near else "indexpilot recommend"
    raise UsageError(f"no {what} {typed[:80]!r}", hint=hint, code="unknown_id")


def suggestions(typed: str, known: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """The known ids nearest to what was typed, nearest first."""
    by_lower = {i.lower(): i for i in known}
    return tuple(by_lower[i] for i in get_close_matches(typed.strip().lower(), by_lower, n=count, cutoff=0.5))


def _plan(row: Row) -> Plan:
    return from_json(Plan, row.plan_json)


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved a plan."""

    plan_id: Annotated[str, UNPUBLISHED]
    approved_by: str
    approved_at: datetime
    reason: str
    digest: Annotated[str, "of the plan's statements as they were then"]


def approvals_of(session: Session, plan_id: str, *, schema: str = SCHEMA) -> tuple[Approval, ...]:
    """The plan's approvals, newest first."""
    return approvals(session, (plan_id,), schema=schema)


def approvals(session: Session, plan_ids: Sequence[str], *, schema: str = SCHEMA) -> tuple[Approval, ...]:
    """The approvals of these plans, newest first."""
    rows = session.rows(question(session, "log/approvals", schema), {"plan_ids": list(plan_ids)})
    return tuple(_approval(row) for row in rows)


def approve(
    session: Session, plan_id: str, digest: str, approved_by: str, reason: str = "", *, schema: str = SCHEMA
) -> Approval:
    """Record an approval now, by the server's clock; the server notes the session's role beside the given name."""
    values = {"plan_id": plan_id, "digest": digest, "approved_by": approved_by, "reason": scrub_text(reason)}
    return _approval(session.one(question(session, "log/approval_add", schema), values))


def _approval(row: Row) -> Approval:
    return Approval(row.plan_id, row.approved_by, row.approved_at.astimezone(UTC), row.reason, row.digest)


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan that is kept."""

    id: str
    created_at: datetime
    estimator: str
    recommendations: Count
    rejections: Count
    cost_before: float
    cost_after: float
    unit: str
    size_bytes: Count
    approvals: tuple[Approval, ...] = ()


def kept(session: Session, count: int, *, schema: str = SCHEMA) -> tuple[KeptPlan, ...]:
    """The newest plans, newest first; without those of experiments."""
    rows = session.rows(question(session, "log/plan_list", schema), {"own": EXPERIMENT, "limit": count})
    given: dict[str, list[Approval]] = {row.id: [] for row in rows}
    for approval in approvals(session, tuple(given), schema=schema):
        given[approval.plan_id].append(approval)
    return tuple(replace(KeptPlan(*row), approvals=tuple(given[row.id])) for row in rows)
