"""What was known and expected of an index before it was built, kept in the row of its build for what learns from it."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

from indexpilot_cli.algorithms.xgboost.model import change_features
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.plan import Plan, Recommendation, TemplateEffect

_MOST = 40  # templates of one index, heaviest first; the row stays small


def expected(recommendation: Recommendation, plan: Plan, catalog: Catalog) -> dict[str, Any]:
    """``effects``: the planner's costs of each template it serves and the features of the change; ``table_bytes``."""
    table = catalog.table(recommendation.definition.table)
    served = Counter(e.template for e in chain.from_iterable(r.templates for r in plan.advised))
    heaviest = sorted(recommendation.templates, key=lambda e: -e.share)[:_MOST]
    # What several indexes do to a template together says nothing of one of them.
    alone = [e for e in heaviest if served[e.template] == 1]
    effects = [_effect(e, recommendation, catalog) for e in alone]
    return {"effects": effects, "table_bytes": table.size_bytes if table is not None else None}


def _effect(effect: TemplateEffect, recommendation: Recommendation, catalog: Catalog) -> dict[str, Any]:
    definition = recommendation.definition
    table = catalog.table(definition.table)
    features = change_features(definition, table, effect.before, effect.after, catalog.settings)
    rounded = {name: round(value, 4) for name, value in features.items()}
    return {"template": effect.template, "before": effect.before, "after": effect.after, "features": rounded}
