"""Values of an enum: never removed, and not usable in the transaction that adds them."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.rule import Rule, error
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act


def _made(review: Review) -> Iterator[Finding]:
    for case, action in review.actions:
        if action.kind is Act.CREATE_TYPE and action.type == "enum":
            yield ENUM_VALUE.finding(case, f"values of the enum {action.object} can never be removed")


ENUM_VALUE = Rule(
    "D08 enum-value",
    "enum values can be added but not removed",
    "A value that is no longer wanted stays for ever; the order is fixed too.",
    "A table of values and a foreign key, when the list is not final.",
    "CREATE TYPE mood AS ENUM ('fine', 'bad');",
    "CREATE TABLE moods (name text PRIMARY KEY);",
    "datatype-enum.html",
    find=_made,
)

ENUM_VALUE_TOO_NEW = Rule(
    "F26 enum-value-too-new",
    "a new enum value is used in the transaction that adds it",
    "The value cannot be used before COMMIT (55P04).",
    "COMMIT between ALTER TYPE … ADD VALUE and its first use.",
    "BEGIN;\nALTER TYPE mood ADD VALUE 'fine';\nUPDATE orders SET mood = 'fine';\nCOMMIT;",
    "ALTER TYPE mood ADD VALUE 'fine';\nUPDATE orders SET mood = 'fine' WHERE id = 1;",
    "sql-altertype.html",
    fails=error("55P04"),
)
