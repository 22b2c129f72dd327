"""Every command that reached a database leaves a row there, whether it ends well or not."""

import pytest
import typer

from indexpilot_cli.cli.app import build
from tests.cli.walking import LASTING, LOCAL, leaves

# Arguments of each command: that it carries out, and that it fails with or refuses behind the connection.
GOOD = {
    "init": (["--yes", "--db-only"], ["--check"], ["--dry-run", "--db-only"]),
    "discover": ([], ["--save"], ["--sync"], ["--sync", "--write"]),
    "genome list": ([],),
    "genome set": (["orders", "note", "--group", "g"], ["orders", "note", "--group", "g", "--write"]),
    "types": ([], ["--output", "rows.py"], ["--output", "rows.py", "--check"]),
    "tenant list": ([],),
    "tenant show": (["7"],),
    "tenant init": (["7"], ["7"], ["8", "--dry-run"]),
    "tenant enable": (["7", "orders", "note"],),
    "tenant disable": (["7", "orders", "note"], ["7", "orders", "note"]),
    "analyze": (["--source", "sql", "workload.sql"],),
    "recommend": (["--source", "sql", "workload.sql"],),
    "ablate": (["--source", "sql", "workload.sql"],),
    "explain": (["{R}"], ["{P}"], ["{q}"], ["M-1"]),
    "apply": (["{file}", "--dry-run"], ["{P}", "--yes"], ["{P}", "--yes"], ["{P}", "--yes", "--window"]),
    "rollback": (["--last", "--dry-run"], ["--last", "--yes"]),
    "plan show": (["{P}"], []),
    "plan approve": (["{P}"], ["{P}"]),
    "snapshot save": (["s.ipsnap", "--source", "sql", "--file", "workload.sql"],),
    "calibrate": (["--yes", "--rows", "1000", "--seconds", "5"], ["--show"], ["--dry-run"], ["--forget"]),
    "doctor": ([], ["--live"], ["--ready"], ["--reconcile"]),
    "history": ([], ["--versions"], ["--algorithms"]),
    "experiment start": (
        ["e", "--a", "CREATE INDEX ON orders (customer_id)", "--dry-run"],
        ["e", "--a", "CREATE INDEX ON orders (customer_id)", "--length", "0s", "--yes"],
    ),
    "experiment step": (["--yes"], ["--dry-run"]),
    "experiment status": ([],),
    "experiment stop": (["e", "--yes"],),
    "lifecycle": ([],),
    "lifecycle snapshot": ([],),
    "lifecycle run": (["integrity"], ["due"], ["due"]),
    "lifecycle status": ([],),
    "lifecycle policy": ([], ["7"]),
    "lifecycle watch": (["--rounds", "1"],),
    "lifecycle builds": ([],),
    "lifecycle metrics": ([], ["--textfile", "m.prom"]),
    "lifecycle query-stats": ([], ["--keep", "30", "--write"], ["--partition-by", "day", "--write"]),
    "model train": ([],),
    "model show": ([], ["index_benefit"]),
    "model forget": ([], ["interceptor_risk"]),
    "bypass status": ([],),
    "bypass disable": (["--reason", "test"], ["--reason", "test"]),
    "bypass enable": ([], []),
    "schema-evolve check": (["good.sql", "bad.sql"],),
    "schema-evolve add-column": (
        ["orders", "a", "--type", "int"],
        ["orders", "a", "--type", "int", "--execute", "--yes"],
    ),
    "schema-evolve rename-column": (["orders", "a", "b"], ["orders", "a", "b", "--execute", "--yes"]),
    "schema-evolve alter-type": (["orders", "b", "--type", "bigint", "--online", "--execute", "--yes"],),
    "schema-evolve finish": (["orders", "b"], ["orders", "b", "--execute", "--yes"]),
    "schema-evolve drop-column": (["orders", "note"], ["orders", "note", "--save", "--execute", "--yes"]),
    "schema-evolve rollback": (["--last"], ["--last", "--execute", "--yes"], ["{newest}"]),
}
BAD = {
    "init": (["--yes", "--db-only", "--from-schema", "bad.sql"], ["--from-schema", "none.yaml", "--db-only", "--yes"]),
    "discover": (["--table", "nowhere"], ["--sync", "--schema", "nowhere"]),
    "genome list": (["--table", "nowhere"],),
    "genome set": (["orders", "nothing", "--indexable", "--write"],),
    "types": (["--table", "nowhere"],),
    "tenant list": (),
    "tenant show": (["7", "--table", "nowhere"],),
    "tenant init": (),
    "tenant enable": (["7", "orders", "nothing"],),
    "tenant disable": (["7", "nowhere"],),
    "analyze": (["--source", "sql", "none.sql"],),
    "recommend": (["--source", "sql", "none.sql"], ["--source", "sql", "broken.sql"]),
    "ablate": (["--source", "sql", "none.sql"],),
    "explain": (["R-ffffffff"], ["P-ffff"], ["M-99999"], ["X-1"], ["--query", "SELECT * FROM nowhere"]),
    "apply": (["P-ffff", "--yes"], ["bad.json", "--dry-run"], ["R-ffffffff", "--yes"]),
    "rollback": (["M-99999", "--yes"], ["P-ffff", "--dry-run"], ["nowhere", "--to-version", "1", "--yes"]),
    "plan show": (["P-ffff"],),
    "plan approve": (["P-ffff"],),
    "snapshot save": (["none/s.ipsnap"],),
    "calibrate": (),
    "doctor": (["none.sql", "--twin"],),
    "history": (),
    "experiment start": (["e", "--a", "CREATE INDEX ON nowhere (id)", "--yes"],),
    "experiment step": (["nothing", "--yes"],),
    "experiment status": (["nothing"],),
    "experiment stop": (["nothing", "--yes"],),
    "lifecycle": (["--table", "nowhere"],),
    "lifecycle snapshot": (["--standby", "{dsn}"],),
    "lifecycle run": (["tenant", "99"],),
    "lifecycle status": (),
    "lifecycle policy": (["99", "--schedule", "weekly"],),
    "lifecycle watch": (),
    "lifecycle builds": (),
    "lifecycle metrics": (["--textfile", "none/m.prom"],),
    "lifecycle query-stats": (),
    "model train": (),
    "model show": (["no_such_model"],),
    "model forget": (["no_such_model"],),
    "bypass status": (),
    "bypass disable": (),
    "bypass enable": (),
    "schema-evolve check": (["bad.sql"], ["none.sql"]),
    "schema-evolve add-column": (
        ["nowhere", "x", "--type", "int"],
        ["nowhere", "x", "--type", "int", "--execute", "--yes"],
    ),
    "schema-evolve rename-column": (["orders", "nothing", "b"], ["orders", "nothing", "b", "--execute", "--yes"]),
    "schema-evolve alter-type": (
        ["orders", "id", "--type", "nonsense"],
        ["orders", "x", "--type", "int", "--execute", "--yes"],
    ),
    "schema-evolve finish": (["orders", "status"], ["orders", "status", "--execute", "--yes"]),
    "schema-evolve drop-column": (["orders", "nothing"], ["nowhere.orders", "id", "--execute", "--yes"]),
    "schema-evolve rollback": (["M-99999"], ["M-99999", "--execute", "--yes"], ["nonsense"]),
}


def test_no_command_is_left_out():
    found = set(dict(leaves(typer.main.get_command(build(whole=True)))))
    assert found == LOCAL | LASTING | set(GOOD) == LOCAL | LASTING | set(BAD)
    assert set(GOOD) & (LOCAL | LASTING) == set()


@pytest.mark.parametrize("name", GOOD)
def test_e5_what_is_carried_out_leaves_a_row(world, name):
    for arguments in GOOD[name]:
        before = world.an_hour_later()
        ran = world.run(name, world.given(arguments))
        assert ran.code in (0, 2, 3, 5), (arguments, ran.err)  # one file is no SQL, and nobody installed an extension
        assert world.newest() > before, arguments


@pytest.mark.parametrize("name", [name for name, cases in BAD.items() if cases])
def test_e5_what_fails_or_is_refused_leaves_a_row(world, name):
    for arguments in BAD[name]:
        before = world.an_hour_later()
        ran = world.run(name, world.given(arguments))
        assert ran.code in (2, 5, 6), (arguments, ran.err)
        assert world.newest() > before, arguments
