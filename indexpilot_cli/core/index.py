"""What an index is: its structure, without a name, a size or a history."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from indexpilot_cli.core.codec import UNPUBLISHED, Count
from indexpilot_cli.core.names import QualifiedName

BTREE = "btree"
HASH = "hash"
GIN = "gin"
GIST = "gist"
SPGIST = "spgist"
BRIN = "brin"


@dataclass(frozen=True, slots=True, order=True)
class IndexKey:
    """One key of an index: a column or an expression, never both.

    ``expression`` is SQL text without table qualifiers, without the outer parentheses.
    ``operator_class`` and ``collation`` are None when they are the column's defaults.
    ``nulls_first`` is None when it is the default of the direction (last for ASC, first for DESC).
    """

    column: str | None = None
    expression: str | None = None
    operator_class: str | None = None
    collation: str | None = None
    descending: bool = False
    nulls_first: bool | None = None

    def __post_init__(self) -> None:
        if (self.column is None) == (self.expression is None):
            raise ValueError("an index key is either a column or an expression")
        if self.nulls_first == self.descending and self.nulls_first is not None:
            object.__setattr__(self, "nulls_first", None)

    @property
    def text(self) -> str:
        """The column name or expression, for comparing and sorting."""
        return self.column if self.column is not None else f"({self.expression})"


class _HashedOnce:
    """A place beside the fields of a definition: its hash, once it was asked for."""

    __slots__ = ("_hash",)
    _hash: int


@dataclass(frozen=True, slots=True)
class IndexDefinition(_HashedOnce):
    """The structure of an index. Two indexes with equal definitions are duplicates.

    ``predicate`` is SQL text without table qualifiers; ``options`` are storage parameters.
    """

    table: QualifiedName
    keys: tuple[IndexKey, ...]
    method: str = BTREE
    include: tuple[str, ...] = ()
    predicate: str | None = None
    unique: bool = False
    nulls_not_distinct: bool = False
    options: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("an index has at least one key")

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            # Asked a hundred times for each in a run, and each time all keys have their say.
            object.__setattr__(self, "_hash", hash((self.table, self.keys, self.method, self.include, self.predicate)))
            return self._hash

    @property
    def id(self) -> str:
        """``R-`` and eight hex digits of the structure's digest: the same advice has the same id next week."""
        return "R-" + hashlib.sha256(repr(self._identity()).encode()).hexdigest()[:8]

    def _identity(self) -> tuple[object, ...]:
        keys = tuple(
            (k.column, k.expression, k.operator_class, k.collation, k.descending, k.nulls_first) for k in self.keys
        )
        return (
            self.table.schema,
            self.table.name,
            keys,
            self.method,
            self.include,
            self.predicate,
            self.unique,
            self.nulls_not_distinct,
            # How full its pages are built is no part of what it is: it goes by how the table grows at the moment.
            tuple(option for option in self.options if option[0] != "fillfactor"),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the plain key columns in order (expressions left out)."""
        return tuple(k.column for k in self.keys if k.column is not None)


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact behind a decision. ``code`` is a stable word; ``text`` is a clause without a full stop.

    ``source`` says where the fact comes from: workload, pg_stats, catalog, planner, model, settings.
    """

    code: str
    text: str
    source: str = "workload"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible index: what it is, which templates asked for it and why.

    ``kind`` names the generator: equality, range, sort, join, group, covering, partial, expression, pattern,
    trigram, json, array, text_search, brin, gist, hash, foreign_key, tenant, merged.
    """

    definition: IndexDefinition
    kind: str
    templates: frozenset[str] = frozenset()
    reasons: tuple[Reason, ...] = field(default=(), compare=False)

    @property
    def id(self) -> str:
        """The recommendation id of the structure."""
        return self.definition.id


class DropChoice(StrEnum):
    """Which indexes may go: none, those that nothing would miss, or also those whose every reader is recorded."""

    NONE = "none"
    PROVEN = "proven"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class SpareIndex:
    """An index that is there and may go, with the evidence for it.

    ``free``: nothing reads it; any other may go only where an index that does all its work stays: ``by``, one that is
    there, or a new one. ``hides`` are names under which plans use it (of a partitioned table, its parts), ``tables``
    those whose statements it concerns. ``ddl`` drops it and ``undo`` builds it again. ``scans`` is how often something
    read it while the workload was recorded: it stays unless the workload's statements account for them.
    """

    id: str
    name: QualifiedName
    definition: IndexDefinition
    size_bytes: int
    hides: frozenset[QualifiedName]
    tables: frozenset[QualifiedName]
    ddl: str
    undo: str
    state: str
    free: bool = False
    by: QualifiedName | None = None
    entries: float | None = None
    scans: float | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that will not be recommended. ``reason`` is a stable word, ``detail`` the sentence.

    Words: exists, covered_by, invalid_exists, not_indexable, too_small, low_selectivity, no_operator_class,
    extension_missing, function_mismatch, rewrite, unknown_constant, volatile, can_fail, write_cost, risk,
    too_little_benefit, over_budget, over_limit, dominated, not_used, not_asked, unsupported_relation, too_wide,
    correlated, hold, fewer_indexes, ignored, not_modelled.
    ``subject`` reads like an index (``orders (status)``) also when there is no definition.
    """

    subject: str
    reason: str
    detail: str
    definition: IndexDefinition | None = None
    by: str | None = None
    templates: frozenset[str] = frozenset()
    benefit: float | None = None

    @property
    def id(self) -> str | None:
        """The recommendation id, where there is a definition."""
        return self.definition.id if self.definition else None


class _CandidatesByTable:
    """A place beside the fields of a proposal: its candidates by table, once they were asked for."""

    __slots__ = ("_by_table",)
    _by_table: Mapping[QualifiedName, Sequence[Candidate]]


@dataclass(frozen=True, slots=True)
class Proposal(_CandidatesByTable):
    """All candidates and everything set aside while generating them."""

    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...] = ()

    def on(self, table: QualifiedName) -> Sequence[Candidate]:
        """The candidates on that table, in their order."""
        try:
            return self._by_table.get(table, ())
        except AttributeError:
            found: defaultdict[QualifiedName, list[Candidate]] = defaultdict(list)
            for candidate in self.candidates:
                found[candidate.definition.table].append(candidate)
            object.__setattr__(self, "_by_table", found)
            return self._by_table.get(table, ())


@dataclass(frozen=True, slots=True)
class TenantUse:
    """The few tenants that use a field, by their expression profiles, and ``of`` how many there are; or those that
    advice is for, as they are written.
    """

    tenants: tuple[int | str, ...]
    of: int


@dataclass(frozen=True, slots=True)
class RedundantIndex:
    """An index whose work another one of the same table does.

    ``by_keys`` is the other one's structure as a person reads it; ``scans`` are of the needless one.
    """

    name: QualifiedName
    table: QualifiedName
    by: QualifiedName
    by_keys: Annotated[str, UNPUBLISHED]
    exact: Annotated[bool, "true: the same index; false: the other one serves all it serves"]
    bytes: Count = 0
    scans: Annotated[Count | None, "null: unknown"] = None

    @property
    def text(self) -> str:
        """A clause that follows the index's name."""
        return f"the same as {self.by.short}" if self.exact else f"{self.by.short} {self.by_keys} serves all it serves"
