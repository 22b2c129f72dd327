"""What a schema review looks like as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexpilot_cli.core.codec import Amount, Count, DocumentShape, Facets, From
from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import ChangeKind, LockMode, RunState, SqlError, WorkKind
from indexpilot_cli.evolve.review.values import (
    Blocked,
    CheckResult,
    Duration,
    Impact,
    Queue,
    Rates,
    TemplateImpact,
)
from indexpilot_cli.render.units import LabelDocument
from indexpilot_cli.render.views.review.words import all_findings, severities, unchecked

_Place = Annotated[int, Facets(1)]  # a line, a column or a number of a statement
_Mode = Annotated[LockMode, "as in pg_locks.mode"]
_Verdict = Annotated[Impact, "what it does to others, mildest first"]


class LockDocument(DocumentShape):
    """A lock held until the transaction ends. existed false: the migration made the relation itself."""

    relation: Annotated[QualifiedName, From("relation.name")]
    existed: Annotated[bool, From("relation.existed")]
    mode: _Mode


class WorkDocument(DocumentShape):
    """Work that grows with the relation."""

    kind: WorkKind
    relation: Annotated[QualifiedName, From("relation.name")]
    index: str | None
    rebuilt: bool
    source: str
    online: bool


class ProbeDocument(DocumentShape):
    """A read-only question to the data. found true: it will fail; null: not answered, as note says."""

    kind: Annotated[str, From("probe.kind")]
    sqlstate: Annotated[str, From("probe.sqlstate")]
    table: Annotated[QualifiedName, From("probe.table")]
    columns: Annotated[tuple[str, ...], From("probe.columns")]
    constraint: Annotated[str | None, From("probe.constraint")]
    question: Annotated[str, From("probe.question")]
    found: bool | None
    source: str
    note: Annotated[str, From(lambda answer: answer.note or answer.probe.why_not)]


class LostDocument(DocumentShape):
    """An object of the catalog that goes."""

    kind: Annotated[str, From("object.kind")]
    name: Annotated[tuple[str, ...], From("object.path")]
    table: QualifiedName | None
    change: Annotated[ChangeKind, From("kind")]
    silent: Annotated[bool, "nothing in the statement names it"]
    definition: Annotated[str, From(lambda change: (change.before or change.object).definition)]


class StatementDocument(DocumentShape):
    """One statement: what it does to others, what the empty copy showed, what the data say."""

    number: _Place
    line: _Place
    column: _Place
    sql: str
    verdict: Annotated[_Verdict, From("verdict.impact")]
    why: Annotated[str, From("verdict.why")]
    certain: Annotated[bool, "false: whether it fails depends on what could not be checked", From("verdict.certain")]
    duration: Annotated[Duration | None, From("verdict.duration")]
    blocks: Annotated[tuple[Blocked, ...], From("verdict.blocked")]
    takes: Annotated[tuple[str, ...], "what takes time, in clauses", From("verdict.work")]
    queue: Annotated[tuple[Queue, ...], From("verdict.queue")]
    error: Annotated[SqlError | None, From("verdict.error")]
    state: Annotated[RunState, "how it fared on the empty copy", From("observation.state")]
    reason: Annotated[str, From("observation.reason")]
    transaction: Annotated[int, From("observation.transaction")]
    outside_transaction: Annotated[bool, From("observation.outside_transaction")]
    locks: Annotated[tuple[LockDocument, ...], "taken or strengthened by it", From("observation.locks")]
    held: Annotated[tuple[LockDocument, ...], "held by its transaction when it ends", From("observation.held")]
    work: Annotated[tuple[WorkDocument, ...], From("observation.work")]
    probes: tuple[ProbeDocument, ...]
    lost: tuple[LostDocument, ...]
    source: Annotated[str | None, "its place in another file, which this one reads in"]


class FindingDocument(DocumentShape):
    """One thing worth reading, at a place."""

    id: str
    name: str
    severity: Severity
    path: Annotated[str, "the file, or one that it reads in"]
    statement: Count
    line: Count
    column: Count
    sql: str
    message: str
    details: tuple[LabelDocument, ...]
    lock: _Mode | None
    blocks: Annotated[tuple[str, ...], "commands that wait"]
    rewrites: bool
    table: QualifiedName | None
    table_bytes: Count | None
    duration: Duration | None
    templates: Annotated[tuple[str, ...], "ids of recorded queries it breaks or slows"]
    loses: tuple[str, ...]
    instead: Annotated[str | None, "a safer form, ready to run", From(lambda finding: finding.instead or None)]
    ignored: Annotated[str | None, "why it does not count"]


class UnreadDocument(DocumentShape):
    """A place that is not SQL."""

    message: str
    line: Count
    column: Count
    path: Annotated[str, "another file that this one reads in, else empty"]


class UnparsedDocument(UnreadDocument):
    """Why it is not SQL; 0 where the place is not known."""

    more: tuple[UnreadDocument, ...]
    hint: str


class FileDocument(DocumentShape):
    """A migration."""

    path: str
    method: Annotated[str, "clone/18.4, rules, or none when it is not SQL"]
    verdict: _Verdict
    duration: Duration | None
    statements: tuple[StatementDocument, ...]
    findings: tuple[FindingDocument, ...]
    unparsed: UnparsedDocument | None
    fixed: Annotated[str | None, "the safer file, with --fix"]
    fixed_verdict: _Verdict | None
    fixed_notes: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindingCounts:
    """Findings by gravity; ignored ones are counted apart."""

    error: Count
    warning: Count
    info: Count
    ignored: Count


def _counts(result: CheckResult) -> FindingCounts:
    found = severities(result.findings)
    ignored = sum(f.ignored is not None for f in all_findings(result))
    return FindingCounts(found[Severity.ERROR], found[Severity.WARNING], found[Severity.INFO], ignored)


class CheckResultDocument(DocumentShape):
    """The whole review."""

    files: tuple[FileDocument, ...]
    templates: tuple[TemplateImpact, ...]
    counts: Annotated[FindingCounts, From(_counts)]
    fail_on: Severity
    checked: Annotated[Count, "recorded queries tried"]
    not_checked: Annotated[tuple[str, ...], "what could not be decided, and why", From(unchecked)]
    rates: Rates
    seconds: Amount
