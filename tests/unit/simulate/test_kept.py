from dataclasses import replace
from datetime import timedelta

from indexpilot_cli.core.command import Silent
from indexpilot_cli.simulate import kept
from indexpilot_cli.simulate.kept import SimulationHistoryRequest
from indexpilot_cli.simulate.scenarios import Scenario
from tests.unit.render.samples import COMPARED, QUICK, SLOW


def shown(place, **wanted):
    return kept.history(SimulationHistoryRequest(state_directory=str(place), **wanted), Silent())


def later(result, minutes, **changes):
    return replace(result, started_at=result.started_at + timedelta(minutes=minutes), **changes)


def test_results_come_back_as_they_were_and_are_compared(tmp_path):
    other = replace(COMPARED.workload, digest="f" * 64, scenario=Scenario.LARGE)
    plan = replace(COMPARED.plan, digest="0" * 64)
    runs = (
        COMPARED,
        later(COMPARED, 1, id="S-1", workload=other),
        later(COMPARED, 2, id="S-2", phases=(SLOW, replace(QUICK, latencies=SLOW.latencies)), plan=plan),
    )
    for one in runs:
        assert kept.keep(one, str(tmp_path)) == ()
    (tmp_path / "20990101T000000-S-3.json").write_text("{")
    found = shown(tmp_path).result
    assert [one.result for one in found.simulations] == list(reversed(runs))
    newest, elsewhere, first = found.simulations
    assert (newest.before, newest.same_plan) == (COMPARED.id, False)
    assert newest.change == 12.5 / 0.8 - 1
    assert (elsewhere.before, elsewhere.change, first.before) == (None, None, None)
    assert found.unreadable == ("20990101T000000-S-3.json",)
    assert [one.result.id for one in shown(tmp_path, scenario=Scenario.LARGE).result.simulations] == ["S-1"]
    assert [one.result.id for one in shown(tmp_path, workload="ffff").result.simulations] == ["S-1"]
    assert len(shown(tmp_path, limit=1).result.simulations) == 1


def test_runs_within_one_second_stand_in_their_order(tmp_path):
    for number, name in enumerate(("S-c", "S-a", "S-b")):
        kept.keep(later(COMPARED, number / 60_000, id=name), str(tmp_path))
    assert [one.result.id for one in shown(tmp_path).result.simulations] == ["S-b", "S-a", "S-c"]


def test_nothing_kept_is_told(tmp_path):
    outcome = shown(tmp_path / "new")
    assert (outcome.status, outcome.result.simulations) == ("skipped", ())


def test_the_oldest_go_and_a_full_disk_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_MOST", 2)
    for number in range(3):
        kept.keep(later(COMPARED, number, id=f"S-{number}"), str(tmp_path))
    assert [one.result.id for one in shown(tmp_path).result.simulations] == ["S-2", "S-1"]
    monkeypatch.setattr(kept.files, "write", lambda *_: (_ for _ in ()).throw(OSError("No space left on device")))
    (warning,) = kept.keep(COMPARED, str(tmp_path))
    assert warning.code == "not_kept"
