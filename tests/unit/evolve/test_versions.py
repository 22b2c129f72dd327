"""What depends on that a clone is of another version."""

import pytest

from indexpilot_cli.core.observation import SqlError
from indexpilot_cli.evolve.review.clone.faults import Surroundings, excuse
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.versions import version_notes


def notes(text, clone, server, generated=False):
    return version_notes([read_migration("m.sql", text)], clone, server, generated=generated)


NOTHING = "no statement is known to do on PostgreSQL"


@pytest.mark.parametrize(
    ("text", "clone", "server", "said"),
    [
        ("CREATE UNIQUE INDEX ON t (a) NULLS NOT DISTINCT", 15, 14, "came with 15: the server, 14, refuses"),
        ("ALTER TABLE t ADD CHECK (a > 0) NOT ENFORCED", 16, 18, "came with 18: it could not be tried on 16"),
        ("ALTER TABLE p DETACH PARTITION c CONCURRENTLY", 15, 12, "DETACH PARTITION … CONCURRENTLY came with 14"),
        ("ALTER TABLE p DETACH PARTITION c", 15, 13, "locks the partition with ACCESS EXCLUSIVE from 14 on"),
        ("ALTER TABLE t ADD v int GENERATED ALWAYS AS (a + 1)", 18, 17, "not STORED came with 18"),
        ("ALTER TABLE t ADD v int GENERATED ALWAYS AS (a + 1) STORED", 18, 17, NOTHING),
        ("ALTER TABLE p DETACH PARTITION c", 16, 15, NOTHING),
        ("ALTER TABLE t DROP a", 15, 14, NOTHING),
    ],
)
def test_statements_that_depend_on_the_version(text, clone, server, said):
    (note,) = notes(text, clone, server)
    assert said in note
    assert note.startswith("m.sql:1: ") == (said is not NOTHING)


def test_the_same_version_needs_no_word_and_generated_columns_count_where_there_are_some():
    assert notes("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", 15, 15) == ()
    (note,) = notes("SELECT 1;\nALTER TABLE t DROP a", 15, 14, generated=True)
    assert note.startswith("m.sql:2: ") and "refused from 15 on" in note


def test_an_older_clone_cannot_say_that_newer_words_fail():
    error, older = SqlError("42601", 'syntax error at or near "ENFORCED"'), "the clone is PostgreSQL 16, not 18"
    assert excuse(error, "", Surroundings(older=older)) == f"{older}: {error.message}"
    assert excuse(error, "", Surroundings()) is None
    assert excuse(SqlError("42P01", 'relation "t" does not exist'), "", Surroundings(older=older)) is None
