"""All tables of a database at one point of a migration, and what statements that change rows do to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import chain

from indexpilot_cli.core.catalog import Catalog, Column, ForeignKey, Table
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.evolve.review.judge import family
from indexpilot_cli.evolve.review.probes import virtual
from indexpilot_cli.evolve.review.probes.question import DataFacts, KnownCheck, Probe, ProbeKind, Question, probe
from indexpilot_cli.evolve.review.probes.virtual import VirtualColumn, VirtualTable
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.safe import change as safe_change
from indexpilot_cli.sql.safe import expression as safe_expression
from indexpilot_cli.sql.safe.values import Key, Rule, SafeChange, SafeText, Scope

_ROWS = {Act.INSERT: (True, False), Act.DELETE: (False, True), Act.UPDATE: (False, False), Act.COPY: (True, False)}
# Every layer hands it on: samples and pairs that exclude each other tell rows apart by it.
_SYSTEM = frozenset(("ctid",))


class Tables:
    """The tables by the names they have at this point. Begin with the catalog; statements change it in order.

    ``facts`` are what production has beyond its catalog; ``dropped`` constraints and indexes that are gone by now.
    """

    def __init__(self, catalog: Catalog, facts: DataFacts | None = None) -> None:
        self.number = 0  # of the statement at work
        self.catalog = catalog
        self.facts = facts or DataFacts()
        self.dropped: set[tuple[QualifiedName | None, str]] = set()
        self.search_path = catalog.search_path
        self.labels: dict[str, tuple[str, ...]] = {}
        self.new_types: set[str] = set()
        self.domains = {d.name.name: d for d in self.facts.domains}
        self.domain_rules: dict[tuple[str, str], str] = {}
        self.pending: dict[tuple[QualifiedName, str], Rule] = {}
        self._tables: dict[QualifiedName, VirtualTable | None] = {}
        self._now: dict[QualifiedName, QualifiedName] = {}
        self._real_types: dict[str, str] = {}
        self.foreign_keys: list[ForeignKey] = list(catalog.foreign_keys)
        self.checks: list[KnownCheck] = list(self.facts.checks)
        self.unique: list[tuple[QualifiedName, str, Key]] = []
        self.triggered = set(self.facts.triggered)
        self.fires: set[tuple[QualifiedName, str]] = set()
        self.altering = set(self.facts.altering)
        self.unforeseen: set[int] = set()
        self.keyless: set[QualifiedName] = set()
        self.deferrable = set(self.facts.deferrable)
        self.late: dict[tuple[QualifiedName, str], ForeignKey] = {}
        self.replica = False
        self.quiet: set[str] = set()
        self.lost = ""
        self.sequences: dict[str, int] = {}
        self.fresh: dict[tuple[QualifiedName, str], int] = {}
        self.restarted = ""
        self.caught_up = False  # a statement sets sequences behind the rows that are there
        self.filled: set[QualifiedName] = set()
        self.waiting: dict[QualifiedName, tuple[int, int]] = {}

    def keep(self) -> Mapping[str, object]:
        """Everything that statements change, for ``restore``."""
        held = (set, dict, list, str, bool, tuple)
        return {name: copy(value) for name, value in vars(self).items() if isinstance(value, held)}

    def restore(self, kept: Mapping[str, object]) -> None:
        """Forget what happened since ``keep``."""
        for name, value in kept.items():
            setattr(self, name, copy(value))

    # -- questions

    def probe(self, table: VirtualTable, question: Question) -> Probe:
        """The question of the statement at work to a table as it is now."""
        return probe(table, self.number, question)

    def unasked(self, table: QualifiedName, words: str, why: str, state: str = "P0001") -> Probe:
        """A question that cannot be put; it stands under Unchecked."""
        return Probe(self.number, ProbeKind.EXISTS, state, table, words, None, why_not=why)

    # -- names

    def get(self, name: QualifiedName) -> VirtualTable | None:
        """The table of that name now, None when there is none."""
        if name not in self._tables:
            found = self.catalog.table(name)
            self._tables[name] = None if found is None else _real(found, self.lost, self.catalog)
        return self._tables[name]

    def put(self, table: VirtualTable) -> None:
        """Remember what a table is now."""
        if len(table.layers) > virtual.MAX_LAYERS or table.growth > virtual.MAX_GROWTH:
            table = virtual.forgotten(table, "too much happens to it in this file", more=True, fewer=True)
            table = replace(table, layers=table.layers[: virtual.MAX_LAYERS])
        self._tables[table.name] = table

    def rename(self, old: QualifiedName, new: QualifiedName) -> None:
        """A table has another name from now on."""
        table = self.get(old)
        if table is not None and old != new:
            self._tables[old] = None
            self._tables[new] = replace(table, name=new)
            first = next((start for start, now in self._now.items() if now == old), old)
            self._now[first] = new

    def drop(self, name: QualifiedName) -> None:
        """There is no such table any more."""
        self._tables[name] = None

    def has(self, table: VirtualTable, name: str) -> bool:
        """Whether a constraint or index that production has on the table is still there."""
        return (table.origin, name) not in self.dropped and (None, name) not in self.dropped

    def now(self, name: QualifiedName) -> QualifiedName:
        """The present name of a table by the name it had when the file began."""
        return self._now.get(name, name)

    def rule_of(self, key: ForeignKey) -> Rule:
        """A foreign key as a rule, with the present name of the table it refers to."""
        target = self.now(key.referenced)
        references = (target.schema, target.name)
        return Rule("foreign_key", key.columns, references=references, referenced_columns=key.referenced_columns)

    def resolve(self, schema: str | None, name: str) -> QualifiedName | None:
        """The table that a name as written means now."""
        for candidate in (schema,) if schema else self.search_path:
            full = QualifiedName(candidate, name)
            if self.get(full) is not None:
                return full
        return None

    def place(self, schema: str | None, name: str) -> QualifiedName:
        """The full name of a table that may not be there yet."""
        return self.resolve(schema, name) or QualifiedName(schema or (self.search_path or ("public",))[0], name)

    # -- what may be read

    def expression(self, text: str, *tables: VirtualTable) -> SafeText | None:
        """An expression over these tables that may run and whose columns are known, else None."""
        seen: list[VirtualTable] = list(tables)
        found = safe_expression.expression(text, self._scope(seen))
        return found if found is not None and self._sure(found.names, found.subquery, seen, tables) else None

    def query(self, sql: str) -> SafeText | None:
        """A SELECT that may run and reads only what is known, else None."""
        seen: list[VirtualTable] = []
        found = safe_expression.query(sql, self._scope(seen))
        return found if found is not None and self._sure(found.names, True, seen, ()) else None

    def rename_type(self, old: str, new: str) -> None:
        """A type has another name from now on; production still knows it by its old one."""
        self._real_types[new] = self._real_types.pop(old, old)
        if old in self.labels:
            self.labels[new] = self.labels.pop(old)
            self.new_types.add(new)

    def type_for(self, kind: str) -> str:
        """The type to cast to: values of a new enumeration are text here, those of a new domain of its type."""
        name = _last(kind)
        if name in self._real_types and name not in self.new_types:
            return quote_identifier(self._real_types[name])
        return "text" if name in self.new_types else self.domains[name].type if name in self.domains else kind

    def castable(self, schema: str | None, name: str) -> bool:
        """Whether a cast to a type that is not built in runs nobody's code but that of an extension or the server."""
        return name not in self.new_types and name in self._types and (schema is None or bool(schema))

    def _scope(self, seen: list[VirtualTable]) -> Scope:
        def table(schema: str | None, name: str, _alias: str | None) -> str | None:
            full = self.resolve(schema, name)
            found = self.get(full) if full else None
            if found is None or found.more or found.fewer or found.kind == "f" or self.lost:
                return None
            seen.append(found)
            return found.item()

        return Scope(table, self.castable)

    @staticmethod
    def _sure(names: frozenset[str], subquery: bool, seen: Sequence[VirtualTable], own: Sequence[VirtualTable]) -> bool:
        unknown = {c.name for c in chain.from_iterable(table.columns for table in seen) if c.unknown}
        known = _SYSTEM.union(*(table.known for table in own))
        return not names & unknown and (subquery or names <= known)

    @cached_property
    def _types(self) -> frozenset[str]:
        columns = chain.from_iterable(table.columns for table in self.catalog.tables)
        return self.facts.types | frozenset(
            c.base_type for c in columns if c.category == "E" or _last(c.type) == c.base_type
        )

    # -- rows change

    def apply(self, action: Action, *, maybe: bool = False) -> SafeChange | None:
        """Do what an INSERT, UPDATE, DELETE, COPY or MERGE does; gives its parts when they could be expressed.

        ``maybe``: nobody knows whether it runs.
        """
        name = self.resolve(action.schema, action.table or "")
        table = self.get(name) if name else None
        if table is None or name is None:
            return None
        seen = [table]
        change = None if maybe else self._change(action, table, seen)
        self._relatives_change(action, table)
        if change is None:
            self._forget(action, table)
            return None
        self.put(self._done(change, table))
        generated = [c.name for c in table.columns if c.generated]
        if generated and change.kind != "delete":
            self.put(virtual.forgotten(self._got(name), "it is generated from what the file changes", generated))
        if name in self.triggered and change.kind != "delete":
            self.put(virtual.forgotten(self._got(name), f"triggers of {name.short} run in statement {self.number}"))
        return change

    def _change(self, action: Action, table: VirtualTable, seen: list[VirtualTable]) -> SafeChange | None:
        if action.kind not in (Act.INSERT, Act.UPDATE, Act.DELETE) or table.kind == "f":
            return None
        if action.kind is Act.DELETE and table.fewer:
            return None
        change = safe_change.change(action.sql, self._scope(seen))
        if change is None or not self._sure(change.names, change.subquery, seen, (table,)):
            return None
        # ON CONFLICT without a target: which rows it leaves out hangs on every unique key.
        return None if change.conflict == () else change

    def _done(self, change: SafeChange, table: VirtualTable) -> VirtualTable:
        if change.kind == "update":
            return virtual.updated(table, change, self.type_for)
        if change.kind == "delete":
            return virtual.deleted(table, change)
        if change.conflict:
            return virtual.forgotten(table, f"statement {self.number} inserts rows", (), more=True)
        return virtual.inserted(table, change, self.number, self.type_for)

    def _forget(self, action: Action, table: VirtualTable) -> None:
        more, fewer = _ROWS.get(action.kind, (True, True))
        columns: Sequence[str] | None = None
        if action.kind is Act.UPDATE:
            columns = [name for name, _ in action.assignments] or None
        elif action.kind in _ROWS:
            columns = ()
        why = f"what statement {self.number} does to {table.name.short} cannot be foreseen"
        if action.kind is Act.INSERT and table.empty:
            columns = None
        self.put(virtual.forgotten(table, why, columns, more=more, fewer=fewer))

    def _relatives_change(self, action: Action, table: VirtualTable) -> None:
        """Partitions and parents change too, and what references deleted rows may follow them."""
        why = f"statement {self.number} changes {table.name.short}"
        for relative in self.relatives(table.name):
            self.put(virtual.forgotten(relative, why, more=True, fewer=True))
        # confdeltype: cascade (c), set null (n), set default (d).
        for key in self.foreign_keys if action.kind in (Act.DELETE, Act.UPDATE, Act.MERGE) else ():
            rule = key.on_update if action.kind is Act.UPDATE else key.on_delete
            child = self.get(self.now(key.table))
            if self.now(key.referenced) == table.name and rule in "cnd" and child is not None:
                gone = action.kind is not Act.UPDATE and rule == "c"
                self.put(virtual.forgotten(child, why, () if gone else key.columns, fewer=gone))

    def relatives(self, name: QualifiedName) -> list[VirtualTable]:
        """Parents and children of a table, near and far, without itself."""
        own = self.get(name)
        start = own.origin if own else None
        if start is None:
            return []
        family: set[QualifiedName | None] = {start}
        frontier: set[QualifiedName | None] = {start}
        while frontier:
            near: set[QualifiedName | None] = {t.name for t in self.catalog.tables if t.parent in frontier}
            near |= {t.parent for t in self.catalog.tables if t.name in frontier and t.parent}
            frontier = near - family
            family |= near
        found = (self.get(self.now(n)) for n in family if n is not None and n != start)
        return [t for t in found if t is not None]

    def forget(self, name: QualifiedName, why: str) -> None:
        """Nothing is known of the table's rows any more."""
        table = self.get(name)
        if table is not None:
            self.put(virtual.forgotten(table, why, more=True, fewer=True))

    def forget_all(self, why: str) -> None:
        """Nothing is known of any table's rows any more."""
        self.lost = self.lost or why
        for table in [t for t in self._tables.values() if t is not None]:
            self.put(virtual.forgotten(table, why, more=True, fewer=True))

    def _got(self, name: QualifiedName) -> VirtualTable:
        table = self.get(name)
        assert table is not None
        return table


def _real(table: Table, lost: str, catalog: Catalog) -> VirtualTable:
    leaves = [t for t in family(catalog, table) if t.kind != "p"] if table.kind == "p" else [table]
    made = VirtualTable(
        table.name,
        table.name,
        tuple(_column(c) for c in table.columns),
        rows=sum(t.rows for t in leaves),
        pages=sum(t.pages for t in leaves),
        kind=table.kind,
        origin=table.name,
    )
    return virtual.forgotten(made, lost, more=True, fewer=True) if lost else made


def _column(column: Column) -> VirtualColumn:
    optional = column.has_default or bool(column.generated)
    return VirtualColumn(
        column.name, column.type, not_null=column.not_null, optional=optional, generated=bool(column.generated)
    )


def _last(kind: str) -> str:
    return kind.split("(", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1].strip('" []')
