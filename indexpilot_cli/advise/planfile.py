"""The latest plans, kept as files for this user, so that ``explain R-…`` works without any table in the database."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from indexpilot_cli.core import files
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.directories import state_directory
from indexpilot_cli.core.index import IndexDefinition, Reason, Rejection
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import (
    Bound,
    Plan,
    PlanAction,
    PlannedVacuum,
    Recommendation,
    ReplacedIndex,
    TemplateEffect,
    WriteEffect,
)
from indexpilot_cli.core.statistics import ExtendedStatistics, StatisticsTarget
from indexpilot_cli.errors import UsageError

KEPT = 20  # plans

PlannedAdvice: TypeAlias = tuple[Plan, Recommendation | Rejection]


def plans_directory() -> Path:
    """Where plans are kept, made when missing."""
    directory = state_directory() / "plans"
    # Statements are in plans, and values of rows may be in statements.
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def keep(plan: Plan) -> Path:
    """Write the plan beside the others (readable by this user only) and drop the oldest beyond ``KEPT``."""
    directory = plans_directory()
    path = directory / f"{plan.id}.json"
    files.write(path, json.dumps(to_json(plan), ensure_ascii=False))
    for old in _newest_first()[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def kept_plans() -> Iterator[Plan]:
    """Kept plans of all databases, newest first; files that do not read as a plan are passed over."""
    for path in _newest_first():
        try:
            yield from_json(Plan, files.parse_json(files.read_text(path, files.PLAN)))
        except (UsageError, ValueError):
            continue


def find_advice(identifier: str) -> tuple[PlannedAdvice, ...]:
    """The plans that speak of the id (a full ``R-…``) and what they say: the newest of each database, newest first.

    The id follows from the structure alone, so that databases with the same table share it.
    """
    found: dict[str, PlannedAdvice] = {}
    for plan in kept_plans():
        advice = advice_in(plan, identifier)
        if advice is not None:
            found.setdefault(plan.database, (plan, advice))
    return tuple(found.values())


def advice_in(plan: Plan, identifier: str) -> Recommendation | Rejection | None:
    """What the plan says of the id."""
    advice: tuple[Recommendation | Rejection, ...] = (*plan.recommendations, *plan.rejections)
    return next((a for a in advice if a.id == identifier), None)


def find_plan(identifier: str) -> Plan | None:
    """The kept plan of that id."""
    return next((plan for plan in kept_plans() if plan.id == identifier), None)


def unknown_id(identifier: str) -> UsageError:
    """The error for an id nobody knows, with the nearest known one."""
    known: set[str] = set()
    for plan in kept_plans():
        known |= {plan.id, *(r.id for r in plan.recommendations), *(r.id for r in plan.rejections if r.id)}
    close = difflib.get_close_matches(identifier, sorted(known), n=1)
    hint = f"did you mean {close[0]}?" if close else "indexpilot recommend prints ids"
    return UsageError(f"unknown id {identifier}", hint=hint, code="unknown_id")


def _newest_first() -> list[Path]:
    # By when they were written: ids do not tell.
    return sorted(plans_directory().glob("P-*.json"), key=lambda p: p.stat().st_mtime, reverse=True)


_SCHEMA = "indexpilot.recommend/1"


def read_plan(path: Path) -> Plan:
    """The plan of the file. Raises UsageError when it cannot be read or is no plan."""
    text = files.read_text(path, files.PLAN)
    try:
        return plan_of(_parsed(text))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UsageError(
            f"{path} is not a plan",
            detail=f"{type(error).__name__}: {error}",
            hint="indexpilot recommend --json --output plan.json",
            code="not_a_plan",
        ) from error


def _parsed(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return files.parse_json(text)
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
        database=result.get("database", ""),
        analyze=tuple(QualifiedName(**table) for table in result.get("analyze", ())),
        vacuum=tuple(from_json(PlannedVacuum, item) for item in result.get("vacuum", ())),
        statistics=tuple(from_json(ExtendedStatistics, item) for item in result.get("statistics", ())),
        targets=tuple(from_json(StatisticsTarget, item) for item in result.get("targets", ())),
    )


def _recommendation(item: Mapping[str, Any]) -> Recommendation:
    definition = from_json(IndexDefinition, item["definition"])
    action = PlanAction(item.get("kind", PlanAction.CREATE))
    if action.builds and definition.id != item["id"]:
        raise UsageError(
            f"{str(item['id'])[:40]} does not describe its index: the plan was changed by hand",
            hint="indexpilot recommend --json --output plan.json",
            code="tampered_plan",
        )
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
        writes=from_json(WriteEffect, item["writes"]) if item.get("writes") else None,  # files of before lack it
        action=action,
        replaces=tuple(_replaced(old) for old in item.get("replaces", ())),
        needs=tuple(map(str, item.get("needs", ()))),
        same_as=item.get("same_as"),
        copies=int(item.get("copies", 1)),
        table_digest=str(item.get("table_digest", "")),
    )


def _replaced(item: Mapping[str, Any]) -> ReplacedIndex:
    definition = from_json(IndexDefinition, item["definition"])
    return ReplacedIndex(item["name"], definition, item["ddl"], item["undo"], int(item["size_bytes"]))


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
    # JSON has no NaN: null stands for it.
    return float("nan") if value is None else float(value)
