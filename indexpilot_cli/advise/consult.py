"""The published algorithms asked in the course of a run: each sees what those before it made, none can end the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TypeVar

from indexpilot_cli.advise.expressions import with_sampled
from indexpilot_cli.advise.select.problem import Selection
from indexpilot_cli.algorithms.base import Algorithm, ChosenIndex, Found, PresentChoice, Study
from indexpilot_cli.algorithms.registry import enabled
from indexpilot_cli.algorithms.time_model.pricing import TimePricing, shut_gate
from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.estimator import CostEstimator
from indexpilot_cli.core.index import Candidate, IndexDefinition, Proposal, Rejection
from indexpilot_cli.core.measured import Learned
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import AlgorithmFinding, Plan, Rewrite, Warn, schema_digest
from indexpilot_cli.core.samples import NoSamples, Samples
from indexpilot_cli.core.workload import FoldedWorkload, QueryTemplate, Stage
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.methods.written import TableWrites
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.workload.aside import Fault, attempted

T = TypeVar("T")


class Consultation:
    """The algorithms of one run, and what they have found so far."""

    def __init__(self, algorithms: Sequence[Algorithm], study: Study):
        self._algorithms = tuple(algorithms)
        self._study = study
        self._findings: dict[AlgorithmFinding, None] = {}
        self._warnings: dict[str, Warn] = {}
        self._rewrites: dict[Rewrite, None] = {}

    @property
    def rewrites(self) -> tuple[Rewrite, ...]:
        """Other forms of statements that the algorithms have found and priced."""
        return tuple(self._rewrites)

    def weighed(self, folded: FoldedWorkload) -> FoldedWorkload:
        """The workload with the weights and scenarios that the algorithms give its templates."""
        for algorithm in self._algorithms:
            self._study = replace(self._study, templates=folded.templates)
            templates = self._ask(algorithm, Stage.PARAMETERS, algorithm.weigh, self._study)
            folded = folded if templates is None else replace(folded, templates=templates)
        self._study = replace(self._study, templates=folded.templates)
        return folded

    def learned(self) -> tuple[Catalog, Sizes]:
        """The catalog with the statistics that the algorithms know better and those of expressions, and sizes by it."""
        for algorithm in self._algorithms:
            self._know(self._ask(algorithm, Stage.PROPOSE, algorithm.learn, self._study))
        study = self._study
        sampled = partial(with_sampled, study.templates, study.catalog, study.samples, study.estimator)
        self._know(self._attempted("what rows tell of expressions", Stage.PROPOSE, sampled))
        return self._study.catalog, self._study.sizes

    def _know(self, catalog: Catalog | None) -> None:
        if catalog is not None and catalog is not self._study.catalog:
            self._study = replace(self._study, catalog=catalog, sizes=Sizes(catalog, self._study.samples))

    def proposed(
        self, proposal: Proposal, templates: Sequence[QueryTemplate], writes: Mapping[QualifiedName, TableWrites]
    ) -> Proposal:
        """The candidates for these templates and writes, as the algorithms leave them."""
        self._study = replace(self._study, templates=tuple(templates), writes=writes)
        for algorithm in self._algorithms:
            found = self._ask(algorithm, Stage.PROPOSE, algorithm.propose, self._study, proposal)
            proposal = proposal if found is None else found
        return proposal

    def repriced(self, candidates: Sequence[Candidate]) -> CostEstimator:
        """The planner to ask about them."""
        for algorithm in self._algorithms:
            found = self._ask(algorithm, Stage.PRICE, algorithm.reprice, self._study, candidates)
            if found is not None:
                self._study = replace(self._study, estimator=found)
        return self._study.estimator

    def held(self, selection: Selection) -> Mapping[IndexDefinition, Rejection]:
        """Chosen indexes that an algorithm would not build yet."""
        chosen = tuple(ChosenIndex(c.candidate, c.benefit, c.effects) for c in selection.chosen)
        choice = PresentChoice(chosen, selection.plans)
        found: dict[IndexDefinition, Rejection] = {}
        for algorithm in self._algorithms if chosen else ():
            held = self._ask(algorithm, Stage.PRICE, algorithm.judge, self._study, choice) or {}
            found |= {
                c.candidate.definition: _hold(c, why) for c in chosen if (why := held.get(c.candidate.definition))
            }
        return found

    def told(self, plan: Plan) -> Plan:
        """The plan with the findings, what they ask to be done, and the algorithms that failed."""
        findings = tuple(self._findings)
        if not findings and not self._warnings:
            return plan
        statistics = dict.fromkeys(f.statistics for f in findings if f.statistics is not None)
        targets = dict.fromkeys(chain.from_iterable(f.targets for f in findings))
        tables: dict[QualifiedName, None] = dict.fromkeys(f.analyze for f in findings if f.analyze is not None)
        plan = replace(
            plan,
            findings=findings,
            statistics=(*plan.statistics, *statistics),
            targets=(*plan.targets, *targets),
            analyze=tuple(dict.fromkeys((*plan.analyze, *tables, *(s.table for s in statistics)))),
            warnings=(*plan.warnings, *self._warnings.values()),
            notes=(*plan.notes, *shut_gate(findings)),
        )
        # Anew, because what the algorithms ask for may be about further tables.
        return replace(plan, schema_digest=schema_digest(self._study.catalog, plan.digested))

    def _ask(self, algorithm: Algorithm, stage: Stage, hook: Callable[..., Found[T]], *given: object) -> T | None:
        """What the hook makes of it, None when it failed: then the run goes on without this algorithm's word."""
        found = self._attempted(algorithm.name, stage, partial(hook, *given))
        if found is None:
            return None
        self._findings |= dict.fromkeys(found.findings)
        self._rewrites |= dict.fromkeys(found.rewrites)
        return found.value

    def _attempted(self, name: str, stage: Stage, work: Callable[[], T]) -> T | None:
        found = attempted(stage, work)
        if isinstance(found, Fault):
            text = f"{name} is left out: a fault of indexpilot ({found}); please report it"
            self._warnings.setdefault(name, Warn("algorithm_failed", name, text))
            return None
        return found


def _hold(chosen: ChosenIndex, why: str) -> Rejection:
    candidate = chosen.candidate
    return Rejection(
        summary(candidate.definition),
        "hold",
        why,
        candidate.definition,
        templates=candidate.templates,
        benefit=chosen.benefit,
    )


def consultation(source: Source, study: Study, *, time_model: bool) -> Consultation:
    """With the algorithms that are on, the time model last, what of the source's rows they may read, and what earlier
    runs learned.
    """
    asked = (*enabled(study.features), *((TimePricing(),) if time_model else ()))
    known = _learned(source) if any(algorithm.learns for algorithm in asked) else study.learned
    samples = _samples(source, study.templates)
    study = replace(study, samples=samples, sizes=Sizes(study.catalog, samples), learned=known)
    return Consultation(asked, study)


def _learned(source: Source) -> Learned:
    if source.session is None:
        return Learned()
    from indexpilot_cli.log.learned import learned

    return learned(source.session, schema=source.connection.metadata_schema)


def _samples(source: Source, templates: Sequence[QueryTemplate]) -> Samples:
    """Rows of the columns that the templates speak of, where there is a server to read them from."""
    if source.session is None:
        return NoSamples()
    from indexpilot_cli.db.samples import PageSamples

    columns: dict[QualifiedName, set[str]] = {}
    for template in templates:
        for use in template.uses:
            columns.setdefault(use.table, set()).update(use.columns)
    for table in source.catalog.tables:
        for index in table.indexes if table.name in columns else ():
            columns[table.name].update(index.definition.columns)
    return PageSamples(source.session, source.catalog, columns)
