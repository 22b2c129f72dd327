"""The demo from start to stop at a tiny size: what it gives, what it leaves, and what a kept server is good for."""

from pathlib import Path

import psycopg
import pytest

from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.algorithms import registry
from indexpilot_cli.algorithms.base import Algorithm, Found
from indexpilot_cli.core.command import PlannerRequest, Silent
from indexpilot_cli.core.index import Proposal
from indexpilot_cli.errors import RefusedError
from indexpilot_cli.simulate import ablation, demo, proof, server
from indexpilot_cli.simulate.data import DemoSizes
from indexpilot_cli.simulate.proof import DemoRequest
from indexpilot_cli.simulate.server import DemoSlot
from tests.server.requesting import QUIET, TWIN, Interrupting

pytestmark = pytest.mark.server
ROWS = 12_000


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    # On a busy machine too the replay ends before it is cut, and no moment of its makes a read look slower.
    monkeypatch.setattr(demo, "_REPLAY_SECONDS", 300.0)
    monkeypatch.setattr(proof, "_LEAST_MS", float("inf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


class Refuses(Algorithm):
    """Takes every candidate on the largest table out of the choice."""

    name = "constraint_optimizer"
    title = "refuses"

    def propose(self, study, proposal):
        return Found(Proposal(tuple(c for c in proposal.candidates if c.definition.table.name != "events")))


def request(place, **changes):
    values = {
        "rows": ROWS,
        "planner": PlannerRequest(workers=2, max_seconds=600),
        "state_directory": str(place),
    } | changes
    return DemoRequest(**values)


def alive(dsn):
    try:
        psycopg.connect(dsn).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_demo_gives_advice_and_leaves_nothing(tmp_path):
    outcome = demo.run(request(tmp_path), Silent())
    result = outcome.result
    assert (result.state, result.conninfo, outcome.status) == ("finished", None, "ok")
    assert [step.label for step in result.steps][:4] == ["server", "data", "traffic", "advice"]
    assert result.plan.templates >= 25
    assert result.plan.recommendations
    assert result.before_ms > 0
    assert len(result.latencies) >= 25
    assert sum(one.before_ms * one.calls for one in result.latencies) == pytest.approx(result.before_ms)
    assert sum(one.after_ms * one.calls for one in result.latencies) == pytest.approx(result.after_ms)
    assert result.notes == ()
    home = result.steps[0].text.split("private socket in ")[1].split(",")[0]
    assert not Path(home).exists()
    assert DemoSlot(tmp_path).read() is None


def test_a_kept_demo_is_used_again_ablated_and_stopped(tmp_path, monkeypatch):
    kept = demo.run(request(tmp_path, keep=True), Silent())
    dsn = kept.result.conninfo
    home = Path(DemoSlot(tmp_path).read().home)
    try:
        assert kept.result.state == "running"
        assert kept.next[-1] == "indexpilot demo stop"
        assert any(dsn in command for command in kept.next)
        with psycopg.connect(dsn) as conn:
            assert conn.execute("SELECT count(*) >= %s FROM events", [ROWS]).fetchone()[0]
            assert conn.execute("SHOW listen_addresses").fetchone()[0] == ""
            assert conn.execute("SHOW autovacuum").fetchone()[0] == "on"
            conn.commit()
            conn.autocommit = True
            conn.execute("ALTER SYSTEM SET autovacuum = off")  # a minute later it may work on the tables: other costs
            conn.execute("SELECT pg_reload_conf()")
        with pytest.raises(RefusedError, match="still there") as refusal:
            demo.run(request(tmp_path, seed=2), Silent())
        assert refusal.value.hint == "indexpilot demo stop"
        again = demo.run(request(tmp_path), Silent())
        assert again.result.conninfo == dsn
        assert {r.id for r in again.result.plan.recommendations} == {r.id for r in kept.result.plan.recommendations}
        monkeypatch.setattr(registry, "ALGORITHMS", (Refuses(),))
        (entry,) = ablation.run(
            RecommendRequest(planner=TWIN, record=QUIET), request(tmp_path), Silent()
        ).result.algorithms
        assert "events" in " ".join(entry.difference.removed)
        assert min(entry.with_ms, entry.without_ms) > 0
    finally:
        stopped = demo.run(request(tmp_path, stop=True), Silent())
    assert stopped.result.state == "stopped"
    assert not alive(dsn)
    assert not home.exists()
    assert demo.stop(request(tmp_path), Silent()).status == "skipped"


@pytest.mark.parametrize("word", ["starting", "building the tables", "checking", "replaying"])
def test_an_interrupted_demo_leaves_nothing(tmp_path, word, monkeypatch):
    homes, new_home = [], server.new_home
    monkeypatch.setattr(server, "new_home", lambda: homes.append(new_home()) or homes[-1])
    with pytest.raises(KeyboardInterrupt):
        demo.run(request(tmp_path), Interrupting(word))
    assert len(homes) == (word != "starting") and not any(home.exists() for home in homes)
    assert DemoSlot(tmp_path).read() is None


def test_a_dead_kept_server_is_noticed(tmp_path):
    with (
        DemoSlot(tmp_path).held() as slot,
        demo._running(slot, request(tmp_path), DemoSizes(ROWS), Silent()) as (state, running),
    ):
        slot.write(demo.replace(state, kept=True))
    running.stop("immediate")
    assert Path(state.home).exists()
    stopped = demo.stop(request(tmp_path), Silent())
    assert "dead" in stopped.result.steps[0].text
    assert not Path(state.home).exists()
