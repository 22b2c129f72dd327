"""A plan and its recommendations as JSON."""

from __future__ import annotations

from indexpilot_cli.core.candidate import Reason, Rejection
from indexpilot_cli.core.codec import to_json
from indexpilot_cli.core.ddl import key_text
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.plan import Plan, Recommendation, Risk, TemplateEffect
from indexpilot_cli.core.workload import Skipped
from indexpilot_cli.render.document import Json
from indexpilot_cli.render.views.common import name, when


def plan_json(plan: Plan) -> Json:
    """The result of ``recommend``. Costs are in ``unit``; sizes in bytes."""
    return {
        "plan": plan.id,
        "created_at": when(plan.created_at),
        "estimator": plan.estimator,
        "unit": plan.unit,
        "budget_bytes": plan.budget_bytes,
        "cost_before": plan.cost_before,
        "cost_after": plan.cost_after,
        "size_bytes": plan.size_bytes,
        "write_cost": plan.write_cost,
        "template_count": plan.templates,
        "statement_count": plan.statements,
        "candidate_count": plan.candidates,
        "planner_calls": plan.calls,
        "cache_hits": plan.cache_hits,
        "seconds": plan.seconds,
        "schema_digest": plan.schema_digest,
        "bound": {
            "objective": plan.bound.objective,
            "lower": plan.bound.lower,
            "gap": plan.bound.gap,
            "solver": plan.bound.solver,
            "note": plan.bound.note,
        },
        "budget_curve": [{"budget_bytes": budget, "cost": cost} for budget, cost in plan.budget_curve],
        "recommendations": [recommendation_json(r) for r in plan.recommendations],
        "rejected": [rejection_json(r) for r in plan.rejections],
        "skipped": [_skipped(s) for s in plan.skipped],
        "skipped_share": plan.skipped_share,
        "notes": list(plan.notes),
    }


def recommendation_json(item: Recommendation) -> Json:
    """One recommended index."""
    return {
        "id": item.id,
        "kind": "create",
        "pattern": item.kind,
        **index_json(item.definition),
        "definition": to_json(item.definition),
        "name": item.name,
        "summary": item.summary,
        "ddl": item.ddl,
        "undo": item.undo,
        "size_bytes": item.size_bytes,
        "size_method": item.size_method,
        "benefit": item.benefit,
        "reduction": item.reduction,
        "maintenance_cost": item.write_cost,
        "hot_loss": item.hot_loss,
        "templates": [_effect(e) for e in item.templates],
        "reasons": [reason.text for reason in item.reasons],
        "evidence": [_reason(reason) for reason in item.reasons],
        "risks": [_risk(risk) for risk in item.risks],
        "confidence": item.confidence,
        "confidence_why": item.confidence_why,
    }


def index_json(definition: IndexDefinition) -> Json:
    """The structure of an index; keys as SQL text."""
    return {
        "table": name(definition.table),
        "keys": [key_text(key) for key in definition.keys],
        "include": list(definition.include),
        "where": definition.predicate,
        "method": definition.method,
        "unique": definition.unique,
    }


def rejection_json(item: Rejection) -> Json:
    """One rejected index or wish."""
    return {
        "id": item.id,
        "subject": item.subject,
        "reason": item.reason,
        "detail": item.detail,
        "by": item.by,
        "benefit": item.benefit,
        "templates": sorted(item.templates),
    }


def _effect(effect: TemplateEffect) -> Json:
    return {
        "id": effect.template,
        "before": effect.before,
        "after": effect.after,
        "share": effect.share,
        "holds": effect.holds,
        "scenarios": effect.scenarios,
    }


def _reason(reason: Reason) -> Json:
    return {"code": reason.code, "text": reason.text, "source": reason.source}


def _risk(risk: Risk) -> Json:
    return {"code": risk.code, "text": risk.text, "settle": risk.settle, "templates": sorted(risk.templates)}


def _skipped(item: Skipped) -> Json:
    return {
        "reason": item.reason,
        "detail": item.detail,
        "calls": item.calls,
        "total_ms": item.total_ms,
        "text": item.text,
    }
