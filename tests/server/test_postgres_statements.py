"""pg_stat_statements on a real server: totals, differences, what is left out, what is missing."""

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from indexpilot_cli.db.capabilities import look
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.db.statements import difference, read_statements, take_snapshot
from indexpilot_cli.errors import PrerequisiteError


@pytest.fixture
def watched(connection, database):
    if not connection.execute("SELECT 1 FROM pg_settings WHERE name = 'pg_stat_statements.max'").fetchone():
        pytest.skip("pg_stat_statements is not loaded")
    connection.execute('CREATE SCHEMA "My Ext"; CREATE EXTENSION pg_stat_statements SCHEMA "My Ext"')
    connection.execute("CREATE TABLE t (id int, name text)")
    connection.execute("INSERT INTO t SELECT i, 'n' || i FROM generate_series(1, 1000) i")
    connection.execute('SELECT "My Ext".pg_stat_statements_reset()')
    return database


def found(workload, part):
    return [s for s in workload.statements if part in s.text]


def test_totals(watched, connection):
    for i in range(5):
        connection.execute(f"SELECT * FROM t WHERE id = {i}")
    with open_session(watched) as session:
        work = read_statements(session)
    (one,) = found(work, "FROM t WHERE id = ")
    assert one.text == "SELECT * FROM t WHERE id = $1" and one.calls == 5
    assert one.total_ms > 0 and one.variance >= 0 and one.blocks >= 5 and one.rows == 4
    assert work.until is not None


def test_search_paths_of_the_roles_where_they_are_asked_for(watched, connection):
    role = f"walker_{connection.info.dbname}"[:60]
    connection.execute(sql.SQL("CREATE ROLE {r} LOGIN; GRANT SELECT ON t TO {r}").format(r=sql.Identifier(role)))
    try:
        where = {"r": sql.Identifier(role), "d": sql.Identifier(connection.info.dbname)}
        connection.execute(sql.SQL("ALTER ROLE {r} SET search_path = elsewhere").format(**where))
        connection.execute(
            sql.SQL('ALTER ROLE {r} IN DATABASE {d} SET search_path = "$user", "Big ""C", PUBLIC').format(**where)
        )
        with psycopg.connect(watched, user=role, autocommit=True) as walker:
            walker.execute("SELECT count(*) AS walked FROM t")
        with open_session(watched) as session:
            (one,) = found(read_statements(session, with_paths=True), "walked")
            assert one.search_path == (role, 'Big "C', "public")
            assert found(read_statements(session), "walked")[0].search_path == ()
    finally:
        connection.execute(sql.SQL("DROP OWNED BY {r}; DROP ROLE {r}").format(r=sql.Identifier(role)))


def test_only_this_database(watched, pg):
    with psycopg.connect(pg.dsn, autocommit=True) as elsewhere:
        elsewhere.execute("SELECT 1 AS somewhere_else")
    with open_session(watched) as session:
        assert found(read_statements(session), "somewhere_else") == []


def test_the_difference_of_two_readings(watched, connection):
    def run(times):
        for i in range(times):
            connection.execute(f"SELECT name FROM t WHERE id < {i}")

    run(3)
    with open_session(watched) as session:
        before = take_snapshot(session)
        run(4)
        connection.execute("SELECT count(*) FROM t")
        after = take_snapshot(session)
    work = difference(before, after)
    (again,) = found(work, "SELECT name")
    (new,) = found(work, "count(*)")
    assert (again.calls, new.calls) == (4, 1)
    whole = next(e for e in after.entries if "SELECT name" in e.text)
    part = next(e for e in before.entries if "SELECT name" in e.text)
    assert again.total_ms == pytest.approx(whole.total_ms - part.total_ms)
    assert work.since == before.taken_at and work.until == after.taken_at and work.notes == ()
    assert found(work, "INSERT") == []


def test_c11_a_reset_in_between_is_told(watched, connection):
    connection.execute("SELECT name FROM t")
    with open_session(watched) as session:
        before = take_snapshot(session)
        connection.execute('SELECT "My Ext".pg_stat_statements_reset()')
        for _ in range(2):
            connection.execute("SELECT name FROM t")
        work = difference(before, take_snapshot(session))
    (one,) = found(work, "SELECT name")
    if session.version >= 140000:
        assert one.calls == 2 and any("reset" in note for note in work.notes)


def test_our_own_statements_are_set_aside(watched, connection):
    """Also those of a session that could not hide them, as an ordinary role's cannot."""
    with open_session(watched) as session:
        session.rows("SELECT set_config('pg_stat_statements.track', 'top', false)")
        catalog = read_catalog(session)
        look(session)
        take_snapshot(session)
        session.rows("SELECT * FROM t")
        session.rows("SELECT set_config('pg_stat_statements.track', 'none', false)")
        work = read_statements(session)
    own = [s for s in work.skipped if s.reason == "own"]
    assert catalog.tables and len(own) > 15
    assert {s.text for s in work.statements if "pg_catalog" in s.text} == set()
    assert found(work, "FROM t") == [] and any("SELECT /* indexpilot */ * FROM t" in s.text for s in own)


def test_nested_statements_are_noted(watched, connection):
    if connection.info.server_version < 140000:
        pytest.skip("from 14 on")
    connection.execute(
        "CREATE FUNCTION f() RETURNS bigint LANGUAGE plpgsql"
        " AS 'BEGIN RETURN (SELECT count(*) FROM t WHERE id > 3); END'"
    )
    connection.execute("SET pg_stat_statements.track = 'all'")
    connection.execute("SELECT f()")
    with open_session(watched) as session:
        work = read_statements(session)
    assert found(work, "count(*) FROM t WHERE id > $1") and any("functions" in note for note in work.notes)


def test_hidden_texts_are_counted_not_guessed(watched, connection):
    name = connection.info.dbname
    connection.execute("SELECT name FROM t WHERE id = 7")
    connection.execute(
        sql.SQL('CREATE ROLE {n} LOGIN; GRANT USAGE ON SCHEMA "My Ext" TO {n}').format(n=sql.Identifier(name))
    )
    try:
        with open_session(make_conninfo(watched, user=name)) as session:
            work = read_statements(session)
            capabilities = look(session)
    finally:
        connection.execute(sql.SQL("DROP OWNED BY {n}; DROP ROLE {n}").format(n=sql.Identifier(name)))
    assert not found(work, "SELECT name")
    hidden = [s for s in work.skipped if "pg_read_all_stats" in s.detail]
    assert hidden and sum(s.calls for s in hidden) >= 1
    assert capabilities.statements_readable and not capabilities.reads_all_stats


def test_missing_extension(database, connection):
    loaded = connection.execute("SELECT 1 FROM pg_settings WHERE name = 'pg_stat_statements.max'").fetchone()
    with open_session(database) as session, pytest.raises(PrerequisiteError) as caught:
        read_statements(session)
    assert caught.value.code == "statements_missing"
    if loaded:
        assert caught.value.hint.endswith("CREATE EXTENSION pg_stat_statements;") and "preload" not in caught.value.hint


def test_schema_without_privilege(watched, connection):
    name = connection.info.dbname
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    try:
        with open_session(make_conninfo(watched, user=name)) as session:
            assert look(session).statements_readable is False
            with pytest.raises(PrerequisiteError) as caught:
                read_statements(session)
    finally:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    assert caught.value.code == "statements_missing" and "GRANT" in caught.value.hint


def test_capabilities_of_a_superuser(watched, connection):
    with open_session(watched) as session:
        seen = look(session)
    assert seen.server.version_num == connection.info.server_version
    assert seen.server.database == connection.info.dbname and seen.server.major >= 12
    assert seen.superuser and seen.reads_all_stats and seen.can_create_schema and not seen.pooler_suspected
    assert seen.statements_preloaded and seen.statements_readable and seen.statements_version
    assert not seen.server.in_recovery and not seen.server.read_only and not seen.server.tls
    assert seen.metadata_version is None and seen.unreadable_tables == ()


def test_capabilities_of_an_ordinary_role(connection, database):
    name = connection.info.dbname
    connection.execute(
        'CREATE SCHEMA "Meta"; CREATE TABLE "Meta".schema_version (version int);'
        'INSERT INTO "Meta".schema_version VALUES (1), (3); CREATE TABLE public."Secret" (x int)'
    )
    connection.execute(
        sql.SQL("CREATE ROLE {n} LOGIN; ALTER ROLE {n} SET default_transaction_read_only = on").format(
            n=sql.Identifier(name)
        )
    )
    try:
        with open_session(database) as session:
            assert look(session, metadata_schema="Meta").metadata_version == 3
        with open_session(make_conninfo(database, user=name)) as session:
            seen = look(session, metadata_schema="Meta")
    finally:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    assert (seen.superuser, seen.can_create_schema, seen.reads_all_stats) == (False, False, False)
    assert seen.server.read_only and seen.server.user == name
    assert seen.unreadable_tables == ('public."Secret"',) and seen.metadata_version is None
