"""Every failure: its code, its three lines, its document, and no secret in any of them."""

import json
import os
import signal
import subprocess

import psycopg
import pytest
from psycopg import sql

from tests.cli.process import PROGRAM, environment
from tests.waiting import LIMIT

SECRET = "s3cr3t-Pa55"


def test_usage_errors_have_a_hint_and_code_2(cli):
    ran = cli("recomend")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "error: no such command 'recomend'. Did you mean 'recommend'?",
        "hint: indexpilot --help",
    ]
    ran = cli("discover", "--tabel", "x")
    assert ran.code == 2
    assert "--table" in ran.err
    assert ran.err.splitlines()[-1] == "hint: indexpilot discover --help"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("recommend", "--budget", "lots"), "--budget: 'lots' is not a number with a unit, such as 5GB"),
        (("recommend", "--min-benefit", "5"), "write 5% or a number up to 1"),
        (("lifecycle", "--max-slower", "1000%"), "'1000%' is more than the whole\n"),
        (("lifecycle", "--min-age", "30"), "--min-age: '30' has no unit: write 30d for days"),
        (("lifecycle", "policy", "7", "--min-age", "60"), "--min-age: '60' has no unit: write 60d for days"),
        (("recommend", "--min-age", "1.5"), "--min-age: '1.5' has no unit: write 1.5d for days"),
        (("analyze", "--since", "yesterday"), "neither a time span (7d, 2h) nor a date"),
        (("explain",), "give either an id or --query"),
        (("explain", "R-1", "--with", "x"), "need --query"),
        (("explain", "--query", "SELECT 1", "--analyze", "--snapshot", "x"), "needs the server"),
        (("history", "--type", "CREATE_INDX"), "did you mean CREATE_INDEX?"),
        (("config", "show", "features.constraint_optimiser"), "did you mean features.constraint_optimizer?"),
        (("config", "show", "--json", "--format", "yaml"), "two different forms"),
        (("init", "--config-only", "--discover"), "asks no server"),
        (("recommend", "--what-if", "magic"), "magic"),
        (("discover", "-p", "99999"), "at most 65535"),
        (("recommend", "--workers", "0"), "at least 1"),
        (("discover", "--config", "absent.yaml"), "cannot read the configuration file absent.yaml"),
        (("discover", "--snapshot", "absent.ipsnap"), "absent.ipsnap"),
        (("analyze", "--source", "sql", "absent.sql", "-h", "/nowhere"), ""),
    ],
)
def test_wrong_arguments_are_told_in_words_before_any_server_is_asked(cli, arguments, words):
    ran = cli(*arguments)
    assert ran.code in ((2, 4) if words == "" else (2,))
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert ran.err.startswith("error: ")


def test_all_mistakes_of_a_configuration_together(cli, home):
    (home / "indexpilot.yaml").write_text("features: {crt: 1}\nadvisor: {budget: lots}\n")
    ran = cli("config", "check")
    assert ran.code == 2
    assert ran.err.splitlines()[0] == "error: the configuration has 2 mistakes"
    assert sum(line.startswith("detail: ./indexpilot.yaml:") for line in ran.err.splitlines()) == 2
    told = cli("config", "check", "--json").json("error")
    assert told["error"]["code"] == "config"
    assert cli("discover", "--json").json("error")["error"]["code"] == "config"


@pytest.mark.parametrize("name", ["discover", "analyze", "recommend", "doctor", "history", "init"])
def test_json_also_when_the_server_is_down(cli, name, no_server):
    ran = cli(name, "--json", *(["--yes"] if name == "init" else []), *no_server)
    if name == "doctor" and ran.code == 0:
        ran.json("doctor")
        return
    assert ran.code == 4
    told = ran.json("error")
    assert told["status"] == "failed"
    assert ran.err.startswith("error: ")


@pytest.mark.parametrize("form", [("--json",), ("--format", "json"), ("--format=json",)])
def test_json_also_for_a_usage_error(cli, form):
    ran = cli("discover", "--nope", *form)
    assert ran.json("error")["error"]["code"] == "usage"
    assert cli("discover", "--nope", INDEXPILOT_OUTPUT_FORMAT="json").json("error")["exit_code"] == 2


def test_unreachable_is_4_with_detail_and_hint(cli, no_server):
    ran = cli("discover", *no_server)
    assert ran.code == 4
    labels = [line.partition(":")[0] for line in ran.err.splitlines()]
    assert labels == ["error", "detail", "hint"]
    assert "Traceback" not in ran.err
    assert "Traceback" in cli("discover", "--debug", *no_server).err


def test_a_missing_database_is_4(cli, database):
    ran = cli("discover", "-d", psycopg.conninfo.make_conninfo(database, dbname="no_such_db"))
    assert ran.code == 4
    assert "no_such_db" in ran.err


def test_history_before_init_is_5(cli, shop):
    ran = cli("history", "-d", shop)
    assert ran.code == 5
    assert "indexpilot init" in ran.err
    assert cli("history", "-d", shop, "--json").json("error")["exit_code"] == 5


def test_nothing_asks_without_a_terminal(cli, shop):
    ran = cli("init", "-d", shop, stdin="y\n")
    assert ran.code == 2
    assert "add --yes, or --dry-run" in ran.err
    ran = cli("explain", "--query", "SELECT 1", "--analyze", "-d", shop, stdin="y\n")
    assert ran.code == 2
    ran = cli("discover", "-W", "-d", shop, stdin="pw\n")
    assert ran.code == 2
    assert "cannot ask for a password" in ran.err


DSNS = [
    ("-d", f"postgresql://u:{SECRET}@127.0.0.1:1/shop"),
    ("-d", f"host=127.0.0.1 port=1 user=u password={SECRET} dbname=shop"),
    ("-d", f"postgresql://u:{SECRET}@ss@127.0.0.1:1/shop"),
    ("-d", f"postgresql://u:{SECRET}/x@127.0.0.1:1/shop"),
    ("-d", f"postgresql://u@127.0.0.1:notaport/shop?password={SECRET}"),
    ("-d", f"host=127.0.0.1 port=1 password={SECRET} nonsense=1"),
    ("-d", f"host=127.0.0.1 port=1 password='{SECRET}"),
    ("-d", f"postgresql://u:{SECRET}@[127.0.0.1/shop"),
    ("--bogus", f"postgresql://u:{SECRET}@h/d"),
    (f"postgresql://u:{SECRET}@h/d", "--no-such"),
]


@pytest.mark.parametrize("arguments", DSNS)
@pytest.mark.parametrize("more", [("-v",), ("--json", "--debug")])
def test_no_password_of_a_dsn_in_any_output(cli, arguments, more):
    ran = cli("discover", *arguments, *more)
    assert ran.code in (2, 4)
    assert SECRET not in ran.out + ran.err


def test_no_password_of_the_environment_or_passfile_in_any_output(cli, home, database):
    (home / "passfile").write_text(f"*:*:*:*:{SECRET}\n")
    (home / "passfile").chmod(0o600)
    variables = {"PGPASSWORD": SECRET, "DB_PASSWORD": SECRET, "PGPASSFILE": str(home / "passfile")}
    for arguments in (
        ("doctor", "-v"),
        ("discover", "--json"),
        ("config", "show", "--origin", "-v"),
        ("config", "show", "--json"),
    ):
        more = ("-d", database) if arguments[0] != "config" else ()
        ran = cli(*arguments, *more, **variables)
        assert SECRET not in ran.out + ran.err, arguments
        ran = cli(*arguments, *(("-h", "/nowhere", "--debug") if more else ()), **variables)
        assert SECRET not in ran.out + ran.err, arguments


def test_the_server_wants_a_password_and_nobody_can_give_one(cli, connection, database):
    if not connection.execute("SHOW hba_file").fetchone():
        pytest.skip("no hba file")
    connection.execute(
        sql.SQL("DROP ROLE IF EXISTS ip_cli; CREATE ROLE ip_cli LOGIN PASSWORD {}").format(sql.Literal(SECRET))
    )
    try:
        ran = cli("discover", "-d", database, "-U", "ip_cli", "--no-input")
        assert ran.code in (0, 4)
    finally:
        connection.execute("DROP ROLE ip_cli")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_have_their_codes(home, number, code, tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as silent:  # accepts, and never answers
        silent.bind(str(tmp_path / ".s.PGSQL.5432"))
        silent.listen()
        process = subprocess.Popen(
            [*PROGRAM, "discover", "-h", str(tmp_path), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(home),
            cwd=home,
        )
        accepted, _ = silent.accept()
        os.kill(process.pid, number)
        silent.close()  # who would write a row into the log hears at once that nobody is there
        out, err = process.communicate(timeout=LIMIT)
        accepted.close()
    assert process.returncode == code
    assert "Traceback" not in err
    told = json.loads(out)
    assert told["error"]["code"] == "interrupted"
    assert told["exit_code"] == code


def test_a_bug_apologises_with_version_and_traceback(home):
    import sys

    code = (
        "import indexpilot_cli.cli.commands.schema as s\n"
        "from indexpilot_cli.cli import app\n"
        "def broken(**_): raise ZeroDivisionError('oops')\n"
        "broken.__signature__ = __import__('inspect').Signature()\n"
        "s.COMMANDS['schema'] = broken\n"
        "app.run(['schema'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(home), check=False
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "error: sorry, this is a bug in indexpilot 0." in done.stderr
    assert "detail: ZeroDivisionError: oops" in done.stderr
