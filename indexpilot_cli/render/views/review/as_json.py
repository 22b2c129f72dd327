"""A schema review as JSON."""

from __future__ import annotations

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogChange, Lock, SqlError, Work
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer
from indexpilot_cli.evolve.review.values import (
    Blocked,
    CheckResult,
    Duration,
    FileReport,
    Finding,
    Queue,
    StatementReport,
    StatementVerdict,
    TemplateImpact,
    Unparsed,
)
from indexpilot_cli.render.document import Json, JsonValue
from indexpilot_cli.render.views.common import name
from indexpilot_cli.render.views.review.words import severities, unchecked


def check_json(result: CheckResult) -> Json:
    """The whole review."""
    findings = [f for file in result.files for f in file.findings]
    return {
        "files": [_file(f) for f in result.files],
        "templates": [_template(t) for t in result.templates],
        "counts": {
            **{severity.value: n for severity, n in severities(findings).items()},
            "ignored": sum(f.ignored is not None for f in findings),
        },
        "fail_on": result.fail_on.value,
        "checked": result.checked,
        "not_checked": list(unchecked(result)),
        "rates": {
            "scan": result.rates.scan,
            "rewrite": result.rates.rewrite,
            "sort": result.rates.sort,
            "join": result.rates.join,
            "write": result.rates.write,
            "basis": result.rates.basis,
        },
        "seconds": result.seconds,
    }


def _file(value: FileReport) -> Json:
    return {
        "path": value.path,
        "method": value.method,
        "verdict": value.verdict.value,
        "duration": _duration(value.duration),
        "statements": [_statement(s) for s in value.statements],
        "findings": [_finding(f) for f in value.findings],
        "unparsed": _unparsed(value.unparsed) if value.unparsed else None,
        "fixed": value.fixed,
        "fixed_verdict": value.fixed_verdict.value if value.fixed_verdict else None,
        "fixed_notes": list(value.fixed_notes),
        "notes": list(value.notes),
    }


def _unparsed(value: Unparsed) -> Json:
    more: list[JsonValue] = [{"message": u.message, "line": u.line, "column": u.column} for u in value.more]
    return {"message": value.message, "line": value.line, "column": value.column, "more": more, "hint": value.hint}


def _statement(value: StatementReport) -> Json:
    seen = value.observation
    return {
        "number": value.number,
        "line": value.line,
        "column": value.column,
        "sql": value.sql,
        **_verdict(value.verdict),
        "state": seen.state.value,
        "reason": seen.reason,
        "transaction": seen.transaction,
        "outside_transaction": seen.outside_transaction,
        "locks": [_lock(lock) for lock in seen.locks],
        "held": [_lock(lock) for lock in seen.held],
        "work": [_work(w) for w in seen.work],
        "probes": [_probe(p) for p in value.probes],
        "lost": [_change(c) for c in value.lost],
    }


def _verdict(value: StatementVerdict) -> dict[str, JsonValue]:
    return {
        "verdict": value.impact.value,
        "why": value.why,
        "certain": value.certain,
        "duration": _duration(value.duration),
        "blocks": [_blocked(b) for b in value.blocked],
        "takes": list(value.work),
        "queue": [_queue(q) for q in value.queue],
        "error": _error(value.error),
    }


def _finding(value: Finding) -> Json:
    return {
        "id": value.id,
        "name": value.name,
        "severity": value.severity.value,
        "statement": value.statement,
        "line": value.line,
        "column": value.column,
        "sql": value.sql,
        "message": value.message,
        "details": [{"label": label, "text": text} for label, text in value.details],
        "lock": value.lock.value if value.lock else None,
        "blocks": list(value.blocks),
        "rewrites": value.rewrites,
        "table": _name(value.table),
        "table_bytes": value.table_bytes,
        "duration": _duration(value.duration),
        "templates": list(value.templates),
        "loses": list(value.loses),
        "instead": value.instead or None,
        "ignored": value.ignored,
    }


def _template(value: TemplateImpact) -> Json:
    return {
        "template": value.template,
        "sql": value.sql,
        "status": value.status,
        "share": value.share,
        "error": _error(value.error),
        "before": value.before,
        "after": value.after,
        "columns_before": list(value.columns_before),
        "columns_after": list(value.columns_after),
        "indexes_lost": list(value.indexes_lost),
        "file": value.file,
        "statement": value.statement,
        "note": value.note,
    }


def _duration(value: Duration | None) -> Json | None:
    return None if value is None else {"low": value.low, "high": value.high, "basis": value.basis}


def _blocked(value: Blocked) -> Json:
    return {
        "table": name(value.table),
        "mode": value.mode.value,
        "reads": value.reads,
        "writes": value.writes,
        "bytes": value.bytes,
        "rows": value.rows,
    }


def _queue(value: Queue) -> Json:
    return {
        "table": name(value.table),
        "pid": value.pid,
        "user": value.user,
        "application": value.application,
        "seconds": value.seconds,
        "state": value.state,
    }


def _error(value: SqlError | None) -> Json | None:
    if value is None:
        return None
    return {
        "sqlstate": value.sqlstate,
        "message": value.message,
        "detail": value.detail,
        "hint": value.hint,
        "position": value.position,
    }


def _lock(value: Lock) -> Json:
    relation = value.relation
    return {"relation": name(relation.name), "existed": relation.existed, "mode": value.mode.value}


def _work(value: Work) -> Json:
    return {
        "kind": value.kind.value,
        "relation": name(value.relation.name),
        "index": value.index,
        "rebuilt": value.rebuilt,
        "source": value.source,
        "online": value.online,
    }


def _probe(value: ProbeAnswer) -> Json:
    probe = value.probe
    return {
        "kind": probe.kind.value,
        "sqlstate": probe.sqlstate,
        "table": name(probe.table),
        "columns": list(probe.columns),
        "constraint": probe.constraint,
        "question": probe.question,
        "found": value.found,
        "source": value.source,
        "note": value.note or probe.why_not,
    }


def _change(value: CatalogChange) -> Json:
    found = value.object
    return {
        "kind": found.kind,
        "name": list(found.path),
        "table": _name(value.table),
        "change": value.kind.value,
        "silent": value.silent,
        "definition": (value.before or found).definition,
    }


def _name(value: QualifiedName | None) -> Json | None:
    return None if value is None else name(value)
