"""F: what fails, by the server's own word on the clone or by what the data holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.observation import RunState, SqlError
from indexpilot_cli.core.units import count
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer, ProbeKind
from indexpilot_cli.evolve.review.rules.forms import safer
from indexpilot_cli.evolve.review.rules.review import Case, name_of
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act

_PROBES = {
    ProbeKind.NULLS: "F01",
    ProbeKind.DUPLICATES: "F02",
    ProbeKind.ORPHANS: "F03",
    ProbeKind.CHECK: "F04",
    ProbeKind.CAST: "F05",
    ProbeKind.TOO_LONG: "F06",
    ProbeKind.PARTITION: "F07",
    ProbeKind.EXCLUSION: "F08",
    ProbeKind.REFERENCED: "F10",
    ProbeKind.EXISTS: "F28",
    ProbeKind.NOT_EMPTY: "F09",
}
_STATES = {
    "23502": "F01",
    "23505": "F02",
    "23503": "F03",
    "23514": "F04",
    "22001": "F06",
    "23P01": "F08",
    "2BP01": "F20",
    "25001": "F21",
    "42804": "F25",
    "55P04": "F26",
    "42501": "F27",
    "42601": "F24",
    "0A000": "F24",
}
_MISSING = ("42P01", "42703", "42704", "42883", "3F000", "42P02", "3D000")
_EXISTING = ("42P07", "42701", "42710", "42P06", "42723", "42P04")
_DEPENDS = ("used by", "used in", "depends on", "referenced in a foreign key")


def failures(case: Case) -> Iterator[Finding]:
    """One finding for the error seen, and one for each thing the data will not let through."""
    error = case.seen.error
    if case.seen.state is RunState.FAILED and error is not None:
        made = case.finding(hazard_of(error), _text(error))
        yield replace(made, instead=_instead(case, made.id))
        return
    answers = [a for a in case.probes if a.found]
    for answer in answers:
        yield _from_data(case, answer)
    if not any(a.probe.kind in (ProbeKind.NOT_EMPTY, ProbeKind.NULLS) for a in case.probes):
        yield from _no_default(case)


def hazard_of(error: SqlError) -> str:
    """The hazard an SQLSTATE stands for."""
    if error.sqlstate in _MISSING:
        return "F22"
    if error.sqlstate in _EXISTING:
        return "F23"
    if error.sqlstate == "0A000" and any(word in error.message for word in _DEPENDS):
        return "F10" if "foreign key" in error.message else "F20"
    if error.sqlstate == "23514" and "partition" in error.message:
        return "F07"
    if error.sqlstate.startswith("22") and error.sqlstate not in _STATES:
        return "F05" if error.sqlstate != "22012" else "F28"
    return _STATES.get(error.sqlstate, "F28")


def _text(error: SqlError) -> str:
    return f"fails: {error.message} ({error.sqlstate})" + (f"; {error.detail}" if error.detail else "")


def _from_data(case: Case, answer: ProbeAnswer) -> Finding:
    hazard = _PROBES[answer.probe.kind]
    sure = answer.source == "data"
    word = "will fail" if sure else "will probably fail, by its statistics"
    text = f"{word}: {answer.probe.question} ({answer.probe.sqlstate})"
    made = case.finding(hazard, text, severity=None if sure else Severity.WARNING)
    return replace(made, table=answer.probe.table, instead=_instead(case, hazard))


def _instead(case: Case, hazard: str) -> str:
    return next((form for a in case.actions if (form := safer(hazard, a, case))), "")


def _no_default(case: Case) -> Iterator[Finding]:
    """NOT NULL without a default, where no probe could ask whether the table is empty."""
    for action in case.actions:
        bare = action.has("not_null") and not action.options & _GIVEN
        if action.kind is not Act.ADD_COLUMN or not bare or case.review.is_new(action):
            continue
        table = case.review.table(action)
        if case.review.catalog is not None and (table is None or not table.rows):
            continue
        many = f" ({count(table.rows)} rows)" if table else ""
        text = f"will fail unless {name_of(action)}{many} is empty: {action.column} is NOT NULL and has no default"
        sure = Severity.ERROR if table else Severity.WARNING
        yield replace(case.finding("F09", text, severity=sure), instead=safer("F09", action, case))


_GIVEN = frozenset({"default", "identity", "serial", "generated_stored", "generated_virtual"})
