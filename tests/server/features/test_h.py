"""H: how the program and its library reach a database."""

import os

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from indexpilot_cli.admin.analyze import AnalyzeRequest
from indexpilot_cli.core.command import Connection
from tests.cli.process import run
from tests.server.requesting import ANALYZED, BY_CUSTOMER, RECORD, ask, filled, queries

SECRET = "hunter2hunter2"


@pytest.fixture(scope="module")
def place(pg):
    with filled(pg, ANALYZED, "ANALYZE") as found:
        yield found


def reached(home, *arguments, **variables):
    """The database that the program reached, as it says."""
    ran = run(home, "doctor", "--live", "--json", *arguments, **variables)
    assert ran.code == 0, ran.err
    return ran.json("doctor")["server"]["database"]


def uri(parts, **more):
    known = {name: value for name, value in parts.items() if name in ("host", "port", "user")} | more
    return f"postgresql:///{parts['dbname']}?" + "&".join(f"{name}={value}" for name, value in known.items())


def test_h1_variables_strings_and_services_reach_the_database_and_the_nearer_one_wins(place, tmp_path):
    parts = {name: str(value) for name, value in conninfo_to_dict(place.dsn).items() if value}
    name = parts["dbname"]
    variables = {"DB_HOST": parts["host"], "DB_PORT": parts["port"], "DB_USER": parts["user"], "DB_NAME": name}
    assert reached(tmp_path, **variables, DB_SSLMODE="prefer", DB_PASSWORD="unused") == name
    libpq = {"PGHOST": parts["host"], "PGPORT": parts["port"], "PGUSER": parts["user"], "PGDATABASE": name}
    assert reached(tmp_path, **libpq) == name
    assert reached(tmp_path, "-d", place.dsn) == name
    assert reached(tmp_path, "-d", uri(parts)) == name
    (tmp_path / "services").write_text(
        "[shop]\n" + "".join(f"{key}={parts[key]}\n" for key in ("host", "port", "user"))
    )
    service = {"PGSERVICEFILE": str(tmp_path / "services")}
    assert reached(tmp_path, "-d", f"service=shop dbname={name}", **service) == name
    assert reached(tmp_path, **service, PGSERVICE="shop", PGDATABASE=name) == name
    # A flag before our variables, these before the host application's, these before libpq's.
    wrong = variables | {"DB_NAME": "nowhere"}
    assert reached(tmp_path, "-d", name, **wrong) == name
    assert reached(tmp_path, **wrong, INDEXPILOT_CONNECTION_DBNAME=name) == name
    assert reached(tmp_path, **variables, PGDATABASE="nowhere", PGHOST="/nowhere") == name


@pytest.mark.parametrize("case", ["string", "database", "login", "host"])
def test_h4_what_is_wrong_is_told_in_one_line_without_the_password(place, tmp_path, case):
    target, code = {
        "string": (f"host=x passwort={SECRET}", 2),
        "database": (make_conninfo(place.dsn, dbname="no_such_database", password=SECRET), 4),
        "login": (make_conninfo(place.dsn, user="nobody_of_that_name", password=SECRET), 4),
        "host": (f"postgresql://ada:{SECRET}@%2Fnowhere%2Fat%2Fall/shop", 4),
    }[case]
    ran = run(tmp_path, "discover", "-d", target)
    assert (ran.code, ran.out) == (code, "")
    first, *more = ran.err.strip().splitlines()
    assert first.startswith("error: ") and len(more) <= 3  # what failed; below it the server's words and what to do
    assert "Traceback" not in ran.err and SECRET not in ran.err


def test_h7_a_role_with_pg_read_all_stats_alone_can_analyze(place):
    role = f"r_{os.getpid()}_stats"
    reader = place.role(role)
    place.sql(f"GRANT pg_read_all_stats TO {role}")
    try:
        before = place.sql("SELECT count(*) FROM indexpilot.mutation_log")
        done = ask(AnalyzeRequest, connection=Connection(reader.dsn), record=RECORD, workload=queries(BY_CUSTOMER))
        assert done.exit_code == 0 and len(done.result.templates) == 1
        assert place.sql("SELECT count(*) FROM indexpilot.mutation_log") == before
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.sql("SELECT * FROM orders")
    finally:
        place.sql(f"DROP OWNED BY {role}")
        place.sql(f"DROP ROLE {role}")
