"""What IndexPilot itself sends is no workload, whatever the server counts and wherever its comments go."""

import pytest

from indexpilot_cli.core.workload import is_own
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.db.statements import read_statements
from indexpilot_cli.workload.fold import fold
from indexpilot_cli.workload.templates import skipped_reports


@pytest.fixture
def counted(plain):
    """The plain database, in which every statement of every session is counted, nested ones too."""
    if not plain.sql("SELECT 1 FROM pg_settings WHERE name = 'pg_stat_statements.max'"):
        pytest.skip("pg_stat_statements is not loaded")
    plain.script("CREATE EXTENSION pg_stat_statements")
    (name,) = plain.sql("SELECT current_database()")[0]
    plain.script(f"ALTER DATABASE {name} SET pg_stat_statements.track = 'all'")
    plain.script("INSERT INTO plain SELECT i, i, 'b' || i FROM generate_series(201, 6000) i; ANALYZE plain")
    plain.sql("SELECT pg_stat_statements_reset()")
    return plain


def test_changes_leave_no_workload_behind(counted):
    counted.sql("SELECT b FROM plain WHERE a = 7")
    small = {"small_bytes": 0}
    for kind, column, more in (
        ("add_column", "token", {"type": "uuid", "default": "gen_random_uuid()", "not_null": True}),
        ("add_column", "other", {"type": "int", "references": "plain (id)", "default": "1", **small}),
        ("alter_type", "a", {"type": "bigint", **small}),
        ("rename_column", "b", {"new_name": "c"}),
        ("drop_column", "c", {"save": True}),
    ):
        assert counted.change(kind, "plain", column, **more).exit_code == 0, kind
    assert counted.rollback().exit_code == 0
    with open_session(counted.dsn) as session:
        workload, catalog = read_statements(session), read_catalog(session)
    folded = fold((workload,), catalog)
    assert [t.text for t in folded.templates] == ["SELECT b FROM plain WHERE a = $1"]
    own = next(s for s in skipped_reports(folded) if s.reason == "own")
    assert own.count > 30 and own.share == 0
    assert [s.text for s in folded.skipped if s.reason == "utility" and "TABLE" in s.text] == []


def test_the_mark_stands_behind_the_first_word(database):
    with open_session(database) as session:
        sent = session.value("-- a comment\nSELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    assert is_own(sent) and sent.startswith("SELECT /* indexpilot */ query")
    assert not is_own("SELECT 1 /* indexpilot */") and not is_own("INSERT INTO t VALUES ('/* indexpilot */')")
