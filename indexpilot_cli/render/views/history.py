"""Changes of the database: the documents of ``apply`` and ``rollback``, and the mutation log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from indexpilot_cli.admin.history import HistoryResult, UsageResult, VersionsResult
from indexpilot_cli.core.codec import Amount, Count, DocumentShape, From
from indexpilot_cli.core.ddl import unnamed
from indexpilot_cli.core.mutation import Mutation, MutationReport
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.units import DASH
from indexpilot_cli.log.idle import IdleRuns
from indexpilot_cli.log.versions import IndexVersion
from indexpilot_cli.render.document import Block, Document, Lines, MutationNumber, TableBlock, columns
from indexpilot_cli.render.units import one_line, plural, stamp


class MutationDocument(DocumentShape):
    """A row of the mutation log."""

    id: Annotated[MutationNumber, From(mutation_number)]
    type: str
    tenant_id: int | None
    table: Annotated[str | None, From("table_name")]
    field: Annotated[str | None, From("field_name")]
    created_at: datetime | None
    details: Mapping[str, Any]
    schema: Annotated[str | None, From("schema_name")]
    op_id: Annotated[str | None, "joins the events of one operation"]
    state: Annotated[str | None, "DONE, FAILED, INTERRUPTED, or a word of the intent protocol"]
    actor: str | None
    index: Annotated[str | None, From("index_name")]
    sql: Annotated[str | None, "definition or statement", From("definition_sql")]
    undo: Annotated[str | None, "runs as it is", From("undo_sql")]
    sqlstate: str | None
    error: str | None


class HistoryDocument(DocumentShape):
    """The mutation log, newest first."""

    schema: str
    total: Count
    mutations: tuple[MutationDocument, ...]
    idle: tuple[IdleRuns, ...]


def _number(version: IndexVersion) -> str | None:
    return None if version.mutation is None else f"M-{version.mutation}"


class VersionDocument(DocumentShape):
    """One definition that an index had."""

    index: QualifiedName
    version: Annotated[Count, "within its lineage: what rollback --to-version takes"]
    current: Annotated[bool, "it stands, by the log"]
    table: QualifiedName
    created_at: datetime
    mutation: Annotated[MutationNumber | None, "null: there before, replaced by ours", From(_number)]
    recommendation: str | None
    definition: Annotated[str, From("definition_sql")]
    lineage: Annotated[Count, "the same number: one index became the other"]


class VersionsDocument(DocumentShape):
    """The versions of indexes, the newest lineage first."""

    total: Count
    versions: tuple[VersionDocument, ...]


_VERSION_COLUMNS = columns("index", "version|number", "state|state", "made|short", "by|short", "definition|text")


def versions_view(result: VersionsResult) -> Document:
    """A line for each version, lineage by lineage."""
    rows = tuple(
        (
            v.index.short,
            str(v.version),
            "current" if v.current else "past",
            stamp(v.created_at),
            _number(v) or DASH,
            one_line(unnamed(v.definition_sql)),
        )
        for v in result.versions
    )
    shown = len(result.versions)
    more = f", {shown:,} shown (--limit)" if shown < result.total else ""
    text = f"{plural(result.total, 'version')}{more}" if result.total else "no index was built yet"
    lines = Lines((text, *(("indexpilot rollback INDEX --to-version N",) if rows else ())))
    return Document(((TableBlock(_VERSION_COLUMNS, rows), lines) if rows else (lines,)), result, VersionsDocument)


_USAGE_COLUMNS = columns(
    *("algorithm", "did|state", "decisions|number", "plans|number"),
    *("indexes|number", "built|number", "standing|number", "last|short"),
)


def usage_view(result: UsageResult) -> Document:
    """A line for each algorithm and effect."""
    rows = []
    for d in result.algorithms:
        counts = (d.decisions, d.plans, d.indexes, d.built, d.standing)
        rows.append((d.algorithm, d.effect.value, *map(str, counts), stamp(d.last)))
    if not rows:
        return Document((Lines(("no algorithm changed anything in the plans that are kept",)),), result, UsageResult)
    lines = Lines(("indexpilot ablate shows what each changes now",))
    return Document((TableBlock(_USAGE_COLUMNS, tuple(rows)), lines), result, UsageResult)


_HISTORY_COLUMNS = columns("id|short", "when|short", "what", "state|state", "table", "who|short", "details|query")
_QUIET = ("actor", "version", "password", "command", "structure", "sql", "rollback_sql")

_UNREADABLE = ("packed",)  # a plan that only the program reads

_OF_AN_INDEX = ("error", "sqlstate", "recommendation", "plan", "reason")
_WORD = 40  # letters


def history_view(result: HistoryResult, *, verbose: bool = False) -> Document:
    """Mutations newest first; with ``verbose`` all details of each."""
    rows = tuple(_history_row(m, verbose) for m in result.mutations)
    shown = len(result.mutations)
    more = f", the newest {shown:,} shown (--limit)" if shown < result.total else ""
    summary = f"{plural(result.total, 'mutation')}{more}" if result.total else "nothing recorded yet"
    blocks: tuple[Block, ...] = (Lines((summary, *map(_idle_line, result.idle))),)
    return Document(((TableBlock(_HISTORY_COLUMNS, rows), *blocks) if rows else blocks), result, HistoryDocument)


def _idle_line(runs: IdleRuns) -> str:
    return f"{runs.command}: {plural(runs.runs, 'idle run')} ({runs.outcome}), the last {stamp(runs.last)}"


def _history_row(mutation: Mutation, verbose: bool) -> tuple[str, ...]:
    where = mutation.index_name or ".".join(part for part in (mutation.table_name, mutation.field_name) if part)
    return (
        f"M-{mutation.id}",
        stamp(mutation.created_at),
        mutation.type.value,
        mutation.state or DASH,
        where or DASH,
        str(mutation.actor or mutation.details.get("actor") or DASH),
        _details(mutation, verbose),
    )


def _details(mutation: Mutation, verbose: bool) -> str:
    told = {key: value for key, value in mutation.details.items() if key not in _UNREADABLE}
    facts = {"error": mutation.error, "sqlstate": mutation.sqlstate if mutation.error else None, **told}
    if not verbose:
        wanted = _OF_AN_INDEX if mutation.op_id else [key for key in facts if key not in _QUIET]
        facts = {key: _brief(facts[key]) for key in wanted if key in facts}
    shown = (f"{key}: {_words(value)}" for key, value in facts.items() if value not in (None, "", [], {}))
    return one_line(", ".join(shown))


def _words(value: object) -> object:
    return " and ".join(map(str, value)) if isinstance(value, list) else value


def _brief(value: object) -> object:
    """Lists of more than words are counted."""
    if isinstance(value, list) and not all(isinstance(item, str) and len(item) < _WORD for item in value):
        return len(value)
    return value


class GuardDocument(DocumentShape):
    """One guard's answer."""

    name: Annotated[str, "stable word: window, bypass, disk …", From("guard")]
    allowed: bool
    warning: Annotated[bool, "allows, and still wants to be read"]
    detail: Annotated[str, From("reason")]
    origin: Annotated[str, "setting, view or fact the answer rests on"]
    retry_at: datetime | None
    table: QualifiedName | None


class ChangeErrorDocument(DocumentShape):
    """Why a change failed."""

    code: Annotated[str, From(lambda item: item.error_code or "failed")]
    message: Annotated[str, From(lambda item: item.error or "")]
    tries: Count


class VerificationDocument(DocumentShape):
    """What the measurements after the change say."""

    verdict: Annotated[str, "kept, verified, reverted, not_enough_evidence", From("verification")]
    text: Annotated[str, From("verification_text")]


def _failed(item: MutationReport) -> MutationReport | None:
    return item if item.error_code is not None or item.error is not None else None


def _measured(item: MutationReport) -> MutationReport | None:
    return item if item.verification else None


def mutation_number(item: MutationReport | Mutation) -> str | None:
    """``M-118``; None for what is not in the log."""
    return None if item.id is None else f"M-{item.id}"


class ChangeDocument(DocumentShape):
    """One change of one index."""

    id: Annotated[MutationNumber | None, From(mutation_number)]
    recommendation: str | None
    kind: Annotated[str, "create_index, drop_index, reindex; of a rollback what undoing does"]
    table: QualifiedName
    index: str
    summary: str
    outcome: Literal[
        "planned", "done", "already_done", "failed", "leftover", "unknown", "reverted", "conflict", "skipped"
    ]
    started_at: datetime | None
    ms: Annotated[Amount | None, From("milliseconds")]
    ddl: Annotated[str, "runs as it is", From("sql")]
    undo: Annotated[str, "runs as it is; empty when nothing is to undo", From("undo_sql")]
    size_bytes: Count | None
    tries: Count
    error: Annotated[ChangeErrorDocument | None, From(_failed)]
    verification: Annotated[VerificationDocument | None, From(_measured)]
    notes: tuple[str, ...]


class ApplyDocument(DocumentShape):
    """What was done or would be done."""

    plan: str | None
    dry_run: bool
    skipped: Annotated[str | None, "why nothing was done"]
    next_opening: datetime | None
    guards: Annotated[tuple[GuardDocument, ...], From("verdicts")]
    mutations: tuple[ChangeDocument, ...]
    reconciled: tuple[ChangeDocument, ...]


class UndoneDocument(ChangeDocument):
    """One change of one index taken back."""

    slower_templates: Annotated[
        Count | None, "templates that get slower by the drop; null where that is unknown or nothing is dropped"
    ]


class RollbackDocument(DocumentShape):
    """What was taken back or would be."""

    plan: str | None
    dry_run: bool
    skipped: Annotated[str | None, "why nothing was done"]
    next_opening: datetime | None
    guards: Annotated[tuple[GuardDocument, ...], From("verdicts")]
    undone: Annotated[tuple[UndoneDocument, ...], From("mutations")]
    reconciled: tuple[UndoneDocument, ...]
