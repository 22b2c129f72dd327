"""Statements that the server itself refuses, whatever the rows are."""

from __future__ import annotations

from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import HazardRule, error
from indexpilot_cli.evolve.review.rules.foreign_key import DEPENDS


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
