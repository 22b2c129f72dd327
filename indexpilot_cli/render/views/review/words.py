"""Words of a schema review that all its forms share: verdicts, locks, times, counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.observation import LockMode, RunState
from indexpilot_cli.core.units import count, seconds, size
from indexpilot_cli.evolve.review.values import (
    Blocked,
    CheckResult,
    Duration,
    FileReport,
    Finding,
    Impact,
    StatementReport,
    StatementVerdict,
    TemplateImpact,
)
from indexpilot_cli.render.units import one_line, percent, plural

VERDICTS = {
    Impact.NO_BLOCK: "blocks nobody",
    Impact.BRIEF_LOCK: "brief lock",
    Impact.LONG_ONLINE: "long, but online",
    Impact.LONG_BLOCKS_WRITES: "blocks writes",
    Impact.LONG_BLOCKS_READS: "blocks reads and writes",
    Impact.FAILS: "fails",
}
STATES = {
    Impact.NO_BLOCK: "ok",
    Impact.BRIEF_LOCK: "ok",
    Impact.LONG_ONLINE: "info",
    Impact.LONG_BLOCKS_WRITES: "error",
    Impact.LONG_BLOCKS_READS: "error",
    Impact.FAILS: "error",
}
BASES = {
    "calibrated": "measured on this machine",
    "history": "from earlier changes of this database",
    "default": "rough: nothing was measured on this server",
}
WORSE = ("breaks", "columns_change", "slower")  # what becomes of a recorded query
_STATEMENT = 160
_NOT_RUN = "not-run"  # the hazard that says so of a statement
_LONG = (Impact.LONG_BLOCKS_WRITES, Impact.LONG_BLOCKS_READS)


def verdict(impact: Impact, *, certain: bool = True) -> str:
    """``blocks writes``, ``may fail``."""
    return "may fail" if impact is Impact.FAILS and not certain else VERDICTS[impact]


def statement_verdict(value: StatementVerdict) -> str:
    """The verdict of a statement in two or three words."""
    return verdict(value.impact, certain=value.certain)


def file_verdict(file: FileReport) -> str:
    """The verdict of a file in two or three words."""
    if file.unparsed is not None:
        return "not SQL"
    failing = [s for s in file.statements if s.verdict.impact is Impact.FAILS]
    return verdict(file.verdict, certain=not failing or any(s.verdict.certain for s in failing))


def fails_itself(file: FileReport) -> bool:
    """Whether the server refuses a statement of the file: what it would have done is not there for what follows."""
    return any(s.observation.state is RunState.FAILED for s in file.statements)


def state(file: FileReport) -> str:
    """The colour of a file's verdict."""
    return STATES[file.verdict]


def worst(file: FileReport, impacts: Iterable[Impact] | None = None) -> StatementReport | None:
    """The first statement with the gravest verdict (among ``impacts``), one that takes longest where there are several.

    Failures are not ranked by time: the first of them ends the migration.
    """
    wanted = set(impacts or Impact)
    found = [s for s in file.statements if s.verdict.impact in wanted]
    sure = {s.number for s in found if s.verdict.impact is Impact.FAILS and s.verdict.certain}
    return max(found, key=lambda s: (s.verdict.impact.rank, s.number in sure, _high(s)), default=None)


def _high(statement: StatementReport) -> float:
    failing = statement.verdict.impact is Impact.FAILS
    return 0.0 if failing or statement.verdict.duration is None else statement.verdict.duration.high


def sentence(file: FileReport) -> str:
    """What stands behind a file's verdict, such as ``2 min to 6 min: public.orders (11.4 GB)``."""
    if file.unparsed is not None:
        return f"line {file.unparsed.line}: {one_line(file.unparsed.message)}" if file.unparsed.line else ""
    statement = worst(file)
    if statement is None or file.verdict.rank < Impact.LONG_ONLINE.rank:
        return plural(len(file.statements), "statement")
    if file.verdict is not Impact.FAILS:
        return _cause(statement)
    also = worst(file, _LONG)
    more = f"; also {statement_verdict(also.verdict)}, line {also.line}, {_cause(also)}" if also else ""
    return f"line {statement.line}: {reason(statement.verdict)}{more}"


def _cause(statement: StatementReport) -> str:
    time, tables = statement.verdict.duration, [blocked(b) for b in statement.verdict.blocked if b.writes]
    return ": ".join(part for part in (span(time) if time else "", ", ".join(tables)) if part)


def reason(value: StatementVerdict) -> str:
    """Why a statement fails, in the server's words where it has spoken."""
    if value.error is not None:
        return one_line(value.error.message)
    return one_line(value.why)


def blocked(value: Blocked) -> str:
    """``public.orders (11.4 GB, 48.2 M rows)``."""
    parts = [size(value.bytes)] if value.bytes else []
    parts += [f"{count(value.rows)} rows"] if value.rows else []
    return one_line(str(value.table)) + (f" ({', '.join(parts)})" if parts else "")


def mode(value: LockMode) -> str:
    """``SHARE ROW EXCLUSIVE``, as the manual writes it."""
    return value.name.replace("_", " ")


def waits(*, reads: bool, writes: bool) -> str:
    """Who waits for a lock."""
    if reads:
        return "reads and writes wait"
    return "writes wait" if writes else "reads and writes go on"


def span(value: Duration) -> str:
    """``2 min to 6 min``, ``about 4 min``, ``under 1 s``."""
    if value.high < 1:
        return "under 1 s"
    low, high = seconds(value.low), seconds(value.high)
    if value.low < 1:
        return f"up to {high}"
    return f"about {high}" if low == high or value.high < value.low * 1.3 else f"{low} to {high}"


def statement_text(sql: str) -> str:
    """The statement on one line with its semicolon; a long one is cut at a space."""
    folded = one_line(sql)
    if len(folded) <= _STATEMENT:
        return folded.rstrip(";") + ";"
    cut = folded[:_STATEMENT]
    return (cut[: cut.rfind(" ")] if " " in cut else cut) + " …"


def severities(findings: Iterable[Finding]) -> dict[Severity, int]:
    """How many findings of each severity, ignored ones left out, gravest first."""
    counts = dict.fromkeys((Severity.ERROR, Severity.WARNING, Severity.INFO), 0)
    for finding in findings:
        if finding.ignored is None:
            counts[finding.severity] += 1
    return counts


def counted(findings: Iterable[Finding]) -> str:
    """``1 error, 2 warnings``; empty when there are none."""
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    return ", ".join(plural(n, words[s]) for s, n in severities(findings).items() if n)


def template(value: TemplateImpact) -> str:
    """``q-2b91c0 (41.0 % of the workload): column "ref" does not exist``."""
    share = f" ({percent(value.share)} of the workload)" if value.share else ""
    return f"{value.template}{share}" + (f": {change}" if (change := template_change(value)) else "")


def template_change(value: TemplateImpact) -> str:
    """What changes for a recorded query, in a clause."""
    parts = [one_line(value.error.message)] if value.error else []
    if value.status == "columns_change":
        parts.append(f"returns {', '.join(value.columns_after)} instead of {', '.join(value.columns_before)}")
    if value.before is not None and value.after is not None and value.status != "breaks":
        parts.append(f"cost {value.before:,.0f} to {value.after:,.0f}")
    if value.indexes_lost:
        parts.append(f"loses {', '.join(value.indexes_lost)}")
    if value.note:
        parts.append(one_line(value.note))
    return "; ".join(parts)


def all_findings(result: CheckResult) -> tuple[Finding, ...]:
    """The findings of all files, ignored ones too."""
    return tuple(chain.from_iterable(file.findings for file in result.files))


def all_statements(result: CheckResult) -> tuple[StatementReport, ...]:
    """The statements of all files."""
    return tuple(chain.from_iterable(file.statements for file in result.files))


def unchecked(result: CheckResult) -> tuple[str, ...]:
    """Everything that was not decided, as sentences: statements not run, probes without an answer, and the rest."""
    told = chain.from_iterable(map(_unchecked, result.files))
    return (*told, *(one_line(text) for text in result.not_checked))


def _unchecked(file: FileReport) -> Iterator[str]:
    noted = {f.statement for f in file.findings if f.name == _NOT_RUN}
    for statement in file.statements:
        place, seen = f"{one_line(file.path)}:{statement.line}", statement.observation
        if seen.state is RunState.NOT_RUN and statement.number not in noted:
            yield f"{place} was not run, rules judge it: {one_line(seen.reason)}"
        for answer in statement.probes:
            if answer.found is None:
                why = one_line(answer.note or answer.probe.why_not).removeprefix("not checked: ") or "no answer"
                yield f"{place}: whether {one_line(answer.probe.question)}: {why}"
    yield from _not_reached(file)


def _not_reached(file: FileReport) -> Iterator[str]:
    """One sentence for all statements that a failure left unreached."""
    behind = [s for s in file.statements if s.observation.state is RunState.BEHIND]
    if behind:
        where = f"{plural(len(behind), 'statement')} from line {behind[0].line} on"
        yield f"{one_line(file.path)}: {where} behind a failure, judged as if what fails were not there"
    skipped = [s for s in file.statements if s.observation.state is RunState.SKIPPED]
    if skipped:
        why = one_line(skipped[0].observation.reason) or "an earlier statement fails"
        many = plural(len(skipped), "statement")
        yield f"{one_line(file.path)}: {many} from line {skipped[0].line} on not reached: {why}"
