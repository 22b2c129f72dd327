"""Questions to the real data that decide whether a migration will fail, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from indexpilot_cli.core.names import QualifiedName


class ProbeKind(StrEnum):
    """What the data could violate; the SQLSTATE a server would answer stands in ``Probe.sqlstate``."""

    NULLS = "nulls"
    DUPLICATES = "duplicates"
    ORPHANS = "orphans"
    CHECK = "check"
    CAST = "cast"
    TOO_LONG = "too_long"
    PARTITION = "partition"
    EXCLUSION = "exclusion"
    REFERENCED = "referenced"
    EXISTS = "exists"
    NOT_EMPTY = "not_empty"


@dataclass(frozen=True, slots=True)
class Probe:
    """A read-only question. ``sql`` gives at least one row exactly when the statement would fail.

    ``statement`` is the statement's number in its file. ``sql`` is None when no safe question could be formed;
    ``why_not`` then says why. A CAST probe fails itself (with ``sqlstate`` or its class) instead of giving rows.
    ``estimated_rows`` is how many rows it may read. ``statistics`` is a verdict from pg_stats alone, for snapshots:
    True (would fail), False (would not), None (cannot tell). ``sample_sql`` is the same question to a sample of the
    table's pages: a yes is proof, a no is not. ``unsure_if_found`` and ``unsure_if_not`` say why an answer proves
    nothing (rows that the file itself deletes or inserts in a way that cannot be foreseen), or are empty.
    """

    statement: int
    kind: ProbeKind
    sqlstate: str
    table: QualifiedName
    question: str
    sql: str | None
    columns: tuple[str, ...] = ()
    constraint: str | None = None
    why_not: str = ""
    estimated_rows: float = 0.0
    statistics: bool | None = None
    statistics_why: str = ""
    sample_sql: str | None = None
    unsure_if_found: str = ""
    unsure_if_not: str = ""


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """``found`` True: the statement will fail; False: not for this reason; None: not checked, as ``note`` says.

    ``source`` is data, statistics or none. No value of the data is ever kept.
    """

    probe: Probe
    found: bool | None
    source: str = "data"
    milliseconds: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class KnownCheck:
    """A CHECK constraint that production has; ``expression`` is SQL text over the table's columns."""

    table: QualifiedName
    name: str
    expression: str
    validated: bool = True


@dataclass(frozen=True, slots=True)
class KnownDomain:
    """A domain that production has: its type and its checks over VALUE."""

    name: QualifiedName
    type: str
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What probes must know of production beyond the catalog.

    ``triggered`` are tables with row triggers for INSERT or UPDATE, ``types`` names of enumerations and of types that
    extensions own: a cast to them runs nobody's own code. ``deferrable`` are constraints by table and name.
    """

    triggered: frozenset[QualifiedName] = frozenset()
    types: frozenset[str] = frozenset()
    domains: tuple[KnownDomain, ...] = ()
    deferrable: frozenset[tuple[QualifiedName, str]] = frozenset()
    checks: tuple[KnownCheck, ...] = ()
