"""Migrations that only rows make fail are foreseen, or stand under Unchecked."""

import pytest

from tests.benchmarks import row_failures as rows

SAMPLE = {
    "add_check_divides": "foreseen",
    "timeout_too_short": "foreseen",
    "identity_from_one": "foreseen",
    "trigger_of_old_name": "listed",
    "pending_events": "listed",
    "call_divides": "listed",
}


@pytest.fixture(scope="module")
def loaded(pg):
    with rows.database(pg.dsn) as dsn:
        yield dsn


def test_a_few_are_told(loaded, twin_place, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(twin_place))
    chosen = [case for case in rows.cases() if case.name in SAMPLE]
    assert {case.name: rows.said(loaded, case)[0] for case in chosen} == SAMPLE


@pytest.mark.slow
def test_each_fails_as_it_says(loaded):
    assert {c.name: rows.happens(loaded, c) for c in rows.cases()} == {c.name: c.sqlstate for c in rows.cases()}
