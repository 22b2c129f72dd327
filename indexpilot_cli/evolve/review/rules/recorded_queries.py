"""Recorded queries that fail, give other columns or get slower by the migration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.values import Finding, TemplateImpact

Harm = Callable[[list[TemplateImpact]], str]


def _suffering(rule: HazardRule, review: Review) -> Iterator[Finding]:
    """One finding for each statement, the templates of the greatest share first."""
    status, harm = _HARMS[rule.id]
    for case in review.cases:
        found = sorted((t for t in case.templates if t.status == status), key=lambda t: -t.share)
        if not found:
            continue
        share = sum(t.share for t in found)
        who = f"{len(found)} recorded queries" if len(found) > 1 else f"recorded query {found[0].template}"
        of = f" ({share:.0%} of the workload)" if share >= 0.005 else ""
        lost: dict[str, None] = {}
        for template in found:
            lost |= dict.fromkeys(template.indexes_lost)
        made = rule.finding(case, f"{who}{of} {harm(found)}")
        yield replace(made, templates=tuple(t.template for t in found), loses=tuple(lost))


def _fail(found: list[TemplateImpact]) -> str:
    why = f": {found[0].error.message}" if found[0].error else ""
    return f"{'fail' if len(found) > 1 else 'fails'} afterwards{why}"


def _give_other_columns(found: list[TemplateImpact]) -> str:
    # https://www.postgresql.org/docs/current/sql-prepare.html: the plan is made anew, but not for another result.
    verb, they = ("give", "they are") if len(found) > 1 else ("gives", "it is")
    return f"{verb} other columns afterwards; where {they} held prepared: cached plan must not change result type"


def _get_slower(found: list[TemplateImpact]) -> str:
    first = found[0]
    times = f" (cost {first.before:,.0f} to {first.after:,.0f})" if first.before and first.after else ""
    return f"{'get' if len(found) > 1 else 'gets'} slower{times}"


_HARMS: dict[str, tuple[str, Harm]] = {
    "W05": ("breaks", _fail),
    "W06": ("columns_change", _give_other_columns),
    "W07": ("slower", _get_slower),
}


QUERY_BREAKS = HazardRule(
    "W05 query-breaks",
    "a recorded query fails afterwards",
    "A statement that your programs run today was run on the migrated copy and failed.",
    "Change the programs first, so that they work before and after.",
    "ALTER TABLE orders RENAME COLUMN ref TO reference;",
    "ALTER TABLE orders ADD COLUMN reference text;",
    "sql-altertable.html",
    severity=Severity.ERROR,
    find=_suffering,
)

QUERY_COLUMNS_CHANGE = HazardRule(
    "W06 query-columns-change",
    "a recorded query gives other columns",
    "SELECT * and RETURNING * follow the table: programs that count on the number, order or type of columns break, and "
    "a session that holds the query prepared gets an error (cached plan must not change result type) until it "
    "prepares it again.",
    "Name the columns in the query.",
    "ALTER TABLE orders ADD COLUMN note text;",
    "SELECT id, ref FROM orders;",
    "sql-select.html#SQL-SELECT-LIST",
    find=_suffering,
)

QUERY_SLOWER = HazardRule(
    "W07 query-slower",
    "a recorded query gets slower",
    "The planner, with the real table's statistics, has only a dearer plan after the migration.",
    "Give it the index it lost, or another one: indexpilot recommend.",
    "DROP INDEX CONCURRENTLY orders_ref_idx;",
    "CREATE INDEX CONCURRENTLY orders_ref_day_idx ON orders (ref, day);",
    "using-explain.html",
    find=_suffering,
)
