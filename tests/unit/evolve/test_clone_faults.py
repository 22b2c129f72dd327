"""Which errors of the clone production would not give."""

import pytest

from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.evolve.review.clone.faults import Surroundings, excuse, missing_role, refuses_transaction

NOWHERE = Surroundings()
NOT_OURS = [
    ("42501", "permission denied for table c", "UPDATE c SET n = 1"),
    ("0A000", 'extension "postgis" is not available', "CREATE EXTENSION postgis"),
    ("42704", 'tablespace "fast" does not exist', "ALTER TABLE c SET TABLESPACE fast"),
    ("42704", 'publication "all" does not exist', "ALTER PUBLICATION all ADD TABLE c"),
    ("55000", "prepared transactions are disabled", "PREPARE TRANSACTION 'x'"),
    ("23503", "violates foreign key constraint", "INSERT INTO c VALUES (1)"),
    ("P0001", "no such row", "DO $$ BEGIN RAISE 'no such row'; END $$"),
    ("23502", "null value", "INSERT INTO c SELECT max(id) FROM d"),
    ("22012", "division by zero", "SELECT 1 / count(*) FROM c"),
    ("53200", "out of memory", "SELECT repeat('x', 1000000000)"),
    ("57014", "canceling statement", "SELECT pg_sleep(1)"),
]
OURS = [
    ("42P01", 'relation "nothing" does not exist', "ALTER TABLE nothing ADD x int"),
    ("42701", 'column "n" of relation "c" already exists', "ALTER TABLE c ADD n int"),
    ("2BP01", "cannot drop column", "ALTER TABLE c DROP n"),
    ("23502", "null value", "INSERT INTO c VALUES (NULL)"),
    ("0A000", "cannot alter type of a column used by a view or rule", "ALTER TABLE c ALTER n TYPE text"),
    ("42704", 'type "geometry" does not exist', "ALTER TABLE c ADD g geometry"),
    ("55000", "cannot detach partitions concurrently", "ALTER TABLE p DETACH PARTITION c CONCURRENTLY"),
]


@pytest.mark.parametrize(("state", "message", "text"), NOT_OURS)
def test_errors_of_the_sandbox(state, message, text):
    assert excuse(SqlError(state, message), text, NOWHERE)


@pytest.mark.parametrize(("state", "message", "text"), OURS)
def test_errors_of_production(state, message, text):
    assert excuse(SqlError(state, message), text, NOWHERE) is None


def test_what_an_extension_may_have_brought():
    error = SqlError("42704", 'type "geometry" does not exist')
    assert "postgis" in excuse(error, "ALTER TABLE c ADD g geometry", Surroundings(("postgis",)))


def test_a_stand_in_is_no_foreign_table():
    error = SqlError("42809", '"orders" is not a foreign table')
    assert excuse(error, "DROP FOREIGN TABLE orders", Surroundings((), frozenset({"orders"})))
    assert excuse(error, "DROP FOREIGN TABLE orders", NOWHERE) is None


def test_roles_are_read_as_they_are_written():
    assert missing_role(SqlError("42704", 'role "a""b\nc" does not exist')) == 'a""b\nc'
    assert missing_role(SqlError("22023", 'role "app" does not exist')) == "app"
    assert missing_role(SqlError("P0001", 'role "app" does not exist')) is None


def test_statements_that_want_to_be_alone():
    assert refuses_transaction(SqlError("25001", "VACUUM cannot run inside a transaction block"))
    assert not refuses_transaction(SqlError("25P02", "current transaction is aborted"))
