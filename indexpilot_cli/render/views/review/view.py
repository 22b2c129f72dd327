"""``schema-evolve check``: the verdict of each file first, then what is worth reading, then what was not decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from indexpilot_cli.core.hazard import Hazard
from indexpilot_cli.core.observation import Lock, RunState
from indexpilot_cli.core.units import DASH
from indexpilot_cli.evolve.review.values import CheckResult, FileReport, Impact, StatementReport, TemplateImpact
from indexpilot_cli.render.document import (
    BLANK,
    Block,
    Document,
    EntryBlock,
    Facts,
    Lines,
    TableBlock,
    columns,
)
from indexpilot_cli.render.units import cost, facts, one_line, percent, plural
from indexpilot_cli.render.views.pictures import lock_charts
from indexpilot_cli.render.views.review.annotations import github_text, markdown, sarif_text
from indexpilot_cli.render.views.review.document import CheckResultDocument
from indexpilot_cli.render.views.review.entries import entries, fixes
from indexpilot_cli.render.views.review.words import (
    BASES,
    WORSE,
    all_findings,
    all_statements,
    counted,
    fails_itself,
    file_verdict,
    mode,
    sentence,
    span,
    state,
    statement_text,
    statement_verdict,
    unchecked,
    worst,
)

_SHOWN = 6  # of what was not checked and of recorded queries, without --verbose
_STATEMENTS = columns("line|number", "verdict|short", "time|number", "locks|text", "statement|query")
_RUN = {RunState.NOT_RUN: "not run", RunState.SKIPPED: "not reached", RunState.BEHIND: "behind a failure"}
_TEMPLATES = columns(
    "template|short", "share|number", "status|short", "cost before|number", "after|number", "query|query"
)


def view(
    result: CheckResult, *, hazards: Mapping[str, Hazard] | None = None, verbose: bool = False, fix: bool = False
) -> Document:
    """The review. ``hazards`` describe the rules in SARIF; ``fix`` also shows the safer files as differences."""
    blocks: list[Block] = []
    if len(result.files) != 1:
        blocks.append(Lines((overall(result),)))
    for file in result.files:
        blocks += _file(file, result, verbose=verbose)
    if fix:
        blocks += fixes(result.files)
    blocks += _end(result, verbose=verbose)
    forms = {
        "markdown": partial(markdown, result),
        "sarif": partial(sarif_text, result, hazards or {}),
        "github": partial(github_text, result),
    }
    return Document(tuple(b for b in blocks if b != Facts(())), result, CheckResultDocument, forms=forms)


def overall(result: CheckResult) -> str:
    """``3 files: 1 fails, 2 brief lock``, gravest first."""
    if not result.files:
        return "No migration to review."
    order = sorted(result.files, key=lambda f: -f.verdict.rank)
    counts: dict[str, int] = {}
    for file in order:
        counts[file_verdict(file)] = counts.get(file_verdict(file), 0) + 1
    return f"{plural(len(result.files), 'file')}: " + ", ".join(f"{n} {word}" for word, n in counts.items())


def _file(file: FileReport, result: CheckResult, *, verbose: bool) -> Iterator[Block]:
    yield EntryBlock(one_line(file.path), file_verdict(file), state(file), sentence(file))
    if verbose and file.statements:
        yield TableBlock(_STATEMENTS, tuple(_statement(s) for s in file.statements))
    yield from lock_charts(file.statements)
    told = entries(file, result, verbose=verbose)
    loose = True  # a blank line stands around everything that has facts below it
    for entry in told:
        if loose or entry.rows:
            yield BLANK
        yield entry
        loose = bool(entry.rows)
    if told:
        yield BLANK


def _statement(report: StatementReport) -> tuple[str, ...]:
    time = span(report.verdict.duration) if report.verdict.duration else DASH
    word = _RUN.get(report.observation.state) or statement_verdict(report.verdict)
    return (str(report.line), word, time, _locks(report.observation.locks), statement_text(report.sql))


def _locks(taken: Sequence[Lock]) -> str:
    """The strongest lock on each table that was there; one on an index only where it is stronger than its table's."""
    strongest = {k.relation.name: k for k in sorted(taken, key=lambda k: k.mode.strength) if k.relation.existed}
    told = []
    for name, lock in strongest.items():
        table = strongest.get(lock.relation.table) if lock.relation.table else None
        if table is None or table.mode.strength < lock.mode.strength:
            told.append(f"{mode(lock.mode)} on {one_line(str(name))}")
    return ", ".join(told) or DASH


def _end(result: CheckResult, *, verbose: bool) -> Iterator[Block]:
    named = set(chain.from_iterable(finding.templates for finding in result.findings))
    changed = [t for t in result.templates if verbose or (t.status in WORSE and t.template not in named)]
    if changed:
        shown = changed if verbose else changed[:_SHOWN]
        yield TableBlock(_TEMPLATES, tuple(_template(t) for t in shown), title="Recorded queries")
    yield facts(*(("Verdict", _summary(f)) for f in result.files if f.findings or len(result.files) > 1))
    yield facts(_findings(result), _queries(result), _method(result), _times(result))
    yield from _open(unchecked(result), verbose=verbose)
    notes: list[tuple[str, str]] = []
    for file in result.files:
        notes += (("Note", f"{file.path}: {one_line(note)}") for note in file.notes)
    yield facts(*notes)


def _template(value: TemplateImpact) -> tuple[str, ...]:
    before, after = (cost(value.before), cost(value.after)) if value.status != "breaks" else (DASH, DASH)
    status = value.status.replace("_", " ")
    return (value.template, percent(value.share), status, before, after, one_line(value.sql))


def _summary(file: FileReport) -> str:
    cause = worst(file)
    failing = file.verdict is Impact.FAILS
    time = span(file.duration) if file.duration and file.verdict.rank >= Impact.LONG_ONLINE.rank else ""
    more = f" at line {cause.line}" if cause and failing else f", {time} in all" if time else ""
    return f"{one_line(file.path)}: {file_verdict(file)}{more}"


def _findings(result: CheckResult) -> tuple[str, str] | None:
    total = sum(len(f.statements) for f in result.files)
    if not total:
        return None
    hit = len({(f.path, f.statement) for f in result.findings})
    ignored = sum(f.ignored is not None for f in all_findings(result))
    words = counted(result.findings)
    text = f"{words} in {hit:,} of {plural(total, 'statement')}" if words else f"none in {plural(total, 'statement')}"
    return "Findings", text + (f"; {ignored:,} ignored" if ignored else "")


def _queries(result: CheckResult) -> tuple[str, str] | None:
    if not result.checked:
        return None
    counts: dict[str, int] = {}
    for template in result.templates:
        counts[template.status] = counts.get(template.status, 0) + 1
    words = {
        "breaks": "broken",
        "columns_change": "with other columns",
        "slower": "slower",
        "faster": "faster",
        "plan_changes": "with another plan",
        "unknown": "undecided",
    }
    parts = ", ".join(f"{counts[key]:,} {word}" for key, word in words.items() if key in counts)
    tried = "tried" if not any(fails_itself(file) for file in result.files) else "tried without what fails"
    many = plural(result.checked, "recorded query", "recorded queries")
    return "Queries", f"{many} {tried}: {parts or 'all as before'}"


def _method(result: CheckResult) -> tuple[str, str] | None:
    methods = dict.fromkeys(file.method for file in result.files if file.statements)
    words = (f"run on an empty copy, PostgreSQL {m.partition('/')[2]}" if "/" in m else "rules only" for m in methods)
    return ("Method", "; ".join(words)) if methods else None


def _times(result: CheckResult) -> tuple[str, str] | None:
    timed = any(s.verdict.duration is not None for s in all_statements(result))
    return ("Times", BASES.get(result.rates.basis, result.rates.basis)) if timed else None


def _open(sentences: tuple[str, ...], *, verbose: bool) -> Iterator[Block]:
    if not sentences:
        return
    shown = sentences if verbose else sentences[:_SHOWN]
    more = len(sentences) - len(shown)
    told = (*shown, *((f"{more:,} more: --verbose",) if more else ()))
    yield Facts(tuple(("" if n else "Unchecked", text) for n, text in enumerate(told)))
