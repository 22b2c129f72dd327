"""``snapshot save`` asked by a request: what the file holds, what it does not, and when none is written."""

import pytest

from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.admin.snapshot import SnapshotRequest
from indexpilot_cli.core.command import WorkloadRequest
from indexpilot_cli.errors import UsageError
from tests.server.requesting import BY_CUSTOMER, BY_ID, NOWHERE, QUIET, ask, queries

SECRET = "SELECT * FROM customers WHERE email = 'user77@example.com'"


def test_what_the_file_holds_is_said_and_recorded(analyzed_shop, tmp_path):
    path = tmp_path / "a shop.ipsnap"
    outcome = analyzed_shop.ask(SnapshotRequest, str(path), workload=queries(BY_CUSTOMER, BY_ID))
    result = outcome.result
    assert (result.path, result.bytes) == (str(path), path.stat().st_size)
    assert (result.tables, result.statements, result.redacted, result.cost) == (7, 2, False, "")
    assert result.indexes == 6 and result.digest
    assert (outcome.status, outcome.next) == ("ok", (f"indexpilot recommend --snapshot '{path}'",))
    assert analyzed_shop.last() == ("DISCOVER", "DONE", {"tables": 7, "redacted": False, "snapshot": True})


def test_values_are_replaced_where_that_is_asked(analyzed_shop, tmp_path):
    path = tmp_path / "a.ipsnap"
    asked = {"workload": queries(SECRET), "record": QUIET}
    result = analyzed_shop.ask(SnapshotRequest, str(path), redact=True, **asked).result
    assert result.redacted and "surrogates" in result.cost
    (kept,) = ask(AnalyzeRequest, NOWHERE, snapshot=str(path), record=QUIET).result.templates
    assert "user77" not in kept.text and kept.calls == 1


def test_without_a_source_of_statements_the_rest_is_kept(bare, tmp_path):
    path = tmp_path / "a.ipsnap"
    outcome = bare.ask(SnapshotRequest, str(path))
    assert (outcome.status, outcome.result.statements, outcome.next) == ("ok", 0, ())
    assert any(note.startswith("no workload in the file: ") for note in outcome.result.notes)
    with pytest.raises(UsageError, match="the snapshot holds no workload"):
        ask(AnalyzeRequest, NOWHERE, snapshot=str(path), record=QUIET)


def test_a_source_that_was_asked_for_must_be_there(analyzed_shop, tmp_path):
    path = tmp_path / "a.ipsnap"
    asked = WorkloadRequest(files=(str(tmp_path / "none.sql"),))
    with pytest.raises(UsageError):
        analyzed_shop.ask(SnapshotRequest, str(path), workload=asked)
    assert not path.exists()
    assert analyzed_shop.last()[:2] == ("DISCOVER", "FAILED")


def test_statements_of_several_places_are_kept_together(analyzed_shop, tmp_path):
    file, path = tmp_path / "w.sql", tmp_path / "a.ipsnap"
    file.write_text(f"{BY_ID};\n")
    asked = WorkloadRequest(files=(str(file),), queries=(BY_CUSTOMER,))
    assert analyzed_shop.ask(SnapshotRequest, str(path), workload=asked, record=QUIET).result.statements == 2


def test_a_place_that_cannot_be_written(analyzed_shop, tmp_path):
    with pytest.raises(UsageError):
        analyzed_shop.ask(SnapshotRequest, str(tmp_path / "no" / "a.ipsnap"), workload=queries(BY_ID))
    assert analyzed_shop.last()[:2] == ("DISCOVER", "FAILED")
