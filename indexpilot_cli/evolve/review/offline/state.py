"""What rules know of the database while they walk through a file: the catalog, and what the file did to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from indexpilot_cli.core.catalog import Catalog, Column, ForeignKey, Table
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.observation import CatalogChange, Lock, LockMode, Relation, SqlError, Work, WorkKind
from indexpilot_cli.sql.ddl.action import Action
from indexpilot_cli.sql.normal import conjuncts, normal


@dataclass
class OfflineEffect:
    """What one statement takes and does."""

    locks: list[Lock] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    changes: list[CatalogChange] = field(default_factory=list)
    error: SqlError | None = None

    def lock(self, relation: Relation, mode: LockMode) -> None:
        """A lock taken."""
        self.locks.append(Lock(relation, mode))

    def do(
        self,
        kind: WorkKind,
        relation: Relation,
        index: str | None = None,
        *,
        rebuilt: bool = False,
        online: bool = False,
    ) -> None:
        """Work on a relation."""
        self.work.append(Work(kind, relation, index, rebuilt, "rule", online))

    def fail(self, sqlstate: str, message: str) -> None:
        """The first error stays."""
        self.error = self.error or SqlError(sqlstate, message)


@dataclass
class OfflineState:
    """Names as they are now, and what is proved. Everything the file makes itself has no rows that matter."""

    catalog: Catalog | None
    version: int
    made: dict[QualifiedName, str] = field(default_factory=dict)
    names: dict[QualifiedName, QualifiedName] = field(default_factory=dict)
    dropped: set[QualifiedName] = field(default_factory=set)
    proved: dict[QualifiedName, dict[str, tuple[str, bool]]] = field(default_factory=dict)
    not_null: set[tuple[QualifiedName, str]] = field(default_factory=set)
    added: dict[QualifiedName, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, Action] = field(default_factory=dict)
    domains: dict[str, bool] = field(default_factory=dict)
    domain_types: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, tuple[Action, ...]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    search_path: tuple[str, ...] = ()
    timezone: str = ""
    unsure: bool = False

    def __post_init__(self) -> None:
        if self.catalog is not None:
            self.search_path = self.search_path or self.catalog.search_path
            self.functions = {**self.catalog.functions, **self.functions}
            self.timezone = self.timezone or next(
                (v for k, v in self.catalog.settings.items() if k.lower() == "timezone"), ""
            )

    @property
    def major(self) -> int:
        """Major version of the server."""
        return self.version // 10000

    def now(self, schema: str | None, name: str) -> QualifiedName:
        """The full name a name as written means at this point, whether it is known or not."""
        path = (schema,) if schema else self.search_path or ("public",)
        for candidate in path:
            full = QualifiedName(candidate, name)
            if full in self.made or self._first(full) is not None:
                return full
        return QualifiedName(path[0], name)

    def _first(self, full: QualifiedName) -> Table | None:
        """The table as it stands in the catalog, by its name now."""
        if self.catalog is None or full in self.dropped:
            return None
        if full in self.names:
            return self.catalog.table(self.names[full])
        return None if full in self.names.values() else self.catalog.table(full)

    def table(self, schema: str | None, name: str | None) -> Table | None:
        """The real table behind a name, None for what the file made or nobody knows."""
        return None if name is None else self._first(self.now(schema, name))

    def relation(self, schema: str | None, name: str) -> Relation:
        """The relation behind a name, by the name it had when the file began."""
        full = self.now(schema, name)
        if full in self.made:
            return Relation(full, self.made[full], existed=False)
        found = self._first(full)
        if found is not None:
            return Relation(found.name, found.kind)
        return Relation(self.names.get(full, full), "r")

    def known(self, schema: str | None, name: str) -> bool:
        """Whether there is such a relation, as far as anybody can tell: True when nobody can."""
        full = self.now(schema, name)
        if self.catalog is None or self.unsure or full in self.made or self._first(full) is not None:
            return True
        # Of a schema without any table in the catalog nothing may have been read: nobody can tell there.
        return full in self.catalog.views or full.schema not in {t.name.schema for t in self.catalog.tables}

    def column(self, action: Action, name: str) -> Column | None:
        """The column as it stands in the database."""
        table = self.table(action.schema, action.table)
        return table.column(name) if table else None

    def is_proved(self, full: QualifiedName, column: str) -> bool:
        """Whether a valid CHECK of this file, or NOT NULL, says that a column holds no NULL."""
        if (full, column) in self.not_null:
            return True
        # A CHECK passes when it comes to NULL: x >= 0 proves nothing about NULLs, and neither does one side of an OR.
        wanted = normal(f"{quote_identifier(column)} IS NOT NULL")
        checks = self.proved.get(full, {}).values()
        return any(done and wanted in conjuncts(text) for text, done in checks)

    def rename(self, old: QualifiedName, new: QualifiedName) -> None:
        """A table is called otherwise from now on."""
        if old in self.made:
            self.made[new] = self.made.pop(old)
        else:
            self.names[new] = self.names.pop(old, old)
        if old in self.proved:
            self.proved[new] = self.proved.pop(old)
        if old in self.added:
            self.added[new] = self.added.pop(old)

    def by_index(self, schema: str | None, name: str) -> tuple[Table, str] | None:
        """The table of an index."""
        for table in self.catalog.tables if self.catalog else ():
            for index in table.indexes:
                if index.name.name == name and schema in (None, index.name.schema):
                    return table, index.name.name
        return None


@dataclass(frozen=True)
class OnTable:
    """An action on a table that stands: what it takes and does is noted in ``effect``, what it changes in ``state``.

    ``whole`` are all actions of its statement.
    """

    action: Action
    state: OfflineState
    effect: OfflineEffect
    relation: Relation
    whole: tuple[Action, ...]

    @cached_property
    def name(self) -> QualifiedName:
        """The table's full name before the action."""
        return self.state.now(self.action.schema, self.action.table or "")

    @cached_property
    def table(self) -> Table | None:
        """The table as it stands in the database, None where nobody knows it."""
        return self.state.table(self.action.schema, self.action.table)

    @property
    def keys(self) -> Sequence[ForeignKey]:
        """The foreign keys that the table has in the database."""
        return self.state.catalog.keys_of(self.table.name) if self.state.catalog and self.table else ()

    def lock(self, mode: LockMode) -> None:
        """A lock on the table."""
        self.effect.lock(self.relation, mode)

    def do(self, kind: WorkKind, index: str | None = None, *, rebuilt: bool = False, online: bool = False) -> None:
        """Work on the table."""
        self.effect.do(kind, self.relation, index, rebuilt=rebuilt, online=online)

    def rewrite(self) -> None:
        """The table written anew, and its indexes built again."""
        self.do(WorkKind.REWRITE)
        for index in self.table.indexes if self.table else ():
            self.do(WorkKind.BUILD_INDEX, index.name.name, rebuilt=True)

    def is_filled(self, column: str) -> bool:
        """Whether it is known that the column holds no NULL."""
        found = self.state.column(self.action, column)
        return (found is not None and found.not_null) or self.state.is_proved(self.name, column)
