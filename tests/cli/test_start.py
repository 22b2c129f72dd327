"""Every command that asks a server, once as a new process: what it needs, it imports itself."""

import shlex

import pytest

from tests.cli.changes import CALM
from tests.cli.test_schema_evolve import BLOCKS

# The command, its code, and how its output begins.
LINES = (
    ("init --check", 3, "Server      PostgreSQL "),
    ("doctor", 0, "ok  "),
    ("discover", 0, "table "),
    ("analyze --source sql workload.sql", 0, "#  template "),
    ("recommend --source sql workload.sql", 0, "Plan P-"),
    ('explain --query "SELECT id FROM orders"', 0, "query       SELECT id FROM orders\n"),
    ("plan show", 0, "Plan P-"),
    ("apply --dry-run", 0, "-  R-"),
    ("rollback M-999999 --dry-run", 2, ""),
    ("history", 0, "nothing recorded yet"),
    ("bypass status", 0, "level "),
    ("snapshot save s.ipsnap", 0, "Snapshot    s.ipsnap, "),
    ("schema-evolve check blocks.sql", 3, "blocks.sql  blocks writes  "),
    ("schema-evolve add-column orders tier --type int", 0, "Change      add-column orders.tier -> int"),
)


@pytest.mark.parametrize(("line", "code", "beginning"), LINES)
def test_a_new_process(started, changes, workload, home, line, code, beginning):
    (home / "blocks.sql").write_text(BLOCKS)
    ran = started(*shlex.split(line), "-d", changes.dsn, **CALM)
    assert ran.code == code, ran.err
    assert ran.out.startswith(beginning), ran.out
