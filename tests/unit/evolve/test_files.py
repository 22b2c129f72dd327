"""Which files are reviewed: named, found in directories, and changed since a revision."""

from __future__ import annotations

import subprocess

import pytest

from indexpilot_cli.errors import UsageError
from indexpilot_cli.evolve.review.migration import read_files


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")

    def git(*arguments):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)

    git("init", "-b", "main")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "001.sql").write_text("SELECT 1;")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "work")
    return tmp_path, git


def names(files):
    return [file.path for file in files]


def test_directories_are_read_in_order_and_ways_back_left_out(tmp_path):
    for name in ("2.sql", "1.sql", "1.down.sql", "note.txt"):
        (tmp_path / name).write_text("SELECT 1;")
    assert names(read_files((str(tmp_path),), None)) == [str(tmp_path / "1.sql"), str(tmp_path / "2.sql")]


def test_a_file_named_twice_is_reviewed_once(tmp_path):
    path = tmp_path / "a.sql"
    path.write_text("SELECT 1;")
    assert len(read_files((str(path), str(path)), None)) == 1


def test_changed_and_fresh_files_since_a_revision(repository):
    here, git = repository
    (here / "migrations" / "002.sql").write_text("SELECT 2;")
    git("add", ".")
    git("commit", "-m", "two")
    (here / "migrations" / "003.sql").write_text("SELECT 3;")
    (here / "other.sql").write_text("SELECT 4;")
    assert names(read_files((), "main")) == ["migrations/002.sql", "migrations/003.sql", "other.sql"]
    assert names(read_files(("migrations",), "main")) == ["migrations/002.sql", "migrations/003.sql"]


def test_nothing_changed_is_nothing_to_review(repository):
    assert read_files((), "main") == ()


@pytest.mark.parametrize("base", ["nonsense", "--output=x"])
def test_a_revision_that_is_none(repository, base):
    with pytest.raises(UsageError):
        read_files((), base)


@pytest.mark.parametrize("data", [b"\xff\xfe bad", None])
def test_what_cannot_be_read_is_one_clear_error(tmp_path, data):
    path = tmp_path / "a.sql"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UsageError, match=r"a\.sql"):
        read_files((str(path),), None)


def test_no_file_at_all():
    with pytest.raises(UsageError, match="no migration"):
        read_files((), None)
