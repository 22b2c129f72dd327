"""Locks and work of constraints, partitions, indexes, whole tables, domains and rows, as the manual says."""

from __future__ import annotations

import re

from indexpilot_cli.core.catalog import Table
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import LockMode, Relation, WorkKind
from indexpilot_cli.evolve.review.offline.columns import dropped_table
from indexpilot_cli.evolve.review.offline.state import OfflineEffect, OfflineState
from indexpilot_cli.sql.ddl.action import Act, Action

_AEL = LockMode.ACCESS_EXCLUSIVE
_SRE = LockMode.SHARE_ROW_EXCLUSIVE
_SUE = LockMode.SHARE_UPDATE_EXCLUSIVE


def add_constraint(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    """ADD CONSTRAINT, by itself or inside a column's definition."""
    later = bool(action.options & {"not_valid", "not_enforced"})
    full = state.now(action.schema, action.table or "")
    if action.object:
        state.keys[action.object] = action
    if action.constraint == "foreign_key":
        _foreign_key(action, state, effect, relation, later=later)
        return
    effect.lock(relation, _AEL)
    if action.constraint == "check":
        state.proved.setdefault(full, {})[action.object or action.sql] = (action.expression or "", not later)
        if not later:
            effect.do(WorkKind.VERIFY, relation)
    elif action.constraint == "not_null":
        _not_null(action, state, effect, relation, later=later)
    else:
        _index(action, state, effect, relation)


def _foreign_key(
    action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation, *, later: bool
) -> None:
    effect.lock(relation, _SRE)
    if action.references is None:
        return
    schema, name = action.references
    if not state.known(schema, name):
        effect.fail("42P01", f'relation "{name}" does not exist')
    # NOT VALID does not weaken this: the triggers that guard the referenced table are made at once.
    effect.lock(state.relation(schema, name), _SRE)
    # A new column without a default is NULL in every row, and NULL satisfies a foreign key.
    empty = action.has("inline") and "DEFAULT" not in action.sql.upper()
    if not later and not empty and not action.has("new_table"):
        effect.do(WorkKind.VALIDATE_FOREIGN_KEY, relation)


def _not_null(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation, *, later: bool) -> None:
    full = state.now(action.schema, action.table or "")
    column = action.columns[0] if action.columns else ""
    known = state.column(action, column)
    if later:
        state.proved.setdefault(full, {})[action.object or action.sql] = (f"{column} IS NOT NULL", False)
    elif not (known is not None and known.not_null) and not state.is_proved(full, column):
        effect.do(WorkKind.VERIFY, relation)
        state.not_null.add((full, column))


def _index(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    full = state.now(action.schema, action.table or "")
    if not action.has("using_index"):
        effect.do(WorkKind.BUILD_INDEX, relation, action.object)
    if action.constraint != "primary_key":
        return
    table = state.table(action.schema, action.table)
    first = next((i.name.name for i in table.indexes if i.primary), None) if table else None
    if first is not None and first not in state.gone and not state.unsure:
        effect.fail("42P16", f'multiple primary keys for table "{action.table}" are not allowed')
    columns = action.columns
    if action.has("using_index"):
        wanted = dict(action.parameters).get("index")
        found = next((i for i in table.indexes if i.name.name == wanted), None) if table else None
        columns = tuple(k.column for k in found.definition.keys if k.column) if found else ()
    for name in columns:
        known = state.column(action, name)
        if known is not None and not known.not_null and not state.is_proved(full, name):
            effect.do(WorkKind.VERIFY, relation)
            return


def validate(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    """VALIDATE CONSTRAINT: reads the table under a weak lock."""
    effect.lock(relation, _SUE)
    name = action.object or ""
    full = state.now(action.schema, action.table or "")
    key = state.keys.get(name)
    table = state.table(action.schema, action.table)
    referenced = None
    if key is not None and key.constraint == "foreign_key" and key.references:
        referenced = state.relation(*key.references)
    elif state.catalog is not None and table is not None:
        found = (k for k in state.catalog.foreign_keys if k.table == table.name and k.name == name)
        referenced = next((Relation(k.referenced) for k in found), None)
    if referenced is not None:
        # The referenced rows are only read: writers of both tables go on.
        # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
        effect.lock(referenced, LockMode.ROW_SHARE)
        effect.do(WorkKind.VALIDATE_FOREIGN_KEY, relation)
    else:
        effect.do(WorkKind.VERIFY, relation)
    if name in state.proved.get(full, {}):
        state.proved[full][name] = (state.proved[full][name][0], True)


def drop_constraint(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    """DROP CONSTRAINT: brief; of a foreign key it locks both tables."""
    effect.lock(relation, _AEL)
    state.gone.add(action.object or "")
    state.proved.get(state.now(action.schema, action.table or ""), {}).pop(action.object or "", None)
    for key in state.catalog.foreign_keys if state.catalog else ():
        # The key's triggers on the referenced table go too, and DROP TRIGGER wants ACCESS EXCLUSIVE.
        if key.name == action.object and key.table == relation.name:
            effect.lock(Relation(key.referenced), _AEL)


def attach(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    """ATTACH PARTITION: the child is read unless a CHECK of this file says what the bound says."""
    effect.lock(relation, _SUE)
    if action.object is None:
        return
    child = state.relation(action.object_schema, action.object)
    effect.lock(child, _AEL)
    full = state.now(action.object_schema, action.object)
    # A CHECK that implies the bound spares the scan. Whether it implies it is not proved here: any valid CHECK that the
    # file adds counts.
    if not any(valid for _, valid in state.proved.get(full, {}).values()):
        effect.do(WorkKind.VERIFY, child)
    parent, table = state.table(action.schema, action.table), state.table(action.object_schema, action.object)
    for index in parent.indexes if parent else ():
        # Indexes of the parent that the child lacks are built in place, while the child is locked.
        if table is not None and not any(i.definition.keys == index.definition.keys for i in table.indexes):
            effect.do(WorkKind.BUILD_INDEX, child, index.name.name)
    _default(action, state, effect)


def create_partition(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    """CREATE TABLE … PARTITION OF: locks the parent and reads its default partition."""
    effect.lock(relation, _AEL)
    if action.object is not None:
        state.made[state.now(action.object_schema, action.object)] = "r"
    _default(action, state, effect)


def _default(action: Action, state: OfflineState, effect: OfflineEffect) -> None:
    """The catalog does not tell which partition is the default: by its name."""
    parent = state.table(action.schema, action.table)
    for table in state.catalog.tables if state.catalog and parent else ():
        if parent is not None and table.parent == parent.name and "default" in table.name.name:
            relation = Relation(table.name, table.kind)
            effect.lock(relation, _AEL)
            effect.do(WorkKind.VERIFY, relation)


def detach(action: Action, state: OfflineState, effect: OfflineEffect, relation: Relation) -> None:
    """DETACH PARTITION."""
    together = action.has("concurrently")
    if together and state.major < 14:
        effect.fail("42601", "DETACH PARTITION … CONCURRENTLY needs PostgreSQL 14")
    effect.lock(relation, _SUE if together else _AEL)
    if action.object is not None:
        child = state.relation(action.object_schema, action.object)
        # Measured: 13 locks the partition with SHARE UPDATE EXCLUSIVE, 14 and later with ACCESS EXCLUSIVE.
        effect.lock(child, _SUE if state.major < 14 else _AEL)


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
