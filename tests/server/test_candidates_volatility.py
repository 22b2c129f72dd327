"""What we say of an expression is what CREATE INDEX says."""

import psycopg
import pytest

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.sql.volatility import unsafe
from tests.unit.sql.test_volatility import BAD, FINE, each

pytestmark = pytest.mark.server
SETUP = """
CREATE TABLE t (a int, s text, ts timestamp, tz timestamptz, d date, j jsonb, tags text[]);
CREATE FUNCTION mine(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION yours(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION wild(int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1; END';
"""
UNKNOWN = ("unknown_function(a)", "unaccent(s)")


def test_the_server_agrees(connection, database):
    connection.execute(SETUP)
    with open_session(database) as session:
        catalog = read_catalog(session)
    table = catalog.table(QualifiedName("public", "t"))
    wrong = []
    for expression in each(FINE) + each(BAD):
        if expression in UNKNOWN:
            continue
        try:
            connection.execute(f"CREATE INDEX ON t (({expression}))")
            built = True
        except psycopg.errors.InvalidObjectDefinition:
            built = False
        if built == (unsafe(expression, table, catalog) is not None):
            wrong.append((expression, built))
    assert wrong == []
