"""A model of measured benefit: what building an index really did to times, learned from this server's own outcomes.

Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System", KDD 2016, https://arxiv.org/abs/1603.02754. Checked: the
paper is about a learner (regularised second-order boosted trees), not about indexes; for those the fitting source is
Ding et al., "AI Meets AI", SIGMOD 2019, which classifies pairs of plans.

Used here: boosted trees that correct a straight line through (planner's log cost ratio, measured log time ratio), never
falling in the planner's ratio. Kept only if, by cross-validation over templates, they predict the logarithm of the
ratio of times better than the planner's ratio and than the line alone; the line is kept where it is as good. Cannot
tell: anything outside the ranges it was trained on, and what other hardware or data would do.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from indexpilot_cli.algorithms.base import Algorithm, Found, PresentChoice, Study
from indexpilot_cli.algorithms.xgboost.model import (
    BenefitModel,
    PredictedChange,
    change_features,
    from_parameters,
    table_facts,
)
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import IndexDefinition, Reason
from indexpilot_cli.core.plan import AlgorithmFinding, Effect, TemplateEffect


class Xgboost(Algorithm):
    """Holds indexes of which a model of this server's measured outcomes expects no gain."""

    name = "xgboost"
    title = "XGBoost: a model of measured benefit, gated by cross-validation"
    source = "Chen and Guestrin, KDD 2016, https://arxiv.org/abs/1603.02754"
    learns = True

    def judge(self, study: Study, choice: PresentChoice) -> Found[Mapping[IndexDefinition, str]]:
        """Indexes whose templates together are not expected to become faster."""
        if study.learned.model is None or not choice.indexes:
            return Found({})
        model = from_parameters(study.learned.model)
        served = Counter(e.template for e in chain.from_iterable(c.effects for c in choice.indexes))
        held: dict[IndexDefinition, str] = {}
        findings: list[AlgorithmFinding] = []
        for chosen in choice.indexes:
            # Of a template that several indexes serve the model knows nothing: it has seen them one by one.
            alone = [e for e in chosen.effects if served[e.template] == 1 and e.before > 0 and e.after > 0]
            expected = _expected(model, chosen.candidate.definition, alone, study)
            if expected is not None and expected.log_ratio >= 0:
                held[chosen.candidate.definition] = _why(expected)
                findings.append(_finding(chosen.candidate.definition, model, expected))
        return Found(held, tuple(findings))


def _expected(
    model: BenefitModel, definition: IndexDefinition, effects: Sequence[TemplateEffect], study: Study
) -> PredictedChange | None:
    """The time of all templates by that before, None where the model abstains for one of them."""
    facts = table_facts(definition, study.catalog.table(definition.table), study.catalog.settings)
    changes = [change_features(definition, facts, e.before, e.after) for e in effects]
    found = model.blended(changes, study.features.xgboost.weight)
    known = [change for change in found if change is not None]
    if not known or len(known) < len(found):
        return None
    shares = [e.weight * e.before for e in effects]
    return PredictedChange(
        *(_whole(shares, part) for part in zip(*((c.log_ratio, c.low, c.high) for c in known), strict=True))
    )


def _whole(shares: Sequence[float], log_ratios: Sequence[float]) -> float:
    """The log of the ratio of the sums."""
    after = sum(share * math.exp(ratio) for share, ratio in zip(shares, log_ratios, strict=True))
    return math.log(after / sum(shares))


def _why(expected: PredictedChange) -> str:
    return f"needs trial: its statements are expected to take {math.exp(expected.log_ratio):.2f} times as long"


def _finding(definition: IndexDefinition, model: BenefitModel, expected: PredictedChange) -> AlgorithmFinding:
    low, high = math.exp(expected.low), math.exp(expected.high)
    text = f"{model.changes} measured changes let expect {math.exp(expected.log_ratio):.2f} times the time"
    return AlgorithmFinding(
        Xgboost.name,
        "benefit",
        summary(definition),
        Effect.HELD,
        "not built before a trial: apply --verify replay",
        (Reason("model", text, "model"),),
        f"{low:.2f} to {high:.2f} times, 80 % interval",
        "what differs from the changes it was trained on in more than its features",
        definition=definition,
    )
