"""``schema-evolve check``: what migrations would do to a database, without doing it there."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from indexpilot_cli.core.catalog import Catalog, Server
from indexpilot_cli.core.command import Outcome, Progress, TableFilter, WorkloadRequest
from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.observation import ChangeKind, MigrationObservation
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.core.workload import FoldedWorkload
from indexpilot_cli.errors import PrerequisiteError, UsageError
from indexpilot_cli.evolve.requests import CheckRequest
from indexpilot_cli.evolve.review.case import Review, tables_made
from indexpilot_cli.evolve.review.evidence import DataEvidence, ask_database
from indexpilot_cli.evolve.review.judge import Bench, RelationSizes, judge, late_answers, total, worst
from indexpilot_cli.evolve.review.migration import (
    MigrationFile,
    NoFiles,
    UnreadableMigration,
    read_files,
    read_migration,
)
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer
from indexpilot_cli.evolve.review.recorded_writes import broken_writes
from indexpilot_cli.evolve.review.run import MigrationRehearsal, RehearsalOptions, by_rules, rehearse
from indexpilot_cli.evolve.review.values import (
    CheckResult,
    FileReport,
    Impact,
    StatementReport,
    StatementVerdict,
)
from indexpilot_cli.log.bookkeeping import Note, bookkeeping
from indexpilot_cli.planner.open import take_snapshot
from indexpilot_cli.snapshot.source import Source, SourceRequest, open_source
from indexpilot_cli.sql.ddl.action import Migration
from indexpilot_cli.sql.ddl.psql_script import Files
from indexpilot_cli.workload.templates import fold_workload, with_scenarios

_COMMAND = "schema-evolve"
_EMPTY = Catalog(180000, "", ())  # nothing is known of any database: rules alone speak


def run(request: CheckRequest, progress: Progress) -> Outcome[CheckResult]:
    """What each file does, in the order of the files, each on the state the one before leaves.

    Raises UsageError for files that cannot be read, UnreachableError, PrerequisiteError for a version without
    binaries. A file that is not SQL is a FileReport that says so; the others are reviewed all the same.
    """
    begun = time.monotonic()
    offline = bool(request.snapshot or request.offline)
    with bookkeeping(request.connection, MutationType.EXPLAIN, request.record, offline=offline) as note:
        result, server = _review(request, progress, note)
        note.details(verdicts={file.path: file.verdict.value for file in result.files})
    return _outcome(result, begun, server, note.warnings)


def _review(request: CheckRequest, progress: Progress, note: Note) -> tuple[CheckResult, Server | None]:
    files = list(_parsed(request))
    migrations = tuple(m for m in files if isinstance(m, Migration))
    note.details(files=[m.path for m in files])
    if not migrations:
        note.serverless = True
        return _reviewed(files, _EMPTY, request, DataEvidence(), MigrationRehearsal()), None
    if request.offline and request.snapshot is None:
        catalog = replace(_EMPTY, version=(request.server_version or _EMPTY.major) * 10000)
        seen = by_rules(migrations, catalog, "no database was asked: sizes and data are not known (--offline)")
        return _reviewed(files, catalog, request, DataEvidence(), seen), None
    looked_at = SourceRequest(request.connection, request.snapshot)
    with open_source(looked_at, progress) as source:
        seen = _rehearsed(source, migrations, request, progress)
        evidence = ask_database(source, migrations, seen.observations, request.probe_seconds, progress)
        seen = _with_writes(seen, source, migrations, evidence)
        return _reviewed(files, source.catalog, request, evidence, seen), source.server


def _parsed(request: CheckRequest) -> Iterator[Migration | FileReport]:
    if request.files or request.git_diff is not None or not request.texts:
        for file in read_files(request.files, request.git_diff):
            yield _migration(file, request)
    for name, text in request.texts:
        yield _migration(MigrationFile(name, text), request, NoFiles())


def _migration(file: MigrationFile, request: CheckRequest, opened: Files | None = None) -> Migration | FileReport:
    try:
        return read_migration(file.path, file.text, one_transaction=request.one_transaction, opened=opened)
    except UnreadableMigration as error:
        first, *more = error.problems
        unparsed = replace(first, more=tuple(more), hint=error.hint or "")
        return FileReport(file.path, "none", Impact.FAILS, unparsed=unparsed, text=file.text)


def _rehearsed(
    source: Source, migrations: Sequence[Migration], request: CheckRequest, progress: Progress
) -> MigrationRehearsal:
    """What the clone shows; rules where no server can be started and none of a certain version was asked for."""
    if request.offline:
        return by_rules(migrations, source.catalog, "judged by rules (--offline)")
    folded = _recorded_queries(source, request.workload, progress)
    options = RehearsalOptions(request.run_seconds, request.long_rows, request.server_version, request.fix)
    try:
        return rehearse(source.snapshot or take_snapshot(source, progress), migrations, folded, options, progress)
    except PrerequisiteError as error:
        # Whoever names a version wants that one and no guess.
        if request.server_version is not None or error.code != "no_binaries":
            raise
        return by_rules(migrations, source.catalog, f"judged by rules: {error.message}")


def _recorded_queries(source: Source, request: WorkloadRequest, progress: Progress) -> FoldedWorkload | str:
    """The workload, folded; where there is none, why."""
    try:
        return with_scenarios(fold_workload(source, request, TableFilter(), progress), source.catalog, None)
    except (UsageError, PrerequisiteError) as error:
        if request.files or request.queries or request.source is not None:
            raise
        return error.message


def _with_writes(
    seen: MigrationRehearsal, source: Source, migrations: Sequence[Migration], evidence: DataEvidence
) -> MigrationRehearsal:
    """What only real rows tell of recorded writes, unless the files fail before anybody could run one."""
    if evidence.fails:
        return seen
    found, unasked = broken_writes(source, migrations, seen.observations, seen.queries, evidence.facts)
    known = {t.template for t in seen.templates if t.status == "breaks"}
    unasked = tuple(text for text in unasked if text.partition(":")[0] not in known)
    fresh = tuple(t for t in found if t.template not in known)
    names = {t.template for t in fresh}
    templates = (*fresh, *(t for t in seen.templates if t.template not in names))
    return replace(seen, templates=templates, not_checked=(*seen.not_checked, *unasked))


def _reviewed(
    files: Sequence[Migration | FileReport],
    catalog: Catalog,
    request: CheckRequest,
    evidence: DataEvidence,
    seen: MigrationRehearsal,
) -> CheckResult:
    """Everything put together; ``evidence`` and ``seen`` count the files that are SQL, in their order."""
    reports = []
    positions = count()
    for number, file in enumerate(files):
        if isinstance(file, Migration):
            earlier = tables_made(f for f in files[:number] if isinstance(f, Migration))
            reports.append(
                _file_report(file, next(positions), catalog, request, evidence, replace(seen, earlier=earlier))
            )
        else:
            reports.append(file)
    return CheckResult(
        tuple(reports),
        seen.templates,
        seen.checked,
        Severity(request.fail_on),
        evidence.rates,
        (*seen.not_checked, *evidence.not_checked),
    )


def _file_report(
    migration: Migration,
    position: int,
    catalog: Catalog,
    request: CheckRequest,
    evidence: DataEvidence,
    seen: MigrationRehearsal,
) -> FileReport:
    """Verdicts and findings of one file."""
    from indexpilot_cli.evolve.review.findings import findings

    observation, answers = seen.observations[position], evidence.answers.get(position, ())
    bench = Bench(RelationSizes(catalog), evidence.rates, request.long_rows, evidence.queues)
    verdicts = judge(observation, bench, answers)
    answers = (*answers, *late_answers(migration, verdicts))
    verdicts = judge(observation, bench, answers)
    known = catalog if catalog.tables else None
    templates = seen.templates_of(migration.path)
    review = Review(migration, observation, verdicts, answers, templates, known, fired=seen.fired, earlier=seen.earlier)
    found = findings(review, ignore=request.ignore)
    fixed = seen.fixes.get(position)
    return FileReport(
        migration.path,
        observation.method,
        worst(verdicts),
        tuple(_statement_reports(migration, observation, verdicts, answers)),
        found,
        total(verdicts),
        fixed.text if fixed and fixed.text != migration.text else None,
        fixed.verdict if fixed and fixed.text != migration.text else None,
        fixed.notes if fixed else (),
        observation.notes,
        text=migration.text,
    )


def _statement_reports(
    migration: Migration,
    observation: MigrationObservation,
    verdicts: Sequence[StatementVerdict],
    answers: Sequence[ProbeAnswer],
) -> Iterator[StatementReport]:
    written = {s.number: s for s in migration.statements}
    for seen, verdict in zip(observation.statements, verdicts, strict=True):
        statement = written[seen.number]
        yield StatementReport(
            statement.number,
            statement.sql,
            statement.line,
            statement.column,
            verdict,
            seen,
            tuple(a for a in answers if a.probe.statement == statement.number),
            tuple(c for c in seen.changes if c.silent and c.kind is ChangeKind.DROPPED),
            f"{statement.source[0]}:{statement.source[1]}" if statement.source else None,
        )


def _outcome(
    result: CheckResult, begun: float, server: Server | None = None, warnings: tuple[Warn, ...] = ()
) -> Outcome[CheckResult]:
    here = Path.cwd()
    root = next((str(folder) for folder in (here, *here.parents) if (folder / ".git").exists()), "")
    timed = replace(result, seconds=time.monotonic() - begun, folder=str(here), root=root)
    return Outcome(_COMMAND, timed, "ok", 0, server, (*result.warnings, *warnings))


def concluded(outcome: Outcome[CheckResult], *, exit_zero: bool) -> Outcome[CheckResult]:
    """The outcome with its status, exit code and next steps.

    2: a file is not SQL; 3: findings at or above ``fail_on`` that are not ignored; 0 otherwise.
    """
    result = outcome.result
    grave = any(f.severity.rank >= result.fail_on.rank for f in result.findings)
    unread = any(file.unparsed is not None for file in result.files)
    code = 2 if unread else 3 if grave and not exit_zero else 0
    status = "failed" if unread else "findings" if result.findings else "ok"
    return replace(outcome, status=status, exit_code=code, next=outcome.next or following(result))


def following(result: CheckResult) -> tuple[str, ...]:
    """What to type next: the explanation of the gravest finding, and the safer form of its file."""
    gravest = max(result.findings, key=lambda f: f.severity.rank, default=None)
    if gravest is None:
        return ()
    safer = next((f.path for f in result.findings if f.instead and f.path != "-"), None)
    done = any(file.fixed is not None for file in result.files)
    more = () if safer is None or done else (f"indexpilot schema-evolve check {shlex.quote(safer)} --fix",)
    return (f"indexpilot explain {gravest.id}", *more)
