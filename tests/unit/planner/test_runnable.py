from indexpilot_cli.db.capabilities import Binaries
from indexpilot_cli.planner.twin import place


def test_a_copied_installation_brings_the_libraries_beside_its_package(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "reachable", lambda path: False)
    program = tmp_path / "site" / "some_server" / "pginstall18" / "bin" / "postgres"
    library = tmp_path / "site" / "some_server.libs" / "libpq.so.5"
    for path, mode in ((program, 0o700), (library, 0o600)):
        path.parent.mkdir(parents=True, mode=0o700)
        path.write_text(path.name)
        path.chmod(mode)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    original = Binaries(program.parent, "18.4", "embedded")
    copy = place.runnable(original, shelf)
    copied_library = copy.directory / ".." / ".." / ".." / "some_server.libs" / "libpq.so.5"
    assert copy.program("postgres").stat().st_mode & 0o777 == 0o755
    assert copied_library.stat().st_mode & 0o777 == 0o644
    assert all(path.stat().st_mode & 0o005 == 0o005 for path in shelf.rglob("*") if path.is_dir())
    assert place.runnable(original, shelf) == copy
    assert [path.name for path in shelf.iterdir()] == ["postgresql-18.4"]


def test_an_installation_in_reach_is_used_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "reachable", lambda path: True)
    original = Binaries(tmp_path, "18.4", "embedded")
    assert place.runnable(original, tmp_path) is original
