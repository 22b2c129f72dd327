"""Statements that the server itself refuses, whatever the rows are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import object_name, quote_identifier
from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.core.units import count, listed
from indexpilot_cli.evolve.review.case import Review, StatementCase, name_of
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import READS, HazardRule, adds, columns_sql, error, table_sql
from indexpilot_cli.evolve.review.rules.constraints import promised_only, validated_apart
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action


def _depends(seen: SqlError) -> bool:
    return seen.sqlstate == "0A000" and any(word in seen.message for word in DEPENDS)


def _needed(seen: SqlError) -> bool:
    # DROP answers 2BP01; ALTER TYPE under a view or policy answers 0A000.
    return seen.sqlstate == "2BP01" or (_depends(seen) and "foreign key" not in seen.message)


def _by_version(seen: SqlError) -> bool:
    # Grammar of a later version is a syntax error; what is parsed but not supported is 0A000.
    return seen.sqlstate in ("42601", "0A000") and not _depends(seen)


NEEDED_BY_OTHERS = HazardRule(
    "F20 needed-by-others",
    "another object needs what is dropped or changed",
    "Views, policies, triggers, foreign keys, generated columns and SQL functions keep the server from dropping or "
    "retyping what they use (2BP01, 0A000). CASCADE would drop them along.",
    "Drop or change what depends on it first, in the same transaction, and bring it back.",
    "ALTER TABLE orders DROP COLUMN ref;",
    "DROP VIEW order_refs;\nALTER TABLE orders DROP COLUMN ref;",
    "ddl-depend.html",
    fails=_needed,
)

MISSING_OBJECT = HazardRule(
    "F22 missing-object",
    "what the statement names does not exist",
    "The table, column, type, function or constraint is not there (42P01, 42703, 42704, 42883, 3F000).",
    "Check the name, the schema and the order of the migrations.",
    "ALTER TABLE ordres ADD COLUMN note text;",
    "ALTER TABLE orders ADD COLUMN note text;",
    "errcodes-appendix.html",
    fails=error("42P01", "42703", "42704", "42883", "3F000", "42P02", "3D000"),
)

ALREADY_EXISTS = HazardRule(
    "F23 already-exists",
    "what the statement makes exists already",
    "The name is taken (42P07, 42701, 42710, 42P06).",
    "Choose another name; IF NOT EXISTS only hides a difference in definition.",
    "CREATE TABLE orders (id bigint);",
    "CREATE TABLE orders_archive (id bigint);",
    "errcodes-appendix.html",
    fails=error("42P07", "42701", "42710", "42P06", "42723", "42P04"),
)

REFUSED_BY_VERSION = HazardRule(
    "F24 refused-by-version",
    "this version of the server cannot do that",
    "The grammar or the feature belongs to another version (42601, 0A000).",
    "Write it as this version's manual says, or raise the version first.",
    "ALTER TABLE orders ADD CONSTRAINT n NOT NULL ref NOT VALID;",
    "ALTER TABLE orders ADD CONSTRAINT n CHECK (ref IS NOT NULL) NOT VALID;",
    "release.html",
    fails=_by_version,
)

NO_PRIVILEGE = HazardRule(
    "F27 no-privilege",
    "the role may not do that",
    "The statement fails for lack of a privilege or ownership (42501).",
    "Run the migration as the owner, or grant what is missing first.",
    "ALTER TABLE orders OWNER TO somebody;",
    "GRANT SELECT ON orders TO somebody;",
    "ddl-priv.html",
    fails=error("42501"),
)

FAILS = HazardRule(
    "F28 fails",
    "the statement fails",
    "The server refused it when it ran on an empty copy of the schema; it will refuse it on the real one.",
    "Read the server's message.",
    "SELECT 1 / 0;",
    "SELECT 1;",
    "errcodes-appendix.html",
    probes=(ProbeKind.EXISTS,),
)


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
