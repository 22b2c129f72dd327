"""What ``schema-evolve`` asks of its workflows: files to review, columns to change, changes to take back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from indexpilot_cli.core.command import CommandRequest, Connection, PlannerRequest, Record, WorkloadRequest
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.settings.sections import BypassSettings, SafeguardSettings, Settings

SMALL_BYTES = 8 * 1024**2  # a table that is read or written under a lock before anybody minds


# One transaction around a file: never, always, or (None) where it has several statements.
_WRAPS = {"per-statement": False, "as-written": False, "file": True, "single": True, "auto": None}


@dataclass(frozen=True, slots=True)
class CheckRequest(CommandRequest):
    """Which migrations to review, and against what.

    ``files`` are files, directories (their ``*.sql`` in order) or ``-``; ``git_diff`` adds the ``*.sql`` files that
    differ from that revision. ``offline``: no server is asked and nothing runs, rules alone judge. ``server_version``
    is a major version to run on. ``ignore`` are hazard ids. ``one_transaction``: the runner wraps each file, or with
    None each file of several statements. ``probe_seconds`` bounds all probes of the real data together, ``run_seconds``
    each file on the clone. ``long_rows``: work on a smaller table is never called long. ``texts`` are migrations that
    are no files, each with a name: nothing that they name is read.
    """

    files: tuple[str, ...] = ()
    git_diff: str | None = None
    snapshot: str | None = None
    offline: bool = False
    server_version: int | None = None
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    planner: PlannerRequest = field(default_factory=PlannerRequest)
    ignore: tuple[str, ...] = ()
    fail_on: str = "error"
    exit_zero: bool = False
    fix: bool = False
    write_fix: bool = False
    one_transaction: bool | None = False
    probe_seconds: float = 20.0
    run_seconds: float = 60.0
    long_rows: int = 5_000
    texts: tuple[tuple[str, str], ...] = ()

    @classmethod
    def by(cls, settings: Settings) -> CheckRequest:
        """A request by the settings, of nothing yet. Raises RefusedError where schema evolution is switched off."""
        evolution = settings.operational.schema_evolution
        if not evolution.enabled:
            place = settings.origin("operational.schema_evolution.enabled")
            raise RefusedError("schema evolution is switched off", detail=f"by {place}", code="disabled")
        return cls(
            ignore=evolution.ignore,
            fail_on="error" if evolution.fail_on == "never" else evolution.fail_on,
            exit_zero=evolution.fail_on == "never",
            one_transaction=_WRAPS[evolution.transaction],
            probe_seconds=evolution.probe_seconds,
            run_seconds=evolution.run_seconds,
            long_rows=evolution.long_rows,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRequest:
    """What both a change and its way back are told. Timeouts are seconds; ``execute`` False is a preview."""

    connection: Connection = field(default_factory=Connection)
    execute: bool = False
    confirmed: bool = False
    force: bool = False
    lock_timeout: float = 2.0
    retries: int = 5
    small_bytes: int = SMALL_BYTES
    bypass: BypassSettings = field(default_factory=BypassSettings)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class ChangeRequest(ColumnRequest):
    """One change of one column. ``kind`` is add_column, drop_column, alter_type or rename_column.

    ``table`` is a name as typed, ``column`` and ``new_name`` are taken literally. ``type``, ``default`` and ``using``
    are SQL text; ``references`` is ``table (column)``. ``save`` keeps the values before a drop, in the table
    ``save_to`` or one of our own. ``force`` lets indexes and constraints vanish. ``online``: a type change by a
    shadow column whatever the size; tables up to ``small_bytes`` are rewritten in place otherwise. ``batch_pages`` are
    the pages of one batch of a backfill and ``impact_seconds`` how long an impact analysis is believed.
    """

    kind: str
    table: str
    column: str
    type: str | None = None
    default: str | None = None
    not_null: bool = False
    comment: str | None = None
    unique: bool = False
    references: str | None = None
    using: str | None = None
    new_name: str | None = None
    save: bool = False
    save_to: str | None = None
    online: bool = False
    batch_pages: int = 256
    impact_seconds: float = 300.0
    window: str | None = None
    workload: WorkloadRequest = field(default_factory=WorkloadRequest)
    safeguards: SafeguardSettings = field(default_factory=SafeguardSettings)


@dataclass(frozen=True, slots=True)
class ChangeUndoRequest(ColumnRequest):
    """Take a schema change back: ``target`` is ``M-…``, None the newest.

    ``fill`` is SQL text: the value of rows whose own was not saved.
    """

    target: str | None = None
    fill: str | None = None
