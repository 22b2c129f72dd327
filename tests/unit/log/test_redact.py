"""No secret survives scrubbing, and ordinary text does."""

import json
import math
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.mutation import MutationType
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.log.redact import MASK, names_secret, scrub, scrub_text

WORD = st.text(string.ascii_letters + string.digits, min_size=8, max_size=20).map("Zq".__add__)
ODD = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), min_size=8, max_size=20).map(
    "Zq".__add__
)

CARRIERS = [
    "postgresql://bob:{}@db1/shop",
    "postgresql://:{}@db1:5432,db2/shop?sslmode=require",
    "could not connect to postgres://bob:{}@db1",
    "host=db1 password={} dbname=shop",
    "host=db1 PASSWORD = {}",
    "PGPASSWORD={} psql",
    "sslpassword={}",
    'config {{"password": "{}"}} was wrong',
    "db_password: {}",
    "indexpilot --password {} init",
    "Authorization: Bearer {}",
    "api_key={}",
    "access_token={}&x=1",
]


@pytest.mark.parametrize("carrier", CARRIERS)
@given(secret=WORD)
def test_texts_lose_their_secret(carrier, secret):
    cleaned = scrub_text(carrier.format(secret))
    assert secret not in cleaned and MASK in cleaned


@given(secret=ODD.filter(lambda s: "'" not in s and "\\" not in s))
def test_sql_passwords(secret):
    for text in (
        f"ALTER ROLE bob PASSWORD '{secret}'",
        f"CREATE USER bob WITH ENCRYPTED PASSWORD '{secret}' LOGIN",
        f"create role x password E'{secret}'",
        f"create role x password $t${secret.replace('$', '_')}$t$",
    ):
        assert secret[:6] not in scrub_text(text).replace(MASK, "")


@given(secret=ODD)
def test_conninfo_values_with_anything_in_them(secret):
    quoted = secret.replace("\\", "\\\\").replace("'", "\\'")
    assert secret[:8] not in scrub_text(f"host=x password='{quoted}' dbname=y")
    assert scrub_text(f"host=x password='{quoted}' dbname=y").endswith("dbname=y")


@given(secret=ODD.filter(lambda s: "*" not in s))
def test_known_secrets_go_wherever_they_stand(secret):
    cleaned = json.dumps(scrub({"note": [f"x{secret}y", {"deep": secret, secret: 1}]}, [secret]), ensure_ascii=False)
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in cleaned


@pytest.mark.parametrize(
    "key",
    [
        *(
            "password",
            "PASSWORD",
            "db_password",
            "userPassword",
            "pwd",
            "passphrase",
            "secret",
            "clientSecret",
            "token",
        ),
        *("access_token", "apiKey", "API-KEY", "api key", "Authorization", "credentials", "private_key", "DSN"),
        *("PGPASSWORD", "connectionString", "session_id", "mypasswordfield"),
    ],
)
def test_telling_keys(key):
    assert names_secret(key)
    assert scrub({"outer": {key: "abc"}}) == {"outer": {key: MASK}}
    assert scrub({key: {"nested": "abc"}}) == {key: MASK}


@pytest.mark.parametrize("key", ["passed", "compass", "author", "keys", "table_name", "tokenizer", "index", "sessions"])
def test_ordinary_keys(key):
    assert not names_secret(key)
    assert scrub({key: "value"}) == {key: "value"}


@pytest.mark.parametrize(
    "text",
    [
        "CREATE INDEX CONCURRENTLY orders_status_ip_idx ON public.orders (status)",
        "SELECT password FROM users WHERE email = $1",
        "UPDATE users SET token_count = 3",
        "postgresql://bob@db1/shop",
        "https://example.org/a?b=c",
        "the password is not shown",
    ],
)
def test_ordinary_text_stays(text):
    assert scrub_text(text) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(value=JSON)
def test_everything_becomes_json_and_scrubbing_again_changes_nothing(value):
    once = scrub(value)
    json.dumps(once, allow_nan=False)
    assert "\\u0000" not in json.dumps(once)
    json.dumps(once, ensure_ascii=False).encode()
    assert scrub(once) == once


def test_values_of_ours():
    definition = IndexDefinition(QualifiedName("public", "t"), (IndexKey("a"),))
    cleaned = scrub({"definition": definition, "type": MutationType.DISCOVER, "at": datetime(2026, 1, 2, tzinfo=UTC)})
    assert cleaned["definition"]["table"] == {"schema": "public", "name": "t"}
    assert (cleaned["type"], cleaned["at"]) == ("DISCOVER", "2026-01-02T00:00:00+00:00")
    assert scrub(math.inf) == "Infinity"
