"""``recommend`` for code scanning: each index worth having is a result."""

from __future__ import annotations

from collections.abc import Sequence

from indexpilot_cli.core.plan import Plan, Recommendation
from indexpilot_cli.core.units import size
from indexpilot_cli.render import sarif
from indexpilot_cli.render.units import percent, saving, visible

RULE = sarif.SarifRule(
    "missing-index",
    "missing-index",
    "warning",
    "An index that pays is missing",
    "The planner finds this workload cheaper with the index than without, its size and its cost to writes considered.",
    "Read  indexpilot explain ID  for the reasons, then build it with  indexpilot apply  or the statement given.",
    "https://www.postgresql.org/docs/current/indexes.html",
)


def sarif_text(plan: Plan, sources: Sequence[str] = ()) -> str:
    """The plan as a SARIF log. A result points at the first of ``sources``, the files the workload came from."""
    place = next((sarif.SarifPlace(name, 1) for name in sources if name != "-"), None)
    notes = (visible(f"not considered: {s.detail}: {s.text}") for s in plan.skipped)
    return sarif.log((RULE,), (_result(r, place) for r in plan.recommendations), notes)


def _result(item: Recommendation, place: sarif.SarifPlace | None) -> sarif.SarifResult:
    lines = [
        f"{item.summary}: {saving(item.benefit)} of the workload cost, about {size(item.size_bytes)}, "
        f"write cost {percent(item.write_cost, signed=True)}",
        *(f"because: {reason.text}" for reason in item.reasons),
        *(f"risk: {risk.text}" for risk in item.risks),
        f"{item.ddl};",
    ]
    table = str(item.definition.table)
    return sarif.SarifResult(
        RULE.id,
        "warning",
        visible("\n".join(lines)),
        place,
        item.id,
        objects=(("table", table),),
        properties=(("id", item.id), ("benefit", item.benefit), ("size_bytes", item.size_bytes)),
    )
