"""Connection strings: what the user gave, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.conninfo import compose
from indexpilot_cli.settings.load import Flag, load


def composed(tmp_path, environment=None, file="", **flags):
    (tmp_path / "indexpilot.yaml").write_text(file)
    given = {f"connection.{name}": Flag(f"--{name}", value) for name, value in flags.items()}
    return compose(load(environment or {}, tmp_path, flags=given))


def test_nothing_given_is_nothing_said(tmp_path):
    assert composed(tmp_path) == ("", None)


def test_fields_become_pairs(tmp_path):
    text, _ = composed(tmp_path, host="db1", port=5433, user="dba", dbname="shop")
    assert conninfo_to_dict(text) == {"host": "db1", "port": "5433", "user": "dba", "dbname": "shop"}


@pytest.mark.parametrize("text", ["postgresql://u@h:5/d?sslmode=require", "service=prod", "host=a dbname='b c'"])
def test_strings_pass_through_untouched(text, tmp_path):
    assert composed(tmp_path, dbname=text)[0] == text


def test_a_uri_wins_over_fields_beside_it_which_fill_the_gaps(tmp_path):
    text, _ = composed(tmp_path, dbname="postgresql://h1/shop", host="h2", user="me", port=6000)
    assert conninfo_to_dict(text) == {"host": "h1", "dbname": "shop", "user": "me", "port": "6000"}
    text, _ = composed(tmp_path, dbname="host=h1 dbname=shop", host="h2", user="me")
    assert conninfo_to_dict(text) == {"host": "h1", "dbname": "shop", "user": "me"}


def test_flags_override_a_string_of_the_file(tmp_path):
    file = "connection: {dsn: 'postgresql://me@h1/shop'}"
    text, _ = composed(tmp_path, file=file, dbname="other", host="h2")
    assert conninfo_to_dict(text) == {"host": "h2", "dbname": "other", "user": "me"}


def test_a_string_replaces_everything_from_below(tmp_path):
    environment = {"DB_HOST": "old", "DB_PASSWORD": "s3cret", "DB_NAME": "olddb"}
    assert composed(tmp_path, environment, dbname="service=prod") == ("service=prod", None)
    text, password = composed(tmp_path, {"INDEXPILOT_DSN": "postgresql://h/d"}, file="connection: {host: x}")
    assert (text, password) == ("postgresql://h/d", None)


def test_host_application_variables_are_read(tmp_path):
    environment = {
        "DB_HOST": "h",
        "DB_PORT": "6",
        "DB_NAME": "d",
        "DB_USER": "u",
        "DB_PASSWORD": "p",
        "DB_SSLMODE": "require",
    }
    text, password = composed(tmp_path, environment)
    assert conninfo_to_dict(text) == {"host": "h", "port": "6", "user": "u", "dbname": "d", "sslmode": "require"}
    assert password == "p"


def test_the_indexpilot_name_beats_the_host_application_name(tmp_path):
    text, _ = composed(tmp_path, {"DB_HOST": "a", "INDEXPILOT_CONNECTION_HOST": "b"})
    assert conninfo_to_dict(text) == {"host": "b"}


@pytest.mark.parametrize(
    "uri",
    ["postgresql://u:p@ss@h/d", "postgresql://u:p/w@h/d", "postgresql://u:p#w@h/d", "postgresql://u:p?w@h/d"],
)
def test_an_unescaped_password_is_refused_without_repeating_it(uri, tmp_path):
    with pytest.raises(UsageError) as caught:
        composed(tmp_path, dbname=uri)
    assert "%40" in caught.value.hint
    for secret in ("p@ss", "p/w", "p#w", "p?w"):
        assert secret not in str(caught.value.message) + str(caught.value.hint)


@pytest.mark.parametrize("uri", ["postgresql:///d?user=a@b", "postgresql://u:p%40w@h/d", "postgres://h1,h2:5433/d"])
def test_good_uris_are_not_refused(uri, tmp_path):
    assert composed(tmp_path, dbname=uri)[0] == uri


values = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=1, max_size=20)


@given(host=values, user=values)
def test_any_value_survives_the_quoting(host, user, tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    text, _ = composed(folder, host=host, user=user)
    assert conninfo_to_dict(text) == {"host": host, "user": user}
