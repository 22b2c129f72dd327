"""``doctor``: one line per check, each with its fix; and how faithful the twin is."""

from __future__ import annotations

from collections import Counter

from indexpilot_cli.admin.doctor import DoctorResult
from indexpilot_cli.core.codec import DocumentShape
from indexpilot_cli.core.estimator import Fidelity
from indexpilot_cli.render.document import Block, Count, Document, Lines, TableBlock, columns
from indexpilot_cli.render.units import cost, one_line, percent, plural
from indexpilot_cli.render.views.common import CheckDocument, checks_table, facts


class DifferenceDocument(DocumentShape):
    """A template the twin plans differently."""

    template: str
    server_cost: float | None
    twin_cost: float | None
    error: float | None
    text: str


class FidelityDocument(DocumentShape):
    """How the twin's plans compare with the server's; errors are relative differences of total cost."""

    estimator: str
    compared: Count
    identical: Count
    not_compared: Count
    median_error: float | None
    p90_error: float | None
    max_error: float | None
    differences: tuple[DifferenceDocument, ...]


class DoctorDocument(DocumentShape):
    """Everything that was looked at."""

    checks: tuple[CheckDocument, ...]
    fidelity: FidelityDocument | None


_DIFFERENCE_COLUMNS = columns(
    "template|short", "server cost|number", "twin cost|number", "difference|number", "query|query"
)


def view(result: DoctorResult, *, verbose: bool = False) -> Document:
    """Checks in order, then the fidelity of the twin when it was measured."""
    blocks: list[Block] = [checks_table(result.checks), Lines((_summary(result),))]
    if result.fidelity is not None:
        blocks += _fidelity(result.fidelity, verbose)
    return Document(tuple(blocks), result, DoctorDocument)


def _summary(result: DoctorResult) -> str:
    counts = Counter(c.state for c in result.checks)
    bad = [plural(counts[s], s) for s in ("error", "warning") if counts[s]]
    bad += [f"{counts[s]} {s}" for s in ("missing", "unknown") if counts[s]]
    return ", ".join(bad) if bad else "all well"


def _fidelity(value: Fidelity, verbose: bool) -> list[Block]:
    share = value.identical / value.compared if value.compared else 0.0
    skipped = f", {value.not_compared} not compared" if value.not_compared else ""
    blocks: list[Block] = [
        facts(
            (
                "Twin",
                f"{value.estimator}: {value.identical} of {value.compared} plans identical ({percent(share)}){skipped}",
            ),
            (
                "Cost error",
                f"median {percent(value.median_error, 2)}, 90th percentile {percent(value.p90_error, 2)}, "
                f"largest {percent(value.max_error, 2)}",
            ),
        )
    ]
    shown = value.differences if verbose else value.differences[:5]
    if shown:
        rows = tuple(
            (d.template, cost(d.server_cost), cost(d.twin_cost), percent(d.error), one_line(d.text)) for d in shown
        )
        blocks.append(TableBlock(_DIFFERENCE_COLUMNS, rows))
    return blocks
