"""What a recorded index does for the workload: which templates lose when it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indexpilot_cli.apply.verify.verdict import Effect
from indexpilot_cli.core.mutation import Event


@dataclass(frozen=True, slots=True)
class Loss:
    """How many templates get slower without the index (None: nobody wrote it down), and a clause that says so."""

    templates: int | None
    text: str


def loss_of(event: Event) -> Loss:
    """What the log knows: measured by the verification, else estimated when the index was planned, else nothing."""
    measured = _measured(event.details)
    if measured:
        return _told(measured, "as measured when it was built")
    planned = event.details.get("queries_helped")
    if isinstance(planned, int):
        return _told(planned, "planner estimate")
    return Loss(None, "which templates it serves is not recorded")


def _measured(details: Mapping[str, Any]) -> int:
    told = details.get("verification")
    found = told.get("templates") if isinstance(told, Mapping) else None
    rows = found if isinstance(found, list) else []
    return sum(isinstance(row, Mapping) and row.get("effect") == Effect.FASTER.value for row in rows)


def _told(number: int, source: str) -> Loss:
    how_many = {0: "no template gets", 1: "1 template gets"}.get(number, f"{number} templates get")
    return Loss(number, f"{how_many} slower ({source})")
