"""Names that the server cuts off, and names without a schema."""

from __future__ import annotations

import re
from collections.abc import Iterator

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.core.names import NAME_LIMIT
from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action

_MADE = frozenset(
    {Act.CREATE_TABLE, Act.ADD_COLUMN, Act.CREATE_INDEX, Act.ADD_CONSTRAINT, Act.CREATE_VIEW, Act.CREATE_FUNCTION}
)
_RENAMED = frozenset({Act.RENAME_TABLE, Act.RENAME_COLUMN, Act.RENAME_INDEX, Act.RENAME_CONSTRAINT})
_ROWS = frozenset({Act.SELECT, Act.INSERT, Act.UPDATE, Act.DELETE, Act.MERGE})


def _cut_off(review: Review) -> Iterator[Finding]:
    for case, action in review.actions:
        for name in _given(action):
            # The parser has cut the name already, at the limit or within a letter of several bytes before it: the
            # text still has all of it.
            cut = name and len(name.encode()) > NAME_LIMIT - 4
            whole = re.search(rf"{re.escape(name)}[\w$]+", case.written.sql, re.I) if name and cut else None
            if whole is not None:
                text = f"{whole.group()} has {len(whole.group().encode())} bytes: the server keeps {name}"
                yield NAME_TOO_LONG.finding(case, text)


def _given(action: Action) -> tuple[str | None, ...]:
    if action.kind in _MADE:
        return (action.object,) + (action.columns if action.kind is Act.ADD_COLUMN else ())
    return (action.new_name,) if action.kind in _RENAMED else ()


def _unqualified(review: Review) -> Iterator[Finding]:
    """Only where a file says a schema here and none there, and sets no search_path."""
    places = [(c, a) for c, a in review.actions if a.table and a.kind not in _ROWS and not a.nested]
    bare = [(c, a) for c, a in places if a.schema is None and not review.is_new(a)]
    sets = any(a.kind is Act.SET and a.object == "search_path" for _, a in review.actions)
    if bare and len(bare) < len(places) and any(a.schema for _, a in places) and not sets:
        case, action = bare[0]
        text = f"{action.table} is written without a schema, other tables of the file with one"
        yield UNQUALIFIED_NAME.finding(case, text)


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
