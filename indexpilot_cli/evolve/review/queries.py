"""The recorded queries as schema review runs them: literal statements, and the same without conditions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from indexpilot_cli.core.command import Progress, TableFilter, WorkloadRequest
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import Rehearsed
from indexpilot_cli.core.workload import FoldedWorkload, PlanMode, Plannable, QueryTemplate, Skipped
from indexpilot_cli.errors import PrerequisiteError, UsageError
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.workload.templates import fold_workload, shares, with_scenarios

MOST = 400  # queries rehearsed when nobody knows which tables they touch
_VARIANTS = 3  # statements of one template
_OPAQUE = ("no_table", "utility")  # what no advice is possible on may still break: calls of functions


@dataclass(frozen=True, slots=True)
class Recorded:
    """The queries to rehearse; ``left_out`` counts those beyond the limit, ``why_none`` says why there are none."""

    queries: tuple[Rehearsed, ...] = ()
    left_out: int = 0
    why_none: str = ""


def recorded_queries(source: Source, request: WorkloadRequest, progress: Progress) -> FoldedWorkload | str:
    """The workload, folded; where there is none, why."""
    try:
        return with_scenarios(fold_workload(source, request, TableFilter(), progress), source.catalog, None)
    except (UsageError, PrerequisiteError) as error:
        if request.files or request.queries or request.source is not None:
            raise
        return error.message


def rehearsed(folded: FoldedWorkload | str, touched: Collection[QualifiedName]) -> Recorded:
    """What to run: all queries when they are few, else those on the tables that the migrations touch first."""
    if isinstance(folded, str):
        return Recorded(why_none=folded)
    share = shares(folded.templates)
    ranked = sorted(folded.templates, key=lambda t: (not set(touched) & set(t.relations), -share[t.id]))
    opaque = tuple(s for s in folded.skipped if s.reason in _OPAQUE and _callable(s.text))
    found = [*(_template(t, share[t.id]) for t in ranked[:MOST]), *_calls(opaque[:MOST])]
    return Recorded(
        tuple(q for q in found if q.statements), max(0, len(ranked) - MOST), "" if found else "no statement is recorded"
    )


def _template(template: QueryTemplate, share: float) -> Rehearsed:
    chosen = template.scenarios[:_VARIANTS]
    return Rehearsed(
        template.id,
        template.text,
        share,
        tuple(s.statement for s in chosen),
        tuple(_loose(s.statement for s in chosen[:1])),
        tuple(s.share for s in chosen),
    )


def _loose(statements: Iterator[Plannable]) -> Iterator[Plannable]:
    from indexpilot_cli.sql.literals import loosened

    for statement in statements:
        text = loosened(statement.sql)
        # A parameter that stood in the condition only would have no type any more.
        if text is not None and "$" not in text:
            yield Plannable(text)


def _callable(text: str) -> bool:
    return text.lstrip().lower().startswith(("select", "call", "with"))


def _calls(skipped: Sequence[Skipped]) -> Iterator[Rehearsed]:
    from indexpilot_cli.sql.parser import Unparsed, fingerprint, parameters, parse

    for item in skipped:
        statement = parse(item.text)
        if isinstance(statement, Unparsed):
            continue
        numbers = parameters(statement.node)
        mode = PlanMode.PREPARED if numbers else PlanMode.LITERAL
        plannable = Plannable(item.text, mode, max(numbers, default=0))
        # The share is unknown: such statements are no part of the weighed workload.
        yield Rehearsed(f"q-{str(fingerprint(item.text))[:6]}", item.text, 0.0, (plannable,))
