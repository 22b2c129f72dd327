"""The snapshot file says what it is, and refuses what it is not."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from indexpilot_cli.errors import UsageError
from indexpilot_cli.snapshot.values import load, save
from tests.unit.snapshot.samples import snapshot


def test_what_was_saved_is_loaded(tmp_path):
    original = snapshot()
    save(original, tmp_path / "s")
    assert load(tmp_path / "s") == original
    assert load(tmp_path / "s").fingerprint == original.fingerprint
    assert [p.name for p in tmp_path.iterdir()] == ["s"]
    assert (tmp_path / "s").stat().st_mode & 0o077 == 0


def test_statistics_that_stand_with_a_column_are_held_once(tmp_path):
    original = snapshot()
    other = replace(original.statistics[0], statistics=replace(original.statistics[0].statistics, null_frac=0.5))
    save(replace(original, statistics=(other, *original.statistics[1:])), tmp_path / "s")
    found = load(tmp_path / "s")
    columns = found.catalog.tables[0].columns
    held = [entry.statistics is column.statistics for entry, column in zip(found.statistics, columns, strict=True)]
    assert held == [False, True, True]
    assert found.statistics[0] == other


def test_equal_snapshots_make_equal_files(tmp_path):
    for name in "ab":
        save(snapshot(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_fingerprint_is_of_the_twin_not_of_the_moment():
    original = snapshot()
    assert (
        replace(original, captured_at=datetime(2030, 1, 1, tzinfo=UTC), workload=None).fingerprint
        == original.fingerprint
    )
    grown = replace(original, sizes=(replace(original.sizes[0], pages=101), *original.sizes[1:]))
    assert grown.fingerprint != original.fingerprint


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_a_snapshot"),
        (b"SELECT 1;", "not_a_snapshot"),
        (gzip.compress(b"[1]"), "not_a_snapshot"),
        (gzip.compress(json.dumps({"kind": "other"}).encode()), "not_a_snapshot"),
        (gzip.compress(json.dumps({"kind": "indexpilot.snapshot", "format": 99}).encode()), "snapshot_too_new"),
        (gzip.compress(json.dumps({"kind": "indexpilot.snapshot", "format": 1}).encode()), "damaged_snapshot"),
        (gzip.compress(b"{}")[:-6], "damaged_snapshot"),
    ],
    ids=["empty", "sql", "list", "other-kind", "newer", "incomplete", "cut"],
)
def test_other_files_are_refused(tmp_path, content, code):
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load(tmp_path / "s")
    assert caught.value.code == code


def test_a_truncated_file_is_damaged(tmp_path):
    save(snapshot(), tmp_path / "s")
    (tmp_path / "s").write_bytes((tmp_path / "s").read_bytes()[:-100])
    with pytest.raises(UsageError, match="damaged"):
        load(tmp_path / "s")


def test_missing_files_and_directories_are_named(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path / "none")
    with pytest.raises(UsageError, match="cannot write"):
        save(snapshot(), tmp_path / "no" / "where")
