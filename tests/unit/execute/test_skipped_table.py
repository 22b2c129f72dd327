"""How a server says that VACUUM or ANALYZE left a table out, although the statement succeeds."""

from dataclasses import dataclass

import pytest

from indexpilot_cli.db.session import Notice
from indexpilot_cli.execute.build import skipped_table


@dataclass
class Noticing:
    message: str
    sqlstate: str = "01000"

    def drain_notices(self):
        return (Notice("WARNING", self.sqlstate, self.message),)


@pytest.mark.parametrize(
    ("message", "skipped"),
    [
        ('skipping "t" --- only table or database owner can vacuum it', True),
        ('skipping "t" --- only superuser can vacuum it', True),
        ('skipping "t" --- only superuser or database owner can analyze it', True),
        ('permission denied to vacuum "t", skipping it', True),
        ('permission denied to analyze "t", skipping it', True),
        ('relation "t" page 3 is uninitialized --- fixing', False),
        ("cutoff for removing and freezing tuples is far in the past", False),
    ],
)
def test_the_servers_words_for_a_skipped_table(message, skipped):
    assert skipped_table(Noticing(message), vacuum=True) == (message if skipped else None)


def test_in_another_language_any_warning_of_analyze_counts_and_the_privilege_of_vacuum_is_asked_before():
    german = Noticing("überspringe »t« --- nur Eigentümer der Tabelle oder der Datenbank kann sie analysieren")
    assert skipped_table(german) is not None
    assert skipped_table(german, vacuum=True) is None
