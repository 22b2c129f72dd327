"""Which failures are tried again, how often, and how long we wait."""

import psycopg
import pytest

from indexpilot_cli.db.errors import StatementError, statement_error
from indexpilot_cli.db.locks import retrying
from indexpilot_cli.errors import UnreachableError


def failure(name, *, broken=False):
    cause = psycopg.errors.lookup(name)("it failed")
    error = statement_error(cause, broken=broken)
    error.__cause__ = cause
    return error


def run(*failures, **options):
    """The number of attempts and the pauses, and whether it came through in the end."""
    left, attempts, pauses = list(failures), [], []

    def action():
        attempts.append(1)
        if left:
            raise left.pop(0)
        return "done"

    try:
        result = retrying(action, sleep=pauses.append, pause=0.1, **options)
    except Exception as error:  # noqa: BLE001 - any: the caller looks at it
        result = error
    return len(attempts), pauses, result


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
def test_transient_failures_thrice(state):
    assert run(failure(state)) == (2, [0.1], "done")
    assert run(failure(state), failure(state)) == (3, [0.1, 0.2], "done")
    attempts, pauses, result = run(*[failure(state)] * 3)
    assert (attempts, pauses) == (3, [0.1, 0.2]) and isinstance(result, Exception)


@pytest.mark.parametrize("state", ["42601", "42P01", "42501", "22012", "23505", "25006", "08P01", "53100"])
def test_lasting_failures_once(state):
    attempts, pauses, result = run(failure(state), reconnect=lambda: None)
    assert (attempts, pauses) == (1, []) and isinstance(result, Exception)


def test_a_cancelled_statement_is_tried_once_more():
    assert run(failure("57014"))[2] == "done"
    assert run(failure("57014"), failure("57014"))[0] == 2


def test_a_lost_connection_needs_a_way_back():
    lost = failure("57P01")
    assert isinstance(lost, UnreachableError) and run(lost)[0] == 1
    again = []
    assert run(failure("08006", broken=True), failure("57P01"), reconnect=lambda: again.append(1))[2] == "done"
    assert again == [1, 1]


def test_no_reconnecting_for_a_deadlock():
    again = []
    assert run(failure("40P01"), reconnect=lambda: again.append(1))[2] == "done" and again == []


def test_other_exceptions_pass():
    assert isinstance(run(ZeroDivisionError())[2], ZeroDivisionError)
    assert isinstance(run(StatementError("x"))[2], StatementError)
