"""Renames: programs that use the old name fail at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.evolve.review.case import Review, StatementCase, name_of
from indexpilot_cli.evolve.review.rule import Rule
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act

_RENAMES = {
    Act.RENAME_COLUMN: "column",
    Act.RENAME_TABLE: "table",
    Act.RENAME_SCHEMA: "schema",
    Act.RENAME_ENUM_VALUE: "enum value",
    Act.SET_SCHEMA: "table",
}


def _renamed(review: Review) -> Iterator[Finding]:
    for case, action in review.effective_actions:
        word = _RENAMES.get(action.kind)
        if word is None or review.is_new(action) or any(t.status == "breaks" for t in case.templates):
            continue
        old = action.column or (action.columns[0] if action.columns else None) or action.object or action.table
        if action.kind in (Act.RENAME_TABLE, Act.SET_SCHEMA):
            old = action.table
            if old is None or _view_stands_in(case, old):
                continue
        where = f" of {name_of(action)}" if action.kind is Act.RENAME_COLUMN else ""
        to = f"moves to schema {action.new_name}" if action.kind is Act.SET_SCHEMA else f"is called {action.new_name}"
        text = f"{word} {old}{where} {to} from then on: programs that use the old name fail at once"
        yield replace(RENAMED.finding(case, text), table=review.table_name(action))


def _view_stands_in(case: StatementCase, name: str) -> bool:
    for other in case.review.together[case.seen.transaction]:
        if any(a.kind in (Act.CREATE_VIEW, Act.CREATE_TABLE) and a.object == name for a in other.actions):
            return True
    return False


RENAMED = Rule(
    "W09 renamed",
    "what running programs name gets another name",
    "A rename is brief, but programs that use the old name, and PL/pgSQL and text function bodies, fail at once. "
    "Views keep the old output name.",
    "Add the new name beside the old one, move the programs, drop the old one later. For a table: rename it and "
    "put a view with the old name in the same transaction.",
    "ALTER TABLE orders RENAME TO purchases;",
    "BEGIN;\nALTER TABLE orders RENAME TO purchases;\nCREATE VIEW orders AS SELECT * FROM purchases;\nCOMMIT;",
    "sql-altertable.html",
    find=_renamed,
)
