"""Small parts of the command line: colour rules, masking, what form an error takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.cli.again import know, on_same_server
from indexpilot_cli.cli.app import COMMANDS, build, commands_of, complete_values
from indexpilot_cli.cli.show import lines, mask, secrets_in, wanted_form
from indexpilot_cli.cli.terminal import look, wants_color
from indexpilot_cli.errors import UsageError


@pytest.mark.parametrize(
    ("color", "tty", "environment", "expected"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", False, {"FORCE_COLOR": "1"}, True),
        ("auto", False, {"FORCE_COLOR": "0"}, False),
        ("auto", False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", False, {"NO_COLOR": "1", "TERM": "dumb"}, True),
        ("never", True, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_rules(color, tty, environment, expected):
    assert wants_color(color, tty, environment) is expected


@pytest.mark.parametrize(
    ("arguments", "environment", "form"),
    [
        (["discover", "--json"], {}, "json"),
        (["discover", "--format", "yaml"], {}, "yaml"),
        (["discover", "--format=json"], {}, "json"),
        (["discover", "--format", "json", "--format", "table"], {}, None),
        (["explain", "--", "--json"], {}, None),
        (["discover"], {"INDEXPILOT_OUTPUT_FORMAT": "json"}, "json"),
        (["discover", "--format", "table"], {"INDEXPILOT_OUTPUT_FORMAT": "json"}, None),
        (["discover", "--format"], {}, None),
    ],
)
def test_errors_take_the_form_the_line_asks_for(arguments, environment, form):
    assert wanted_form(arguments, environment) == form


words = st.text("abcXYZ0123456789-_.!$", min_size=6, max_size=20)


@given(words, st.sampled_from(["postgresql://u:{}@h/d", "host=h password={} dbname=d", "postgresql://h/d?password={}"]))
def test_passwords_of_connection_strings_are_masked(secret, form):
    value = form.format(secret)
    for arguments in (["-d", value], [f"--dbname={value}"], [f"-d{value}"]):
        assert secret not in mask(f"cannot read {value} at all", tuple(secrets_in(arguments, {})))


@given(words, words)
def test_passwords_with_spaces_and_quotes_are_masked_whole(first, last):
    for form in ("host=h password = '{} {}' dbname=d", "password='{}\\' {}'", "-dpassword='{} {}'"):
        value = form.format(first, last)
        told = mask(f"cannot read {value} at all", tuple(secrets_in(["-d", value], {})))
        assert first not in told
        assert last not in told
    assert list(secrets_in(["--query", "SELECT reset_password=1"], {})) == []


@given(words)
def test_passwords_of_the_environment_are_masked(secret):
    for name in ("PGPASSWORD", "DB_PASSWORD"):
        assert secret not in mask(f"x{secret}y", tuple(secrets_in([], {name: secret})))
    assert secret not in mask(secret, tuple(secrets_in([], {"INDEXPILOT_DSN": f"postgresql://u:{secret}@h/d"})))


def test_nothing_is_masked_without_a_secret():
    assert mask("as it is", tuple(secrets_in(["-d", "shop", "--host", "db1"], {}))) == "as it is"


def test_only_the_named_command_is_read_in_full():
    import typer

    slim = typer.main.get_command(build("schema"))
    assert set(slim.commands) == set(COMMANDS)
    assert len(slim.commands["schema"].params) > 3
    assert slim.commands["recommend"].params == []


def test_every_command_has_the_shared_options_in_their_panels():
    import typer

    whole = typer.main.get_command(build(whole=True))
    leaves = [
        c for name in COMMANDS for c in getattr(whole.commands[name], "commands", {name: whole.commands[name]}).values()
    ]
    for command in leaves:
        options = {o: p for p in command.params for o in p.opts}
        assert {
            "--format",
            "--json",
            "--output",
            "--quiet",
            "-q",
            "-v",
            "--color",
            "--config",
            "--no-input",
            "--debug",
        } <= set(options)
        panels = {getattr(p, "rich_help_panel", None) for o, p in options.items() if o.startswith("--")}
        assert panels <= {"What", "Output", "Connection", "Run"}
        assert "-h" not in options or "--host" in options["-h"].opts


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ([], []),
        (["apply", "--window"], ["apply", "--window="]),
        (["apply", "--window", "--yes"], ["apply", "--window=", "--yes"]),
        (["apply", "--window", "P-7c1e"], ["apply", "--window=", "P-7c1e"]),
        (["apply", "--window", "22:00-02:30 UTC"], ["apply", "--window", "22:00-02:30 UTC"]),
        (["apply", "--window=22:00-02:30 UTC"], ["apply", "--window=22:00-02:30 UTC"]),
        (["apply", "--verify", "R-1"], ["apply", "--verify=planner", "R-1"]),
        (["apply", "--verify", "replay"], ["apply", "--verify", "replay"]),
        (["apply", "--verify", "replay.json"], ["apply", "--verify=planner", "replay.json"]),
    ],
)
def test_options_whose_value_may_be_left_out(given, read):
    assert complete_values(given) == read


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        ("indexpilot recommend", "analyze -d shop", "indexpilot recommend -d shop"),
        ("indexpilot apply P-1 --dry-run", "recommend -dshop -h db1", "indexpilot apply -d shop -h db1 P-1 --dry-run"),
        ("indexpilot plan show P-1", "plan list --dbname=shop", "indexpilot plan show --dbname shop P-1"),
        ("try it later; indexpilot history shows it", "apply -p 1", "try it later; indexpilot history -p 1 shows it"),
        ("indexpilot init", "doctor -d postgresql://u:s3cret@h/d", "indexpilot init -d 'user=u dbname=d host=h'"),
        ("indexpilot explain R-1  |  indexpilot lifecycle run due", "lifecycle -d a", None),
        ("indexpilot recommend --snapshot s", "analyze -d shop", "indexpilot recommend --snapshot s"),
        ("indexpilot config show", "doctor -d shop", "indexpilot config show"),
        ("indexpilot lifecycle --help", "lifecycle -d shop", "indexpilot lifecycle --help"),
        ("indexpilot init", "recommend", "indexpilot init"),
        ("indexpilot init", "serve -h 0.0.0.0 --host x -U me", "indexpilot init -U me"),
        ("upgrade indexpilot", "init -d shop", "upgrade indexpilot"),
    ],
)
def test_command_lines_that_we_name_go_to_the_same_server(text, arguments, told):
    know(commands_of)
    told = told or "indexpilot explain -d a R-1  |  indexpilot lifecycle run -d a due"
    assert on_same_server(text, arguments.split()) == told
    assert on_same_server(told, arguments.split()) == told or "-d" not in arguments


def test_a_password_of_a_letter_leaves_our_sentences_as_they_are():
    error = UsageError("a table", detail="a", hint="indexpilot init")
    assert list(lines(error, look("never"), ("a",))) == ["error: a table", "detail: ********", "hint: indexpilot init"]
