"""The published schemas: derived from the shapes of the documents."""

from __future__ import annotations

import difflib
import json
from typing import Any

from indexpilot_cli.admin.analyze import AnalyzeResult
from indexpilot_cli.admin.calibrate import CalibrateResult
from indexpilot_cli.admin.genome import GenomeResult, GenomeSetResult
from indexpilot_cli.admin.history import UsageResult
from indexpilot_cli.admin.model import ModelResult
from indexpilot_cli.admin.schema_sync import SchemaSyncResult
from indexpilot_cli.admin.snapshot import SnapshotResult
from indexpilot_cli.admin.types import TypesResult
from indexpilot_cli.core.codec import schema_of
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.query_stats import StatisticsResult
from indexpilot_cli.lifecycle.schedules.status import LifecycleStatusResult
from indexpilot_cli.lifecycle.schedules.watch import WatchResult
from indexpilot_cli.lifecycle.snapshots import CounterSnapshotResult
from indexpilot_cli.render.envelope import VERSION, EnvelopeDocument, FailureDocument
from indexpilot_cli.render.prometheus import MetricsDocument
from indexpilot_cli.render.views.ablate import AblateDocument
from indexpilot_cli.render.views.api.decisions import ApiDecisionsDocument
from indexpilot_cli.render.views.api.frame import ApiDocument, ApiIndexDocument, ApiResultDocument
from indexpilot_cli.render.views.api.health import ApiHealthDocument
from indexpilot_cli.render.views.api.performance import ApiExplainStatsDocument, ApiPerformanceDocument
from indexpilot_cli.render.views.api.work import ApiPlansDocument, ApiWorkDocument, ApiWorksDocument
from indexpilot_cli.render.views.builds import BuildsDocument
from indexpilot_cli.render.views.config import ApproveDocument, BypassDocument, ConfigCheckDocument, ConfigDocument
from indexpilot_cli.render.views.demo import DemoDocument
from indexpilot_cli.render.views.discover import DiscoverDocument
from indexpilot_cli.render.views.doctor import DoctorDocument, InitDocument
from indexpilot_cli.render.views.experiment import ExperimentChangeDocument, ExperimentsDocument
from indexpilot_cli.render.views.explain import ExplainDocument
from indexpilot_cli.render.views.genome import TenantChangeDocument, TenantDocument, TenantsDocument
from indexpilot_cli.render.views.history import (
    ApplyDocument,
    HistoryDocument,
    RollbackDocument,
    VersionsDocument,
)
from indexpilot_cli.render.views.lifecycle import LifecycleDocument
from indexpilot_cli.render.views.lifecycle_schedules import (
    LifecycleInstallDocument,
    LifecyclePolicyDocument,
    ScheduleRunDocument,
)
from indexpilot_cli.render.views.plan import PlanDocument
from indexpilot_cli.render.views.review.document import CheckResultDocument
from indexpilot_cli.render.views.schema_change import SchemaChangeDocument, SchemaUndoDocument
from indexpilot_cli.render.views.serve import ServeResult
from indexpilot_cli.render.views.simulate import SimulationDocument, SimulationHistoryDocument

_KINDS: dict[str, tuple[type, str]] = {
    "ablate": (AblateDocument, "Result of indexpilot ablate"),
    "algorithm_usage": (UsageResult, "Result of indexpilot history --algorithms"),
    "analyze": (AnalyzeResult, "Result of indexpilot analyze"),
    "apply": (ApplyDocument, "Result of indexpilot apply"),
    "bypass": (BypassDocument, "Result of indexpilot bypass"),
    "calibrate": (CalibrateResult, "Result of indexpilot calibrate"),
    "config": (ConfigDocument, "Result of indexpilot config show"),
    "config_check": (ConfigCheckDocument, "Result of indexpilot config check"),
    "demo": (DemoDocument, "Result of indexpilot demo"),
    "discover": (DiscoverDocument, "Result of indexpilot discover"),
    "doctor": (DoctorDocument, "Result of indexpilot doctor"),
    "error": (FailureDocument, "Any failure of indexpilot"),
    "experiment_start": (ExperimentChangeDocument, "Result of indexpilot experiment start"),
    "experiment_step": (ExperimentChangeDocument, "Result of indexpilot experiment step"),
    "experiment_stop": (ExperimentChangeDocument, "Result of indexpilot experiment stop"),
    "experiments": (ExperimentsDocument, "Result of indexpilot experiment status"),
    "explain": (ExplainDocument, "Result of indexpilot explain"),
    "genome": (GenomeResult, "Result of indexpilot genome list"),
    "genome_set": (GenomeSetResult, "Result of indexpilot genome set"),
    "history": (HistoryDocument, "Result of indexpilot history"),
    "init": (InitDocument, "Result of indexpilot init"),
    "lifecycle": (LifecycleDocument, "Result of indexpilot lifecycle"),
    "lifecycle_builds": (BuildsDocument, "Result of indexpilot lifecycle builds"),
    "lifecycle_install": (LifecycleInstallDocument, "Result of indexpilot lifecycle install"),
    "lifecycle_policy": (LifecyclePolicyDocument, "Result of indexpilot lifecycle policy"),
    "lifecycle_run": (ScheduleRunDocument, "Result of indexpilot lifecycle run"),
    "lifecycle_metrics": (MetricsDocument, "Result of indexpilot lifecycle metrics"),
    "lifecycle_query_stats": (StatisticsResult, "Result of indexpilot lifecycle query-stats"),
    "lifecycle_snapshot": (CounterSnapshotResult, "Result of indexpilot lifecycle snapshot"),
    "lifecycle_status": (LifecycleStatusResult, "Result of indexpilot lifecycle status"),
    "lifecycle_watch": (WatchResult, "Result of indexpilot lifecycle watch"),
    "model": (ModelResult, "Result of indexpilot model"),
    "plan_approve": (ApproveDocument, "Result of indexpilot plan approve"),
    "recommend": (PlanDocument, "Result of indexpilot recommend"),
    "rollback": (RollbackDocument, "Result of indexpilot rollback"),
    "schema-evolve": (CheckResultDocument, "Result of indexpilot schema-evolve check"),
    "schema_evolve_change": (
        SchemaChangeDocument,
        "Result of indexpilot schema-evolve add-column, drop-column, alter-type and rename-column",
    ),
    "schema_evolve_rollback": (SchemaUndoDocument, "Result of indexpilot schema-evolve rollback"),
    "schema_sync": (SchemaSyncResult, "Result of indexpilot discover --sync"),
    "serve": (ServeResult, "Result of indexpilot serve, when it was stopped"),
    "simulate": (SimulationDocument, "Result of indexpilot simulate baseline, autoindex and compare"),
    "simulate_history": (SimulationHistoryDocument, "Result of indexpilot simulate history"),
    "snapshot": (SnapshotResult, "Result of indexpilot snapshot save"),
    "tenant": (TenantDocument, "Result of indexpilot tenant show"),
    "tenant_change": (TenantChangeDocument, "Result of indexpilot tenant init, enable and disable"),
    "tenants": (TenantsDocument, "Result of indexpilot tenant list"),
    "types": (TypesResult, "Result of indexpilot types"),
    "versions": (VersionsDocument, "Result of indexpilot history --versions"),
}

# Answers of the API by endpoint: in the first ones keys of their own stand in the frame, in the others ``result`` is
# what the command prints.
_ANSWERS: dict[str, tuple[type[ApiDocument], str]] = {
    "api_index": (ApiIndexDocument, "Answer of GET /api"),
    "api_performance": (ApiPerformanceDocument, "Answer of GET /api/performance"),
    "api_health": (ApiHealthDocument, "Answer of GET /api/health"),
    "api_explain_stats": (ApiExplainStatsDocument, "Answer of GET /api/explain-stats"),
    "api_decisions": (ApiDecisionsDocument, "Answer of GET /api/decisions"),
    "api_plans": (ApiPlansDocument, "Answer of GET /api/plans"),
    "api_work": (ApiWorkDocument, "Answer of everything that writes, and of GET /api/work/{id}"),
    "api_works": (ApiWorksDocument, "Answer of GET /api/work"),
}
_FRAMED: dict[str, tuple[str, str]] = {
    "api_workload": ("analyze", "Answer of GET /api/workload"),
    "api_lifecycle": ("lifecycle", "Answer of GET /api/lifecycle"),
    "api_lifecycle_status": ("lifecycle_status", "Answer of GET /api/lifecycle/status"),
    "api_builds": ("lifecycle_builds", "Answer of GET /api/builds"),
    "api_history": ("history", "Answer of GET /api/history"),
    "api_versions": ("versions", "Answer of GET /api/versions"),
    "api_doctor": ("doctor", "Answer of GET /api/doctor"),
    "api_plan": ("recommend", "Answer of GET /api/plans/{id}, and of /api/recommend"),
    "api_explain": ("explain", "Answer of GET /api/explain/{id}"),
    "api_review": ("schema-evolve", "Answer of POST /api/review and GET /api/review/{id}"),
}


def names() -> tuple[str, ...]:
    """What ``schema NAME`` knows."""
    return (*_KINDS, *api_names())


def api_names() -> tuple[str, ...]:
    """Those of the answers of the API."""
    return (*_ANSWERS, *_FRAMED)


def answer_kind(name: str) -> type[ApiDocument]:
    """The shape of an answer of the API."""
    return _ANSWERS[name][0] if name in _ANSWERS else ApiResultDocument


def text(name: str) -> str:
    """The schema as JSON text. Raises UsageError for an unknown name, with the nearest."""
    if name not in names():
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"indexpilot schema {close[0]}" if close else "indexpilot schema"
        raise UsageError(f"no schema {name!r}" + (f", did you mean {close[0]}?" if close else ""), hint=hint)
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def schema(name: str) -> dict[str, Any]:
    """The schema of a name that is known."""
    title, whole = _answer(name) if name in api_names() else _enveloped(name)
    whole["properties"]["schema"] = {"const": f"indexpilot.{name}/{VERSION}"}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"indexpilot.{name}/{VERSION}"}
    return {**head, "title": title, **whole}


def _answer(name: str) -> tuple[str, dict[str, Any]]:
    """An answer of the API; with what the command prints within, null while nothing is known."""
    if name in _ANSWERS:
        kind, title = _ANSWERS[name]
        return title, schema_of(kind)
    command, title = _FRAMED[name]
    whole, result = schema_of(ApiResultDocument), schema_of(_KINDS[command][0])
    whole["$defs"] |= result.pop("$defs")
    whole["properties"]["result"] = {"anyOf": [result, {"type": "null"}]}
    return title, whole


def _enveloped(name: str) -> tuple[str, dict[str, Any]]:
    """The result's schema in that of the envelope."""
    kind, title = _KINDS[name]
    whole = schema_of(FailureDocument if kind is FailureDocument else EnvelopeDocument)
    properties, definitions = whole["properties"], whole["$defs"]
    if kind is not FailureDocument:
        result = schema_of(kind)
        definitions |= result.pop("$defs")
        properties["result"] = result
    return title, whole
