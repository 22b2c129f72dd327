"""Advice about the types and names of columns, values of an enum, and tables that cannot name one row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import NAME_LIMIT
from indexpilot_cli.evolve.review.case import Review, name_of
from indexpilot_cli.evolve.review.rule import HazardRule, error
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action

_NARROW = re.compile(r"\A(?:int|integer|int4|smallint|int2|serial|serial4|smallserial|serial2)\Z")
# char(1) has nothing to pad, unless the value is empty.
_PADDED = re.compile(r"(?:char|character|bpchar)\s*\((?!1\))")
_ZONELESS = re.compile(r"timestamp(?:\s*\(\d\))?(?:\s+without time zone)?\Z")


def _typed(test: Callable[[Action, str], object], words: str) -> Callable[[HazardRule, Review], Iterator[Finding]]:
    """What finds each column that gets a type which passes the test, in small letters; ``words`` go on behind its name
    and ``is``, with the type as written in place of ``{}``.
    """

    def find(rule: HazardRule, review: Review) -> Iterator[Finding]:
        for case, action in review.actions:
            typed = action.kind in (Act.ADD_COLUMN, Act.ALTER_TYPE) and action.column is not None
            if typed and action.type is not None and test(action, action.type.lower()):
                yield rule.finding(case, f"{name_of(action)}.{action.column} is {words.format(action.type)}")

    return find


def _without_key(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case, action in review.actions:
        # Temporary tables are one session's and unlogged ones are not replicated.
        plain = action.kind is Act.CREATE_TABLE and not action.options & {"temporary", "unlogged"}
        if plain and action.references is None and not _keyed(review, action):
            yield rule.finding(case, f"{action.object} has no primary key")


def _keyed(review: Review, action: Action) -> bool:
    if any(name == "like" for name, _ in action.parameters):
        return True
    return any(a.constraint == "primary_key" for a in review.keys.get(action.table or "", ()))


JSON = HazardRule(
    "D02 json",
    "json has no equality and no index",
    "DISTINCT, GROUP BY and UNION over the table fail with json, and it is parsed anew at each use.",
    "jsonb, unless the exact text must be kept.",
    "CREATE TABLE notes (body json);",
    "CREATE TABLE notes (body jsonb);",
    "datatype-json.html",
    find=_typed(lambda _, kind: kind in ("json", "json[]"), "json: no equality, no DISTINCT, no index; jsonb has them"),
)

NARROW_KEY = HazardRule(
    "D03 narrow-key",
    "a key of type integer ends at 2 147 483 647",
    "A failed INSERT uses numbers up as well; widening the key later rewrites the table and all that refer to it.",
    "bigint, best GENERATED ALWAYS AS IDENTITY.",
    "CREATE TABLE notes (id serial PRIMARY KEY);",
    "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);",
    "datatype-numeric.html#DATATYPE-INT",
    find=_typed(
        lambda action, kind: action.options & {"primary_key", "identity", "serial"} and _NARROW.match(kind),
        "{}: its numbers end at 2 147 483 647 or before",
    ),
)

PADDED_TEXT = HazardRule(
    "D04 padded-text",
    "char(n) pads with blanks",
    "It is not faster, compares oddly, and every later change of its length rewrites the table.",
    "text, with a CHECK where the length matters.",
    "CREATE TABLE notes (code char(8));",
    "CREATE TABLE notes (code text CHECK (length(code) = 8));",
    "datatype-character.html",
    find=_typed(lambda _, kind: _PADDED.match(kind), "{}: values are padded with blanks"),
)

TIMESTAMP_WITHOUT_ZONE = HazardRule(
    "D05 timestamp-without-zone",
    "timestamp does not say which instant it means",
    "It keeps what the clock showed, not when; servers and sessions in other zones disagree about it.",
    "timestamptz.",
    "CREATE TABLE notes (at timestamp);",
    "CREATE TABLE notes (at timestamptz);",
    "datatype-datetime.html",
    find=_typed(
        lambda _, kind: _ZONELESS.match(kind),
        "timestamp without a zone: it does not say which instant it means",
    ),
)

SERIAL = HazardRule(
    "D09 serial",
    "serial is identity's older form",
    "Its sequence has privileges and an owner of its own, and its default can be overwritten by any INSERT.",
    "GENERATED ALWAYS AS IDENTITY.",
    "CREATE TABLE notes (id bigserial);",
    "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY);",
    "ddl-identity-columns.html",
    find=_typed(lambda action, _: action.has("serial"), "{}: identity is the standard's form of it"),
)

NO_PRIMARY_KEY = HazardRule(
    "D11 no-primary-key",
    "a table without a primary key",
    "Logical replication cannot send its updates, and no tool can name one row.",
    "A primary key.",
    "CREATE TABLE notes (body text);",
    "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);",
    "logical-replication-publication.html",
    find=_without_key,
)


def _made(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case, action in review.actions:
        if action.kind is Act.CREATE_TYPE and action.type == "enum":
            yield rule.finding(case, f"values of the enum {action.object} can never be removed")


ENUM_VALUE = HazardRule(
    "D08 enum-value",
    "enum values can be added but not removed",
    "A value that is no longer wanted stays for ever; the order is fixed too.",
    "A table of values and a foreign key, when the list is not final.",
    "CREATE TYPE mood AS ENUM ('fine', 'bad');",
    "CREATE TABLE moods (name text PRIMARY KEY);",
    "datatype-enum.html",
    find=_made,
)

ENUM_VALUE_TOO_NEW = HazardRule(
    "F26 enum-value-too-new",
    "a new enum value is used in the transaction that adds it",
    "The value cannot be used before COMMIT (55P04).",
    "COMMIT between ALTER TYPE … ADD VALUE and its first use.",
    "BEGIN;\nALTER TYPE mood ADD VALUE 'fine';\nUPDATE orders SET mood = 'fine';\nCOMMIT;",
    "ALTER TYPE mood ADD VALUE 'fine';\nUPDATE orders SET mood = 'fine' WHERE id = 1;",
    "sql-altertype.html",
    fails=error("55P04"),
)


_MADE = frozenset(
    {Act.CREATE_TABLE, Act.ADD_COLUMN, Act.CREATE_INDEX, Act.ADD_CONSTRAINT, Act.CREATE_VIEW, Act.CREATE_FUNCTION}
)
_RENAMED = frozenset({Act.RENAME_TABLE, Act.RENAME_COLUMN, Act.RENAME_INDEX, Act.RENAME_CONSTRAINT})
_ROWS = frozenset({Act.SELECT, Act.INSERT, Act.UPDATE, Act.DELETE, Act.MERGE})


def _cut_off(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case, action in review.actions:
        for name in _given(action):
            # The parser has cut the name already, at the limit or within a letter of several bytes before it: the
            # text still has all of it.
            cut = name and len(name.encode()) > NAME_LIMIT - 4
            whole = re.search(rf"{re.escape(name)}[\w$]+", case.written.sql, re.I) if name and cut else None
            if whole is not None:
                text = f"{whole.group()} has {len(whole.group().encode())} bytes: the server keeps {name}"
                yield rule.finding(case, text)


def _given(action: Action) -> tuple[str | None, ...]:
    if action.kind in _MADE:
        return (action.object,) + (action.columns if action.kind is Act.ADD_COLUMN else ())
    return (action.new_name,) if action.kind in _RENAMED else ()


def _unqualified(rule: HazardRule, review: Review) -> Iterator[Finding]:
    """Only where a file says a schema here and none there, and sets no search_path."""
    places = [(c, a) for c, a in review.actions if a.table and a.kind not in _ROWS and not a.nested]
    bare = [(c, a) for c, a in places if a.schema is None and not review.is_new(a)]
    sets = any(a.kind is Act.SET and a.object == "search_path" for _, a in review.actions)
    if bare and len(bare) < len(places) and any(a.schema for _, a in places) and not sets:
        case, action = bare[0]
        text = f"{action.table} is written without a schema, other tables of the file with one"
        yield rule.finding(case, text)


NAME_TOO_LONG = HazardRule(
    "D06 name-too-long",
    "a name is cut off at 63 bytes",
    "The server shortens it with a notice: programs and later migrations that use the whole name may miss it.",
    "A shorter name.",
    'CREATE TABLE "a name that is much longer than the sixty-three bytes that are kept" (id bigint);',
    "CREATE TABLE short_name (id bigint);",
    "sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS",
    severity=Severity.WARNING,
    find=_cut_off,
)

UNQUALIFIED_NAME = HazardRule(
    "D07 unqualified-name",
    "names without a schema depend on search_path",
    "The same file may change another table for another role or session. Said only where a file writes some names "
    "with a schema and some without.",
    "Write the schema, or SET search_path at the top of the file.",
    "ALTER TABLE app.orders ADD COLUMN a int;\nALTER TABLE people ADD COLUMN b int;",
    "ALTER TABLE app.orders ADD COLUMN a int;\nALTER TABLE app.people ADD COLUMN b int;",
    "ddl-schemas.html#DDL-SCHEMAS-PATH",
    find=_unqualified,
)
