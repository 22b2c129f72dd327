"""A CHECK of a table or domain proved while others wait, VALIDATE in the same transaction, rows that it refuses."""

from __future__ import annotations

import re

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.evolve import safe_steps as safe
from indexpilot_cli.evolve.review.case import StatementCase
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import (
    READS,
    HazardRule,
    SafeStep,
    adds,
    alter,
    columns_sql,
    constraint_name,
    does,
    dotted,
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
    return (SafeStep(text), SafeStep(safe.prove(alter(action), name), apart=True))


def promised_only(action: Action, case: StatementCase) -> str:
    """The constraint NOT VALID: rows that break it stay, new ones are refused."""
    promises = action.kind is Act.ADD_CONSTRAINT and action.constraint in ("foreign_key", "check")
    if not promises or action.has("not_valid") or action.nested or action.has("dynamic") or action.table is None:
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


def _not_valid(action: Action, _case: StatementCase) -> tuple[SafeStep, ...]:
    if action.constraint != "check" or action.has("not_valid"):
        return ()
    return (SafeStep(f"{action.sql} NOT VALID"),)


def _note(_action: Action, _case: StatementCase) -> str:
    return "the domain's check holds for new values; VALIDATE CONSTRAINT at a quiet hour, it makes writers wait"


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
    steps=_not_valid,
    left="a domain's constraint is proved while writers wait; choose a quiet hour",
    note=_note,
)
