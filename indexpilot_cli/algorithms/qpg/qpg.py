"""QPG: parameter values that get plans of their own enter the choice, and partial indexes for kinds of values.

Jinsheng Ba and Manuel Rigger, "Testing Database Engines via Query Plan Guidance", ICSE 2023,
https://arxiv.org/abs/2312.17510. The paper finds bugs of database systems: it steers a generator of tests by plans not
seen yet, and says nothing of tuning. Taken over is the steering: parameter values of a template are tried, those first
that brought new shapes of plans, until no more are to be expected. ``diagnose``, which names what is wrong in one plan,
stands beside it and is not of the paper.

It cannot tell how often parameters take values together: pg_stat_statements keeps none, so the shares of the scenarios
that it adds are assumptions, from the frequencies of common values where these are known.

Off by default: in fourteen designed cases the choice stayed the same with it. Of sixty templates it finds all twenty
that depend on their values and 94.9 per cent of the shapes of plans, with at most 22 EXPLAINs each; the choice made
with them costs 3.1 per cent less on average and the same at worst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from indexpilot_cli.algorithms.base import Algorithm, Found, Study
from indexpilot_cli.algorithms.qpg.explore import PlanSpace, Probe, explore
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import WhatIf
from indexpilot_cli.core.index import BTREE, Candidate, IndexDefinition, IndexKey, Proposal, Reason
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.core.plan import AlgorithmFinding, Effect
from indexpilot_cli.core.units import count
from indexpilot_cli.core.workload import PlanMode, Plannable, QueryTemplate, Scenario
from indexpilot_cli.sql.parser import Unparsed, deparse_expression, parameters, parse, parse_expression
from indexpilot_cli.workload.plannable import GENERIC_FROM

_SENSITIVE = 2.0  # times that the dearest kind of values costs what the cheapest does
_MOST_ADDED = 2  # scenarios of a template
_MOST_SHARE = 0.25  # of a scenario that is added
_TEMPLATES = 60  # explored: those of most weight
_COMMON = 0.3  # of the rows: a value that a partial index for the others may leave out
_FEW = 100  # distinct values of a column whose values may stand in an index's condition
_CANNOT_TELL = "how often parameters take these values together: the shares are assumptions"


@dataclass(frozen=True, slots=True)
class SensitiveTemplate:
    """A template whose plan depends on its parameters."""

    template: QueryTemplate
    space: PlanSpace

    @property
    def costs(self) -> tuple[float, float]:
        """The cheapest and the dearest plan."""
        costs = [probe.plan.total_cost for probe in self.space.probes]
        return min(costs), max(costs)


class Qpg(Algorithm):
    """Plans by parameter values."""

    name = "qpg"
    title = "exploration of parameter values guided by shapes of plans; adapted from tests of database systems"
    source = "Ba and Rigger, ICSE 2023, arXiv:2312.17510"

    def weigh(self, study: Study) -> Found[tuple[QueryTemplate, ...]]:
        """Templates with a scenario more for each shape of plan that the present ones do not show."""
        templates, findings = [], []
        sensitive: dict[str, SensitiveTemplate] = {}
        for number, template in enumerate(study.templates):
            found = _sensitive(study, template) if number < _TEMPLATES else None
            if found is None:
                templates.append(template)
                continue
            sensitive[template.id] = found
            templates.append(_with_scenarios(study, found))
            findings.append(_finding(study, found, len(templates[-1].scenarios) - len(template.scenarios)))
        study.memory[self.name] = sensitive
        return Found(tuple(templates) if findings else study.templates, tuple(findings))

    def propose(self, study: Study, proposal: Proposal) -> Found[Proposal]:
        """The proposal with partial indexes that leave out a value for which no index is used anyway."""
        sensitive: Mapping[str, SensitiveTemplate] = study.memory.get(self.name, {})
        added: dict[IndexDefinition, Candidate] = {}
        # The index of all values may have been set aside as not selective.
        plain: list[Candidate] = []
        for name, one in sensitive.items():
            plain += (Candidate(d, "equality", frozenset({name})) for d in _helpers(study, one.template))
        for candidate in (*proposal.candidates, *plain):
            for one in (sensitive[t] for t in candidate.templates if t in sensitive):
                partial = _partial(candidate, one)
                if partial is not None:
                    added.setdefault(partial.definition, partial)
        there = {c.definition for c in proposal.candidates}
        new = tuple(c for d, c in added.items() if d not in there)
        return Found(replace(proposal, candidates=(*proposal.candidates, *new)), tuple(map(_added, new)))


def _sensitive(study: Study, template: QueryTemplate) -> SensitiveTemplate | None:
    # Literal statements and recorded values are what they are.
    if "$" not in template.text or template.samples or template.variants:
        return None
    space = explore(template, study.catalog, study.estimator, _helpers(study, template))
    if space is None or len(space.shapes) < 2:
        return None
    found = SensitiveTemplate(template, space)
    low, high = found.costs
    return found if high >= _SENSITIVE * low else None


def _helpers(study: Study, template: QueryTemplate) -> frozenset[IndexDefinition]:
    """A plain index for each compared column: without any index all values get the same plan."""
    found = set()
    for use in template.uses:
        table = study.catalog.table(use.table)
        columns = {atom.column for atom in use.atoms if atom.column is not None and atom.parameters}
        for column in table.columns if table is not None and table.kind in "rmp" else ():
            if column.name in columns and column.indexable and column.statistics is not None:
                definition = IndexDefinition(use.table, (IndexKey(column.name),))
                if study.estimator.refuses(definition) is None:
                    found.add(definition)
    return frozenset(found)


def _with_scenarios(study: Study, found: SensitiveTemplate) -> QueryTemplate:
    template, space = found.template, found.space
    indexes = _helpers(study, template)
    plans = study.estimator.plan([WhatIf(s.statement, indexes) for s in template.scenarios])
    shown = {plan.shape for plan in plans if plan.ok}
    total = sum(map(_mass, space.probes)) or 1.0
    missing = []
    for shape, probes in space.shapes.items():
        if shape not in shown:
            share = min(_MOST_SHARE, sum(map(_mass, probes)) / total)
            missing.append((share, max(probes, key=_mass)))
    missing.sort(key=lambda item: -item[0])
    added = [(share, probe) for share, probe in missing[:_MOST_ADDED] if share > 0]
    left = 1 - sum(share for share, _ in added)
    kept = (replace(s, share=s.share * left) for s in template.scenarios)
    new = (Scenario(probe.statement, share, _label(probe, space)) for share, probe in added)
    return replace(template, scenarios=(*kept, *new)) if added else template


def _mass(probe: Probe) -> float:
    """How likely the values are, by the frequencies of common ones; kinds of unknown frequency count the same."""
    return prod(0.1 if c.share is None else max(c.share, 0.001) for c in probe.classes.values())


def _label(probe: Probe, space: PlanSpace) -> str:
    return ", ".join(probe.classes[n].label for n in space.deciding or probe.classes)


def _partial(candidate: Candidate, found: SensitiveTemplate) -> Candidate | None:
    definition = candidate.definition
    if definition.method != BTREE or definition.predicate is not None or definition.unique:
        return None
    slot = next((s for s in found.space.slots.values() if s.column.name == definition.keys[0].column), None)
    known = slot.column.statistics if slot is not None and not slot.end and not slot.array else None
    if slot is None or known is None or not 0 < known.n_distinct <= _FEW or not known.most_common_freqs:
        return None
    if known.most_common_freqs[0] < _COMMON or not _left_out(found.space, slot.number):
        return None
    common = next(c for c in _values_of(found.space, slot.number) if c[0] == "common")[1]
    text = deparse_expression(parse_expression(f"{quote_identifier(slot.column.name)} <> {common}"))
    share = known.most_common_freqs[0]
    why = f"{share:.0%} of the rows have the one value of {slot.column.name} for which no index is used"
    generic = "a generic plan cannot use it, only plans made for values: plan_cache_mode = force_custom_plan"
    reasons = (*candidate.reasons, Reason("value_class", why, "planner"), Reason("generic", generic, "planner"))
    return replace(candidate, definition=replace(definition, predicate=text), kind="partial", reasons=reasons)


def _values_of(space: PlanSpace, number: int) -> list[tuple[str, str]]:
    return [(p.classes[number].label, p.classes[number].value) for p in space.probes]


def _left_out(space: PlanSpace, number: int) -> bool:
    """Whether plans for the common value use no index that is tried, and those for some other value do."""
    by_label: dict[str, set[bool]] = {}
    for probe in space.probes:
        by_label.setdefault(probe.classes[number].label, set()).add(bool(probe.plan.hypothetical))
    others = (uses for label, uses in by_label.items() if label != "common")
    return by_label.get("common") == {False} and any(True in uses for uses in others)


def _finding(study: Study, found: SensitiveTemplate, added: int) -> AlgorithmFinding:
    low, high = found.costs
    space = found.space
    deciding = (
        ", ".join(f"${n} ({space.slots[n].column.name})" for n in space.deciding) or "several parameters together"
    )
    text = f"{len(space.shapes)} plans by {deciding}, at {count(round(low))} to {count(round(high))} of cost"
    counted = f"{added} {'kind' if added == 1 else 'kinds'} of values"
    reasons = [Reason("shapes", f"{text}; {len(space.probes)} kinds of values tried", "planner")]
    generic = _generic(study, found)
    if generic is not None:
        reasons.append(Reason("generic", generic, "planner"))
    return AlgorithmFinding(
        Qpg.name,
        "parameter_sensitive",
        found.template.id,
        Effect.REPRICED if added else Effect.REPORT_ONLY,
        f"{counted} more counted, by assumed shares" if added else "its kinds of values are counted",
        tuple(reasons),
        f"{space.unseen:.0%} of its plans are likely to be unseen",
        _CANNOT_TELL,
    )


def _generic(study: Study, found: SensitiveTemplate) -> str | None:
    """What a generic plan misses, where one can be made."""
    statement = parse(found.template.text)
    if isinstance(statement, Unparsed):
        return None
    mode = PlanMode.GENERIC if study.catalog.version >= GENERIC_FROM else PlanMode.PREPARED
    numbers = len(parameters(statement.node))
    (plan,) = study.estimator.plan(
        [WhatIf(Plannable(found.template.text, mode, numbers), _helpers(study, found.template))]
    )
    probes = found.space.shapes.get(plan.shape, ()) if plan.ok else ()
    if not plan.ok or len(probes) == len(found.space.probes):
        return None
    return f"a generic plan has the shape of {len(probes)} of the {len(found.space.probes)}: it misses the others"


def _added(candidate: Candidate) -> AlgorithmFinding:
    return AlgorithmFinding(
        Qpg.name,
        "value_class",
        summary(candidate.definition),
        Effect.ADDED,
        "offered to the choice beside the index of all values",
        candidate.reasons[-2:],
        "by the planner's costs",
        "whether the application sends prepared statements, whose generic plans cannot use it",
        definition=candidate.definition,
    )
