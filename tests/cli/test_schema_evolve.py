"""A schema review as its users run it: exit codes, one document whatever happens, forms, files that are written."""

import json
import re
import subprocess

import psycopg
import pytest

from tests.unit.render.sarif_schema import problems

CLEAN = "SET lock_timeout = '2s';\nSET statement_timeout = '5s';\nCOMMENT ON TABLE public.orders IS 'sold';\n"
BLOCKS = "CREATE INDEX orders_status_idx ON public.orders (status);\n"
FAILS = "ALTER TABLE public.orders ADD CONSTRAINT few CHECK (id < 100);\n"
BAD = "CREATE TABLE t (id int);\nALTER TABLE t ADD COLUMM x int;\n"


@pytest.fixture
def files(home):
    """One file of each kind."""
    for name, text in (("clean", CLEAN), ("blocks", BLOCKS), ("fails", FAILS), ("bad", BAD)):
        (home / f"{name}.sql").write_text(text)
    return home


@pytest.fixture
def check(cli, shop, files):
    """Review files against the shop: on a copy of its schema, with its sizes and its data."""

    def run(*arguments, **extra):
        return cli("schema-evolve", "check", *arguments, "-d", shop, **extra)

    return run


@pytest.fixture
def rules(cli, files):
    """Review files by rules alone."""

    def run(*arguments, **extra):
        return cli("schema-evolve", *arguments, "--offline", "-h", "/nowhere", **extra)

    return run


def test_a_harmless_change_is_0(check):
    ran = check("clean.sql", "--json")
    told = ran.json("schema-evolve")
    assert ran.code == 0
    assert told["result"]["files"][0]["verdict"] in ("no_block", "brief_lock")
    assert told["result"]["files"][0]["method"].startswith("clone/")
    assert any("pg_stat_statements" in text for text in told["result"]["not_checked"])


def test_findings_are_3(check):
    ran = check("blocks.sql")
    assert ran.code == 3, ran.err
    assert ran.out.splitlines()[0].startswith("blocks.sql  blocks writes  ")
    assert "error[L01 index-not-concurrent]" in ran.out
    assert "SHARE on public.orders" in ran.out
    assert "CREATE INDEX CONCURRENTLY" in ran.out
    assert "next        indexpilot explain -d " in ran.err and " L01  |  " in ran.err


def test_findings_change_the_exit_code_only_where_they_count(rules):
    told = rules("blocks.sql", "--json").json("schema-evolve")
    assert (told["status"], told["exit_code"]) == ("findings", 3)
    assert told["result"]["files"][0]["method"] == "rules"
    assert rules("blocks.sql", "--exit-zero").code == 0
    assert rules("blocks.sql", "--fail-on", "never").code == 0
    assert rules("blocks.sql", "--ignore", "L01").code == 0
    quiet = rules("clean.sql", "--quiet")
    assert (quiet.code, quiet.err) == (0, "")


def test_what_the_data_refuse_fails(check):
    told = check("fails.sql", "--json").json("schema-evolve")
    assert told["exit_code"] == 3
    statement = told["result"]["files"][0]["statements"][0]
    assert (statement["verdict"], statement["state"]) == ("fails", "ran")
    assert "AccessExclusiveLock" in {lock["mode"] for lock in statement["locks"]}
    assert any(probe["found"] and probe["sqlstate"] == "23514" for probe in statement["probes"])


def test_a_file_that_is_not_sql_is_2_and_the_others_are_reviewed(rules):
    ran = rules("bad.sql", "blocks.sql")
    assert ran.code == 2
    assert "bad.sql:2:28  error[syntax]" in ran.out
    assert "error[L01 index-not-concurrent]" in ran.out
    told = rules("bad.sql", "blocks.sql", "--json").json("schema-evolve")
    assert [f["unparsed"] is None for f in told["result"]["files"]] == [False, True]


@pytest.mark.parametrize("form", ["json", "sarif", "github", "table"])
def test_an_unreachable_server_is_4_in_every_form(cli, files, no_server, form):
    ran = cli("schema-evolve", "blocks.sql", "--format", form, *no_server)
    assert ran.code == 4
    assert ran.err.startswith("error: ")
    if form == "json":
        assert ran.json("error")["exit_code"] == 4
    elif form == "sarif":
        assert problems(json.loads(ran.out)) == []
    elif form == "github":
        assert re.fullmatch(r"::error title=indexpilot::[^\n]+\n", ran.out)
    else:
        assert ran.out == ""


def test_a_version_nobody_has_is_5(check):
    ran = check("blocks.sql", "--server-version", "77", "--json")
    assert ran.code == 5, ran.err
    ran.json("error")


@pytest.mark.parametrize(
    "arguments", [("absent.sql",), (), ("--git-diff", "main"), ("blocks.sql", "--fail-on", "x"), ("empty/",)]
)
def test_usage_errors_are_2_with_a_document(cli, files, arguments):
    (files / "empty").mkdir()
    ran = cli("schema-evolve", "check", *arguments, "--json", "-h", "/nowhere")
    assert ran.json("error")["exit_code"] == 2


def test_standard_input_and_directories(rules, files):
    assert "-:1  error[L01" in rules("-", stdin=BLOCKS).out
    (files / "m").mkdir()
    (files / "m" / "2.sql").write_text(CLEAN)
    (files / "m" / "1.sql").write_text(BLOCKS)
    told = rules("m", "--json").json("schema-evolve")
    assert [f["path"] for f in told["result"]["files"]] == ["m/1.sql", "m/2.sql"]


def test_only_files_that_differ(cli, files):
    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=files, check=True)

    git("init", "-q", "-b", "main")
    git("add", "clean.sql")
    git("commit", "-q", "-m", "one")
    (files / "fails.sql").unlink()
    ran = cli("schema-evolve", "--git-diff", "main", "--offline", "--json", "-h", "/nowhere")
    assert [f["path"] for f in ran.json("schema-evolve")["result"]["files"]] == ["bad.sql", "blocks.sql"]
    assert ran.code == 2


def test_other_forms_go_to_files(rules, files):
    assert rules("blocks.sql", "--output", "r.sarif").code == 3
    log = json.loads((files / "r.sarif").read_text())
    assert problems(log) == []
    rule = log["runs"][0]["tool"]["driver"]["rules"][0]
    assert (rule["id"], rule["helpUri"][:27]) == ("L01", "https://www.postgresql.org/")
    assert log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 1
    ran = rules("blocks.sql", "--format", "github")
    assert any(line.startswith("::error file=blocks.sql,line=1,") for line in ran.out.splitlines())
    assert all(line.startswith("::") for line in ran.out.splitlines())
    assert "### Schema review: 1 error" in rules("blocks.sql", "--format", "markdown").out


def test_index_proposals_for_code_scanning(cli, shop, workload):
    ran = cli("recommend", "--source", "sql", "workload.sql", "-d", shop, "--format", "sarif", "--exit-code")
    assert ran.code == 3, ran.err
    log = json.loads(ran.out)
    assert problems(log) == []
    first = log["runs"][0]["results"][0]
    assert first["ruleId"] == "missing-index"
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "workload.sql"
    assert "CREATE INDEX CONCURRENTLY" in first["message"]["text"]


def test_the_safer_form_is_shown_and_written_when_asked(check, files):
    ran = check("blocks.sql", "--fix", "--write")
    assert ran.code == 3
    assert "+CREATE INDEX CONCURRENTLY" in ran.out
    assert "run again on the empty copy: long, but online" in ran.out
    assert "written to blocks.sql" in ran.err
    assert "CONCURRENTLY" in (files / "blocks.sql").read_text()


def test_recorded_queries_break_here_and_nothing_happens_on_the_server(check, files, shop):
    def state():
        with psycopg.connect(shop) as connection:
            query = "SELECT attname FROM pg_attribute WHERE attrelid = 'public.orders'::regclass AND NOT attisdropped"
            return connection.execute(query).fetchall(), connection.execute("SELECT count(*) FROM orders").fetchall()

    before = state()
    (files / "drop.sql").write_text("DELETE FROM public.orders;\nALTER TABLE public.orders DROP COLUMN status;\n")
    (files / "w.sql").write_text("SELECT id FROM orders WHERE status = 'open';\nSELECT id FROM orders WHERE id = 7;\n")
    told = check("drop.sql", "--file", "w.sql", "--source", "sql", "--json").json("schema-evolve")
    assert [t["statement"] for t in told["result"]["templates"] if t["status"] == "breaks"] == [2]
    assert told["result"]["checked"] == 2
    assert state() == before


def test_hostile_names_in_a_real_run(check, rules, files):
    name = "x\n::error::y\x1b[31m[red].sql"
    (files / name).write_text('CREATE TABLE "a\n::error::z\x1b[2J" (id int);\nDROP TABLE "a\n::error::z\x1b[2J";\n')
    for form in ("table", "markdown", "github", "json", "sarif", "yaml"):
        ran = (check if form == "table" else rules)(name, "--format", form, "-v")
        assert ran.code in (0, 3), ran.err
        assert "\x1b" not in ran.out + ran.err
        if form in ("table", "markdown"):
            assert not re.search(r"^\s*::error", ran.out, re.MULTILINE)
        if form == "github":
            assert all(re.match(r"::(error|warning|notice) \S+=", line) for line in ran.out.splitlines())


def test_hazards_are_explained_without_a_server(cli):
    ran = cli("explain", "L01", "-h", "/nowhere")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("L01  error[index-not-concurrent]  ")
    assert "CREATE INDEX CONCURRENTLY" in ran.out
    assert cli("explain", "index-not-concurrent").out == ran.out
    assert cli("explain", "l01", "--json").json("explain")["result"]["hazard"]["id"] == "L01"
    wrong = cli("explain", "L99")
    assert wrong.code == 2
    assert "did you mean L" in wrong.err
    assert wrong.err.splitlines()[1].startswith("hint: indexpilot explain L")


def test_settings_say_where_they_come_from(cli, home):
    (home / "indexpilot.yaml").write_text("operational: {schema_evolution: {fail_on: warning, ignore: [T01]}}\n")
    shown = cli("config", "show", "--origin", "operational.schema_evolution").out
    rows = {line.split()[0].rpartition(".")[2]: line.split()[1:] for line in shown.splitlines()[1:]}
    assert rows["fail_on"] == ["warning", "./indexpilot.yaml:1"]
    assert rows["ignore"] == ["[T01]", "./indexpilot.yaml:1"]
    assert rows["transaction"][-1] == "default"
    assert "did you mean" in cli("config", "show", "operational.schema_evolution.fail_onn").err
