"""Foreign keys: proved while writers of two tables wait, orphans in the way, rows still referred to, no index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import object_name, quote_identifier
from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.core.units import count
from indexpilot_cli.evolve.review.case import Review, StatementCase, listed, name_of
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import READS, HazardRule, adds, columns_sql, error, table_sql
from indexpilot_cli.evolve.review.rules.constraints import promised_only, validated_apart
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action

_BIG = 1000.0  # rows from which a missing index is more than a word of advice
DEPENDS = ("used by", "used in", "depends on", "referenced in a foreign key")


def _still_referenced(seen: SqlError) -> bool:
    depends = any(word in seen.message for word in DEPENDS)
    # TRUNCATE of a referenced table answers with the state of everything unsupported: the words decide.
    return seen.sqlstate == "0A000" and depends and "foreign key" in seen.message


def _without_index(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case, action in review.actions:
        key = action.kind is Act.ADD_CONSTRAINT and action.constraint == "foreign_key"
        if not key or _indexed(review, action):
            continue
        table = review.table(action)
        rows = table.rows if table else 0.0
        many = f" ({count(rows)} rows)" if rows else ""
        text = (
            f"no index of {name_of(action)}{many} begins with {listed(action.columns)}: "
            "each DELETE of a referenced row reads it all"
        )
        made = rule.finding(case, text, None if rows >= _BIG else Severity.INFO)
        yield replace(made, instead=_index(action, case))


def _index(action: Action, case: StatementCase) -> str:
    if action.table is None or not action.columns or action.nested or action.has("dynamic"):
        return ""
    name = quote_identifier(object_name(action.table, "_".join(action.columns), "idx"))
    # A partitioned table refuses CONCURRENTLY; nobody waits for a table that the file itself makes.
    word = "" if case.review.partitioned(action) or case.review.is_new(action) else "CONCURRENTLY "
    text = f"CREATE INDEX {word}{name} ON {table_sql(action)} {columns_sql(action.columns)};"
    made = action.has("inline") or action.has("new_table")
    return f"{case.written.sql};\n{text}" if made else text


def _indexed(review: Review, action: Action) -> bool:
    wanted = set(action.columns)
    if review.catalog is None and not review.is_new(action):
        return True  # nobody can tell
    table = review.table(action)
    for index in table.indexes if table else ():
        # Any order of these columns serves the lookup, which compares all of them by equality.
        if {k.column for k in index.definition.keys[: len(wanted)]} == wanted and not index.definition.predicate:
            return True
    return any(_begins(a, wanted) for a in review.keys.get(action.table or "", ()))


def _begins(action: Action, wanted: set[str]) -> bool:
    if action.kind is Act.ADD_CONSTRAINT and action.constraint not in ("unique", "primary_key"):
        return False
    if action.kind not in (Act.CREATE_INDEX, Act.ADD_CONSTRAINT) or action.condition:
        return False
    return set(action.columns[: len(wanted)]) == wanted


FOREIGN_KEY_VALID = HazardRule(
    "L21 foreign-key-valid",
    "a foreign key is proved while writers of two tables wait",
    "ADD FOREIGN KEY holds SHARE ROW EXCLUSIVE on both tables while it looks for rows without a parent.",
    "Add it NOT VALID, then VALIDATE CONSTRAINT in another transaction.",
    "ALTER TABLE orders ADD CONSTRAINT orders_buyer FOREIGN KEY (buyer) REFERENCES people (id);",
    "ALTER TABLE orders ADD CONSTRAINT orders_buyer FOREIGN KEY (buyer) REFERENCES people (id) NOT VALID;\n"
    "ALTER TABLE orders VALIDATE CONSTRAINT orders_buyer;",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=adds(READS, "foreign_key"),
    steps=validated_apart,
)

ORPHANS_IN_THE_WAY = HazardRule(
    "F03 orphans-in-the-way",
    "there are rows without the row they refer to",
    "A foreign key fails (23503), also when it is validated later.",
    "Delete or repair the orphans, or add the key NOT VALID: it holds for new rows from then on.",
    "ALTER TABLE orders ADD CONSTRAINT orders_buyer FOREIGN KEY (buyer) REFERENCES people (id);",
    "ALTER TABLE orders ADD CONSTRAINT orders_buyer FOREIGN KEY (buyer) REFERENCES people (id) NOT VALID;",
    "ddl-constraints.html#DDL-CONSTRAINTS-FK",
    fails=error("23503"),
    probes=(ProbeKind.ORPHANS,),
    safer=promised_only,
)

STILL_REFERENCED = HazardRule(
    "F10 still-referenced",
    "rows of another table still refer to these",
    "A DELETE, TRUNCATE or DROP fails (23503, 0A000) while foreign keys point to the rows or the table.",
    "Deal with the referring rows or constraints first.",
    "TRUNCATE people;",
    "DELETE FROM orders WHERE buyer IS NOT NULL;\nDELETE FROM people;",
    "ddl-constraints.html#DDL-CONSTRAINTS-FK",
    fails=_still_referenced,
    probes=(ProbeKind.REFERENCED,),
)

FOREIGN_KEY_WITHOUT_INDEX = HazardRule(
    "D01 foreign-key-without-index",
    "a foreign key whose columns have no index",
    "Each DELETE or key UPDATE of a referenced row reads the whole referring table.",
    "Build an index that begins with the referring columns.",
    "ALTER TABLE orders ADD FOREIGN KEY (buyer) REFERENCES people (id) NOT VALID;",
    "CREATE INDEX CONCURRENTLY orders_buyer_idx ON orders (buyer);\n"
    "ALTER TABLE orders ADD FOREIGN KEY (buyer) REFERENCES people (id) NOT VALID;",
    "ddl-constraints.html#DDL-CONSTRAINTS-FK",
    severity=Severity.WARNING,
    find=_without_index,
)
