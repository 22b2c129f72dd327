"""CHECK, NOT NULL, UNIQUE, PRIMARY KEY and EXCLUDE proved while others wait, their safer forms, rows in the way."""

from __future__ import annotations

import re
from dataclasses import replace

from indexpilot_cli.core.names import dotted, object_name, quote_identifier
from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.evolve import alter_table
from indexpilot_cli.evolve.review.case import StatementCase
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import (
    BUILDS,
    READS,
    HazardRule,
    SafeStep,
    Works,
    adds,
    alter,
    column_list,
    columns_sql,
    constraint_name,
    does,
    error,
    table_sql,
)
from indexpilot_cli.sql.ddl.action import Act, Action

_ACTIONS = {"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_PARTITIONED_KEY = 180000  # before, a foreign key of a partitioned table cannot be NOT VALID


def validated_apart(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """A CHECK or foreign key NOT VALID, and VALIDATE CONSTRAINT in a transaction of its own."""
    old = case.review.version < _PARTITIONED_KEY
    if action.constraint == "foreign_key" and case.review.partitioned(action) and old:
        return ()
    text = _promised(action)
    if text is None:
        return ()
    name = quote_identifier(constraint_name(action))
    # In one transaction VALIDATE would read the table under the lock that ADD CONSTRAINT still holds.
    return (SafeStep(text), SafeStep(alter_table.prove(alter(action), name), apart=True))


def promised_only(action: Action, case: StatementCase) -> str:
    """The constraint NOT VALID: rows that break it stay, new ones are refused."""
    promises = action.kind is Act.ADD_CONSTRAINT and action.constraint in ("foreign_key", "check")
    if not promises or action.options & {"not_valid", "dynamic", "inline"} or action.nested or action.table is None:
        return ""
    steps = validated_apart(action, case)
    return f"{steps[0].sql};" if steps else ""


def _promised(action: Action) -> str | None:
    if action.object and not action.has("inline"):
        return f"{action.sql} NOT VALID"
    body = _body(action)
    name = quote_identifier(constraint_name(action))
    return None if body is None else f"{alter(action)} ADD CONSTRAINT {name} {body} NOT VALID"


def _body(action: Action) -> str | None:
    """``CHECK (…)`` or ``FOREIGN KEY (…) REFERENCES …`` out of the action's parts."""
    if action.constraint == "check":
        tail = " NO INHERIT" if action.has("no_inherit") else ""
        return f"CHECK ({action.expression}){tail}" if action.expression else None
    if action.constraint != "foreign_key" or action.references is None or action.has("deferrable"):
        return None
    # MATCH FULL and a column list behind SET NULL are not among the action's parts.
    if re.search(r"\bMATCH\s+FULL\b|\bSET\s+(?:NULL|DEFAULT)\s*\(", action.sql, re.IGNORECASE):
        return None
    target = dotted(*action.references)
    columns = f" {columns_sql(action.referenced_columns)}" if action.referenced_columns else ""
    given = dict(action.parameters)
    rules = "".join(
        f" {words} {_ACTIONS[given[key]]}"
        for key, words in (("on_delete", "ON DELETE"), ("on_update", "ON UPDATE"))
        if given.get(key) in _ACTIONS
    )
    return f"FOREIGN KEY {columns_sql(action.columns)} REFERENCES {target}{columns}{rules}"


def _in_another_transaction(action: Action, _case: StatementCase) -> str:
    return "" if action.nested or action.has("dynamic") or action.table is None else f"COMMIT;\n{action.sql};"


def _violated(seen: SqlError) -> bool:
    # A row that no partition takes is 23514 as well: only the message tells them apart.
    return seen.sqlstate == "23514" and "partition" not in seen.message


CHECK_VALID = HazardRule(
    "L20 check-valid",
    "a CHECK is added and proved under an exclusive lock",
    "ADD CHECK reads every row under ACCESS EXCLUSIVE: reads and writes wait.",
    "Add it NOT VALID (a moment), then VALIDATE CONSTRAINT in another transaction, beside readers and writers.",
    "ALTER TABLE orders ADD CONSTRAINT amount_positive CHECK (amount > 0);",
    "ALTER TABLE orders ADD CONSTRAINT amount_positive CHECK (amount > 0) NOT VALID;\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT amount_positive;",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=adds(READS, "check"),
    steps=validated_apart,
)

VALIDATED_IN_SAME_TRANSACTION = HazardRule(
    "L22 validated-in-same-transaction",
    "NOT VALID and VALIDATE in one transaction",
    "VALIDATE reads the table under a weak lock, but the lock of ADD CONSTRAINT is held until COMMIT: in one "
    "transaction nothing is won.",
    "COMMIT between them.",
    "BEGIN;\nALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0) NOT VALID;\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT c;\nCOMMIT;",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT c;",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=does(READS, Act.VALIDATE_CONSTRAINT),
    safer=_in_another_transaction,
    splits=True,
)

CHECK_VIOLATED = HazardRule(
    "F04 check-violated",
    "there are rows that the CHECK refuses",
    "The constraint fails (23514), also when it is validated later.",
    "Repair the rows first, or add it NOT VALID: it holds for new rows from then on.",
    "ALTER TABLE orders ADD CONSTRAINT amount_positive CHECK (amount > 0);",
    "ALTER TABLE orders ADD CONSTRAINT amount_positive CHECK (amount > 0) NOT VALID;",
    "ddl-constraints.html#DDL-CONSTRAINTS-CHECK-CONSTRAINTS",
    fails=_violated,
    probes=(ProbeKind.CHECK,),
    safer=promised_only,
)


def _not_valid(action: Action, _case: StatementCase) -> str:
    # No step of a safer file: rows that exist would never be checked, or by a VALIDATE that makes writers wait as well.
    promise = action.constraint == "check" and not action.has("not_valid") and not action.nested
    return f"{action.sql} NOT VALID;" if promise else ""


DOMAIN_SCAN = HazardRule(
    "L23 domain-scan",
    "a domain's constraint reads every table that uses it",
    "ALTER DOMAIN … ADD CHECK, VALIDATE and SET NOT NULL read each table with a column of the domain under SHARE: "
    "writers wait.",
    "Add it NOT VALID (no table is locked) and validate it at a quiet hour.",
    "ALTER DOMAIN email ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%');",
    "ALTER DOMAIN email ADD CONSTRAINT has_at CHECK (VALUE LIKE '%@%') NOT VALID;",
    "sql-alterdomain.html",
    causes=does(READS, Act.ALTER_DOMAIN),
    safer=_not_valid,
    left="a domain's constraint is proved while writers wait; choose a quiet hour",
)


_SETS = does(READS, Act.SET_NOT_NULL)
_ADDS = adds(READS, "not_null")


def not_null(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """NOT NULL by a promise that is proved later: a CHECK, or from 18 on the NOT NULL constraint itself."""
    if not action.columns or action.table is None:
        return ()
    column, version, target = quote_identifier(action.columns[0]), case.review.version, alter(action)
    # Before 18 NOT NULL is a mark of the column and has no name of its own.
    own = action.object if version >= alter_table.NOT_NULL_NOT_VALID else None
    name = quote_identifier(own or object_name(action.table, action.columns[0], "not_null"))
    # The proof must be committed before SET NOT NULL can believe it.
    taken = enumerate(alter_table.take_over_not_null(target, column, name, version))
    return (
        SafeStep(alter_table.promise_not_null(target, column, name, version)),
        SafeStep(alter_table.prove(target, name), apart=True),
        *(SafeStep(text, apart=number == 0) for number, text in taken),
    )


def _scans_for_null(action: Action, works: Works) -> bool:
    return _SETS(action, works) or _ADDS(action, works)


NOT_NULL_SCAN = HazardRule(
    "L14 not-null-scan",
    "SET NOT NULL reads the whole table",
    "Every row is read under ACCESS EXCLUSIVE, unless a valid CHECK proves that there is no NULL.",
    "Add CHECK (column IS NOT NULL) NOT VALID, validate it in another transaction, then SET NOT NULL takes a "
    "moment. From PostgreSQL 18 on ADD NOT NULL … NOT VALID and VALIDATE do the same.",
    "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;",
    "ALTER TABLE orders ADD CONSTRAINT ref_set CHECK (ref IS NOT NULL) NOT VALID;\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT ref_set;\n"
    "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;\n"
    "ALTER TABLE orders DROP CONSTRAINT ref_set;",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=_scans_for_null,
    steps=not_null,
)

NULLS_IN_THE_WAY = HazardRule(
    "F01 nulls-in-the-way",
    "there are NULLs where none may be",
    "SET NOT NULL, a primary key or a NOT NULL domain fails (23502) as long as one row has no value.",
    "Give the rows a value first, in batches, and a default so that no new ones come.",
    "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;",
    "UPDATE orders SET ref = 'unknown' WHERE ref IS NULL;\nALTER TABLE orders ALTER COLUMN ref SET NOT NULL;",
    "ddl-constraints.html#DDL-CONSTRAINTS-NOT-NULL",
    fails=error("23502"),
    probes=(ProbeKind.NULLS,),
)


_DEFERRABLE = re.compile(r"\b(?:NOT\s+)?DEFERRABLE\b.*\Z", re.IGNORECASE | re.DOTALL)


def constraint_by_index(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """The index CONCURRENTLY, then the constraint that takes it; () where there is no such way (EXCLUDE)."""
    if action.constraint not in ("unique", "primary_key") or not action.columns or case.review.partitioned(action):
        return ()
    name = quote_identifier(constraint_name(action))
    include = dict(action.parameters).get("include")
    # Expressions over a range (WITHOUT OVERLAPS) are no plain unique index.
    if re.search(r"\bWITHOUT\s+OVERLAPS\b", action.sql, re.IGNORECASE):
        return ()
    index = alter_table.build_unique(name, table_sql(action), column_list(action.columns))
    index += f" INCLUDE ({include})" if include else ""
    index += " NULLS NOT DISTINCT" if action.has("nulls_not_distinct") else ""
    kind = "PRIMARY KEY" if action.constraint == "primary_key" else "UNIQUE"
    later = _DEFERRABLE.search(action.sql)
    tail = f" {later.group()}" if later and action.has("deferrable") else ""
    steps = (SafeStep(index, alone=True), SafeStep(alter_table.attach_unique(alter(action), name, kind) + tail))
    return _proved_first(action, case, steps) if action.constraint == "primary_key" else steps


def _proved_first(action: Action, case: StatementCase, steps: tuple[SafeStep, ...]) -> tuple[SafeStep, ...]:
    """NOT NULL proved for each nullable column before the key takes its index."""
    before: tuple[SafeStep, ...] = ()
    after: tuple[SafeStep, ...] = ()
    for column in action.columns:
        if case.review.nullable(action, column):
            parts = not_null(replace(action, columns=(column,), object=None), case)
            before, after = (*before, *parts[:3]), (*after, *parts[3:])
    return (*before, *steps, *after)


def _using_index(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """PRIMARY KEY USING INDEX: the columns are those of the index."""
    table = case.review.table(action)
    index = dict(action.parameters).get("index")
    found = next((i for i in table.indexes if i.name.name == index), None) if table else None
    if found is None or action.constraint != "primary_key":
        return ()
    columns = tuple(k.column for k in found.definition.keys if k.column is not None)
    return _proved_first(replace(action, columns=columns), case, (SafeStep(action.sql),))


def _proves_key(action: Action, works: Works) -> bool:
    done = action.options & {"not_valid", "not_enforced", "inline"}
    return action.kind is Act.ADD_CONSTRAINT and action.has("using_index") and not done and bool(works & READS)


UNIQUE_BUILDS_INDEX = HazardRule(
    "L04 unique-builds-index",
    "a constraint builds its index under an exclusive lock",
    "ADD UNIQUE, PRIMARY KEY or EXCLUDE builds the index while it holds ACCESS EXCLUSIVE: reads and writes wait.",
    "Build a unique index CONCURRENTLY first, then attach it with USING INDEX, which takes a moment. An EXCLUDE "
    "constraint has no such way: choose a quiet hour.",
    "ALTER TABLE orders ADD CONSTRAINT orders_ref_key UNIQUE (ref);",
    "CREATE UNIQUE INDEX CONCURRENTLY orders_ref_key ON orders (ref);\n"
    "ALTER TABLE orders ADD CONSTRAINT orders_ref_key UNIQUE USING INDEX orders_ref_key;",
    "sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
    causes=adds(BUILDS, "unique", "primary_key", "exclude"),
    steps=constraint_by_index,
)

PRIMARY_KEY_SCAN = HazardRule(
    "L05 primary-key-scan",
    "a primary key proves NOT NULL by reading the table",
    "PRIMARY KEY USING INDEX on nullable columns reads the whole table under ACCESS EXCLUSIVE to see that no value "
    "is NULL.",
    "Make the columns NOT NULL first, by a CHECK that is validated beside the readers.",
    "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_ref_idx;",
    "ALTER TABLE orders ADD CONSTRAINT ref_set CHECK (ref IS NOT NULL) NOT VALID;\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT ref_set;\n"
    "ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;\n"
    "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_ref_idx;\n"
    "ALTER TABLE orders DROP CONSTRAINT ref_set;",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=_proves_key,
    steps=_using_index,
    left="the primary key's index is not known",
)

DUPLICATES_IN_THE_WAY = HazardRule(
    "F02 duplicates-in-the-way",
    "there are duplicates where values must be unique",
    "A unique index or constraint fails (23505); built CONCURRENTLY it leaves an invalid index behind.",
    "Find and settle the duplicates first.",
    "CREATE UNIQUE INDEX CONCURRENTLY orders_ref_key ON orders (ref);",
    "SELECT ref, count(*) FROM orders GROUP BY ref HAVING count(*) > 1;",
    "ddl-constraints.html#DDL-CONSTRAINTS-UNIQUE-CONSTRAINTS",
    fails=error("23505"),
    probes=(ProbeKind.DUPLICATES,),
)

EXCLUSION_VIOLATED = HazardRule(
    "F08 exclusion-violated",
    "there are rows that exclude each other",
    "An EXCLUDE constraint fails (23P01).",
    "Settle the conflicts first.",
    "ALTER TABLE stays ADD CONSTRAINT no_overlap EXCLUDE USING gist (span WITH &&);",
    "SELECT a.id, b.id FROM stays a JOIN stays b ON a.span && b.span AND a.id < b.id;",
    "ddl-constraints.html#DDL-CONSTRAINTS-EXCLUSION",
    fails=error("23P01"),
    probes=(ProbeKind.EXCLUSION,),
)
