"""A VACUUM and a build exclude one another on a table; an ordinary autovacuum gives way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.guards.context import Guard, GuardContext, Verdict


@dataclass(frozen=True, slots=True)
class VacuumFacts:
    """A running VACUUM. ``automatic`` ones give way to our lock, unless they prevent ``wraparound``."""

    pid: int
    automatic: bool = False
    wraparound: bool = False
    phase: str = ""
    seconds: float | None = None


def read(context: GuardContext) -> list[tuple[QualifiedName, VacuumFacts]]:
    """The tables that a VACUUM works on, by name, each with that VACUUM."""
    rows = context.session.rows("guards/vacuums", {"relids": context.relids})
    found = {row.relid: VacuumFacts(*row[1:]) for row in rows if row.relid}
    return [(t.table, found[t.relid]) for t in context.tables if t.relid in found]


def judge(busy: Sequence[tuple[QualifiedName, VacuumFacts]]) -> tuple[Verdict, ...]:
    """A verdict per busy table: both take SHARE UPDATE EXCLUSIVE, so the build would queue behind a VACUUM by hand."""
    if not busy:
        return (Verdict("vacuum", True, "no VACUUM is running on the tables", "pg_stat_progress_vacuum"),)
    return tuple(_verdict(table, fact) for table, fact in busy)


def _verdict(table: QualifiedName, fact: VacuumFacts) -> Verdict:
    # Who waits for autovacuum's lock longer than deadlock_timeout has it cancelled, but not when it works against
    # wraparound. https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
    gives_way = fact.automatic and not fact.wraparound
    kind = "autovacuum" if fact.automatic else "VACUUM"
    since = "" if fact.seconds is None else f", {fact.seconds:.0f} s so far"
    phase = f", {fact.phase}" if fact.phase else ""
    end = " against wraparound" if fact.wraparound else ("; the build will cancel it" if gives_way else "")
    text = f"{kind} (pid {fact.pid}{phase}{since}) is working on {table.short}{end}"
    return Verdict("vacuum", gives_way, text, "pg_stat_progress_vacuum", warning=gives_way, table=table, forceable=True)


GUARD = Guard("vacuum", 11, lambda context: judge(read(context)))
