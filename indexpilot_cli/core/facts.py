"""What the guards are told: facts of the server, of the tables and of this machine. Times are aware, in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from indexpilot_cli.core.names import QualifiedName


@dataclass(frozen=True, slots=True)
class Target:
    """One index to be built: its table and its expected bytes (0: not known)."""

    table: QualifiedName
    relid: int
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One row of the server about itself and our session.

    ``running`` counts other client backends that are executing and wait for nothing;
    ``parallel_workers`` is max_parallel_workers. ``data_directory`` and ``tablespace_path`` are None where the
    role may not know, or (tablespace) where the index goes to the data directory. Ages are in transactions.
    """

    now: datetime
    role: str
    database: str
    in_recovery: bool
    read_only: bool
    pooled: bool
    backend_pid: int
    backend_start: datetime | None = None
    host: str | None = None
    running: int = 0
    parallel_workers: int = 8
    data_directory: str | None = None
    tablespace: str = "pg_default"
    tablespace_path: str | None = None
    may_use_tablespace: bool = True
    xid_age: int = 0
    multixact_age: int = 0


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table as the guards see it. ``kind`` is pg_class.relkind; ``indexes`` counts all, invalid ones included.

    ``owned``: our role is the owner or a member of it; ``may_create``: CREATE on the schema. ``vacuum`` is the
    process working on it.
    """

    table: QualifiedName
    relid: int
    kind: str = "r"
    bytes: int = 0
    indexes: int = 0
    owner: str = ""
    owned: bool = True
    may_create: bool = True
    xid_age: int = 0
    vacuum: VacuumFacts | None = None


@dataclass(frozen=True, slots=True)
class VacuumFacts:
    """A running VACUUM. ``automatic`` ones give way to our lock, unless they prevent ``wraparound``."""

    pid: int
    automatic: bool = False
    wraparound: bool = False
    phase: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TransactionFacts:
    """A session the build would have to wait for. ``seconds`` is None where the role may not see its age.

    ``relid`` is set when it has written to (or locked) that table, None when only its snapshot stands in the way;
    ``prepared`` is the name of a prepared transaction, which has no process.
    """

    pid: int | None
    seconds: float | None
    user: str = ""
    application: str = ""
    state: str = ""
    relid: int | None = None
    prepared: str = ""


@dataclass(frozen=True, slots=True)
class LockFacts:
    """Another session that builds on, alters or waits for the table. ``ours``: another run of IndexPilot.

    ``idle_seconds`` is how long it has executed nothing, None while it executes or where that is hidden.
    """

    relid: int
    pid: int
    mode: str
    user: str = ""
    application: str = ""
    ours: bool = False
    building: bool = False
    idle_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class StandbyFacts:
    """A standby. ``seconds`` and ``bytes`` are how far its replay is behind; None: hidden or not known."""

    name: str
    state: str = "streaming"
    seconds: float | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """A build that was begun at ``at``."""

    table: QualifiedName | None
    at: datetime


@dataclass(frozen=True, slots=True)
class HostFacts:
    """This machine, measured. ``local``: the server runs on it, shown by ``proof``.

    ``cpu_percent`` is None when it was not measured; ``disk_free`` is bytes of the file system the
    index goes to, None when it cannot be seen.
    """

    local: bool
    proof: str
    cpu_percent: float | None = None
    cores: int | None = None
    disk_path: str | None = None
    disk_free: int | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """A runtime switch as the metadata schema keeps it. ``until`` (UTC): back on by itself; None: by hand."""

    name: str
    is_off: bool
    reason: str = ""
    actor: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def off_at(self, now: datetime) -> bool:
        """Whether it says off at that moment."""
        return self.is_off and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved which plan when. ``digest`` is ``plan_digest`` of the plan as it was then."""

    plan_id: str
    digest: str
    approved_by: str
    approved_at: datetime
    reason: str = ""
