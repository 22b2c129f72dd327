"""Hypothetical indexes of one backend, kept in step with what is asked next.

https://hypopg.readthedocs.io: indexes exist in one backend only, survive transactions, write nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from psycopg import sql

from indexpilot_cli.model.ddl import create_index, index_name
from indexpilot_cli.model.index import IndexDefinition
from indexpilot_cli.model.names import QualifiedName
from indexpilot_cli.model.workload import Plannable
from indexpilot_cli.postgres.plans import explain_text
from indexpilot_cli.postgres.session import Session
from indexpilot_cli.postgres.shapes import KnownIndex, Node

_OID = re.compile(r"<(\d+)>")
_KEEP = 200  # the planner looks at every hypothetical index for every relation


class Pretender:
    """One session with hypothetical indexes. Not thread-safe; close it when done."""

    def __init__(self, session: Session, schema: str, existing: Mapping[QualifiedName, IndexDefinition]):
        self._session = session
        self._schema = schema
        self._existing = existing
        self._shown: dict[IndexDefinition, int] = {}
        self._meaning: dict[int, IndexDefinition] = {}
        self._hidden: frozenset[QualifiedName] = frozenset()

    def close(self) -> None:
        """End the session, and with it every hypothetical index."""
        self._session.close()

    def renew(self) -> None:
        """Connect again; nothing is shown or hidden then."""
        self._session.reconnect()
        self._forget()

    def explain(self, statement: Plannable, *, verbose: bool = False) -> Node:
        """The plan with what is shown now."""
        return explain_text(self._session, statement, verbose=verbose)

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
        try:
            self._drop(stale)
            self._create(missing)
            self._hide(hidden)
        except BaseException:
            self.clear()
            raise

    def clear(self) -> None:
        """No hypothetical and no hidden index any more."""
        if not self._session.closed:
            self._call("SELECT {}()", "hypopg_reset")
            for name in self._hidden:
                self._call("SELECT {}(%s::regclass)", "hypopg_unhide_index", str(name))
        self._forget()

    def size(self, definition: IndexDefinition) -> int:
        """Bytes HypoPG gives the index."""
        self.show(frozenset({definition}), self._hidden, (definition.table,))
        return int(self._call("SELECT {}(%s)", "hypopg_relation_size", self._shown[definition]))

    def lookup(self, relation: QualifiedName | None, name: str) -> KnownIndex | None:
        """What an index name in a plan means: a hypothetical one carries its oid in front."""
        match = _OID.match(name)
        if match:
            definition = self._meaning.get(int(match[1]))
            return KnownIndex(definition) if definition else None
        if relation is None:
            return None
        qualified = QualifiedName(relation.schema, name)
        found = self._existing.get(qualified)
        return KnownIndex(found, qualified) if found else None

    def _drop(self, definitions: list[IndexDefinition]) -> None:
        if definitions:
            oids = [self._shown.pop(d) for d in definitions]
            self._call("SELECT count({}(o)) FROM unnest(%s::oid[]) AS o", "hypopg_drop_index", oids)

    def _create(self, definitions: list[IndexDefinition]) -> None:
        if not definitions:
            return
        text = "SELECT c.indexrelid FROM unnest(%s::text[]) WITH ORDINALITY AS s (ddl, n), {}(s.ddl) AS c ORDER BY s.n"
        ddl = [create_index(d, index_name(d), concurrently=False) for d in definitions]
        rows = self._session.rows(self._query(text, "hypopg_create_index"), [ddl])
        for definition, row in zip(definitions, rows, strict=True):
            self._shown[definition] = int(row.indexrelid)
            self._meaning[int(row.indexrelid)] = definition

    def _hide(self, hidden: frozenset[QualifiedName]) -> None:
        for name in self._hidden - hidden:
            self._call("SELECT {}(%s::regclass)", "hypopg_unhide_index", str(name))
            self._hidden -= {name}
        for name in hidden - self._hidden:
            self._call("SELECT {}(%s::regclass)", "hypopg_hide_index", str(name))
            self._hidden |= {name}

    def _call(self, text: str, function: str, *values: object) -> int:
        return self._session.value(self._query(text, function), values or None) or 0

    def _query(self, text: str, function: str) -> sql.Composed:
        return sql.SQL(text).format(sql.Identifier(self._schema, function))

    def _forget(self) -> None:
        self._shown.clear()
        self._meaning.clear()
        self._hidden = frozenset()
