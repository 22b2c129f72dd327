from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.sql.literals import Literal, map_literals
from indexpilot_cli.sql.parser import Unparsed

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30)
QUERY = (
    "SELECT extract(year FROM at), data->>'key' FROM t WHERE name = 'Ann' AND n IN (1, 2.5) AND x::varchar(10) = 'b' "
    "GROUP BY 1 ORDER BY 2 LIMIT 5"
)


def literals(text):
    """What is asked about, in the order of the text."""
    found = []
    map_literals(text, found.append)
    return tuple(sorted(found, key=lambda item: item.position))


def test_values_are_found_with_their_columns():
    found = [(f.value, f.kind, f.column) for f in literals(QUERY)]
    assert found == [("Ann", "text", "name"), ("1", "integer", "n"), ("2.5", "float", "n"), ("b", "text", "x")]


def test_structure_stays():
    changed = map_literals(QUERY, lambda f: "7" if f.kind != "text" else "secret")
    assert "Ann" not in changed
    for part in ("'year'", "'key'", "varchar(10)", "GROUP BY 1", "ORDER BY 2", "LIMIT 5", "n IN (7, 7)"):
        assert part in changed


def test_none_keeps():
    assert "'Ann'" in map_literals(QUERY, lambda _: None)


def test_words_for_numbers_are_text():
    assert map_literals("SELECT 1 FROM t WHERE a = 5", lambda _: "x") == "SELECT 'x' FROM t WHERE a = 'x'"


def test_unparsable_text_is_said():
    assert isinstance(map_literals("SELEC", lambda _: None), Unparsed)


@given(TEXT, TEXT)
def test_any_text_comes_back(before, after):
    escaped = before.replace("'", "''").replace("\\", "\\\\")
    text = f"SELECT * FROM t WHERE a = E'{escaped}'"
    assert literals(text) == (Literal(before, "text", "a", 26, direct=True),)
    assert literals(map_literals(text, lambda _: after))[0].value == after
