"""Results of simulations, kept for this user: one file each in the state directory, compared over time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexpilot_cli.core import directories, files
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.command import Outcome, Progress
from indexpilot_cli.core.plan import Warn
from indexpilot_cli.errors import UsageError
from indexpilot_cli.simulate.scenarios import Scenario
from indexpilot_cli.simulate.values import LatencyGroup, SimulationMode, SimulationResult

_FOLDER = "simulations"
_MOST = 1_000  # kept results; the oldest go first
_LIMIT = files.FileLimit(4 << 20, "bad_simulation")


@dataclass(frozen=True, slots=True)
class SimulationHistoryRequest:
    """Which kept results to show: of a scenario, of a workload (the beginning of its digest), the latest ``limit``."""

    scenario: Scenario | None = None
    workload: str = ""
    limit: int = 20
    state_directory: str | None = None


@dataclass(frozen=True, slots=True)
class KeptSimulation:
    """A kept result, and how its p95 moved since the latest one before it of the same mode and workload.

    ``p95_ms`` is of its last phase; ``change`` is relative (0.1: a tenth slower), None where there is none to compare
    with; ``same_plan`` likewise.
    """

    result: SimulationResult
    p95_ms: float | None
    before: str | None = None
    change: float | None = None
    same_plan: bool | None = None


@dataclass(frozen=True, slots=True)
class SimulationHistory:
    """Kept results, the latest first."""

    simulations: tuple[KeptSimulation, ...]
    directory: str
    unreadable: tuple[str, ...] = field(default=())


def keep(result: SimulationResult, directory: str | None = None) -> tuple[Warn, ...]:
    """Keep the result; where it cannot be kept, that is a warning and the result stands."""
    try:
        place = _place(directory)
        name = f"{result.started_at:%Y%m%dT%H%M%S.%f}-{result.id}.json"
        files.write(place / name, json.dumps(to_json(result), indent=1) + "\n")
        for old in sorted(place.glob("*.json"))[:-_MOST]:
            old.unlink(missing_ok=True)
    except OSError as error:
        return (Warn("not_kept", result.id, f"the result could not be kept: {error.strerror or error}"),)
    return ()


def history(request: SimulationHistoryRequest, _progress: Progress) -> Outcome[SimulationHistory]:
    """The kept results, each beside the one before it; files that hold none are named."""
    place = _place(request.state_directory)
    results, unreadable = [], []
    for path in sorted(place.glob("*.json")):
        try:
            results.append(from_json(SimulationResult, files.parse_json(files.read_bytes(path, _LIMIT))))
        except (ValueError, UsageError):
            unreadable.append(path.name)
    compared = [one for one in _compared(results) if _is_wanted(one.result, request)]
    found = SimulationHistory(tuple(reversed(compared))[: request.limit], str(place), tuple(unreadable))
    status = "ok" if found.simulations else "skipped"
    return Outcome("simulate_history", found, status)


def _place(directory: str | None) -> Path:
    place = Path(directory) if directory else directories.state_directory() / _FOLDER
    directories.make(place)
    return place


def _is_wanted(result: SimulationResult, request: SimulationHistoryRequest) -> bool:
    if request.scenario is not None and result.workload.scenario is not request.scenario:
        return False
    return result.workload.digest.startswith(request.workload)


def _compared(results: Sequence[SimulationResult]) -> list[KeptSimulation]:
    latest: dict[tuple[SimulationMode, str], KeptSimulation] = {}
    found = []
    for result in results:
        key = (result.mode, result.workload.digest)
        latest[key] = one = _beside(result, latest.get(key))
        found.append(one)
    return found


def _beside(result: SimulationResult, before: KeptSimulation | None) -> KeptSimulation:
    last: LatencyGroup | None = result.phases[-1].latency() if result.phases else None
    p95 = last.p95_ms if last else None
    if before is None:
        return KeptSimulation(result, p95)
    same = result.plan.digest == before.result.plan.digest if result.plan and before.result.plan else None
    change = p95 / before.p95_ms - 1 if p95 is not None and before.p95_ms else None
    return KeptSimulation(result, p95, before.result.id, change, same)
