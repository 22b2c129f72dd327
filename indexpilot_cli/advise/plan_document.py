"""A plan from a file: what ``recommend --json --output plan.json`` wrote, or a kept plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from indexpilot_cli.core.candidate import Reason
from indexpilot_cli.core.codec import from_json
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.plan import Bound, Plan, Recommendation, TemplateEffect
from indexpilot_cli.errors import UsageError

_SCHEMA = "indexpilot.recommend/1"


def read_plan(path: Path) -> Plan:
    """The plan of the file. Raises UsageError when it cannot be read or is no plan."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}", detail=str(error), code="unreadable_file") from error
    try:
        return plan_of(_parsed(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a plan",
            detail=f"{type(error).__name__}: {error}",
            hint="indexpilot recommend --json --output plan.json",
            code="not_a_plan",
        ) from error


def _parsed(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return json.loads(text)
    from indexpilot_cli.settings.yaml_file import load_plain

    return load_plain(text)


def plan_of(document: Mapping[str, Any]) -> Plan:
    """The plan of an envelope or of a plan's own form. Raises ValueError, KeyError or TypeError for anything else."""
    if "schema" not in document:
        return from_json(Plan, document)
    if document["schema"] != _SCHEMA:
        raise ValueError(f"schema is {document['schema']}, not {_SCHEMA}")
    result = document["result"]
    return Plan(
        id=result["plan"],
        created_at=datetime.fromisoformat(result["created_at"]),
        server=None,
        estimator=result["estimator"],
        templates=result["template_count"],
        statements=result["statement_count"],
        candidates=result["candidate_count"],
        cost_before=_number(result["cost_before"]),
        cost_after=_number(result["cost_after"]),
        unit=result["unit"],
        recommendations=tuple(_recommendation(r) for r in result["recommendations"]),
        rejections=(),
        bound=Bound(_number(result["cost_after"]), None, None),
        budget_bytes=result["budget_bytes"],
        size_bytes=result["size_bytes"],
        schema_digest=result["schema_digest"],
    )


def _recommendation(item: Mapping[str, Any]) -> Recommendation:
    definition = from_json(IndexDefinition, item["definition"])
    if definition.id != item["id"]:
        raise ValueError(f"{item['id']} does not describe its index: the file was changed")
    return Recommendation(
        id=item["id"],
        definition=definition,
        name=item["name"],
        ddl=item["ddl"],
        undo=item["undo"],
        summary=item["summary"],
        kind=item["pattern"],
        size_bytes=item["size_bytes"],
        size_method=item["size_method"],
        benefit=_number(item["benefit"]),
        reduction=_number(item["reduction"]),
        write_cost=_number(item["maintenance_cost"]),
        templates=tuple(_effect(e) for e in item["templates"]),
        reasons=tuple(Reason(e["code"], e["text"], e["source"]) for e in item["evidence"]),
    )


def _effect(item: Mapping[str, Any]) -> TemplateEffect:
    return TemplateEffect(
        item["id"],
        _number(item["before"]),
        _number(item["after"]),
        _number(item["share"]),
        holds=item["holds"],
        scenarios=item["scenarios"],
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
