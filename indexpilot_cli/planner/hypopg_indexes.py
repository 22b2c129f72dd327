"""Hypothetical indexes of one backend, kept in step with what is asked next.

https://hypopg.readthedocs.io: indexes exist in one backend only, survive transactions, write nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.estimator import CostFactors
from indexpilot_cli.core.index import IndexDefinition
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import Plannable
from indexpilot_cli.db.plans import KnownIndex, Node, explain_text, multiplied
from indexpilot_cli.db.queries import SQL, Composed, Identifier
from indexpilot_cli.db.session import Session

_OID = re.compile(r"<(\d+)>")
_KEEP = 200  # the planner looks at every hypothetical index for every relation

# Old ones out and new ones in with one round trip.
_REPLACE = (
    "SELECT c.indexrelid, (SELECT count({drop}(o)) FROM unnest(%(old)s::oid[]) AS o)"
    " FROM unnest(%(ddl)s::text[]) WITH ORDINALITY AS s (ddl, n), {create}(s.ddl) AS c ORDER BY s.n"
)


@dataclass(frozen=True, slots=True)
class Real:
    """What really is there: indexes by name, and the leaf partitions of each partitioned table."""

    indexes: Mapping[QualifiedName, IndexDefinition]
    leaves: Mapping[QualifiedName, tuple[QualifiedName, ...]]


class Pretender:
    """One session with hypothetical indexes. Not thread-safe; close it when done."""

    def __init__(self, session: Session, schema: str, real: Real):
        self._session = session
        self._schema = schema
        self._real = real
        self._shown: dict[IndexDefinition, tuple[int, ...]] = {}
        self._meaning: dict[int, IndexDefinition] = {}
        self._hidden: frozenset[QualifiedName] = frozenset()
        self._replacing = self._query(_REPLACE, drop="hypopg_drop_index", create="hypopg_create_index")

    def close(self) -> None:
        """End the session, and with it every hypothetical index."""
        self._session.close()

    def renew(self) -> None:
        """Connect again; nothing is shown or hidden then."""
        self._session.reconnect()
        self._forget()

    def explain(self, statement: Plannable, *, verbose: bool = False, factors: CostFactors | None = None) -> Node:
        """The plan with what is shown now."""
        return explain_text(self._session, statement, verbose=verbose, settings=multiplied(factors))

    def show(
        self,
        indexes: frozenset[IndexDefinition],
        hidden: frozenset[QualifiedName],
        tables: Collection[QualifiedName],
    ) -> None:
        """Exactly these indexes on these tables from now on; those on other tables stay as they are.

        Raises StatementError when HypoPG refuses one; nothing is shown then.
        """
        stale = [d for d in self._shown if d not in indexes and (d.table in tables or len(self._shown) > _KEEP)]
        missing = sorted(indexes - self._shown.keys(), key=lambda d: d.id)
        # Of paths within a hundredth of each other's cost the planner keeps the first it meets, so those of a statement
        # stand in one order, whatever was asked before.
        behind = [d for d in self._shown if missing and d in indexes and d.table in tables and d.id > missing[0].id]
        stale, missing = stale + behind, sorted([*missing, *behind], key=lambda d: d.id)
        try:
            # Half of a change may have happened when it fails: what is shown is then not known any more.
            self._replace(stale, missing)
            self._hide(hidden)
        except BaseException:
            self.clear()
            raise

    def clear(self) -> None:
        """No hypothetical and no hidden index any more."""
        if not self._session.closed:
            self._call("hypopg_reset")
            for name in self._hidden:
                self._call("hypopg_unhide_index", str(name))
        self._forget()

    def size(self, definition: IndexDefinition) -> int:
        """Bytes HypoPG gives the index, all partitions together."""
        self.show(frozenset({definition}), self._hidden, (definition.table,))
        query = self._query("SELECT sum({size}(o))::int8 FROM unnest(%s::oid[]) AS o", size="hypopg_relation_size")
        return int(self._session.value(query, [list(self._shown[definition])]) or 0)

    def lookup(self, relation: QualifiedName | None, name: str) -> KnownIndex | None:
        """What an index name in a plan means: a hypothetical one carries its oid in front."""
        match = _OID.match(name)
        if match:
            definition = self._meaning.get(int(match[1]))
            return KnownIndex(definition) if definition else None
        if relation is None:
            return None
        qualified = QualifiedName(relation.schema, name)
        found = self._real.indexes.get(qualified)
        return KnownIndex(found, qualified) if found else None

    def _replace(self, stale: list[IndexDefinition], missing: list[IndexDefinition]) -> None:
        old = list(chain.from_iterable(self._shown.pop(definition) for definition in stale))
        parts: list[tuple[IndexDefinition, IndexDefinition]] = []
        for definition in missing:
            parts += [(definition, part) for part in self._parts(definition)]
        if not parts:
            if old:
                query = self._query("SELECT count({drop}(o)) FROM unnest(%s::oid[]) AS o", drop="hypopg_drop_index")
                self._session.rows(query, [old])
            return
        ddl = [create_index(part, concurrently=False) for _, part in parts]
        oids = [int(row.indexrelid) for row in self._session.rows(self._replacing, {"old": old, "ddl": ddl})]
        for (definition, _), oid in zip(parts, oids, strict=True):
            self._shown[definition] = (*self._shown.get(definition, ()), oid)
            self._meaning[oid] = definition

    def _parts(self, definition: IndexDefinition) -> list[IndexDefinition]:
        """HypoPG pretends nothing on a partitioned table, so each leaf gets its own."""
        leaves = self._real.leaves.get(definition.table)
        return [definition] if leaves is None else [replace(definition, table=leaf) for leaf in leaves]

    def _hide(self, hidden: frozenset[QualifiedName]) -> None:
        for name in self._hidden - hidden:
            self._call("hypopg_unhide_index", str(name))
            self._hidden -= {name}
        for name in hidden - self._hidden:
            self._call("hypopg_hide_index", str(name))
            self._hidden |= {name}

    def _call(self, function: str, *names: str) -> None:
        arguments = ", ".join(["%s::regclass"] * len(names))
        self._session.rows(self._query(f"SELECT {{function}}({arguments})", function=function), names or None)

    def _query(self, text: str, **functions: str) -> Composed:
        names = {word: Identifier(self._schema, function) for word, function in functions.items()}
        return SQL(text).format(**names)

    def _forget(self) -> None:
        self._shown.clear()
        self._meaning.clear()
        self._hidden = frozenset()
