"""Section 5: a model trained on five schemas says which changes of the sixth to hold, against what was measured there.

    python -m tests.benchmarks.algorithms.xgboost outcomes.json      (made by tests.benchmarks.algorithms.outcomes)

Every change in the file is one that the planner shows a gain for. Held is what model and planner together expect no
gain of; a regression is a change that made its template slower by more than a fifth. Coverage is of 80 % intervals.
"""

import argparse
import math
import random

from indexpilot_cli.algorithms.xgboost.model import BenefitKind
from indexpilot_cli.algorithms.xgboost.training import features_of, train
from tests.benchmarks.algorithms.outcomes import read, schema_of

REGRESSION = math.log(1.2)
WEIGHTS = (0.5, 0.8, 1.0)


def left_out(outcomes, schema):
    return [o for o in outcomes if schema_of(o) != schema], [o for o in outcomes if schema_of(o) == schema]


def row(schema, training, asked, weight):
    """What the model of the others does to one schema."""
    model, features = training.model, [features_of(o) for o in asked]
    found = [None] * len(asked) if model is None else model.predict(features)
    both = [None] * len(asked) if model is None else model.blended(features, weight)
    held = [p is not None and p.log_ratio >= 0 for p in both]
    bad = [o.log_ratio > REGRESSION for o in asked]
    gain = [max(0.0, o.before - o.after) for o in asked]
    inside = [p.low <= o.log_ratio <= p.high for o, p in zip(asked, found, strict=True) if p is not None]
    errors = [
        (abs(o.planner_log_ratio - o.log_ratio), abs(p.log_ratio - o.log_ratio))
        for o, p in zip(asked, found, strict=True)
        if p is not None
    ]
    return {
        "schema": schema,
        "kind": training.verdict.value,
        "changes": len(asked),
        "told": len(inside),
        "bad": sum(bad),
        "bad held": sum(b and h for b, h in zip(bad, held, strict=True)),
        "held": sum(held),
        "held well": sum(h and o.log_ratio > -0.05 for h, o in zip(held, asked, strict=True)),
        "gain": sum(gain),
        "gain held": sum(g for g, h in zip(gain, held, strict=True) if h),
        "inside": sum(inside),
        "planner error": sum(e[0] for e in errors),
        "model error": sum(e[1] for e in errors),
    }


def _trained(known, asked):
    return train(known), asked


def tell(weight, rows):
    """The sums over all schemas beside the targets."""
    for one in rows:
        print("  ", *(f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in one.items()), sep=" | ")
    total = {k: sum(r[k] for r in rows) for k in rows[0] if k not in ("schema", "kind")}
    told = max(total["told"], 1)
    print(f"weight {weight}: regressions held {total['bad held']}/{total['bad']} (target >= 40 %)")
    print(f"  gain kept {1 - total['gain held'] / total['gain']:.1%} (target >= 95 %)")
    print(f"  holds that were right {total['held well']}/{total['held']} (default on: >= 9 of 10)")
    print(f"  80 % intervals cover {total['inside'] / told:.0%} (target 75-88 %)")
    print(f"  abstained {1 - total['told'] / total['changes']:.0%}")
    print(f"  error {total['model error'] / told:.3f}, the planner's {total['planner error'] / told:.3f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+")
    outcomes = [o for path in parser.parse_args().files for o in read(path)]
    whole = train(outcomes)
    print(f"{whole.changes} changes of {whole.templates} templates: {whole.verdict}; {whole.why}")
    for line in whole.lines:
        print(
            f"  {line.kind:12} error {line.error:.3f}  {line.less:+.0%} ({line.low:+.0%} to {line.high:+.0%})",
            line.covered,
        )
    schemas = sorted(set(map(schema_of, outcomes)))
    trainings = {name: _trained(*left_out(outcomes, name)) for name in schemas}
    for weight in WEIGHTS:
        tell(weight, [row(name, *trainings[name], weight) for name in schemas])
    draw = random.Random(1)
    for count in (20, 60, 120, 240):
        some = train(draw.sample(outcomes, count))
        print(f"{count} labels: {some.verdict} {some.why}", "REFUSED" if some.verdict is BenefitKind.PLANNER else "")


if __name__ == "__main__":
    main()
