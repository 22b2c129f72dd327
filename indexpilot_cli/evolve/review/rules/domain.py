"""ALTER DOMAIN: every table that uses the domain is read while writers wait."""

from __future__ import annotations

from indexpilot_cli.evolve.review.case import StatementCase
from indexpilot_cli.evolve.review.rule import READS, Rule, SafeStep, does
from indexpilot_cli.sql.ddl.action import Act, Action


def _not_valid(action: Action, _case: StatementCase) -> tuple[SafeStep, ...]:
    if action.constraint != "check" or action.has("not_valid"):
        return ()
    return (SafeStep(f"{action.sql} NOT VALID"),)


def _note(_action: Action, _case: StatementCase) -> str:
    return "the domain's check holds for new values; VALIDATE CONSTRAINT at a quiet hour, it makes writers wait"


DOMAIN_SCAN = Rule(
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
