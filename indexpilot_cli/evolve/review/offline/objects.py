"""Locks and work of constraints, partitions, indexes, whole tables, domains and rows, as the manual says."""

from __future__ import annotations

from indexpilot_cli.core.catalog import Catalog, Table
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.observation import LockMode, Relation, WorkKind
from indexpilot_cli.evolve.review.offline.columns import FILLED, dropped_table
from indexpilot_cli.evolve.review.offline.state import OfflineEffect, OfflineState, OnTable
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.expressions import COLUMN
from indexpilot_cli.sql.normal import tree_of

_AEL = LockMode.ACCESS_EXCLUSIVE
_SRE = LockMode.SHARE_ROW_EXCLUSIVE
_SUE = LockMode.SHARE_UPDATE_EXCLUSIVE


def add_constraint(on: OnTable) -> None:
    """ADD CONSTRAINT, by itself or inside a column's definition."""
    action, state = on.action, on.state
    later = bool(action.options & {"not_valid", "not_enforced"})
    if action.object:
        state.keys[action.object] = action
    if action.constraint == "foreign_key":
        _foreign_key(on, later=later)
        return
    on.lock(_AEL)
    if action.constraint == "check":
        state.proved.setdefault(on.name, {})[action.object or action.sql] = (action.expression or "", not later)
        if not later:
            on.do(WorkKind.VERIFY)
    elif action.constraint == "not_null":
        _not_null(on, later=later)
    else:
        _index(on)


def _foreign_key(on: OnTable, *, later: bool) -> None:
    on.lock(_SRE)
    if on.action.references is None:
        return
    refer(on.action.references, on.state, on.effect)
    # A new column without a default is NULL in every row, and NULL satisfies a foreign key.
    filled = (a for a in on.whole if a.kind is Act.ADD_COLUMN and a.options & FILLED)
    empty = on.action.has("inline") and not any(a.columns == on.action.columns for a in filled)
    if not later and not empty:
        on.do(WorkKind.VALIDATE_FOREIGN_KEY)


def refer(references: tuple[str | None, str], state: OfflineState, effect: OfflineEffect) -> None:
    """The lock on the table that a new foreign key refers to."""
    schema, name = references
    if not state.known(schema, name):
        effect.fail("42P01", f'relation "{name}" does not exist')
    # NOT VALID does not weaken this: the triggers that guard the referenced table are made at once.
    effect.lock(state.relation(schema, name), _SRE)


def _not_null(on: OnTable, *, later: bool) -> None:
    action, column = on.action, on.action.columns[0] if on.action.columns else ""
    if later:
        promise = f"{quote_identifier(column)} IS NOT NULL"
        on.state.proved.setdefault(on.name, {})[action.object or action.sql] = (promise, False)
    elif not on.is_filled(column):
        on.do(WorkKind.VERIFY)
        on.state.not_null.add((on.name, column))


def _index(on: OnTable) -> None:
    action, state, indexes = on.action, on.state, on.table.indexes if on.table else ()
    if not action.has("using_index"):
        on.do(WorkKind.BUILD_INDEX, action.object)
    if action.constraint != "primary_key":
        return
    first = next((i.name.name for i in indexes if i.primary), None)
    if first is not None and first not in state.gone and not state.unsure:
        on.effect.fail("42P16", f'multiple primary keys for table "{action.table}" are not allowed')
    columns = action.columns
    if action.has("using_index"):
        wanted = dict(action.parameters).get("index")
        found = next((i for i in indexes if i.name.name == wanted), None)
        columns = tuple(k.column for k in found.definition.keys if k.column) if found else ()
    if any(state.column(action, name) is not None and not on.is_filled(name) for name in columns):
        on.do(WorkKind.VERIFY)


def validate(on: OnTable) -> None:
    """VALIDATE CONSTRAINT: reads the table under a weak lock."""
    on.lock(_SUE)
    name, state = on.action.object or "", on.state
    key = state.keys.get(name)
    if key is not None and key.constraint == "foreign_key" and key.references:
        referenced: Relation | None = state.relation(*key.references)
    else:
        referenced = next((Relation(k.referenced) for k in on.keys if k.name == name), None)
    if referenced is not None:
        # The referenced rows are only read: writers of both tables go on.
        # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
        on.effect.lock(referenced, LockMode.ROW_SHARE)
        on.do(WorkKind.VALIDATE_FOREIGN_KEY)
    else:
        on.do(WorkKind.VERIFY)
    if name in state.proved.get(on.name, {}):
        state.proved[on.name][name] = (state.proved[on.name][name][0], True)


def drop_constraint(on: OnTable) -> None:
    """DROP CONSTRAINT: brief; of a foreign key it locks both tables."""
    on.lock(_AEL)
    name = on.action.object or ""
    on.state.gone.add(name)
    on.state.proved.get(on.name, {}).pop(name, None)
    for key in on.keys:
        # The key's triggers on the referenced table go too, and DROP TRIGGER wants ACCESS EXCLUSIVE.
        if key.name == name:
            on.effect.lock(Relation(key.referenced), _AEL)


def attach(on: OnTable) -> None:
    """ATTACH PARTITION: the child is read unless a CHECK of this file says what the bound says."""
    on.lock(_SUE)
    schema, name, state = on.action.object_schema, on.action.object, on.state
    if name is None:
        return
    child, table = state.relation(schema, name), state.table(schema, name)
    on.effect.lock(child, _AEL)
    # A CHECK that implies the bound spares the scan. Whether it implies it is not proved here: any valid CHECK that the
    # file adds counts.
    if not any(valid for _, valid in state.proved.get(state.now(schema, name), {}).values()):
        on.effect.do(WorkKind.VERIFY, child)
    for index in on.table.indexes if on.table else ():
        # Indexes of the parent that the child lacks are built in place, while the child is locked.
        if table is not None and not any(i.definition.keys == index.definition.keys for i in table.indexes):
            on.effect.do(WorkKind.BUILD_INDEX, child, index.name.name)
    _default(on)


def create_partition(on: OnTable) -> None:
    """CREATE TABLE … PARTITION OF: locks the parent and reads its default partition."""
    on.lock(_AEL)
    if on.action.object is not None:
        on.state.made[on.state.now(on.action.object_schema, on.action.object)] = "r"
    _default(on)


def default_partitions(catalog: Catalog | None, table: Table | None) -> tuple[Table, ...]:
    """The default partition of the table, known by its name: what is read does not tell which one it is."""
    parts = catalog.children_of(table.name) if catalog and table else ()
    return tuple(part for part in parts if "default" in part.name.name)


def _default(on: OnTable) -> None:
    for table in default_partitions(on.state.catalog, on.table):
        relation = Relation(table.name, table.kind)
        on.effect.lock(relation, _AEL)
        on.effect.do(WorkKind.VERIFY, relation)


def detach(on: OnTable) -> None:
    """DETACH PARTITION."""
    action, together, old = on.action, on.action.has("concurrently"), on.state.major < 14
    if together and old:
        on.effect.fail("42601", "DETACH PARTITION … CONCURRENTLY needs PostgreSQL 14")
    on.lock(_SUE if together else _AEL)
    if action.object is not None:
        # Measured: 13 locks the partition with SHARE UPDATE EXCLUSIVE, 14 and later with ACCESS EXCLUSIVE.
        on.effect.lock(on.state.relation(action.object_schema, action.object), _SUE if old else _AEL)


def create_index(on: OnTable) -> None:
    """CREATE INDEX."""
    action, online = on.action, on.action.has("concurrently")
    parent = on.relation.kind == "p"
    if online and parent and not action.has("only"):
        on.effect.fail("0A000", f'cannot create index on partitioned table "{action.table}" concurrently')
    on.lock(_SUE if online else LockMode.SHARE)
    # ON ONLY makes the parent's entry alone: invalid until every partition has attached its index, and nothing is
    # built.
    if not (action.has("only") and parent):
        on.do(WorkKind.BUILD_INDEX, action.object, online=online)


def drop_index(action: Action, state: OfflineState, effect: OfflineEffect) -> None:
    """DROP INDEX locks the index and its table."""
    found = state.by_index(action.object_schema, action.object or "")
    if found is None:
        return
    table, name = found
    mode = _SUE if action.has("concurrently") else _AEL
    effect.lock(Relation(table.name, table.kind), mode)
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


def refresh(on: OnTable) -> None:
    """REFRESH MATERIALIZED VIEW."""
    together = on.action.has("concurrently")
    view = Relation(on.relation.name, "m", on.relation.existed)
    # EXCLUSIVE lets readers in and keeps a second REFRESH out.
    on.effect.lock(view, LockMode.EXCLUSIVE if together else _AEL)
    if not on.action.has("no_data"):
        on.effect.do(WorkKind.REFRESH, view, online=together)


def rewritten(on: OnTable) -> None:
    """VACUUM FULL, CLUSTER and the subcommands that copy a table."""
    on.lock(_AEL)
    on.do(WorkKind.REWRITE)


def drop_table(on: OnTable) -> None:
    """DROP TABLE locks what its foreign keys touch as well."""
    state, effect, table = on.state, on.effect, on.table
    on.lock(_AEL)
    for key in state.catalog.foreign_keys if state.catalog and table else ():
        if table and key.table == table.name and key.referenced != table.name:
            effect.lock(Relation(key.referenced), _AEL)
        if table and key.referenced == table.name and key.table != table.name:
            if not on.action.has("cascade") and key.table not in state.dropped:
                effect.fail("2BP01", f"cannot drop table {on.name.name}: {key.name} of {key.table.name} refers to it")
            effect.lock(Relation(key.table), _AEL)
    if table is not None:
        effect.changes.append(dropped_table(table.name))
    state.made.pop(on.name, None)
    state.dropped.add(on.name)


def truncate(on: OnTable) -> None:
    """TRUNCATE; refused while tables that are not emptied along refer to it."""
    on.lock(_AEL)
    together = {a.table for a in on.whole if a.kind is Act.TRUNCATE}
    for key in on.state.catalog.foreign_keys if on.state.catalog and on.table else ():
        # Refused (0A000) even when the referring table is empty: the server does not look at its rows.
        if on.table and key.referenced == on.table.name and key.table.name not in together:
            if on.action.has("cascade"):
                on.effect.lock(Relation(key.table), _AEL)
            else:
                on.effect.fail("0A000", "cannot truncate a table referenced in a foreign key constraint")


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


def rows(on: OnTable) -> None:
    """INSERT, UPDATE, DELETE, MERGE, COPY: many rows, unless a condition picks few by an index."""
    action = on.action
    on.lock(LockMode.ROW_EXCLUSIVE)
    # What is put in does not grow with the table that is there.
    if action.kind is Act.COPY or action.has("values"):
        return
    if action.kind in (Act.UPDATE, Act.DELETE) and not action.has("from") and picks(action.condition, on.table):
        return
    on.do(WorkKind.MODIFY)


def picks(condition: str | None, table: Table | None) -> bool:
    """Whether the condition names the first column of an index with = or IN."""
    tree = tree_of(condition) if condition is not None else None
    if tree is None or table is None:
        return False
    named = set()
    for part in tree.arguments if tree.value == "and" else (tree,):
        # IN of a subquery has no node of its own.
        equals = part.value in ("=", "in") or " IN (" in part.value
        if equals and part.arguments and part.arguments[0].kind == COLUMN:
            named.add(part.arguments[0].value)
    return any(i.definition.keys[0].column in named for i in table.indexes if not i.definition.predicate)
