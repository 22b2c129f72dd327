"""Every command line of the README and of the pre-commit hook is one the program understands."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from indexpilot_cli.cli.app import build, complete_values

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def lines():
    """What follows ``indexpilot`` in shell blocks and in the ``run:`` steps of workflows."""
    for kind, text in BLOCKS:
        if kind == "yaml":
            document = yaml.safe_load(text)
            steps = [s for job in document.get("jobs", {}).values() for s in job["steps"]] if "jobs" in document else []
            scripts = [step["run"] for step in steps if "run" in step]
        else:
            scripts = [text] if kind == "sh" else []
        for script in scripts:
            for line in script.replace("\\\n", " ").splitlines():
                found = re.search(
                    r"(?:^|&& )(?:\S*/)?indexpilot (.*?)(?:\s+#.*|\s*>\s.*)?$",
                    re.sub(r"^7 \* .*?indexpilot", "indexpilot", line),
                )
                if found:
                    yield found.group(1)


LINES = list(lines())


def test_the_readme_shows_the_review():
    assert sum("schema-evolve" in line for line in LINES) >= 5


@pytest.mark.parametrize("line", LINES)
def test_commands_of_the_readme_parse(line):
    arguments = complete_values([a for a in shlex.split(line) if a != "…"])
    parses(arguments)


def parses(arguments):
    """Parse as the program does, without running anything."""
    command = typer.main.get_command(build(whole=True))
    context = command.make_context("indexpilot", list(arguments))
    while context._protected_args or context.args:
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        if not hasattr(command, "commands"):
            break


def test_the_workflow_uploads_what_it_wrote():
    workflow = next(yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml" and "upload-sarif" in text)
    steps = workflow["jobs"]["review"]["steps"]
    written = re.search(r"--output (\S+)", " ".join(step.get("run", "") for step in steps)).group(1)
    assert steps[-1]["with"]["sarif_file"] == written
    assert workflow["permissions"]["security-events"] == "write"
    assert not any("${{" in step.get("run", "") for step in steps)


def test_the_pre_commit_hook_runs_a_command_that_parses():
    hook = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
    assert f"id: {hook['id']}" in README
    words = shlex.split(hook["entry"])
    assert words[0] == "indexpilot"
    parses([*words[1:], *hook["args"], "migrations/1.sql", "migrations/2.sql"])
    pattern, excluded = re.compile(hook["files"]), re.compile(hook["exclude"])
    assert pattern.search("db/migrations/1.sql")
    assert pattern.search("migrations/1.sql")
    assert excluded.search("migrations/1.down.sql")


def test_a_wrong_line_would_be_noticed():
    with pytest.raises(Exception, match="No such option"):
        parses(["schema-evolve", "check", "a.sql", "--nonsense"])
