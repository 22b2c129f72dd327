"""What is to be permitted, and the facts that more than one guard rests on. Times are aware, in UTC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import psutil

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.command import Connection
from indexpilot_cli.core.mutation import Operation, OperationKind
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Plan
from indexpilot_cli.db.session import Session
from indexpilot_cli.settings.sections import BypassSettings, SafeguardSettings


@dataclass(frozen=True, slots=True)
class PermitRequest:
    """Operations that ask for permission, and the settings it is given by.

    ``catalog`` (of now) lets the tables of ``plan`` and the write overhead be judged. ``window`` is the text of
    ``--window``; None uses the configured one. ``own_pids`` are backends of this run, ``spent_bytes`` the sizes of the
    indexes it has built so far. ``origins``: where a setting comes from, by its key.
    """

    connection: Connection = field(default_factory=Connection)
    operations: tuple[Operation, ...] = ()
    plan: Plan | None = None
    catalog: Catalog | None = None
    window: str | None = None
    budget_bytes: int | None = None
    require_approval: bool = False
    safeguards: SafeguardSettings = field(default_factory=SafeguardSettings)
    bypass: BypassSettings = field(default_factory=BypassSettings)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    own_pids: frozenset[int] = frozenset()
    spent_bytes: int = 0

    @property
    def creating(self) -> tuple[Operation, ...]:
        """The operations after which there is one index more."""
        return tuple(o for o in self.operations if o.kind is not OperationKind.DROP)


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

    ``owned``: our role is the owner or a member of it; ``may_create``: CREATE on the schema.
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
    superuser_owns: bool = False


class GuardContext:
    """A request, the session to look through, and facts that several guards need, each read at its first use only.

    A session that never holds a snapshot between questions: an old one would hold up the very build it permits.
    """

    def __init__(self, session: Session, request: PermitRequest, now: datetime | None = None):
        self.session = session
        self.request = request
        self.relids = sorted({o.relid for o in request.creating})
        self._now = now

    @cached_property
    def now(self) -> datetime:
        """The moment that is judged: as given, else by the server's clock."""
        # Alone: whoever asks for a switch or the window needs nothing else of the server.
        return self._now or self.session.value("SELECT clock_timestamp()").astimezone(UTC)

    @cached_property
    def server(self) -> ServerFacts:
        """The server about itself and this session."""
        return read_server(self.session)

    @cached_property
    def host(self) -> HostFacts:
        """This machine, measured; the load only where the throttle is on, because that takes a while."""
        server, throttle = self.server, self.request.safeguards.cpu_throttle
        path = server.tablespace_path or server.data_directory
        return measure(server.host, server.backend_pid, server.backend_start, path, cpu=throttle.enabled)

    @cached_property
    def tables(self) -> tuple[TableFacts, ...]:
        """The tables of the new indexes that are there, by name."""
        return tuple(_table(row) for row in self.session.rows("guards/tables", {"relids": self.relids}))

    @property
    def names(self) -> Mapping[int, QualifiedName]:
        """Names of the tables by oid."""
        return {t.relid: t.table for t in self.tables}

    @property
    def scope(self) -> dict[str, Any]:
        """Parameters of a question about other sessions on the tables."""
        return {"relids": self.relids, "own_pids": sorted(self.request.own_pids)}


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: ``ask`` reads its facts and gives its verdicts, at least one.

    ``place`` orders the answers, the weightiest no first. ``each_index``: asked again before each index, because its
    facts change while others are built; the rest is asked before the run only.
    """

    name: str
    place: int
    ask: Callable[[GuardContext], Iterable[Verdict]]
    each_index: bool = True


def read_server(session: Session) -> ServerFacts:
    """The server about itself and this session; ``now`` is its clock."""
    row = session.one("guards/server")
    assert row is not None
    values: dict[str, Any] = row._asdict()
    # Asked again and not only at the connect: a pooler in transaction mode may lend another backend for any statement.
    values["pooled"] = session.pooled or row.backend_pid != session.backend_pid
    values["now"] = row.now.astimezone(UTC)
    return ServerFacts(host=session.host, **values)


def _table(row: Any) -> TableFacts:
    values = row._asdict()
    return TableFacts(QualifiedName(values.pop("schema"), values.pop("name")), **values)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One guard's answer. All guards answer; the first no does not silence the others.

    ``guard`` is a stable word, the name of the guard's file. ``reason`` is a sentence with the numbers, ``origin`` the
    setting, catalog view or host fact it rests on. ``warning`` marks an answer that allows and still wants to be read;
    ``retry_at`` (UTC) says when it may differ.
    ``forceable``: this no is a matter of judgement, not of safety, and ``--force`` overrules it; unless a guard says
    so its no stands.
    """

    guard: str
    allowed: bool
    reason: str
    origin: str
    warning: bool = False
    retry_at: datetime | None = None
    table: QualifiedName | None = None
    forceable: bool = False


def refused(verdicts: Sequence[Verdict], *, force: bool = False) -> tuple[Verdict, ...]:
    """The verdicts that stop the work. ``force`` overrides those whose guard says that it may be."""
    return tuple(v for v in verdicts if not v.allowed and not (force and v.forceable))


SAMPLE_SECONDS = 0.3
SECOND_LOOK_PERCENT = 60.0  # from here on a longer look tells a load from a burst
SECOND_LOOK_SECONDS = 1.0
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_CLOCK_SECONDS = 5.0
_PROGRAMS = ("postgres", "postmaster", "edb-postgres")


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


def measure(host: str | None, backend: int, begun: datetime | None, path: str | None, *, cpu: bool = True) -> HostFacts:
    """CPU of the last moments and free space at ``path``; nothing but a reason when the server is elsewhere.

    The server is on this machine when it is reached by socket or loopback and its process for our session is a
    PostgreSQL process here that began when the server says it did: a forwarded port or a container fails that.
    """
    if not _is_here(host or "", backend, begun):
        return HostFacts(False, "the server runs on another host, or in a container of its own")
    proof = f"backend {backend} is a process here"
    return HostFacts(True, proof, _load() if cpu else None, psutil.cpu_count(), path, _free(path) if path else None)


def stays_here(host: str) -> bool:
    """Whether what is sent to that host, a socket directory or a name, leaves this machine by no network."""
    return host.startswith(("/", "@")) or host in _LOCAL_NAMES


def _is_here(host: str, backend: int, begun: datetime | None) -> bool:
    if not stays_here(host):
        return False
    try:
        process = psutil.Process(backend)
        # Behind a forwarded port the pid may be that of another PostgreSQL here: only the start tells them apart.
        return process.name().startswith(_PROGRAMS) and _same_start(process.create_time(), begun)
    except psutil.Error:
        return False


def _same_start(seconds: float, begun: datetime | None) -> bool:
    return begun is not None and abs(begun.timestamp() - seconds) < _CLOCK_SECONDS


def _load() -> float:
    percent = psutil.cpu_percent(SAMPLE_SECONDS)
    return percent if percent < SECOND_LOOK_PERCENT else min(percent, psutil.cpu_percent(SECOND_LOOK_SECONDS))


def _free(path: str) -> int | None:
    try:
        return psutil.disk_usage(path).free
    except OSError:
        return None
