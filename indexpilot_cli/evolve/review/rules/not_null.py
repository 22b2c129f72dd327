"""SET NOT NULL: the scan that proves it, and NULLs in the way."""

from __future__ import annotations

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.evolve import safe_steps as safe
from indexpilot_cli.evolve.review.case import StatementCase
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import READS, HazardRule, SafeStep, Works, adds, alter, does, error, made_name
from indexpilot_cli.sql.ddl.action import Act, Action

_SETS = does(READS, Act.SET_NOT_NULL)
_ADDS = adds(READS, "not_null")


def not_null(action: Action, case: StatementCase) -> tuple[SafeStep, ...]:
    """NOT NULL by a promise that is proved later: a CHECK, or from 18 on the NOT NULL constraint itself."""
    if not action.columns or action.table is None:
        return ()
    column, version, target = quote_identifier(action.columns[0]), case.review.version, alter(action)
    # Before 18 NOT NULL is a mark of the column and has no name of its own.
    own = action.object if version >= safe.NOT_NULL_NOT_VALID else None
    name = quote_identifier(own or made_name(action.table, action.columns[0], "not_null"))
    # The proof must be committed before SET NOT NULL can believe it.
    taken = enumerate(safe.take_over_not_null(target, column, name, version))
    return (
        SafeStep(safe.promise_not_null(target, column, name, version)),
        SafeStep(safe.prove(target, name), apart=True),
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
