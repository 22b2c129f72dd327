"""What the demo's traffic leaves in the server's JSON log is what the application did, with every parameter."""

from collections import Counter
from datetime import datetime

import pytest

from indexpilot_cli.core.command import Silent
from indexpilot_cli.db.replay import Replay
from indexpilot_cli.errors import IndexPilotError
from indexpilot_cli.simulate import data, server, traffic
from indexpilot_cli.simulate.server import DemoState
from indexpilot_cli.workload.logs import read_log

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A demo server with tiny data."""
    binaries = server.choose()
    home = server.new_home()
    started = server.of(DemoState(str(home), str(binaries.directory), binaries.version, 1, data.LEAST_ROWS))
    try:
        started.start()
        server.create_database(started)
        data.build(server.dsn(started), data.DemoSizes(data.LEAST_ROWS), 1, 2, Silent())
        yield started
    finally:
        server.remove(started)


@pytest.fixture(scope="module")
def calls(running):
    with Replay(server.dsn(running)) as admin:
        return traffic.deck(traffic.templates(), traffic.sample(admin), 1, 0.02)


@pytest.fixture(scope="module")
def replayed(running, calls):
    """The tally of a logged replay, and the workload read from the log."""
    server.start_logging(running)
    tally = traffic.replay(server.dsn(running, server.APPLICATION), calls, 2, 300, Silent())
    server.stop_logging(running)
    return tally, read_log(server.log_file(running), database=server.DATABASE)


def moment(value):
    """The value, as a moment where it is one: the server spells those in its own way."""
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


def spelled_alike(text, values):
    return text, tuple(moment(value) for value in values)


def test_the_log_has_every_statement_with_its_parameters(calls, replayed):
    tally, workload = replayed
    assert (tally.done, dict(tally.failed)) == (len(calls), {})
    seen = Counter()
    for statement in workload.statements:
        seen[spelled_alike(statement.text, statement.parameters)] += statement.calls
    assert seen == Counter(spelled_alike(call.sql, call.values) for call in calls)
    assert all(s.total_ms > 0 for s in workload.statements)
    assert workload.skipped == ()


def test_only_the_application_is_logged(running, replayed):
    with Replay(server.dsn(running)) as admin:
        admin.run("SELECT 'not the application'")
    assert "not the application" not in server.log_file(running).read_text()


def test_logging_ends_with_the_replay(running, replayed):
    with Replay(server.dsn(running, server.APPLICATION)) as member:
        member.run("SELECT 'after the replay'")
    server.stop_logging(running)
    assert "after the replay" not in server.log_file(running).read_text()


def test_a_replay_ends_in_time(running, calls):
    tally = traffic.replay(server.dsn(running, server.APPLICATION), calls, 2, 0.0, Silent())
    assert tally.done < tally.planned == len(calls)


def test_a_refused_statement_is_counted(running):
    wrong = [traffic.Call("wrong", "SELECT nothing", ()), traffic.Call("right", "SELECT 1", ())]
    tally = traffic.replay(server.dsn(running, server.APPLICATION), wrong, 1, 60, Silent())
    assert tally.done == 2
    assert list(tally.failed) == ['wrong: column "nothing" does not exist']


def test_a_lost_server_ends_the_replay(running):
    end = traffic.Call("end", "SELECT pg_terminate_backend(pg_backend_pid())", ())
    with pytest.raises(IndexPilotError):
        traffic.replay(server.dsn(running), [end] * 4, 1, 60, Silent())
