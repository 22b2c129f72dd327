"""What ``schema-evolve check`` says of migrations: verdicts, findings, and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from indexpilot_cli.core.codec import Amount, Count, Portion
from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogChange, LockMode, SqlError, StatementObservation
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.evolve.review.probes.question import ProbeAnswer


class Impact(StrEnum):
    """What a statement or a migration does to others, mildest first."""

    NO_BLOCK = "no_block"
    BRIEF_LOCK = "brief_lock"
    LONG_ONLINE = "long_online"
    LONG_BLOCKS_WRITES = "long_blocks_writes"
    LONG_BLOCKS_READS = "long_blocks_reads"
    FAILS = "fails"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return list(Impact).index(self)


Basis = Literal["calibrated", "history", "default", "measured on the clone"]
TemplateStatus = Literal["breaks", "columns_change", "slower", "faster", "plan_changes", "unknown"]


@dataclass(frozen=True, slots=True)
class Duration:
    """A range in seconds and what it rests on."""

    low: Amount
    high: Amount
    basis: Basis = "default"


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast the server works: bytes or rows a second.

    ``scan`` and ``rewrite`` are bytes of heap, ``sort`` rows put into an index, ``join`` rows of a foreign key
    validated, ``write`` rows changed.
    """

    scan: Amount = 1.5e9
    rewrite: Amount = 6.0e7
    sort: Amount = 1.2e6
    join: Amount = 4.0e6
    write: Amount = 1.5e5
    basis: Basis = "default"


@dataclass(frozen=True, slots=True)
class Blocked:
    """A table others must wait for.

    ``bytes`` and ``rows`` are the table's; ``mode`` the strongest lock.
    """

    table: QualifiedName
    mode: Annotated[LockMode, "as in pg_locks.mode"]
    reads: Annotated[bool, "SELECT waits"]
    writes: bool
    bytes: Count = 0
    rows: Amount = 0.0


@dataclass(frozen=True, slots=True)
class Queue:
    """An open transaction in front of the lock.

    Everybody behind it waits too.
    """

    table: QualifiedName
    pid: int
    user: str
    application: str
    seconds: Amount
    state: str = ""


@dataclass(frozen=True, slots=True)
class StatementVerdict:
    """What one statement does to others.

    ``blocked`` are tables locked while it works, incl. locks held from earlier statements of the transaction.
    ``work`` says in clauses what takes time (``rewrites public.orders (11.4 GB)``); ``why`` is one sentence.
    ``certain``: what fails, fails for sure (an error on the clone or found in the data).
    """

    impact: Impact
    blocked: tuple[Blocked, ...] = ()
    work: tuple[str, ...] = ()
    duration: Duration | None = None
    queue: tuple[Queue, ...] = ()
    error: SqlError | None = None
    why: str = ""
    certain: bool = True


@dataclass(frozen=True, slots=True)
class TemplateImpact:
    """What becomes of a recorded query; before and after are planner costs.

    ``statement`` is the number of the statement at fault where it can be told; ``indexes_lost`` were used before and
    are gone.
    """

    template: str
    sql: str
    status: TemplateStatus
    share: Annotated[Portion, "part of the workload"] = 0.0
    error: SqlError | None = None
    before: float | None = None
    after: float | None = None
    columns_before: tuple[str, ...] = ()
    columns_after: tuple[str, ...] = ()
    indexes_lost: tuple[str, ...] = ()
    file: str | None = None
    statement: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth reading, at a place in a file.

    ``instead`` is a safer form of the statement, ready to run, or empty. ``loses`` are objects that vanish;
    ``templates`` ids of recorded queries it breaks or slows. ``ignored`` is the reason of an ignore comment.
    """

    id: str
    name: str
    severity: Severity
    path: str
    statement: int
    line: int
    column: int
    sql: str
    message: str
    details: tuple[tuple[str, str], ...] = ()
    lock: LockMode | None = None
    blocks: tuple[str, ...] = ()
    rewrites: bool = False
    table: QualifiedName | None = None
    table_bytes: int | None = None
    duration: Duration | None = None
    templates: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()
    instead: str = ""
    ignored: str | None = None


@dataclass(frozen=True, slots=True)
class StatementReport:
    """A statement with everything known of it; ``source`` is its place in another file that this one reads in."""

    number: int
    sql: str
    line: int
    column: int
    verdict: StatementVerdict
    observation: StatementObservation
    probes: tuple[ProbeAnswer, ...] = ()
    lost: tuple[CatalogChange, ...] = ()
    source: str | None = None


@dataclass(frozen=True, slots=True)
class UnparsedFile:
    """Why a file could not be read as SQL. ``line`` and ``column`` count from 1; 0 when the place is not known.

    ``more`` are the other places of the file that cannot be read; ``hint`` says what to do about all of them. ``path``
    and ``text`` are those of another file that this one reads in, empty for the file itself.
    """

    message: str
    line: int = 0
    column: int = 0
    more: tuple[UnparsedFile, ...] = ()
    hint: str = ""
    path: str = ""
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FileReport:
    """A file. ``verdict`` is the worst of its statements; ``duration`` the sum of what takes time.

    ``fixed`` is the safer file's text when one was asked for and could be written, ``fixed_verdict`` what the clone
    said of it. ``unparsed`` is why the file could not be read as SQL (then there are no statements and the verdict
    is FAILS). ``text`` is the file as it was read.
    """

    path: str
    method: str
    verdict: Impact
    statements: tuple[StatementReport, ...] = ()
    findings: tuple[Finding, ...] = ()
    duration: Duration | None = None
    fixed: str | None = None
    fixed_verdict: Impact | None = None
    fixed_notes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unparsed: UnparsedFile | None = None
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What ``schema-evolve check`` found. ``fail_on`` is the severity from which findings matter to the exit code.

    ``not_checked`` are sentences: what could not be decided, and why. ``checked`` counts recorded queries replayed.
    ``folder`` is where paths of files begin, ``root`` the top of its repository (empty where there is none).
    """

    files: tuple[FileReport, ...]
    templates: tuple[TemplateImpact, ...] = ()
    checked: int = 0
    fail_on: Severity = Severity.ERROR
    rates: Rates = field(default_factory=Rates)
    not_checked: tuple[str, ...] = ()
    warnings: tuple[Warn, ...] = ()
    seconds: float = 0.0
    folder: str = ""
    root: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings that are not ignored, in the order of files and lines."""
        found: list[Finding] = []
        for file in self.files:
            found += [f for f in file.findings if f.ignored is None]
        return tuple(found)
