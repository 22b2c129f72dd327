import pytest

from indexpilot_cli.errors import PrerequisiteError, RefusedError
from indexpilot_cli.simulate import server
from indexpilot_cli.simulate.server import DemoSlot, DemoState

STATE = DemoState("/nowhere/indexpilot-demo-x", "/nowhere/bin", "18.4", seed=3, rows=6000, kept=True)


def test_a_state_comes_back_as_it_was_written(tmp_path):
    with DemoSlot(tmp_path).held() as slot:
        assert slot.read() is None
        slot.write(STATE)
        assert slot.read() == STATE
        slot.clear()
        assert slot.read() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"home": 3}', '{"home": "x"}'])
def test_a_broken_state_counts_as_none(tmp_path, text):
    (tmp_path / "demo.json").write_text(text)
    assert DemoSlot(tmp_path).read() is None


def test_only_one_demo_at_a_time(tmp_path):
    with DemoSlot(tmp_path).held(), pytest.raises(RefusedError, match="another demo"), DemoSlot(tmp_path).held():
        pass
    with DemoSlot(tmp_path).held():
        pass


def test_a_directory_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="state"), DemoSlot(tmp_path / "file" / "below").held():
        pass


def test_nothing_but_a_demo_is_ever_deleted(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    server.remove(server.of(DemoState(str(precious), "/nowhere/bin", "18.4", 1, 6000)))
    assert precious.exists()


def test_what_a_dead_demo_left_is_deleted_without_its_programs(tmp_path):
    home = tmp_path / "indexpilot-demo-x"
    home.mkdir()
    server.remove(server.of(DemoState(str(home), "/nowhere/bin", "18.4", 1, 6000)))
    assert not home.exists()


def test_space_is_checked_before_starting(tmp_path):
    server.require_space(tmp_path, 1)
    with pytest.raises(PrerequisiteError, match="GB") as problem:
        server.require_space(tmp_path, 10**18)
    assert "TMPDIR" in problem.value.hint
