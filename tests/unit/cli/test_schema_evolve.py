"""The command line of a schema review: what stands for ``check``, exit codes, next steps, and what may be written."""

from dataclasses import replace
from pathlib import Path

import pytest
import typer

from indexpilot_cli.cli.app import build
from indexpilot_cli.cli.commands import schema_evolve as review
from indexpilot_cli.cli.commands.schema_evolve import EndOptions, FailOn, RuleOptions, Transaction
from indexpilot_cli.cli.session import CommandSession, checked
from indexpilot_cli.cli.show import report, wanted_form
from indexpilot_cli.cli.terminal import look
from indexpilot_cli.core.command import Outcome
from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.errors import IndexPilotError, RefusedError, UnreachableError, UsageError
from indexpilot_cli.evolve.review import check
from indexpilot_cli.evolve.review.values import CheckResult, Impact
from tests.unit.render import schema_evolve_samples as samples


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Run a command line; the request it makes."""
    monkeypatch.chdir(tmp_path)
    for name in ("INDEXPILOT_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    seen = []
    monkeypatch.setattr(review, "review", lambda session, request: seen.append((session, request)) or 0)

    def ask(*arguments):
        seen.clear()
        command = typer.main.get_command(build("schema-evolve"))
        command.main(["schema-evolve", *arguments], prog_name="indexpilot", standalone_mode=False)
        return seen[-1][1]

    return ask


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "a.sql"),
        ("a.sql",),
        ("./a",),
        ("-",),
        ("--git-diff", "origin/main"),
        ("--offline", "a.sql"),
        ("here",),
    ],
)
def test_a_path_or_an_option_stands_for_check(asked, tmp_path, arguments):
    (tmp_path / "here").mkdir()
    request = asked(*arguments)
    assert request.files or request.git_diff


def test_a_misspelt_command_is_not_taken_for_a_path(asked):
    with pytest.raises(Exception, match="Did you mean 'check'"):
        asked("chek", "a.sql")


def test_a_group_without_a_command_says_so(capsys):
    from indexpilot_cli.cli.app import _guarded

    assert _guarded(["schema-evolve"]) == 2
    told = capsys.readouterr()
    assert told.err.splitlines()[-2:] == [
        "error: which one? A command is missing",
        "hint: indexpilot schema-evolve --help",
    ]
    assert "add-column" in told.out


def test_a_directory_called_like_the_command_changes_nothing(asked, tmp_path):
    (tmp_path / "check").mkdir()
    assert asked("check", "a.sql").files == ("a.sql",)


def test_everything_reaches_the_request(asked):
    request = asked(
        *("check", "a.sql", "b", "--git-diff", "main", "--snapshot", "s", "--server-version", "16", "--ignore", "L01"),
        *("--ignore", "T01", "--file", "w.sql", "--source", "sql", "--fail-on", "warning", "--transaction", "single"),
        *("--min-calls", "3", "--workers", "2", "--fix", "--write", "-h", "db1", "-d", "shop"),
    )
    assert (request.files, request.git_diff, request.snapshot) == (("a.sql", "b"), "main", "s")
    assert (request.server_version, request.ignore, request.fail_on) == (16, ("L01", "T01"), "warning")
    assert (request.workload.files, request.workload.source, request.workload.min_calls) == (("w.sql",), "sql", 3.0)
    assert request.one_transaction and request.fix and request.write_fix and not request.exit_zero
    assert request.planner.workers == 2
    assert "host=db1" in request.connection.conninfo


def test_defaults_come_from_the_settings(asked, tmp_path, monkeypatch):
    (tmp_path / "indexpilot.yaml").write_text(
        "operational: {schema_evolution: {fail_on: info, transaction: single, ignore: [L01, T02], long_rows: 100,\n"
        "  probe_seconds: 3s, run_seconds: 7}}\n"
    )
    request = asked("a.sql")
    assert (request.fail_on, request.one_transaction, request.ignore) == ("info", True, ("L01", "T02"))
    assert (request.long_rows, request.probe_seconds, request.run_seconds) == (100, 3.0, 7.0)
    assert not asked("a.sql", "--transaction", "as-written").one_transaction
    monkeypatch.setenv("INDEXPILOT_OPERATIONAL_SCHEMA_EVOLUTION_FAIL_ON", "warning")
    assert asked("a.sql").fail_on == "warning"
    assert asked("a.sql", "--fail-on", "error").fail_on == "error"


def test_never_is_exit_zero(asked):
    request = asked("a.sql", "--fail-on", "never")
    assert (request.fail_on, request.exit_zero) == ("error", True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check",), "give files or directories"),
        (("-", "--fix", "--write"), "standard input cannot be written"),
        (("a.sql", "--server-version", "9"), "13 or newer"),
        (("a.sql", "--format", "sql"), "schema-evolve has no SQL form"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, arguments, words):
    with pytest.raises(UsageError, match=words):
        asked(*arguments)


def test_switched_off_is_switched_off(asked, monkeypatch):
    monkeypatch.setenv("INDEXPILOT_OPERATIONAL_SCHEMA_EVOLUTION_ENABLED", "false")
    with pytest.raises(RefusedError) as told:
        asked("a.sql")
    assert "INDEXPILOT_OPERATIONAL_SCHEMA_EVOLUTION_ENABLED" in str(told.value.detail)


def test_flags_that_were_not_given_leave_the_settings_alone():
    assert checked(RuleOptions().flags() | EndOptions().flags()) == {}
    given = checked(RuleOptions(Transaction.SINGLE, ["L01"]).flags() | EndOptions(FailOn.INFO).flags())
    assert [(flag.name, flag.value) for flag in given.values()] == [
        ("--transaction", "single"),
        ("--ignore", ("L01",)),
        ("--fail-on", "info"),
    ]


def finished(result, **options):
    return check.concluded(Outcome("schema-evolve", result), exit_zero=options.get("exit_zero", False))


def test_exit_codes():
    warned = replace(samples.SIMPLE_FILE, findings=samples.FINDINGS[1:2])
    ignored = replace(samples.SIMPLE_FILE, findings=samples.FINDINGS[3:])
    for result, code, status in (
        (samples.CLEAN, 0, "ok"),
        (samples.SIMPLE, 3, "findings"),
        (CheckResult((warned,)), 0, "findings"),
        (CheckResult((warned,), fail_on=Severity.WARNING), 3, "findings"),
        (CheckResult((ignored,), fail_on=Severity.INFO), 0, "ok"),
        (samples.UNPARSED, 2, "failed"),
        (samples.SEVERAL, 2, "failed"),
        (samples.NOTHING, 0, "ok"),
    ):
        assert (finished(result).exit_code, finished(result).status) == (code, status)
    assert finished(samples.SIMPLE, exit_zero=True).exit_code == 0
    assert finished(samples.UNPARSED, exit_zero=True).exit_code == 2


def test_next_steps_can_be_typed():
    odd = replace(samples.SIMPLE_FILE, findings=(replace(samples.FINDINGS[0], path="it's 1.sql"),))
    assert check.following(CheckResult((odd,))) == (
        "indexpilot explain L01",
        """indexpilot schema-evolve check 'it'"'"'s 1.sql' --fix""",
    )
    assert check.following(samples.CLEAN) == ()
    fixed = replace(samples.SIMPLE_FILE, fixed="SELECT 1")
    assert check.following(CheckResult((fixed,))) == ("indexpilot explain L01",)


def test_only_better_files_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    good = replace(samples.SIMPLE_FILE, path="good.sql", fixed="SELECT 1;\n", fixed_verdict=Impact.LONG_ONLINE)
    bad = replace(good, path="bad.sql", fixed_verdict=Impact.FAILS)
    for file in (good, bad):
        Path(file.path).write_text(file.text)
    session = build_session()
    review.write_fixes(session, CheckResult((good, bad)))
    assert Path("good.sql").read_text() == "SELECT 1;\n"
    assert Path("bad.sql").read_text() == bad.text
    assert capsys.readouterr().err == "written to good.sql\n"


def build_session():
    from indexpilot_cli.cli.options import ConnectionOptions, OutputOptions, RunOptions

    return CommandSession.open(
        "schema-evolve", output=OutputOptions(), connection=ConnectionOptions(), run=RunOptions(), forms=()
    )


@pytest.mark.parametrize("form", ["sarif", "github"])
def test_failures_take_these_forms_too(form, capsys):
    arguments = ["schema-evolve", "a.sql", "--format", form, "-d", "postgresql://u:s3cret-pw@h/d"]
    assert wanted_form(arguments, {}) == form
    error: IndexPilotError = UnreachableError("cannot reach s3cret-pw", detail="::stop", hint="indexpilot doctor")
    report(error, 4, arguments, look("never"), trace=False)
    out = capsys.readouterr().out
    assert "s3cret-pw" not in out
    assert out.startswith("::error title=indexpilot::" if form == "github" else "{")
    assert out.count("\n") == 1 or form == "sarif"
