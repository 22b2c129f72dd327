"""Each finding of a schema review as an entry: where, what, who waits, for how long, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.core.units import seconds, size
from indexpilot_cli.evolve.review.values import (
    CheckResult,
    FileReport,
    Finding,
    Impact,
    Queue,
    StatementReport,
    TemplateImpact,
    UnparsedFile,
)
from indexpilot_cli.render.document import BLANK, Block, Code, EntryBlock, Facts, Lines
from indexpilot_cli.render.units import one_line, plural
from indexpilot_cli.render.views.review.words import (
    STATES,
    blocked,
    mode,
    span,
    statement_text,
    statement_verdict,
    template,
    verdict,
    waits,
)

Fact = tuple[str, str | Code]
_QUEUE = "wait-queue"  # the hazard that tells who stands in front of the lock
_SHARED = ("why", "lock", "time")  # facts that are said once of a statement
_TEMPLATES = 3  # shown with a finding without --verbose
_WINDOW = 72  # letters of a line that is shown with a caret


def entries(file: FileReport, result: CheckResult, *, verbose: bool = False) -> tuple[EntryBlock, ...]:
    """The entries of a file in the order of its lines; what is ignored only with ``verbose``."""
    if file.unparsed is not None:
        return tuple(_syntax(file, bad) for bad in (file.unparsed, *file.unparsed.more))
    told: list[EntryBlock] = []
    for statement in file.statements:
        found = [f for f in file.findings if f.statement == statement.number and (verbose or f.ignored is None)]
        told += _statement(file, statement, found, result, verbose=verbose)
    known = {s.number for s in file.statements}
    rest = [f for f in file.findings if f.statement not in known and (verbose or f.ignored is None)]
    return (
        *told,
        *(EntryBlock(_place(f.path, f.line), _word(f), _state(f), one_line(f.message), _own(f)) for f in rest),
    )


def _statement(
    file: FileReport, statement: StatementReport, found: Sequence[Finding], result: CheckResult, *, verbose: bool
) -> Iterator[EntryBlock]:
    """The gravest finding quotes the statement and has what is known of it; the others have what is their own."""
    if not found:
        yield from _unnamed(file, statement, verbose=verbose)
        return
    lead = next((f for f in found if _full(f, verbose)), None)
    queued = any(f.name == _QUEUE for f in found)
    for finding in found:
        common = tuple(statement_facts(statement, brief=not verbose)) if finding is lead else ()
        common = tuple(fact for fact in common if not (queued and fact[0] == "queue"))
        rows = tuple(finding_facts(finding, common, result, verbose=verbose))
        if finding is not lead:
            brief = not verbose and finding.severity is Severity.INFO
            rows = () if brief else tuple(r for r in rows if r[0] not in (_SHARED if lead else _SHARED[:1]))
        text = _text(finding) if finding is lead else one_line(finding.message)
        place = _place(finding.path, finding.line or statement.line)
        yield EntryBlock(place, _word(finding), _state(finding), text, rows, finding is lead)


def _unnamed(file: FileReport, statement: StatementReport, *, verbose: bool) -> Iterator[EntryBlock]:
    """A grave statement that no finding speaks of."""
    ignored = any(f.statement == statement.number and f.ignored is not None for f in file.findings)
    if statement.verdict.impact.rank >= Impact.LONG_BLOCKS_WRITES.rank and not ignored:
        word, state = statement_verdict(statement.verdict), STATES[statement.verdict.impact]
        rows = tuple(statement_facts(statement, brief=not verbose))
        place = statement.source or _place(file.path, statement.line)
        yield EntryBlock(one_line(place), word, state, statement_text(statement.sql), rows, sql=True)


def _full(finding: Finding, verbose: bool) -> bool:
    """Whether a finding quotes its statement: notes do not, unless somebody wants to read everything."""
    return bool(finding.sql) and finding.ignored is None and (verbose or finding.severity is not Severity.INFO)


def _own(finding: Finding) -> tuple[Fact, ...]:
    return tuple((label, one_line(text)) for label, text in finding.details)


def _place(path: str, line: int) -> str:
    return f"{one_line(path)}:{line}" if line else one_line(path)


def _word(finding: Finding) -> str:
    mark = f"{finding.severity.value}[{finding.id} {finding.name}]"
    return f"ignored {mark}" if finding.ignored is not None else mark


def _state(finding: Finding) -> str:
    return "fact" if finding.ignored is not None else finding.severity.value


def _text(finding: Finding) -> str:
    return statement_text(finding.sql) if finding.sql else ""


def finding_facts(
    finding: Finding, common: Sequence[Fact], result: CheckResult, *, verbose: bool = False
) -> Iterator[Fact]:
    """What is known of a finding; ``common`` is what is known of its statement. Details of its own come first."""
    yield "why", one_line(finding.message)
    own = [(label, one_line(text)) for label, text in finding.details]
    yield from own
    taken = {label for label, _ in own} | ({"work", "time"} if _says_work(finding, common) and not verbose else set())
    yield from ((label, text) for label, text in common if label not in taken and not _told(label, text, finding))
    said = {label for label, _ in common} | taken
    if finding.lock is not None and "lock" not in said:
        yield "lock", _lock(finding)
    if finding.duration is not None and "time" not in said:
        yield "time", span(finding.duration)
    if "loses" not in said and not all(lost in finding.message for lost in finding.loses):
        yield "loses", one_line(", ".join(finding.loses))
    yield from _templates(finding, result, verbose=verbose)
    if finding.ignored is not None:
        yield "ignored", one_line(finding.ignored) or "without a reason"
    if finding.instead and finding.ignored is None:
        yield "instead", Code(finding.instead.replace("\r\n", "\n"))


def _told(label: str, text: str | Code, finding: Finding) -> bool:
    """Whether the finding's message has the server's words already."""
    error = text.rpartition(" (")[0] if label in ("error", "may fail") and isinstance(text, str) else ""
    return bool(error) and error in one_line(finding.message)


def _says_work(finding: Finding, common: Sequence[Fact]) -> bool:
    """Whether the finding's message tells the work of its statement, and so how long it takes."""
    work = next((text for label, text in common if label == "work" and isinstance(text, str)), "")
    said = one_line(finding.message)
    return any(clause.split(" (")[0] in said for clause in work.split("; ") if clause)


def _lock(finding: Finding) -> str:
    assert finding.lock is not None
    where = f" on {one_line(str(finding.table))}" if finding.table else ""
    bytes_ = f" ({size(finding.table_bytes)})" if finding.table_bytes else ""
    who = waits(reads="SELECT" in finding.blocks, writes=bool(finding.blocks))
    return f"{mode(finding.lock)}{where}{bytes_}: {who}"


def _templates(finding: Finding, result: CheckResult, *, verbose: bool) -> Iterator[Fact]:
    found = [t for t in result.templates if t.template in finding.templates and not _told_query(t, finding)]
    shown = found if verbose else found[:_TEMPLATES]
    words = {"breaks": "breaks", "columns_change": "changes", "slower": "slower", "faster": "faster"}
    yield from ((words.get(t.status, "query"), template(t)) for t in shown)
    missing = sorted(set(finding.templates) - {t.template for t in result.templates})
    more = len(found) - len(shown)
    if missing:
        yield "queries", ", ".join(missing)
    if more:
        yield "queries", f"{plural(more, 'more query', 'more queries')}: --verbose"


def _told_query(template: TemplateImpact, finding: Finding) -> bool:
    """Whether the finding's message names the query and says what the server says."""
    error = template.error is not None and one_line(template.error.message) in one_line(finding.message)
    return template.template in finding.message and (template.status != "breaks" or error)


def statement_facts(statement: StatementReport, *, brief: bool = False) -> Iterator[Fact]:
    """Locks, work, time, the queue and the error of a statement, as far as they matter.

    ``brief``: of what fails only the error, because it will not come to the rest.
    """
    verdict = statement.verdict
    if verdict.error is not None:
        yield from _error(statement.sql, verdict.error, certain=verdict.certain)
    elif verdict.impact is Impact.FAILS and verdict.why:
        yield "error", one_line(verdict.why)
    if verdict.impact.rank < Impact.LONG_ONLINE.rank or (brief and verdict.impact is Impact.FAILS):
        return
    for table in verdict.blocked:
        yield "lock", f"{mode(table.mode)} on {blocked(table)}: {waits(reads=table.reads, writes=table.writes)}"
    if verdict.work:
        yield "work", "; ".join(one_line(w) for w in verdict.work)
    if verdict.duration is not None:
        yield "time", span(verdict.duration)
    yield from (("queue", _queue(q)) for q in verdict.queue)


def _queue(value: Queue) -> str:
    who = one_line(", ".join(part for part in (value.user, value.application, value.state) if part))
    table = one_line(str(value.table))
    return f"pid {value.pid} ({who}) has used {table} for {seconds(value.seconds)}: all would wait behind it"


def _error(sql: str, error: SqlError, *, certain: bool) -> Iterator[Fact]:
    yield "error" if certain else "may fail", f"{one_line(error.message)} ({error.sqlstate})"
    if error.position and error.position <= len(sql) + 1:
        before = sql[: error.position - 1]
        line = before.count("\n") + 1
        column = error.position - (before.rfind("\n") + 1)
        yield "at", Code(caret(sql, line, column), "")
    if error.detail:
        yield "detail", one_line(error.detail)
    if error.hint:
        yield "hint", one_line(error.hint)


def _syntax(file: FileReport, bad: UnparsedFile) -> EntryBlock:
    place = _place(bad.path or file.path, bad.line) + (f":{bad.column}" if bad.line and bad.column else "")
    shown = caret(bad.text or file.text, bad.line, bad.column)
    rows: tuple[Fact, ...] = (("at", Code(shown, "")),) if shown else ()
    rows += (("hint", one_line(bad.hint)),) if bad.hint else ()
    return EntryBlock(place, "error[syntax]", "error", one_line(bad.message), rows)


def caret(text: str, line: int, column: int) -> str:
    """That line of the text, and a caret below its column (both from 1); empty when there is no such place."""
    lines = text.split("\n")
    if not 0 < line <= len(lines) or column < 1:
        return ""
    whole = lines[line - 1].rstrip().replace("\t", " ")
    start = max(0, min(column - 1 - _WINDOW // 2, len(whole) - _WINDOW))
    cut = whole[start : start + _WINDOW]
    left, right = "…" if start else "", "…" if start + _WINDOW < len(whole) else ""
    return f"{left}{cut}{right}\n{' ' * (column - 1 - start + len(left))}^"


_NOT_RUN = "a safer form is made only where the file can be run, on a copy of the schema"


def fixes(files: Iterable[FileReport]) -> Iterator[Block]:
    """Per file a sentence, and the difference where there is one."""
    for file in files:
        path = one_line(file.path)
        if file.fixed is None or file.fixed == file.text:
            ran = file.method.startswith("clone")
            yield Lines((f"{path}: {'no safer form was found' if ran else _NOT_RUN}",))
        else:
            yield Lines((f"{path}: safer form, {_checked(file)}", ""))
            yield Code(difference(file), "diff")
            yield BLANK
        if file.fixed_notes:
            yield Facts(tuple(("note", one_line(note)) for note in file.fixed_notes))
            yield BLANK


def better(file: FileReport) -> bool:
    """Whether the safer form may take the file's place: it differs, and was found to be no worse."""
    changed = file.fixed is not None and file.fixed != file.text
    return changed and file.fixed_verdict is not None and _fits(file.fixed_verdict, file.verdict)


def _fits(fixed: Impact, was: Impact) -> bool:
    return fixed.rank <= was.rank and fixed is not Impact.FAILS


def _checked(file: FileReport) -> str:
    if file.fixed_verdict is None:
        return "not checked again"
    worse = "" if _fits(file.fixed_verdict, file.verdict) else " (no better: not written)"
    refused = any(answer.found for answer in chain.from_iterable(s.probes for s in file.statements))
    still = "; the data refuse what they refused" if refused else ""
    return f"run again on the empty copy: {verdict(file.fixed_verdict)}{worse}{still}"


def difference(file: FileReport) -> str:
    """A unified difference that ``patch`` can apply."""
    path = one_line(file.path)
    old, new = _lines(file.text), _lines(file.fixed or "")
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm="")
    return "\n".join(line if line.strip() else "" for line in lines)


def _lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
