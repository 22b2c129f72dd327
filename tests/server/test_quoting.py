"""Our quoting is the server's quoting, for every key word it knows."""

from indexpilot_cli.core.names import quote_identifier


def test_key_words_are_quoted_as_the_server_does(connection):
    rows = connection.execute("select word, catcode, quote_ident(word) from pg_get_keywords()").fetchall()
    # A server older than our list has fewer key words, so only its quoted ones must be quoted by us.
    assert [w for w, code, quoted in rows if quoted.startswith('"') and quote_identifier(w) != quoted] == []
    # Some words became key words to quote later (json with 17): quoting them earlier is harmless.
    if connection.info.server_version >= 170000:
        assert [w for w, code, quoted in rows if code == "U" and quote_identifier(w) != w] == []


def test_odd_names(connection):
    for name in ["a", "A", "a b", 'q"q', "1a", "a$1", "ä", "_x", "select", "x\\y"]:
        assert connection.execute("select quote_ident(%s)", [name]).fetchone()[0] == quote_identifier(name)
