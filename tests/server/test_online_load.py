"""A column's type changes under a running write load, also when the tool is killed again and again: no row differs."""

import random
import signal

import psycopg
import pytest

from tests.server.changing_online import COLUMNS, Load, Order, differences, fill, run_process, type_of
from tests.server.test_apply_faults import SNAPSHOT, holding

ROWS = 20_000
EARLY = (
    ("reading", 0.0),
    ("adding", 0.0),
    ("adding", 0.01),
    ("filling", 0.3),
    ("filling", 0.8),
    ("building", 0.02),
    ("building", 0.15),
    ("validating", 0.005),
    ("ANALYZE", 0.01),
)
LATE = (("swapping", 0.0), ("swapping", 0.01), ("swapping", 0.03))


def remnants(dsn):
    """Triggers, functions, second columns and invalid indexes that are still there."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(
            "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'public.accounts'::regclass AND NOT tgisinternal"
            " UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'shadow\\_%'"
            " UNION ALL SELECT attname FROM pg_attribute WHERE attrelid = 'public.accounts'::regclass"
            " AND NOT attisdropped AND attname LIKE '%\\_indexpilot\\_%'"
            " UNION ALL SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
            " UNION ALL SELECT relname FROM pg_class WHERE relname ~ '_ip(old|new)$'"
        ).fetchall()


def trigger_without_column(dsn):
    """The trigger is never there without the column it writes."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(
            "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'public.accounts'::regclass AND NOT tgisinternal)"
            " AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.accounts'::regclass"
            " AND NOT attisdropped AND attname LIKE '%\\_indexpilot\\_%')"
        ).fetchone()[0]


def quick(dsn, column, work="run", **more):
    return Order(dsn, column, work, rest=0.1, **more)


@pytest.mark.parametrize("column", ["v", "code"])
def test_no_row_is_lost_or_wrong_when_the_tool_is_killed_and_runs_again(database, column):
    fill(database, ROWS)
    chance = random.Random(column)
    killed = 0
    with Load(database, ROWS, pause=0.004) as load:
        for stage, after in (*sorted(chance.sample(EARLY, 5), key=EARLY.index), chance.choice(LATE)):
            code, report = run_process(quick(database, column, stage=stage, after=after))
            assert (code == -signal.SIGKILL) == (report is None)
            killed += report is None
            assert not trigger_without_column(database)
        code, report = run_process(quick(database, column))
        assert code == 0 and report["outcome"] in ("done", "already_done"), report
    assert killed >= 2
    assert load.errors == []
    wrong, compared = differences(database, load.ledger())
    assert wrong == [] and compared > ROWS * 0.9
    assert type_of(database, column) == COLUMNS[column][0]
    assert run_process(quick(database, column, "finish"))[1]["outcome"] == "finished"
    assert remnants(database) == []


def test_killed_and_taken_back_under_load(database):
    fill(database, ROWS)
    with Load(database, ROWS, pause=0.004) as load:
        # Neither comes to its end before: it rests as long as it likes, then it waits for a transaction.
        filling = Order(database, "v", stage="filling", after=0.2, rest=1000.0)
        assert run_process(filling)[0] == -signal.SIGKILL
        with holding(database, *SNAPSHOT):
            assert run_process(quick(database, "v", stage="building", after=0.1))[0] == -signal.SIGKILL
        assert run_process(quick(database, "v", "rollback", stage="removing", after=0.0))[0] in (0, -signal.SIGKILL)
        run_process(quick(database, "v", "rollback"))
        assert type_of(database, "v") == "integer" and remnants(database) == []
        assert run_process(quick(database, "v"))[1]["outcome"] == "done"
        for stage, after in (("filling", 0.2), ("building", 0.05), ("swapping", 0.01)):
            run_process(quick(database, "v", "rollback", stage=stage, after=after))
            assert not trigger_without_column(database)
        run_process(quick(database, "v", "rollback"))
    assert load.errors == []
    assert differences(database, load.ledger())[0] == []
    assert type_of(database, "v") == "integer" and remnants(database) == []
