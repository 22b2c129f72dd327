"""Questions put to the real data, read-only and within a budget. No value of the data is kept or repeated."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.evolve.review.probes.question import (
    DataFacts,
    KnownCheck,
    KnownDomain,
    Probe,
    ProbeAnswer,
    ProbeKind,
)

_OF_A_SAMPLE = 0.35  # of the time of a question
_LEAST_MS = 20  # a question that has no more time than this is not asked
_DATA = ("22", "21")  # SQLSTATE classes: data exception, cardinality violation
_WORDS = {
    "42501": "the role may not read what the question needs",
    "57014": "it took too long",
    "55P03": "a table was locked",
    "25006": "the question tried to write",
    "42P01": "a table it needs is not there",
    "42703": "a column it needs is not there",
    "42704": "a type it needs is not there",
}


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one question came to: found, or why nobody knows."""

    found: bool | None
    note: str = ""
    sqlstate: str = ""


def read_facts(session: Session) -> DataFacts:
    """What probes must know beyond the catalog: triggers, types, domains and checks."""
    checks = [r for r in session.rows("probes/checks") if r.expression]
    domains: dict[QualifiedName, KnownDomain] = {}
    for row in session.rows("probes/domains"):
        name = QualifiedName(row.schema, row.name)
        known = domains.get(name, KnownDomain(name, row.type))
        domains[name] = replace(known, checks=(*(known.checks or ()), row.expression)) if row.expression else known
    triggered = [(QualifiedName(r.schema, r.name), r) for r in session.rows("probes/triggered")]
    return DataFacts(
        frozenset(name for name, r in triggered if r.writes),
        frozenset(r.name for r in session.rows("probes/types")),
        tuple(domains.values()),
        frozenset((QualifiedName(r.schema, r.name), r.label) for r in session.rows("probes/deferrable")),
        tuple(KnownCheck(QualifiedName(r.schema, r.name), r.label, r.expression, r.validated) for r in checks),
        frozenset(chain.from_iterable(_altered(name, r) for name, r in triggered)),
        frozenset((QualifiedName(r.schema, r.name), r.event) for r in session.rows("probes/fires")),
        frozenset(QualifiedName(r.schema, r.name) for r in session.rows("probes/toasted")),
    )


def _altered(name: QualifiedName, row: Row) -> Iterator[tuple[QualifiedName, str]]:
    """The commands of which a trigger sees the rows before they are written."""
    events = {"insert": row.insert, "update": row.update, "delete": row.delete}
    return ((name, event) for event, sees in events.items() if sees)


def run_probes(
    session: Session, probes: Sequence[Probe], *, budget_seconds: float = 30.0, statement_timeout_ms: int = 10_000
) -> tuple[ProbeAnswer, ...]:
    """The answers, in the order of the probes. The session must be read-only.

    The cheapest are asked first; each may take ``statement_timeout_ms``, all together ``budget_seconds``. Large tables
    are sampled first. What could not be asked or finished has ``found`` None, and ``note`` says why.
    Raises UnreachableError when the connection is lost.
    """
    deadline = time.monotonic() + budget_seconds
    answers: dict[int, ProbeAnswer] = {}
    for place in sorted(range(len(probes)), key=lambda i: probes[i].estimated_rows):
        answers[place] = _answer(session, probes[place], deadline, statement_timeout_ms)
    return tuple(answers[place] for place in range(len(probes)))


def from_statistics(probes: Sequence[Probe]) -> tuple[ProbeAnswer, ...]:
    """The answers that statistics alone give, for a snapshot without a server."""
    found = []
    for probe in probes:
        note = probe.statistics_why or probe.why_not or "not checked: there is no connection to the data"
        source = "statistics" if probe.statistics is not None else "none"
        found.append(ProbeAnswer(probe, probe.statistics, source, note))
    return tuple(found)


def _answer(session: Session, probe: Probe, deadline: float, timeout_ms: int) -> ProbeAnswer:
    if probe.sql is None:
        return ProbeAnswer(probe, None, "none", f"not checked: {probe.why_not}")
    outcome = _Outcome(None)
    for text in (probe.sample_sql, probe.sql):
        if text is None:
            continue
        share = _OF_A_SAMPLE if text is probe.sample_sql else 1.0
        left = int(min(deadline - time.monotonic(), timeout_ms / 1000) * share * 1000)
        if left < _LEAST_MS:
            outcome = _Outcome(None, "the time for questions to the data is used up")
            break
        outcome = _ask(session, text, probe, left)
        if outcome.found:
            break
    outcome = _trusted(probe, outcome)
    note = outcome.note if outcome.found is not None or not outcome.note else f"not checked: {outcome.note}"
    if outcome.sqlstate:
        probe = replace(probe, sqlstate=outcome.sqlstate)
    return ProbeAnswer(probe, outcome.found, "data" if outcome.found is not None else "none", note)


def _trusted(probe: Probe, outcome: _Outcome) -> _Outcome:
    """An answer that rows unknown here could turn around is no answer."""
    if outcome.found and probe.unsure_if_found:
        return replace(outcome, found=None, note=probe.unsure_if_found)
    if outcome.found is False and probe.unsure_if_not:
        return replace(outcome, found=None, note=probe.unsure_if_not)
    return outcome


def _ask(session: Session, text: str, probe: Probe, timeout_ms: int) -> _Outcome:
    try:
        # An open snapshot keeps VACUUM from removing dead rows: each question is a short transaction of its own.
        # https://www.postgresql.org/docs/current/routine-vacuuming.html
        with session.transaction(rollback=True):
            # The server ends a long question itself, also when this process is gone.
            session.execute("SELECT set_config('statement_timeout', %s, true)", [str(timeout_ms)])
            # Even where the session is not read-only, and whatever an expression calls.
            session.execute("SET LOCAL transaction_read_only = on")
            # A policy would hide rows and make the answer wrong: with off the server refuses the question instead.
            session.execute("SET LOCAL row_security = off")
            rows = session.rows(text)
    except IndexPilotError as error:
        return _failed(error, probe)
    # A CAST question counts converted values: that it has an answer means that none failed.
    return _Outcome(False if probe.kind is ProbeKind.CAST else bool(rows))


def _failed(error: IndexPilotError, probe: Probe) -> _Outcome:
    """A cast that fails is what was looked for; every other failure leaves the question open."""
    state = sqlstate(error) or ""
    if isinstance(error, UnreachableError) and error.code != "timeout":
        raise error
    if (probe.kind is ProbeKind.CAST or probe.errors_count) and state.startswith(_DATA):
        return _Outcome(True, sqlstate=state)
    if state.startswith(_DATA):
        return _Outcome(None, "a value of the data cannot be computed with")
    return _Outcome(None, _WORDS.get(state, f"the server refused the question (SQLSTATE {state or 'unknown'})"))
