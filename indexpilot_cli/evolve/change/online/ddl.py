"""The statements of an online type change. Each tuple is one short transaction; nothing here reads or scans a table.

What takes long (filling, building indexes, validating) is in ``work``.
https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.core.ddl import Select
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.evolve import alter_table as safe
from indexpilot_cli.evolve.change import undo
from indexpilot_cli.evolve.change.online import texts
from indexpilot_cli.evolve.change.online.texts import (
    Both,
    InboundKey,
    OnlineConstraint,
    OnlineGrant,
    OnlineIndex,
    OnlinePlan,
    Side,
    aside,
    column_name,
    fill_in,
    tag,
    written,
)
from indexpilot_cli.evolve.relation import SequenceFacts


def add_column(plan: OnlinePlan) -> tuple[str, ...]:
    """The new column: empty, so nothing is rewritten."""
    # ADD COLUMN takes ACCESS EXCLUSIVE. No default yet: the trigger gives new rows their value, and a volatile default
    # would make the server write the table anew under that lock.
    name = quote_identifier(column_name(plan, Side.NEW))
    collation = f" COLLATE {plan.new_collation}" if plan.new_collation else ""
    return (
        f"ALTER TABLE {plan.table} ADD COLUMN {name} {plan.new_type}{collation}",
        # The tag tells our column from one that a person gave this name: no other is ever filled or dropped.
        f"COMMENT ON COLUMN {plan.table}.{name} IS {quote_literal(tag(plan))}",
    )


def follow(plan: OnlinePlan, side: Side, schema: str) -> tuple[str, ...]:
    """The trigger that keeps the side's column in step with the one in use, in any session, replicas' included."""
    function = texts.function_name(plan, schema)
    trigger = quote_identifier(texts.trigger_name(plan))
    target = quote_identifier(column_name(plan, side))
    # A BEFORE trigger changes the row before it is stored; an AFTER trigger would have to write it a second time.
    body = f"BEGIN NEW.{target} := {texts.assigned_value(plan, side, 'NEW.')}; RETURN NEW; END"
    # Set on the function: by a writer's own TimeZone or search_path a row would get another value than by a batch.
    pins = "".join(f" SET {_pin(name, value)}" for name, value in plan.pins)
    return (
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql{pins} AS {quote_literal(body)}",
        # CREATE OR REPLACE TRIGGER is there from 14 on only; the way back uses the same names.
        f"DROP TRIGGER IF EXISTS {trigger} ON {plan.table}",
        f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {plan.table} FOR EACH ROW EXECUTE FUNCTION {function}()",
        # An ordinary trigger is left out where session_replication_role is replica: by the apply workers of logical
        # replication, and by our own batches that leave the user's triggers out.
        # https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SESSION-REPLICATION-ROLE
        f"ALTER TABLE {plan.table} ENABLE ALWAYS TRIGGER {trigger}",
    )


def unfollow(plan: OnlinePlan, schema: str) -> tuple[str, ...]:
    """Trigger and function away, whichever are there."""
    return (
        # ACCESS EXCLUSIVE. The trigger first: it depends on the function, which could not be dropped before it (2BP01).
        f"DROP TRIGGER IF EXISTS {quote_identifier(texts.trigger_name(plan))} ON {plan.table}",
        f"DROP FUNCTION IF EXISTS {texts.function_name(plan, schema)}()",
    )


def drop_column(plan: OnlinePlan, side: Side) -> tuple[str, ...]:
    """The side's column away, with the indexes and constraints that are left on it; never anything of others."""
    # Brief on any size: the column is hidden in the catalog, its values stay until a row is written again.
    return (f"ALTER TABLE {plan.table} DROP COLUMN IF EXISTS {quote_identifier(column_name(plan, side))} RESTRICT",)


def dress(plan: OnlinePlan, side: Side) -> tuple[str, ...]:
    """What a column carries itself: statistics target, options, privileges. The old column kept its own."""
    # All of it hangs on the column's number, so a new column begins without. The target matters before ANALYZE samples
    # it. SET STATISTICS and SET (n_distinct = …) take SHARE UPDATE EXCLUSIVE: nobody who reads or writes waits.
    if side is Side.OLD:
        return ()
    name = quote_identifier(column_name(plan, side))
    alter = f"ALTER TABLE {plan.table} ALTER COLUMN {name}"
    target = (f"{alter} SET STATISTICS {plan.target}",) if plan.target >= 0 else ()
    options = (f"{alter} SET ({', '.join(plan.options)})",) if plan.options else ()
    return target + options + tuple(_grant(f"({name}) ON {plan.table}", grant) for grant in plan.grants)


def create_index(plan: OnlinePlan, index: OnlineIndex, side: Side) -> str:
    """The index on the side's column, beside the one in use."""
    # CONCURRENTLY holds SHARE UPDATE EXCLUSIVE during the build; without it the SHARE lock would keep all writers out.
    unique = "UNIQUE " if index.unique else ""
    name = quote_identifier(aside(index.name, side))
    return f"CREATE {unique}INDEX CONCURRENTLY {name} ON {plan.table} {body_of(plan, index, side)}"


def body_of(plan: OnlinePlan, index: OnlineIndex, side: Side) -> str:
    """What follows the table's name in the definition of the side's index, as the server prints it."""
    return written(index.body, side, column_name(plan, side))


def add_statistics(plan: OnlinePlan, side: Side) -> tuple[tuple[str, str, str], ...]:
    """Schema, name and statement of each extended statistics object on the side's column."""
    made = []
    for one in plan.statistics:
        name = QualifiedName(one.schema, aside(one.name, side))
        head = written(one.head, side, column_name(plan, side))
        made.append((one.schema, name.name, f"CREATE STATISTICS {name}{head} FROM {plan.table}"))
    return tuple(made)


def add_constraint(plan: OnlinePlan, table: QualifiedName, one: OnlineConstraint | InboundKey, side: Side) -> str:
    """The CHECK or foreign key on the side's column, for new rows only until it is validated."""
    body = one.body if isinstance(one.body, str) else one.body.of(side)
    # A CHECK takes ACCESS EXCLUSIVE, a foreign key SHARE ROW EXCLUSIVE on both tables: with NOT VALID no row is read
    # under them. One that is NOT ENFORCED (from 18 on) reads none anyway.
    # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    late = " NOT VALID" if one.enforced else ""
    name = quote_identifier(aside(one.name, side))
    return f"ALTER TABLE {table} ADD CONSTRAINT {name} {fill_in(body, column_name(plan, side))}{late}"


def validate(table: QualifiedName, name: str) -> str:
    """Check all rows against the constraint; reads and writes go on."""
    # For a foreign key ROW SHARE on the other table too. Never in the transaction that added the constraint: its
    # stronger lock would be held for as long as the rows are read.
    return safe.prove(f"ALTER TABLE {table}", quote_identifier(name))


def add_not_null_check(plan: OnlinePlan, side: Side) -> str:
    """The CHECK that proves there is no NULL."""
    column, name = quote_identifier(column_name(plan, side)), quote_identifier(texts.check_name(plan))
    return safe.promise_not_null(f"ALTER TABLE {plan.table}", column, name, _BY_CHECK)


def set_not_null(plan: OnlinePlan, side: Side) -> tuple[str, ...]:
    """NOT NULL by the validated CHECK, without a scan, and the CHECK away."""
    column, name = quote_identifier(column_name(plan, side)), quote_identifier(texts.check_name(plan))
    return safe.take_over_not_null(f"ALTER TABLE {plan.table}", column, name, _BY_CHECK)


def locked_tables(plan: OnlinePlan) -> tuple[QualifiedName, ...]:
    """The tables that must be locked to swap: dropping a foreign key locks the table it refers to as well."""
    # LOCK TABLE takes its tables one after the other: the changing table comes last, so that nobody waits at it while
    # the locks of the others are still asked for.
    others = {one.references for one in plan.constraints if one.references is not None}
    others |= {key.table for key in plan.inbound}
    return (*sorted(others - {plan.table}), plan.table)


def swap(plan: OnlinePlan, side: Side, schema: str, not_null_now: str | None = None) -> tuple[str, ...]:
    """Put the side's column in the place of the one in use: catalog changes only, in one transaction.

    ``not_null_now`` is the name of the side's NOT NULL constraint where the server has such names (from 18 on).
    """
    return tuple(_swap(plan, side, schema, not_null_now))


def _swap(plan: OnlinePlan, side: Side, schema: str, not_null_now: str | None) -> Iterator[str]:
    table, column = plan.table, quote_identifier(plan.column)
    coming, going = (quote_identifier(column_name(plan, s)) for s in (side, side.other))
    # The function's text has the names of the columns in it: after the renames it would assign the wrong one. Nobody
    # can write between this and the end of the transaction, so no row is missed.
    yield from unfollow(plan, schema)
    yield from _release(plan, column)
    # Indexes, constraints and privileges know columns by number: a rename moves none of them from one to the other.
    yield f"ALTER TABLE {table} RENAME COLUMN {column} TO {going}"
    yield f"ALTER TABLE {table} RENAME COLUMN {coming} TO {column}"
    # From 18 on NOT NULL is a constraint with a name, which migrations may drop by that name.
    if plan.not_null_name and not_null_now and not_null_now != plan.not_null_name:
        yield _rename_constraint(table, not_null_now, plan.not_null_name)
    for index in plan.indexes:
        yield from _swap_index(plan, index, side)
    owned: list[tuple[QualifiedName, OnlineConstraint | InboundKey]] = [(table, own) for own in plan.constraints]
    for owner, one in [*owned, *((key.table, key) for key in plan.inbound)]:
        yield _rename_constraint(owner, aside(one.name, side), one.name)
        yield from _constraint_comment(owner, one.name, one.comment)
    yield from _swap_statistics(plan, side)
    yield from _take_over(plan, side, column, going)


def _release(plan: OnlinePlan, column: str) -> Iterator[str]:
    """What the column in use gives up: whatever could refuse a row in which it is no longer set."""
    alter = f"ALTER TABLE {plan.table}"
    # The order is the server's: foreign keys of others depend on the unique index and would make its constraint's DROP
    # fail (2BP01); NOT NULL cannot go while the column is in the primary key or an identity column.
    keys = [(key.table, key.name) for key in plan.inbound] + [(plan.table, one.name) for one in plan.constraints]
    for table, name in keys + [(plan.table, i.name) for i in plan.indexes if i.constraint]:
        yield f"ALTER TABLE {table} DROP CONSTRAINT {quote_identifier(name)}"
    for index in plan.indexes:
        if index.unique and not index.constraint:
            # Not CONCURRENTLY, which refuses a transaction block; the table is locked already. Indexes that are not
            # unique refuse no row: they only change names here, and go CONCURRENTLY after the swap.
            yield f"DROP INDEX {QualifiedName(plan.table.schema, index.name)}"
    for sequence in plan.sequences:
        # A sequence goes with the column that owns it: it must not go when the old column is dropped.
        yield f"ALTER SEQUENCE {sequence} OWNED BY NONE"
    if plan.default is not None:
        # A nextval() that stays would draw a second number from the sequence for every row inserted.
        yield f"{alter} ALTER COLUMN {column} DROP DEFAULT"
    yield from release_identity(plan, column)
    if plan.not_null:
        yield f"{alter} ALTER COLUMN {column} DROP NOT NULL"


def _swap_index(plan: OnlinePlan, index: OnlineIndex, side: Side) -> Iterator[str]:
    coming, going = (QualifiedName(plan.table.schema, aside(index.name, s)) for s in (side, side.other))
    used = QualifiedName(plan.table.schema, index.name)
    if index.constraint:
        # ADD CONSTRAINT … USING INDEX gives the index the constraint's name and keeps its identity, so foreign keys of
        # others that rest on it stay. For a primary key it reads nothing: the column is NOT NULL by now.
        kind, built = "PRIMARY KEY" if index.constraint == "p" else "UNIQUE", quote_identifier(coming.name)
        late = undo.deferral(deferrable=index.deferrable, deferred=index.deferred)
        yield safe.attach_unique(f"ALTER TABLE {plan.table}", quote_identifier(index.name), kind, built) + late
        yield from _constraint_comment(plan.table, index.name, index.constraint_comment)
    else:
        if not index.unique:
            yield f"ALTER INDEX {used} RENAME TO {quote_identifier(going.name)}"
        yield f"ALTER INDEX {coming} RENAME TO {quote_identifier(index.name)}"
    yield f"COMMENT ON INDEX {used} IS {_text(index.comment)}"
    # Flags of the index that was there. No row moves; without a replica identity UPDATEs of a published table fail
    # (55000).
    if index.clustered:
        yield f"ALTER TABLE {plan.table} CLUSTER ON {quote_identifier(index.name)}"
    if index.replica_identity:
        yield f"ALTER TABLE {plan.table} REPLICA IDENTITY USING INDEX {quote_identifier(index.name)}"


def _swap_statistics(plan: OnlinePlan, side: Side) -> Iterator[str]:
    for one in plan.statistics:
        used = QualifiedName(one.schema, one.name)
        coming, going = (QualifiedName(one.schema, aside(one.name, s)) for s in (side, side.other))
        yield f"ALTER STATISTICS {used} RENAME TO {quote_identifier(going.name)}"
        yield f"ALTER STATISTICS {coming} RENAME TO {quote_identifier(one.name)}"
        yield f"COMMENT ON STATISTICS {used} IS {_text(one.comment)}"


def _take_over(plan: OnlinePlan, side: Side, column: str, going: str) -> Iterator[str]:
    """What belongs to whichever column is in use."""
    if plan.default is not None:
        value = fill_in(plan.default.of(side), plan.column)
        yield f"ALTER TABLE {plan.table} ALTER COLUMN {column} SET DEFAULT {value}"
    for sequence in plan.sequences:
        # Ownership is what drops the sequence with the table, and how pg_get_serial_sequence finds it.
        yield f"ALTER SEQUENCE {sequence} OWNED BY {plan.table}.{column}"
    yield from take_over_identity(plan, side, column)
    yield f"COMMENT ON COLUMN {plan.table}.{column} IS {_text(plan.comment)}"
    yield f"COMMENT ON COLUMN {plan.table}.{going} IS {quote_literal(tag(plan))}"


def retired_statistics(plan: OnlinePlan, side: Side) -> tuple[str, ...]:
    """Statements that remove the side's extended statistics while its column is not in use."""
    names = (QualifiedName(one.schema, aside(one.name, side)) for one in plan.statistics)
    return tuple(f"DROP STATISTICS IF EXISTS {name}" for name in names)


def retired_constraints(plan: OnlinePlan, side: Side) -> tuple[str, ...]:
    """Statements that remove the side's constraints while its column is not in use."""
    names = [aside(one.name, side) for one in plan.constraints] + [texts.check_name(plan)]
    return tuple(_drop_constraint(plan.table, name) for name in names)


def retired_inbound(plan: OnlinePlan, side: Side) -> tuple[str, ...]:
    """Statements that remove other tables' keys on the side's column while it is not in use."""
    return tuple(_drop_constraint(key.table, aside(key.name, side)) for key in plan.inbound)


def _drop_constraint(table: QualifiedName, name: str) -> str:
    return f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {quote_identifier(name)}"


def _pin(name: str, value: str) -> str:
    """A setting of a function; the search path is a list of names, quoted already."""
    return f"search_path = {value}" if name == "search_path" else f"{quote_identifier(name)} = {quote_literal(value)}"


def _rename_constraint(table: QualifiedName, old: str, new: str) -> str:
    return f"ALTER TABLE {table} RENAME CONSTRAINT {quote_identifier(old)} TO {quote_identifier(new)}"


def _constraint_comment(table: QualifiedName, name: str, comment: str | None) -> Iterator[str]:
    if comment is not None:
        yield f"COMMENT ON CONSTRAINT {quote_identifier(name)} ON {table} IS {quote_literal(comment)}"


def _grant(on: str, grant: OnlineGrant) -> str:
    who = "PUBLIC" if grant.grantee is None else quote_identifier(grant.grantee)
    return f"GRANT {grant.privilege} {on} TO {who}{' WITH GRANT OPTION' if grant.grantable else ''}"


def _text(comment: str | None) -> str:
    return "NULL" if comment is None else quote_literal(comment)


_BY_CHECK = 0  # on every server: the CHECK takes part in the swap, which a named NOT NULL of 18 would not
LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_AT, _CALLED = "indexpilot.identity_at", "indexpilot.identity_called"


def sequence_options(sequence: SequenceFacts, types: Both) -> Both:
    """The sequence's options on either column: a bound that was only the old type's becomes the new type's."""
    # The sequence of an identity column has the column's type. Limits that were merely those of integer are left out
    # for bigint: kept, they would stop the numbers where they stopped before.
    bound, old = LARGEST.get(types.old, 0), undo.sequence_options(sequence)
    new = old.replace(f" MINVALUE {-bound - 1} ", " ").replace(f" MAXVALUE {bound} ", " ")
    return Both(old, new)


def release_identity(plan: OnlinePlan, column: str) -> Iterator[str]:
    """The column in use lets its sequence go; the transaction remembers where it stood."""
    if plan.identity is None:
        return
    # DROP IDENTITY drops the sequence. Its place goes into a setting of the transaction, because all statements of the
    # swap run in one DO, without a round trip in which a client could keep it. is_called tells whether last_value was
    # given out.
    sequence = plan.identity.sequence
    yield Select(
        f"pg_catalog.set_config({quote_literal(_AT)}, last_value::text, true) AS a,"
        f" pg_catalog.set_config({quote_literal(_CALLED)}, is_called::text, true) AS b",
        sequence,
    )
    yield f"ALTER TABLE {plan.table} ALTER COLUMN {column} DROP IDENTITY"


def take_over_identity(plan: OnlinePlan, side: Side, column: str) -> Iterator[str]:
    """The column that comes into use gets a sequence of the same name, options, privileges and position."""
    # The server adds an identity only to a column that is NOT NULL and has no default. The same name, so that what
    # calls nextval() by name goes on.
    identity = plan.identity
    if identity is None:
        return
    yield (
        f"ALTER TABLE {plan.table} ALTER COLUMN {column} ADD GENERATED {'ALWAYS' if identity.always else 'BY DEFAULT'}"
        f" AS IDENTITY (SEQUENCE NAME {identity.sequence} {identity.options.of(side)})"
    )
    yield (
        f"SELECT pg_catalog.setval({quote_literal(str(identity.sequence))}::regclass,"
        f" pg_catalog.current_setting({quote_literal(_AT)})::bigint,"
        f" pg_catalog.current_setting({quote_literal(_CALLED)})::boolean)"
    )
    yield from (_grant(f"ON SEQUENCE {identity.sequence}", grant) for grant in identity.grants)
    if identity.comment is not None:
        yield f"COMMENT ON SEQUENCE {identity.sequence} IS {quote_literal(identity.comment)}"


def inbound_mark(key: InboundKey, side: Side) -> str:
    """The key on the side's column, as the catalog's list of inbound keys has it while it is not in use."""
    return f"{key.table.schema}.{key.table.name}.{aside(key.name, side)}"
