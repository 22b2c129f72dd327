"""What a server really did when a migration ran on the empty clone: locks, work, catalog changes, errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from indexpilot_cli.core.codec import Facets
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable


class LockMode(StrEnum):
    """Table-level lock modes as ``pg_locks.mode`` spells them, weakest first.

    https://www.postgresql.org/docs/current/explicit-locking.html
    """

    ACCESS_SHARE = "AccessShareLock"
    ROW_SHARE = "RowShareLock"
    ROW_EXCLUSIVE = "RowExclusiveLock"
    SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
    SHARE = "ShareLock"
    SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
    EXCLUSIVE = "ExclusiveLock"
    ACCESS_EXCLUSIVE = "AccessExclusiveLock"

    @property
    def strength(self) -> int:
        """0 for the weakest, 7 for the strongest."""
        return list(LockMode).index(self)

    @property
    def blocks_reads(self) -> bool:
        """Whether a plain SELECT waits."""
        return self is LockMode.ACCESS_EXCLUSIVE

    @property
    def blocks_writes(self) -> bool:
        """Whether INSERT, UPDATE and DELETE wait."""
        return self.strength >= LockMode.SHARE.strength


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation, a materialized view or an index, by its name when the run began.

    ``existed`` is False for what the migration made itself: nobody else waits for it and it has no rows but
    those the migration puts there. ``kind`` is ``pg_class.relkind``; ``table`` is an index's table.
    """

    name: QualifiedName
    kind: str = "r"
    existed: bool = True
    table: QualifiedName | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on a relation, held until the transaction ends."""

    relation: Relation
    mode: LockMode


def strongest(locks: Iterable[Lock]) -> dict[QualifiedName, Lock]:
    """The strongest lock of each relation, in the order in which they were first taken."""
    found: dict[QualifiedName, Lock] = {}
    for lock in locks:
        known = found.get(lock.relation.name)
        if known is None or known.mode.strength < lock.mode.strength:
            found[lock.relation.name] = lock
    return found


class WorkKind(StrEnum):
    """Work whose time grows with the relation."""

    REWRITE = "rewrite"
    BUILD_INDEX = "build_index"
    VERIFY = "verify"
    VALIDATE_FOREIGN_KEY = "validate_foreign_key"
    SCAN = "scan"
    MODIFY = "modify"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Work:
    """Work a statement did on a relation. ``relation`` is the table; ``index`` the index (re)built.

    ``rebuilt`` marks an index that existed before. ``source`` is debug, relfilenode, scans, index
    (reached through indexes only), or rule when no server said it and a rule of the manual did. ``online`` says that
    it runs without a blocking lock held meanwhile (CONCURRENTLY builds, waits between the phases).
    """

    kind: WorkKind
    relation: Relation
    index: str | None = None
    rebuilt: bool = False
    source: str = "debug"
    online: bool = False


class ChangeKind(StrEnum):
    """How an object of the catalog changed."""

    CREATED = "created"
    DROPPED = "dropped"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class CatalogObject:
    """One row of the clone's catalog, in a form that two readings can be compared.

    ``kind``: table, column, index, constraint, view, materialized_view, sequence, function, trigger, policy, type,
    domain, statistics, rule, schema. ``identity`` is stable while renaming (class:oid[:attnum]); ``path`` are the parts
    of its name (public, t, c); ``table`` the table it belongs to as named now; ``definition`` is text that differs
    when the object does (type with modifiers, default, NOT NULL, ``pg_get_…def``).
    ``facts`` holds what rules ask by name, such as type, not_null, default, validated, contype, columns, unique,
    predicate, generated, nulls_not_distinct, references, referenced_columns.
    """

    kind: str
    identity: str
    path: tuple[str, ...]
    definition: str
    table: QualifiedName | None = None
    facts: tuple[tuple[str, str], ...] = ()

    def fact(self, name: str) -> str:
        """The fact of that name, or an empty string."""
        return next((value for key, value in self.facts if key == name), "")


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """An object before and after a statement. ``table`` is the name the table had when the run began.

    ``silent``: nothing in the statement names the object; it goes because something else goes.
    """

    kind: ChangeKind
    before: CatalogObject | None
    after: CatalogObject | None
    table: QualifiedName | None = None
    silent: bool = False

    @property
    def object(self) -> CatalogObject:
        """The object as it is after the statement, or was before it."""
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class SqlError:
    """An error in the server's words; position counts characters of the statement from 1."""

    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    position: Annotated[int, Facets(1)] | None = None


class RunState(StrEnum):
    """How a statement fared on the clone. BEHIND: one before it fails; it was run as if that one were not there."""

    RAN = "ran"
    FAILED = "failed"
    BEHIND = "behind_failure"
    NOT_RUN = "not_run"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StatementObservation:
    """What one statement did. ``number`` is the statement's in its file.

    ``locks`` are those it took or strengthened; ``held`` all its transaction holds when it ends. ``transaction``
    numbers the transactions of the file; statements of one number commit together. ``state`` NOT_RUN means that the
    sandbox refuses it (``reason``): it is judged by rules. SKIPPED: an earlier error ended the transaction or the
    file. ``outside_transaction``: it refuses a transaction block and ran alone.
    """

    number: int
    state: RunState
    transaction: int
    locks: tuple[Lock, ...] = ()
    held: tuple[Lock, ...] = ()
    work: tuple[Work, ...] = ()
    changes: tuple[CatalogChange, ...] = ()
    error: SqlError | None = None
    reason: str = ""
    outside_transaction: bool = False
    rows: int | None = None
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True)
class MigrationObservation:
    """What one file did. ``changes`` compare the catalog before the file and after it.

    ``method`` is ``clone/18.4`` or ``rules``. ``open_transaction``: the file ends inside a transaction block.
    """

    path: str
    method: str
    statements: tuple[StatementObservation, ...] = ()
    changes: tuple[CatalogChange, ...] = ()
    open_transaction: bool = False
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A recorded query with what is run of it.

    ``statements`` run as they are; ``loose`` are the same without their WHERE, run on one made-up row a table so
    that triggers and functions run too. ``weights`` are the shares of the statements in the query's calls.
    """

    template: str
    sql: str
    share: float
    statements: tuple[Plannable, ...]
    loose: tuple[Plannable, ...] = ()
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Played:
    """One statement as it ran on empty tables: its error, or the columns it gives as ``name type``."""

    error: SqlError | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Priced:
    """One statement as it is planned on tables of the real size; ``cost`` is None when it has no plan."""

    cost: float | None
    indexes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything known of a query on one side of the migration, statement by statement in the same order."""

    played: tuple[Played, ...] = ()
    priced: Priced | None = None
