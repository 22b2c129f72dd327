"""One database of the twin: hypothetical indexes built, sized, shown and hidden; statements planned."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain, count, islice
from types import MappingProxyType
from typing import Any

from indexpilot_cli.core.catalog import ColumnStatistics, Table
from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.estimator import AssumedStatistics, CostFactors
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import PlanMode, Plannable
from indexpilot_cli.db.plans import KnownIndex, Node, explain_text, explain_texts, multiplied, refuse_others
from indexpilot_cli.db.queries import SQL
from indexpilot_cli.db.session import Row, Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.methods.kind import RelationFile
from indexpilot_cli.methods.kinds import index_kinds
from indexpilot_cli.planner.twin.assumed import Assumption
from indexpilot_cli.planner.twin.computed import computed
from indexpilot_cli.planner.twin.hydrate import without_domain_checks
from indexpilot_cli.planner.twin.layout import Heap, Storage
from indexpilot_cli.planner.twin.statistics import put_statistics
from indexpilot_cli.snapshot.values import RelationStatistics, Snapshot

_FIRST_NODE = 3_000_000_000  # relfilenodes of our own: far above any the server will hand out


@dataclass(frozen=True, slots=True)
class IndexSize:
    """Size of a hypothetical index over all partitions; ``height`` is the B-tree root level."""

    pages: int
    tuples: float
    height: int = 0


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """A hypothetical index to make, with statistics of its expressions, one for each key."""

    definition: IndexDefinition
    size: IndexSize
    statistics: tuple[ColumnStatistics | None, ...] = ()


@dataclass(frozen=True, slots=True)
class _Made:
    build: IndexBuild
    name: QualifiedName


@dataclass(frozen=True, slots=True)
class Member:
    """An index relation: the index itself, or its part on one partition (kind ``I``: a parent without storage)."""

    oid: int
    name: QualifiedName
    kind: str
    table_oid: int


@dataclass(frozen=True, slots=True)
class Reach:
    """The tables a statement reads or writes, partitions and inheritance children included.

    ``names`` are those whose indexes concern it: these tables, and what they are parts of. ``plan`` is the statement's
    plan as things are, where finding out needed one.
    """

    tables: frozenset[int]
    names: frozenset[QualifiedName] = frozenset()
    error: str | None = None
    plan: Node | None = field(default=None, compare=False)


def lost(error: IndexPilotError) -> bool:
    """Whether the server is gone, and not only out of patience with a statement."""
    return isinstance(error, UnreachableError) and error.code != "timeout"


class Worker:
    """Sessions to one database of the twin. One thread at a time."""

    def __init__(self, admin: Session, planner: Session, storage: Storage, heaps: Mapping[QualifiedName, Heap]):
        self._admin = admin
        self._planner = planner
        self._storage = storage
        self._heaps = {heap.oid: heap for heap in heaps.values()}
        self._nodes = count(_FIRST_NODE)
        self._empty: dict[int, int] = {}
        self._built: dict[IndexDefinition, tuple[Member, ...]] = {}
        self._roots: list[str] = []
        self._names: dict[QualifiedName, IndexDefinition] = {}
        self._shown: dict[QualifiedName, set[IndexDefinition]] = {}
        self._hidden: Set[QualifiedName] = frozenset()
        self._assumption: Assumption | None = None
        tables = admin.rows("twin/tables")
        self.tables = {row.oid: QualifiedName(row.schema, row.name) for row in tables}
        self._oids = {name: oid for oid, name in self.tables.items()}
        self._members = {row.oid: frozenset(row.members) for row in tables}
        self._above: dict[int, set[QualifiedName]] = {}
        for row in tables:
            for member in row.members:
                self._above.setdefault(member, set()).add(self.tables[row.oid])
        self._existing = _grouped(admin.rows("twin/indexes", {"roots": None}))
        # From here on every question names a few relations. Of lists and recursion the planner expects a hundred rows
        # and more, for which it reads whole catalogs: some milliseconds an index, of ten thousand relations.
        for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            admin.execute(SQL("SET {} = off").format(SQL(setting)))

    def close(self) -> None:
        """End both sessions."""
        self._planner.close()
        self._admin.close()

    # -- statements

    def reach(self, statements: Sequence[Plannable]) -> list[Reach]:
        """What each statement touches, from the locks its planning takes; with ``error`` when it has no plan."""
        self._hide_all()
        try:
            for statement in statements:
                refuse_others(statement.sql)
            return [self._as_reach(answers) for answers in self._locked(statements)]
        except IndexPilotError as error:
            if lost(error):
                raise
            if len(statements) == 1:
                return [Reach(frozenset(), error=error.detail or error.message)]
        return [self.reach((statement,))[0] for statement in statements]

    def _as_reach(self, answers: Sequence[list[tuple[Any, ...]]]) -> Reach:
        *plans, locks = answers
        tables = frozenset[int]().union(*(self._members.get(oid, frozenset({oid})) for (oid,) in locks))
        names = frozenset[QualifiedName]().union(*(self._above.get(oid, ()) for oid in tables))
        plan = plans[0][0][0][0]["Plan"] if plans and self._assumption is None else None
        return Reach(tables, names, plan=plan)

    def parameter_types(self, sql: str) -> tuple[str, ...]:
        """Types of ``$1`` … as the server infers them. Raises StatementError when it cannot."""
        refuse_others(sql)
        types = "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'indexpilot_asked'"
        try:
            found = self._planner.answers((f"PREPARE indexpilot_asked AS {sql}", types, "DEALLOCATE ALL"))
        except IndexPilotError:
            self._forget_statement()
            raise
        return tuple(found[0][0][0])

    def computed(self, expression: str, table: Table, kept: ColumnStatistics | None) -> ColumnStatistics | None:
        """Statistics of an expression by the values known of its column; see there."""
        return computed(self._planner, expression, table, kept)

    def explain(self, statement: Plannable, *, verbose: bool = False, factors: CostFactors | None = None) -> Node:
        """The plan with what is shown and hidden now."""
        return explain_text(self._planner, statement, verbose=verbose, settings=multiplied(factors))

    def explain_all(self, statements: Sequence[tuple[Plannable, bool]]) -> list[Node]:
        """The plans of literal statements, each with whether it is EXPLAIN VERBOSE, in one round trip."""
        return explain_texts(self._planner, statements)

    def members_of(self, table: QualifiedName) -> frozenset[int]:
        """Oids of the table and of everything that inherits from it; empty when the twin has no such table."""
        oid = self._oids.get(table)
        return self._members[oid] if oid is not None else frozenset()

    def table_of(self, index: QualifiedName) -> frozenset[int]:
        """Oids of the tables an existing index lies on."""
        return frozenset(member.table_oid for member in self._existing.get(index, ()))

    def lookup(self, definitions: Mapping[QualifiedName, IndexDefinition], name: QualifiedName) -> KnownIndex | None:
        """What an index name in a plan means, given the structures of the existing indexes."""
        if name in self._names:
            return KnownIndex(self._names[name])
        return KnownIndex(definitions[name], name) if name in definitions else None

    # -- indexes

    def show(self, wanted: Iterable[tuple[Set[IndexDefinition], Set[QualifiedName], Reach]]) -> None:
        """Of what concerns a statement of each reach, exactly these hypothetical indexes are valid from now on and
        exactly these existing ones are not. No two of these reaches share a table, unless they want the same.

        What lies elsewhere stays as it is: to change it takes time, here and in the planner, and again later.
        """
        indexes, existing = set[IndexDefinition](), set[QualifiedName]()
        for here, hidden, reach in wanted:
            indexes |= here ^ set[IndexDefinition]().union(*(self._shown.get(name, ()) for name in reach.names))
            gone = {name for name in self._hidden if self.table_of(name) & reach.tables}
            existing |= (hidden ^ gone) & self._existing.keys()
        self._toggle(indexes, existing)

    def _hide_all(self) -> None:
        """No hypothetical index is valid, and every existing one is."""
        self._toggle(set[IndexDefinition]().union(*self._shown.values()), self._hidden)

    def _toggle(self, indexes: Set[IndexDefinition], existing: Set[QualifiedName]) -> None:
        toggled = [*(self._built[d] for d in indexes), *(self._existing[name] for name in existing)]
        oids = [member.oid for member in chain.from_iterable(toggled)]
        # Only the planner asks indisvalid: one UPDATE hides or shows, with no DDL and no lock on the table.
        if oids:
            self._admin.execute(
                "UPDATE pg_index SET indisvalid = NOT indisvalid WHERE indexrelid = ANY (%s::oid[])", [oids]
            )
        for definition in indexes:
            self._shown.setdefault(definition.table, set()).symmetric_difference_update((definition,))
        self._hidden ^= existing

    def built(self, definition: IndexDefinition) -> bool:
        """Whether the hypothetical index is there (shown or not)."""
        return definition in self._built

    def build(self, wanted: Sequence[IndexBuild]) -> None:
        """Make these hypothetical indexes, in this order and not shown: all of them or none.

        Raises StatementError with the server's reason to refuse one.
        """
        tables = frozenset[int]().union(*(self.members_of(one.definition.table) for one in wanted))
        heaps = [self._heaps[oid] for oid in sorted(tables) if oid in self._heaps]
        full = [heap for heap in heaps if heap.node and heap.size.pages]
        made = [_Made(one, self._qualified(one.definition, n)) for n, one in enumerate(wanted, len(self._built))]
        with self._admin.transaction():
            # CREATE INDEX reads the whole table, also one of sparse blocks.
            self._swap([{"oid": heap.oid, "node": self._empty_node(heap)} for heap in full])
            self._admin.answers([create_index(m.build.definition, m.name.name, concurrently=False) for m in made])
            found = _grouped(self._admin.rows("twin/indexes", {"roots": [str(each.name) for each in made]}))
            # ANALYZE never saw these expressions, and without statistics the planner guesses.
            put_statistics(self._admin, tuple(_for_members(made, found)))
            oids = [member.oid for member in chain.from_iterable(found.values())]
            self._admin.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = ANY (%s::oid[])", [oids])
            # CREATE INDEX has set the table's relpages and reltuples to what it found: nothing.
            rows = [_restored(heap) for heap in heaps]
            for each in made:
                rows += self._filed(each.build.definition, found[each.name], each.build.size)
            self._swap(rows)
        for each in made:
            self._built[each.build.definition] = found[each.name]
            self._roots.append(str(each.name))
            self._names.update({member.name: each.build.definition for member in found[each.name]})

    def resize(self, definition: IndexDefinition, size: IndexSize) -> None:
        """Give a hypothetical index that is already there another size."""
        self._swap(self._filed(definition, self._built[definition], size))

    def assume(self, assumed: tuple[AssumedStatistics, ...], snapshot: Snapshot) -> None:
        """Statistics as assumed from now on, in place of the snapshot's; nothing: the snapshot's."""
        there = self._assumption
        if assumed == (there.assumed if there is not None else ()):
            return
        if there is not None:
            there.withdraw(self._admin)
        self._assumption = Assumption(assumed, snapshot) if assumed else None
        if self._assumption is not None:
            with without_domain_checks(self._planner):
                self._assumption.put(self._admin)

    def restore(self) -> int:
        """Leave the database as it was made: hypothetical indexes dropped. Gives how many there were."""
        self._hide_all()
        if self._assumption is not None:
            self._assumption.withdraw(self._admin)
            self._assumption = None
        if self._roots:
            self._admin.execute(SQL("DROP INDEX {}").format(SQL(", ".join(self._roots))))
        return len(self._roots)

    # -- inside

    def _locked(self, statements: Sequence[Plannable]) -> list[list[list[tuple[Any, ...]]]]:
        """Of each the plan, where the statement can have one as it is, and the relations that planning or parsing it
        locks.
        """
        # Planning locks every relation it looks at until the transaction ends; pg_locks then names them.
        # Parameters have no values to plan with, but parsing alone locks the relations that a statement names.
        # https://www.postgresql.org/docs/current/sql-prepare.html
        sent: list[str] = []
        for statement in statements:
            literal = statement.mode is PlanMode.LITERAL
            look = "EXPLAIN (FORMAT JSON)" if literal else "PREPARE indexpilot_asked AS"
            after = ("ROLLBACK",) if literal else ("ROLLBACK", "DEALLOCATE ALL")
            sent += ("BEGIN", f"{look} {statement.sql}", "twin/locks", *after)
        try:
            answers = iter(self._planner.answers(sent))
            return [list(islice(answers, 1 + (s.mode is PlanMode.LITERAL))) for s in statements]
        except IndexPilotError:
            if not self._planner.closed:
                self._planner.execute("ROLLBACK")
                self._forget_statement()
            raise

    def _forget_statement(self) -> None:
        if not self._planner.closed:
            self._planner.execute("DEALLOCATE ALL")

    def _qualified(self, definition: IndexDefinition, number: int) -> QualifiedName:
        return QualifiedName(definition.table.schema, f"indexpilot_{definition.id[2:]}_{number}")

    def _node_of(self, member: Member) -> int:
        return int(self._admin.value("SELECT pg_relation_filenode(%s::oid)::bigint", [member.oid]))

    def _empty_node(self, heap: Heap) -> int:
        """A relfilenode of no blocks for the table's builds, which would scan sparse blocks as slowly as real ones."""
        if heap.oid not in self._empty:
            node = next(self._nodes)
            self._storage.write(RelationFile(node, 0))
            self._empty[heap.oid] = node
        return self._empty[heap.oid]

    def _swap(self, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            self._admin.execute("twin/swap", {"rows": json.dumps(list(rows))})

    def _filed(
        self, definition: IndexDefinition, members: Collection[Member], size: IndexSize
    ) -> list[Mapping[str, object]]:
        """New files of the size wanted, under new numbers: no backend has their pages in memory. Rows to swap."""
        stored = [member for member in members if member.kind == "i"]
        rows = {member.oid: self._heaps[member.table_oid].size.rows for member in stored}
        total = sum(rows.values())
        swaps: list[Mapping[str, object]] = []
        for member in stored:
            share = rows[member.oid] / total if total else 1 / len(stored)
            pages = max(1, round(size.pages * share))
            kind = index_kinds().get(definition.method)
            ours = kind is not None and not kind.keeps_file
            node = next(self._nodes) if ours else self._node_of(member)
            file = RelationFile(
                node=node,
                pages=pages,
                method=definition.method,
                height=size.height if len(stored) == 1 else min(size.height, max(0, pages - 2)),
                pages_per_range=int(dict(definition.options).get("pages_per_range", 128)),
                heap_pages=self._heaps[member.table_oid].size.pages,
                keep=not ours,
            )
            self._storage.write(file)
            swaps.append({"oid": member.oid, "node": node, "pages": pages, "tuples": size.tuples * share})
        return swaps


def _for_members(
    made: Sequence[_Made], found: Mapping[QualifiedName, tuple[Member, ...]]
) -> Iterator[RelationStatistics]:
    for each in made:
        known = [(number, one) for number, one in enumerate(each.build.statistics, start=1) if one is not None]
        for member in found[each.name]:
            if member.kind == "i":
                for number, one in known:
                    yield RelationStatistics(member.name, None, number, False, one)


def _restored(heap: Heap) -> Mapping[str, object]:
    return {
        "oid": heap.oid,
        "node": heap.node,
        "pages": heap.size.pages_at_analyze,
        "tuples": heap.size.tuples,
        "all_visible": heap.size.all_visible,
    }


def _grouped(rows: Sequence[Row]) -> Mapping[QualifiedName, tuple[Member, ...]]:
    found: dict[QualifiedName, tuple[Member, ...]] = {}
    for row in rows:
        root = QualifiedName(row.root_schema, row.root_name)
        member = Member(row.oid, QualifiedName(row.schema, row.name), row.kind, row.table_oid)
        found[root] = (*found.get(root, ()), member)
    return MappingProxyType(found)
