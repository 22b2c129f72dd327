"""Locks and work of indexes, whole tables, domains and rows, as the manual says."""

from __future__ import annotations

import re

from indexpilot_cli.core.catalog import Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import LockMode, Relation, WorkKind
from indexpilot_cli.evolve.review.offline.columns import dropped_table
from indexpilot_cli.evolve.review.offline.state import OfflineEffect, OfflineState
from indexpilot_cli.sql.ddl.action import Act, Action

_AEL = LockMode.ACCESS_EXCLUSIVE
_SUE = LockMode.SHARE_UPDATE_EXCLUSIVE
_EQUALS = re.compile(r"(?<![\w.])(?:[a-z_]\w*\.)?(?P<column>[a-z_]\w*)\s*(?:=|\bIN\b)", re.IGNORECASE)


def create_index(action: Action, _state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    """CREATE INDEX."""
    online = action.has("concurrently")
    if online and relation.kind == "p" and not action.has("only"):
        effect.fail("0A000", f'cannot create index on partitioned table "{action.table}" concurrently')
    effect.lock(relation, _SUE if online else LockMode.SHARE)
    # ON ONLY makes the parent's entry alone: invalid until every partition has attached its index, and nothing is
    # built.
    if not (action.has("only") and relation.kind == "p"):
        effect.do(WorkKind.BUILD_INDEX, relation, action.object, online=online)


def drop_index(action: Action, state: OfflineState, effect: OfflineEffect) -> None:
    """DROP INDEX locks the index and its table."""
    found = state.by_index(action.object_schema, action.object or "")
    if found is None:
        return
    table, name = found
    mode = _SUE if action.has("concurrently") else _AEL
    relation = Relation(table.name, table.kind)
    effect.lock(relation, mode)
    effect.lock(Relation(QualifiedName(table.name.schema, name), "i", table=table.name), mode)


def reindex(action: Action, state: OfflineState, effect: OfflineEffect) -> None:
    """REINDEX of an index, a table, or every table of a schema."""
    if action.type == "index":
        found = state.by_index(action.object_schema, action.object or "")
        if found is not None:
            _rebuild(found[0], (found[1],), action, effect)
    elif action.type == "table":
        table = state.table(action.schema, action.table)
        if table is not None:
            _rebuild(table, tuple(i.name.name for i in table.indexes), action, effect)
    elif state.catalog is not None:
        for table in state.catalog.tables:
            if action.type != "schema" or table.name.schema == action.object:
                _rebuild(table, tuple(i.name.name for i in table.indexes), action, effect)


def _rebuild(table: Table, indexes: tuple[str, ...], action: Action, effect: OfflineEffect) -> None:
    online = action.has("concurrently")
    relation = Relation(table.name, table.kind)
    effect.lock(relation, _SUE if online else LockMode.SHARE)
    for name in indexes:
        index = Relation(QualifiedName(table.name.schema, name), "i", table=table.name)
        # Planning any query of the table opens all of its indexes: this lock stops readers as well.
        # https://www.postgresql.org/docs/current/sql-reindex.html
        effect.lock(index, _SUE if online else _AEL)
        effect.do(WorkKind.BUILD_INDEX, relation, name, rebuilt=True, online=online)


def refresh(action: Action, effect: OfflineEffect, relation: Relation) -> None:
    """REFRESH MATERIALIZED VIEW."""
    together = action.has("concurrently")
    view = Relation(relation.name, "m", relation.existed)
    # EXCLUSIVE lets readers in and keeps a second REFRESH out.
    effect.lock(view, LockMode.EXCLUSIVE if together else _AEL)
    if not action.has("no_data"):
        effect.do(WorkKind.REFRESH, view, online=together)


def rewritten(effect: OfflineEffect, relation: Relation) -> None:
    """VACUUM FULL, CLUSTER and the subcommands that copy a table."""
    effect.lock(relation, _AEL)
    effect.do(WorkKind.REWRITE, relation)


def drop_table(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    """DROP TABLE locks what its foreign keys touch as well."""
    full = state.now(action.schema, action.table or "")
    effect.lock(relation, _AEL)
    table = state.table(action.schema, action.table)
    for key in state.catalog.foreign_keys if state.catalog and table else ():
        if table and key.table == table.name and key.referenced != table.name:
            effect.lock(Relation(key.referenced), _AEL)
        if table and key.referenced == table.name and key.table != table.name:
            if not action.has("cascade") and key.table not in state.dropped:
                effect.fail("2BP01", f"cannot drop table {full.name}: {key.name} of {key.table.name} refers to it")
            effect.lock(Relation(key.table), _AEL)
    if table is not None:
        effect.changes.append(dropped_table(table.name))
    state.made.pop(full, None)
    state.dropped.add(full)


def truncate(
    action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation, together: frozenset[str]
) -> None:
    """TRUNCATE; refused while tables that are not emptied along refer to it."""
    effect.lock(relation, _AEL)
    table = state.table(action.schema, action.table)
    for key in state.catalog.foreign_keys if state.catalog and table else ():
        # Refused (0A000) even when the referring table is empty: the server does not look at its rows.
        if table and key.referenced == table.name and key.table.name not in together:
            if action.has("cascade"):
                effect.lock(Relation(key.table), _AEL)
            else:
                effect.fail("0A000", "cannot truncate a table referenced in a foreign key constraint")


def alter_domain(action: Action, state: OfflineState, effect: OfflineEffect) -> None:
    """A constraint of a domain is proved on every table with a column of it, while writers wait."""
    name = action.object or ""
    proves = action.has("validate") or action.has("set_not_null") or (action.has("add") and not action.has("not_valid"))
    if action.has("add") or action.has("set_not_null"):
        state.domains[name] = True
    for table in state.catalog.tables if proves and state.catalog else ():
        if any(c.type.rpartition(".")[2].strip('"') == name for c in table.columns):
            relation = Relation(table.name, table.kind)
            effect.lock(relation, LockMode.SHARE)
            effect.do(WorkKind.SCAN, relation)


def rows(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    """INSERT, UPDATE, DELETE, MERGE, COPY: many rows, unless a condition picks few by an index."""
    effect.lock(relation, LockMode.ROW_EXCLUSIVE)
    # What is put in does not grow with the table that is there.
    if action.kind is Act.COPY or action.has("values"):
        return
    table = state.table(action.schema, action.table)
    if action.kind in (Act.UPDATE, Act.DELETE) and not action.has("from") and picks(action.condition, table):
        return
    effect.do(WorkKind.MODIFY, relation)


def picks(condition: str | None, table: Table | None) -> bool:
    """Whether the condition names the first column of an index with = or IN."""
    if condition is None or table is None or re.search(r"\bOR\b", condition, re.IGNORECASE):
        return False
    named = {m["column"] for m in _EQUALS.finditer(condition)}
    return any(i.definition.keys[0].column in named for i in table.indexes if not i.definition.predicate)
