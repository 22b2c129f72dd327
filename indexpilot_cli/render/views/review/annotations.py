"""A schema review for others to show: code scanning (SARIF), annotations of GitHub Actions, Markdown."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import chain

from indexpilot_cli.core.hazard import Hazard, Severity
from indexpilot_cli.evolve.review.values import CheckResult, FileReport, Finding, Impact, StatementReport, UnparsedFile
from indexpilot_cli.render import code_scanning
from indexpilot_cli.render.document import Code, EntryBlock
from indexpilot_cli.render.text import code_span, fenced, tame
from indexpilot_cli.render.units import one_line, percent, visible
from indexpilot_cli.render.views.review.entries import better, entries, finding_facts, statement_facts
from indexpilot_cli.render.views.review.words import (
    BASES,
    WORSE,
    all_findings,
    all_statements,
    counted,
    file_verdict,
    sentence,
    template_change,
    unchecked,
)

SYNTAX = Hazard("syntax", "syntax-error", Severity.ERROR, "The file is not SQL", "PostgreSQL's grammar refuses it.", "")
_FLAG = "--ignore"
_MOST = 4_000  # letters of a statement or a fact: uploads and annotations have limits


def sarif_text(result: CheckResult, hazards: Mapping[str, Hazard]) -> str:
    """The review as a SARIF log. Rules are those of the findings."""
    results = list(chain.from_iterable(_results(file, result) for file in result.files))
    used = sorted({r.rule for r in results})
    named = {f.id: f for f in all_findings(result)}
    rules = [_rule(hazards[i] if i in hazards else _unknown(named.get(i))) for i in used]
    complete = all(file.unparsed is None for file in result.files)
    return code_scanning.log(rules, results, map(visible, unchecked(result)), complete=complete)


def _unknown(finding: Finding | None) -> Hazard:
    if finding is None:
        return SYNTAX
    return Hazard(finding.id, finding.name, finding.severity, finding.name.replace("-", " "), "", "")


def _rule(hazard: Hazard) -> code_scanning.SarifRule:
    parts = (hazard.explanation, hazard.instead, hazard.safe_example)
    return code_scanning.SarifRule(
        hazard.id,
        hazard.name,
        code_scanning.LEVELS[hazard.severity.value],
        hazard.title,
        hazard.explanation,
        "\n\n".join(part for part in parts if part),
        hazard.url,
    )


def _results(file: FileReport, result: CheckResult) -> Iterator[code_scanning.SarifResult]:
    for bad in _unread(file):
        yield code_scanning.SarifResult(
            "syntax",
            "error",
            visible(bad.message),
            code_scanning.SarifPlace(_from_root(bad.path or file.path, result), bad.line, bad.column),
        )
    statements = {s.number: s for s in file.statements}
    for finding in file.findings:
        statement = statements.get(finding.statement)
        yield code_scanning.SarifResult(
            finding.id,
            code_scanning.LEVELS[finding.severity.value],
            visible(_message(finding, statement, result)),
            _place(finding, _from_root(finding.path, result)),
            finding.sql,
            finding.ignored,
            (finding.ignored or "").startswith(_FLAG),
            (("table", str(finding.table)),) if finding.table else (),
            (("verdict", statement.verdict.impact.value),) if statement else (),
        )


def _from_root(path: str, result: CheckResult) -> str:
    """The path below the top of the repository, which is where code scanning and GitHub look for it."""
    whole = posixpath.normpath(posixpath.join(result.folder, path))
    if path == "-" or not result.root:
        return path
    below = result.root == "/" or whole.startswith(f"{result.root}/")
    return posixpath.relpath(whole, result.root) if below else whole


def _place(finding: Finding, path: str) -> code_scanning.SarifPlace:
    lines = finding.sql.rstrip().split("\n")
    if not finding.line or not finding.sql:
        return code_scanning.SarifPlace(path, finding.line, finding.column)
    snippet = visible(finding.sql) if len(finding.sql) <= _MOST else ""
    column = len(lines[-1]) + (max(finding.column, 1) if len(lines) == 1 else 1)
    end = finding.line + len(lines) - 1
    return code_scanning.SarifPlace(path, finding.line, finding.column, end, column, snippet)


def _message(finding: Finding, statement: StatementReport | None, result: CheckResult) -> str:
    """Everything known of a finding, one fact a line."""
    common = tuple(statement_facts(statement)) if statement else ()
    facts = [(n, t) for n, t in finding_facts(finding, common, result) if n not in ("why", "at", "ignored")]
    told = [f"{label}: {_short(text.text if isinstance(text, Code) else text)}" for label, text in facts]
    return "\n".join((one_line(finding.message), *told))


def _short(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]} …"


def github_text(result: CheckResult) -> str:
    """The review as workflow commands: gravest first, because only the first ten of a kind are shown."""
    lines = list(chain.from_iterable(_syntax(file, result) for file in result.files))
    for severity in (Severity.ERROR, Severity.WARNING, Severity.INFO):
        for file in result.files:
            lines += (_annotation(file, f, result) for f in _counted(file, severity))
    verdicts = (f"{file.path}: {file_verdict(file)}, {sentence(file)}" for file in result.files)
    words = counted(result.findings) or "no findings"
    lines.append(code_scanning.annotation("notice", "\n".join((words, *map(visible, verdicts))), title="indexpilot"))
    return "".join(f"{line}\n" for line in lines)


def _counted(file: FileReport, severity: Severity) -> Iterator[Finding]:
    return (f for f in file.findings if f.severity is severity and f.ignored is None)


def _unread(file: FileReport) -> tuple[UnparsedFile, ...]:
    return () if file.unparsed is None else (file.unparsed, *file.unparsed.more)


def _syntax(file: FileReport, result: CheckResult) -> Iterator[str]:
    for bad in _unread(file):
        message = visible(bad.message)
        yield code_scanning.annotation(
            "error",
            message,
            title="not SQL",
            path=_path(_from_root(bad.path or file.path, result)),
            line=bad.line,
            column=bad.column,
        )


def _annotation(file: FileReport, finding: Finding, result: CheckResult) -> str:
    statement = next((s for s in file.statements if s.number == finding.statement), None)
    return code_scanning.annotation(
        code_scanning.GITHUB_LEVELS[finding.severity.value],
        visible(_message(finding, statement, result)),
        title=visible(f"{finding.id} {finding.name}"),
        path=_path(_from_root(finding.path, result)),
        line=finding.line,
        column=finding.column,
        end_line=finding.line + finding.sql.rstrip().count("\n") if finding.sql else 0,
    )


def _path(path: str) -> str | None:
    return None if path == "-" else visible(path)


_ROOM = 60_000  # letters a comment may have on GitHub, with something to spare
_SPECIAL = re.compile(r"([\\`*_{}\[\]#!|<>~@&])")


def markdown(result: CheckResult) -> str:
    """The comment. When it would be too long for one, whole files are left out and counted."""
    parts = [*_summary(result)]
    room = _ROOM - sum(map(len, parts))
    left = 0
    for file in result.files:
        details = _details(file, result)
        if details and len(details) > room:
            left += 1
        elif details:
            parts.append(details)
            room -= len(details)
    if left:
        parts.append(f"_The details of {left} more files are too long for a comment; `--format json` has them._")
    return tame(visible("\n\n".join(parts))) + "\n"


def _summary(result: CheckResult) -> Iterator[str]:
    words = counted(result.findings) or "no findings"
    yield f"### Schema review: {words}"
    rows = [
        f"| {_cell(f.path)} | {_verdict(f)} | {_prose(sentence(f))} | {counted(f.findings) or '-'} |"
        for f in result.files
    ]
    if rows:
        yield "\n".join(["| file | verdict | | findings |", "|---|---|---|---|", *rows])
    queries = [t for t in result.templates if t.status in WORSE]
    if queries:
        lines = [
            f"| {t.template} | {percent(t.share)} | {t.status.replace('_', ' ')} | {_prose(template_change(t))} "
            f"| {_cell(t.sql)} |"
            for t in queries[:20]
        ]
        head = ["| recorded query | share | | what changes | text |", "|---|---:|---|---|---|"]
        yield "\n".join([*head, *lines])
    open_ = unchecked(result)
    if open_:
        shown = [f"- {_prose(text)}" for text in open_[:20]]
        more = [f"- {len(open_) - 20} more"] if len(open_) > 20 else []
        yield "\n".join(["<details><summary>Not checked</summary>\n", *shown, *more, "\n</details>"])
    if any(s.verdict.duration for s in all_statements(result)):
        yield f"_Times: {BASES.get(result.rates.basis, result.rates.basis)}._"


def _verdict(file: FileReport) -> str:
    word = file_verdict(file)
    return f"**{word}**" if file.verdict.rank >= Impact.LONG_BLOCKS_WRITES.rank else word


def _details(file: FileReport, result: CheckResult) -> str:
    told = entries(file, result, verbose=True)
    parts = [_entry(entry) for entry in told]
    if better(file):
        parts.append("**Safer form of the whole file**\n\n" + fenced(Code((file.fixed or "").replace("\r\n", "\n"))))
    if not parts:
        return ""
    title = f"<code>{html.escape(one_line(file.path))}</code>: {file_verdict(file)}"
    words = counted(file.findings)
    summary = f"<details><summary>{title}{', ' + words if words else ''}</summary>"
    return "\n\n".join((summary, *parts, "</details>"))


def _entry(entry: EntryBlock) -> str:
    rows = []
    for label, fact in entry.rows:
        if isinstance(fact, Code):
            rows.append(f"\n{_prose(label)}:\n\n{fenced(fact)}\n")
        else:
            rows.append(f"- {_prose(label)}: {_prose(fact)}")
    text = code_span(entry.text) if entry.sql else _prose(entry.text)
    parts = (f"**{_prose(entry.word)}** at {code_span(entry.place)}", text, "\n".join(rows).strip("\n"))
    return "\n\n".join(part for part in parts if part)


def _prose(text: str) -> str:
    """Text in which nothing is markup: no link, no image, no HTML, nobody is mentioned."""
    return _SPECIAL.sub(r"\\\1", one_line(text)).replace("\\@", "&#64;").replace("\\<", "&lt;").replace("\\&", "&amp;")


def _cell(text: str) -> str:
    """The text as code in a table, where a bar would end the cell."""
    return code_span(text).replace("|", "\\|")
