"""Several ALTER TABLE of one table, each walking through it again."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.core.observation import WorkKind
from indexpilot_cli.evolve.review.case import Review, name_of
from indexpilot_cli.evolve.review.rule import Rule
from indexpilot_cli.evolve.review.values import Finding

_WALKS = frozenset({WorkKind.REWRITE, WorkKind.VERIFY})


def _walked_again(review: Review) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for case in review.cases:
        if not any(w.kind in _WALKS and w.relation.existed and not w.online for w in case.seen.work):
            continue
        altered = {name_of(a) for a in case.actions if a.sql.lstrip()[:11].upper() == "ALTER TABLE"}
        for table in altered:
            seen[table] = seen.get(table, 0) + 1
            if seen[table] == 2:
                yield MANY_ALTERS.finding(case, f"{table} is walked through again: one ALTER TABLE could do both")


MANY_ALTERS = Rule(
    "D10 many-alters",
    "several ALTER TABLE of one table, each rewriting or reading it",
    "Each statement walks through the table again; one ALTER TABLE with several subcommands walks once.",
    "Join the subcommands with commas.",
    "ALTER TABLE orders ALTER a TYPE bigint;\nALTER TABLE orders ALTER b TYPE bigint;",
    "ALTER TABLE orders ALTER a TYPE bigint, ALTER b TYPE bigint;",
    "sql-altertable.html",
    find=_walked_again,
)
