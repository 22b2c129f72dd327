"""Completion scripts and what the Tab key gets, from local files only."""

from pathlib import Path

import pytest

from tests.cli.process import run

SCRIPTS = Path(__file__).parents[2] / "completions"
NAMES = {"bash": "indexpilot.bash", "zsh": "_indexpilot", "fish": "indexpilot.fish"}


@pytest.mark.parametrize("shell", NAMES)
def test_scripts_are_those_of_the_program(cli, shell):
    assert (SCRIPTS / NAMES[shell]).read_text() == cli("completion", shell).out


def tab(home, line, **extra):
    words = line.split(" ")
    return run(home, _INDEXPILOT_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), **extra)


def test_commands_options_and_choices_complete(home):
    assert tab(home, "indexpilot rec").out.split() == ["recommend"]
    assert "--max-indexes" in tab(home, "indexpilot recommend --max").out.split()
    assert tab(home, "indexpilot recommend --what-if h").out.split() == ["hypopg"]
    assert tab(home, "indexpilot config s").out.split() == ["show"]


def test_hazards_complete_where_they_are_named(home):
    assert "L01" in tab(home, "indexpilot explain L0").out.split()
    assert tab(home, "indexpilot schema-evolve check --ignore L1").out.split()[0] == "L10"
    assert tab(home, "indexpilot schema-evolve ch").out.split() == ["check"]


def test_services_complete_from_the_service_file(home):
    (home / ".pg_service.conf").write_text("[prod]\nhost=h\n[staging]\nhost=h\n")
    assert tab(home, "indexpilot discover -d service=p").out.split() == ["service=prod"]


def test_ids_complete_from_kept_plans(home):
    plans = home / "state" / "indexpilot" / "plans"
    plans.mkdir(parents=True)
    (plans / "P-1.json").write_text('{"recommendations": [{"id": "R-aa11", "summary": "orders (id)"}]}')
    (plans / "P-2.json").write_text("broken")
    assert tab(home, "indexpilot explain R-", XDG_STATE_HOME=str(home / "state")).out.split() == ["R-aa11"]
