"""The server fixture gives a real server."""

import psycopg


def test_database_is_new_and_real(database):
    with psycopg.connect(database) as conn:
        assert conn.execute("select count(*) from pg_stat_user_tables").fetchone() == (0,)
        assert conn.info.server_version >= 120000
