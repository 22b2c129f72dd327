"""An online change of a column's type: what is asked, what is planned, how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.execute.steps import Pace

# Needs no quotes and is no name that people choose, so the server prints it as it is and a text search finds it.
PLACE = "ip_column_9d41c7"  # in templates: where the changing column stands


def place(number: int) -> str:
    """In templates: where the column of that number stands."""
    return f"{PLACE}_{number}"


@dataclass(frozen=True, slots=True)
class OnlineRequest:
    """A column's new type. ``using`` is an expression over the row, None for the assignment cast.

    ``reverse_using`` makes an old value from a row of the new kind, for a rollback after rows have changed.
    ``keep_old``: the old column stays as ``…_indexpilot_old`` until it is finished, so that there is a way back.
    ``fire_triggers``: the user's UPDATE triggers may run once for every row; ``allow_published``: subscribers of a
    publication are known to take a table with another column.
    """

    table: QualifiedName
    column: str
    type: str
    using: str | None = None
    reverse_using: str | None = None
    keep_old: bool = True
    fire_triggers: bool = False
    allow_published: bool = False
    pace: Pace = field(default_factory=Pace)


class Side(StrEnum):
    """The two columns: the one with the new type and the one with the old."""

    NEW = "new"
    OLD = "old"

    @property
    def other(self) -> Side:
        """The opposite column."""
        return Side.OLD if self is Side.NEW else Side.NEW


@dataclass(frozen=True, slots=True)
class Both:
    """A text for the column of the old type and for the one of the new. ``PLACE`` in it stands for the column."""

    old: str
    new: str

    def of(self, side: Side) -> str:
        """The text for that side."""
        return self.new if side is Side.NEW else self.old


@dataclass(frozen=True, slots=True)
class OnlineIndex:
    """An index the column is in. ``body`` is what follows the table's name in ``pg_get_indexdef``.

    ``constraint`` is p or u where it belongs to a constraint of the same name; ``targets`` are statistics targets of
    expressions by number.
    """

    name: str
    body: Both
    unique: bool = False
    constraint: str | None = None
    deferrable: bool = False
    deferred: bool = False
    comment: str | None = None
    constraint_comment: str | None = None
    tablespace: str | None = None
    targets: tuple[tuple[int, int], ...] = ()
    clustered: bool = False
    replica_identity: bool = False


@dataclass(frozen=True, slots=True)
class OnlineConstraint:
    """A CHECK (``c``) or foreign key (``f``) the column is in; ``body`` is its definition without NOT VALID."""

    name: str
    kind: str
    body: Both
    validated: bool = True
    enforced: bool = True
    comment: str | None = None
    references: QualifiedName | None = None


@dataclass(frozen=True, slots=True)
class InboundKey:
    """A foreign key of another table that refers to the column; ``body`` is its definition without NOT VALID."""

    table: QualifiedName
    name: str
    body: str
    validated: bool = True
    enforced: bool = True
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class OnlineStatistics:
    """An extended statistics object; ``head`` is what stands between its name and FROM in its definition."""

    schema: str
    name: str
    head: Both
    target: int = -1
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class OnlineGrant:
    """A privilege on the column; ``grantee`` None is PUBLIC."""

    privilege: str
    grantee: str | None
    grantable: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """The sequence of an identity column; ``options`` as in CREATE SEQUENCE, for the old type and the new."""

    always: bool
    sequence: QualifiedName
    options: Both
    grants: tuple[OnlineGrant, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class OnlinePlan:
    """Everything that is needed to carry the change out, to go on with it, and to take it back.

    ``expression`` makes the new value from a row of the old kind and ``reverse`` the old value from a row of the new
    (None: there is no way back for rows that change later); columns are written ``PLACE_<number>`` in both.
    ``assigned``: the new value is the column itself, cast as an assignment casts. ``pins`` are settings the
    expression may depend on. ``rewrites`` False: a plain ALTER TYPE does no work on this table.
    """

    op_id: str
    table: QualifiedName
    relid: int
    column: str
    attnum: int
    old_type: str
    new_type: str
    columns: tuple[tuple[int, str], ...]
    expression: str
    assigned: bool
    reverse: str | None
    reverse_assigned: bool
    pins: tuple[tuple[str, str], ...]
    rewrites: bool
    old_collation: str | None = None
    new_collation: str | None = None
    indexes: tuple[OnlineIndex, ...] = ()
    constraints: tuple[OnlineConstraint, ...] = ()
    inbound: tuple[InboundKey, ...] = ()
    statistics: tuple[OnlineStatistics, ...] = ()
    not_null: bool = False
    not_null_name: str | None = None
    default: Both | None = None
    target: int = -1
    options: tuple[str, ...] = ()
    comment: str | None = None
    grants: tuple[OnlineGrant, ...] = ()
    sequences: tuple[QualifiedName, ...] = ()
    identity: Identity | None = None
    triggers: tuple[str, ...] = ()
    quiet: bool = False
    keep_old: bool = True
    bytes: int = 0
    rows: float = 0.0
    notes: tuple[str, ...] = ()


class Stage(StrEnum):
    """Where the columns stand, as the catalog tells it.

    BARE: no second column. FILLING: the old column is in use and a second one is there. SWAPPED: the new column is in
    use and the old one kept. FINISHED: the old one is gone. STRANGE: neither is what the plan knows.
    """

    BARE = "bare"
    FILLING = "filling"
    SWAPPED = "swapped"
    FINISHED = "finished"
    STRANGE = "strange"


@dataclass(frozen=True, slots=True)
class OnlineReport:
    """How it ended. ``outcome`` is done, already_done, finished, reverted, interrupted or failed.

    ``rows_filled`` counts rows written by batches, ``seconds`` the whole run, ``lock_seconds`` the longest time the
    table was locked against reading by one of our transactions.
    """

    outcome: str
    table: QualifiedName
    column: str
    op_id: str | None = None
    summary: str = ""
    notes: tuple[str, ...] = ()
    rows_filled: int = 0
    seconds: float = 0.0
    lock_seconds: float = 0.0
    resumed: bool = False
    error_code: str | None = None
    error: str | None = None
    mutation_id: int | None = None
