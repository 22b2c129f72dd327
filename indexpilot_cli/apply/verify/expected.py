"""What was known and expected of an index before it was built, kept in the row of its build for what learns from it."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

from indexpilot_cli.algorithms.xgboost.model import table_facts
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.plan import Plan, Recommendation

_MOST = 40  # templates of one index, heaviest first; the row stays small


def expected(recommendation: Recommendation, plan: Plan, catalog: Catalog) -> dict[str, Any]:
    """``effects``: the planner's costs of each template that it alone serves; ``table_facts`` and ``table_bytes``."""
    definition = recommendation.definition
    table = catalog.table(definition.table)
    served = Counter(e.template for e in chain.from_iterable(r.templates for r in plan.advised))
    heaviest = sorted(recommendation.templates, key=lambda e: -e.share)[:_MOST]
    # What several indexes do to a template together says nothing of one of them.
    alone = [e for e in heaviest if served[e.template] == 1]
    facts = table_facts(definition, table, catalog.settings)
    return {
        "effects": [{"template": e.template, "before": e.before, "after": e.after} for e in alone],
        "table_facts": {name: round(value, 3) for name, value in facts.items()},
        "table_bytes": table.size_bytes if table is not None else None,
    }
