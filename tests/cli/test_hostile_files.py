"""Files that never end, are nothing to read or hold no text: exit code 2 and one sentence, soon."""

import os

import pytest

BYTES = b"SELECT '\xe4\xff';"
LONG = "n" * 300


@pytest.fixture
def files(home):
    """One of each kind."""
    os.mkfifo(home / "pipe")
    (home / "bytes.sql").write_bytes(BYTES)
    (home / "deep.json").write_text("[" * 200_000)
    (home / "deep.yaml").write_text("a: " + "[" * 200_000)
    return home


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("config", "check", "--config", "pipe"), "cannot read the configuration file pipe"),
        (("config", "check", "--config", "/dev/zero"), "cannot read the configuration file /dev/zero"),
        (("config", "check", "--config", "bytes.sql"), "bytes.sql is not UTF-8"),
        (("config", "check", "--config", "deep.yaml"), "the configuration has a mistake"),
        (("config", "check", "--config", LONG), f"cannot read the configuration file {LONG}"),
        (("init", "--config-only", "--yes", "--config", LONG), f"cannot write the configuration file {LONG}"),
        (("recommend", "--snapshot", "/dev/zero"), "cannot read /dev/zero"),
        (("recommend", "--snapshot", LONG), f"cannot read {LONG}"),
        (("schema-evolve", "check", "--offline", "pipe"), "cannot read pipe"),
        (("schema-evolve", "check", "--offline", "bytes.sql"), "bytes.sql is not UTF-8"),
        (("schema-evolve", "check", "--offline", "--output", LONG, "-"), f"cannot write {LONG}"),
    ],
)
def test_exit_code_2_and_one_sentence(cli, files, arguments, words):
    ran = cli(*arguments, stdin="SELECT 1;")
    assert (ran.code, ran.err.splitlines()[0]) == (2, f"error: {words}"), ran


def test_standard_input_in_an_ascii_locale(cli, files):
    ran = cli("schema-evolve", "check", "--offline", "-", stdin="COMMENT ON TABLE t IS 'ä';", PYTHONIOENCODING="ascii")
    assert ran.code in (0, 3), ran.err


def test_what_output_writes_is_private(cli, files):
    before = os.umask(0)
    try:
        assert cli("schema-evolve", "check", "--offline", "--output", "told", "-", stdin="SELECT 1;").code == 0
    finally:
        os.umask(before)
    assert (files / "told").stat().st_mode & 0o777 == 0o600
