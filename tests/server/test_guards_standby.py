"""A standby, seen from the primary and from itself."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.session import open_session
from indexpilot_cli.guards import replication, transactions, writable
from indexpilot_cli.guards.context import GuardContext, PermitRequest, read_server
from indexpilot_cli.planner.twin.server import LocalServer, new_home, server_user
from tests.server.guarding import operation
from tests.servers import SETTINGS, binaries
from tests.waiting import eventually

SENDING = "SELECT state FROM pg_stat_replication"


@pytest.fixture(scope="module")
def pair():
    """A primary and its standby, as DSNs."""
    found = binaries()
    if not found.program("pg_basebackup").exists():
        pytest.skip("no pg_basebackup here")
    with LocalServer(
        found, new_home(), SETTINGS | {"wal_level": "replica", "max_wal_senders": "4", "max_prepared_transactions": "4"}
    ) as primary:
        standby = LocalServer(found, new_home(), SETTINGS | {"hot_standby": "on", "max_prepared_transactions": "4"})
        copy(found, primary, standby.data)
        with standby:
            with psycopg.connect(primary.dsn(), autocommit=True) as connection:  # those of the copy leave meanwhile
                eventually(lambda: connection.execute(SENDING).fetchall() == [("streaming",)])
            yield primary.dsn(), standby.dsn()


def copy(found, primary, target):
    account = server_user()
    Path(target).parent.chmod(0o700)
    subprocess.run(
        [
            found.program("pg_basebackup"),
            "-D",
            str(target),
            "-d",
            primary.dsn() + " application_name=copy",
            "-R",
            "-c",
            "fast",
        ],
        check=True,
        capture_output=True,
        cwd="/",
        **({"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}),
    )


def test_the_standby_is_not_writable(pair):
    _, standby = pair
    with open_session(standby, read_only=False) as session:
        facts = read_server(session)
        verdict = writable.judge(facts)
        assert replication.standbys(session) == ()
    assert facts.in_recovery
    assert not verdict.allowed and "standby" in verdict.reason


def test_its_lag_is_seen_on_the_primary(pair, monkeypatch):
    primary, standby = pair
    with open_session(primary, read_only=False) as session, psycopg.connect(standby, autocommit=True) as replica:
        (found,) = replication.standbys(session)
        assert found.state == "streaming"
        eventually(lambda: (replication.standbys(session)[0].bytes or 0) == 0)
        assert replication.judge(replication.standbys(session)).allowed
        replica.execute("SELECT pg_wal_replay_pause()")
        session.execute("CREATE TABLE filler AS SELECT g, repeat('x', 200) AS t FROM generate_series(1, 20000) g")
        (behind,) = eventually(lambda: [s for s in replication.standbys(session) if (s.bytes or 0) > 2_000_000])
        monkeypatch.setattr(replication, "LAG_BYTES_WARN", 1_000_000)
        assert replication.judge([behind]).warning
        monkeypatch.setattr(replication, "LAG_BYTES_REFUSE", 1_000_000)
        refused = replication.judge([behind])
        assert not refused.allowed and found.name in refused.reason and "MB behind" in refused.reason
        replica.execute("SELECT pg_wal_replay_resume()")


def test_a_role_that_may_not_see_the_lag_is_told(pair):
    primary, _ = pair
    with psycopg.connect(primary, autocommit=True) as admin:
        admin.execute("CREATE ROLE outsider LOGIN")
    with open_session(primary + " user=outsider") as session:
        verdict = replication.judge(replication.standbys(session))
    assert verdict.allowed and verdict.warning and "hidden" in verdict.reason


def test_a_prepared_transaction_on_the_table_is_named(pair):
    """It has no process, and it stays until somebody ends it: the build would wait for ever."""
    primary, _ = pair
    with psycopg.connect(primary, autocommit=True) as admin:
        admin.execute("CREATE TABLE public.parts (a int)")
        (relid,) = admin.execute("SELECT 'public.parts'::regclass::oid::int8").fetchone()
        for statement in ("BEGIN", "INSERT INTO public.parts VALUES (1)", "PREPARE TRANSACTION 'forgotten'"):
            admin.execute(statement)
        with open_session(primary) as session:
            asked = PermitRequest(operations=(operation(admin, "parts", "a"),))
            (found,) = transactions.read(GuardContext(session, asked))
            assert (found.pid, found.prepared, found.relid) == (None, "forgotten", relid)
            names = {relid: QualifiedName("public", "parts")}
            verdict = transactions.judge([found], names, datetime(2026, 11, 20, tzinfo=UTC))
            assert not verdict.allowed and "'forgotten'" in verdict.reason
            admin.execute("ROLLBACK PREPARED 'forgotten'")
            assert transactions.read(GuardContext(session, asked)) == ()
