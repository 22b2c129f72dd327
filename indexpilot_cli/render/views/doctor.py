"""``doctor``: one line per check, each with its fix; and how faithful the twin is."""

from __future__ import annotations

from collections import Counter

from indexpilot_cli.admin.values import DoctorResult
from indexpilot_cli.planner.values import Fidelity
from indexpilot_cli.render.document import Block, Column, Document, Json, Lines, Table
from indexpilot_cli.render.units import cost, one_line, percent, plural
from indexpilot_cli.render.views.common import check_json, checks_table, facts

_DIFFERENCE_COLUMNS = (
    Column("template", "short"),
    Column("server cost", "number"),
    Column("twin cost", "number"),
    Column("difference", "number"),
    Column("query", "query"),
)


def view(result: DoctorResult, *, verbose: bool = False) -> Document:
    """Checks in order, then the fidelity of the twin when it was measured."""
    blocks: list[Block] = [checks_table(result.checks), Lines((_summary(result),))]
    if result.fidelity is not None:
        blocks += _fidelity(result.fidelity, verbose)
    return Document(tuple(blocks), _payload(result))


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
        blocks.append(Table(_DIFFERENCE_COLUMNS, rows))
    return blocks


def _payload(result: DoctorResult) -> Json:
    return {
        "checks": [check_json(c) for c in result.checks],
        "fidelity": _fidelity_json(result.fidelity) if result.fidelity else None,
    }


def _fidelity_json(value: Fidelity) -> Json:
    return {
        "estimator": value.estimator,
        "compared": value.compared,
        "identical": value.identical,
        "not_compared": value.not_compared,
        "median_error": value.median_error,
        "p90_error": value.p90_error,
        "max_error": value.max_error,
        "differences": [
            {
                "template": d.template,
                "server_cost": d.server_cost,
                "twin_cost": d.twin_cost,
                "error": d.error,
                "text": d.text,
            }
            for d in value.differences
        ],
    }
