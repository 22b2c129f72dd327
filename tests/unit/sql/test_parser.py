import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indexpilot_cli.core.names import quote_literal
from indexpilot_cli.core.workload import StatementKind
from indexpilot_cli.sql import parser as sqlast
from indexpilot_cli.sql.parser import native
from indexpilot_cli.sql.parser.edit import column_reference

LIMITED = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)


def parsed(text):
    found = sqlast.parse(text)
    assert isinstance(found, sqlast.Statement), found
    return found


@pytest.mark.parametrize(
    ("text", "reason", "position"),
    [
        ("", "empty", 0),
        ("-- nothing", "empty", 0),
        ("SELECT 1; DROP TABLE t", "multiple", 11),
        ("SELECT 'ü' FORM t WHERE", "unparsed", 17),
        ("SELECT 'open", "unparsed", 8),
        ("SELECT 1\0", "unparsed", 9),
        ("SELECT '" + "x" * 1_000_000 + "'", "too_long", 0),
        ("SELECT " + "+".join(["a"] * 3000), "too_long", 0),
        # The library itself would end the process with these.
        ("SELECT " + "+".join(["a"] * 60_000), "too_long", 0),
        ("SELECT f((" + "::x".join(["a"] * 60_000) + "))", "too_long", 0),
    ],
)
def test_what_does_not_parse(text, reason, position):
    found = sqlast.parse(text)
    assert isinstance(found, sqlast.Unparsed)
    assert (found.reason, found.position) == (reason, position)


def test_deep_trees_are_read_and_written():
    text = "SELECT " + " + ".join(["a"] * 400)
    assert sqlast.deparse(parsed(text).node).count("a") == 400


def test_many_rows_and_many_alternatives_nest_nowhere():
    assert isinstance(sqlast.parse("INSERT INTO t VALUES " + ", ".join(["(1, f(2), 'x')"] * 2000)), sqlast.Statement)
    assert isinstance(sqlast.parse("SELECT 1 FROM t WHERE " + " OR ".join(["a = 1"] * 2500)), sqlast.Statement)


def test_union_of_many_arms():
    assert parsed(" UNION ALL ".join(["SELECT 1"] * 400)).kind is StatementKind.SELECT


def test_fallback_reads_what_the_limit_of_the_library_refuses():
    tree = native._from_json("SELECT " + "+".join("a" * 120))
    assert len(tree.stmts) == 1
    assert tree == native.tree("SELECT " + "+".join("a" * 120))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1", StatementKind.SELECT),
        ("VALUES (1)", StatementKind.SELECT),
        ("INSERT INTO t VALUES (1)", StatementKind.INSERT),
        ("UPDATE t SET a = 1", StatementKind.UPDATE),
        ("DELETE FROM t", StatementKind.DELETE),
        ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", StatementKind.MERGE),
        ("VACUUM t", None),
    ],
)
def test_kinds(text, kind):
    found = parsed(text)
    assert found.kind is kind


def test_single():
    assert isinstance(sqlast.parse("select 1;"), sqlast.Statement)
    assert isinstance(sqlast.parse("select 1; drop table t"), sqlast.Unparsed)


def test_split_knows_where_statements_end():
    script = (
        "select 'a;b'; -- ; no\nselect ü;; selec x;\n"
        "create function f() returns int begin atomic select 1; select case when true then 2 end; end;\n"
        "create rule r as on insert to t do also (delete from a; delete from b);\n"
        "do $$ begin null; end $$"
    )
    pieces = sqlast.split(script)
    assert [p.text.strip().partition(" ")[0] for p in pieces] == ["select", "--", "selec", "create", "create", "do"]
    assert all(script[p.offset : p.offset + len(p.text)] == p.text for p in pieces)


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("select 1; select 'x", ["select 1", "select 'x"]),
        ("select 1;\nselect 'ü;\nselect 2; select 3;\n", ["select 1", "select 'ü", "select 2", "select 3"]),
        ("select (1;\nselect 2", ["select (1", "select 2"]),
        ("select U&'\\00zz';  -- bad\nselect {;\nselect 2;", ["select U&'\\00zz'", "-- bad\nselect {", "select 2"]),
    ],
)
def test_a_statement_that_cannot_be_read_does_not_take_the_others_along(script, wanted):
    pieces = sqlast.split(script)
    assert [p.text.strip() for p in pieces] == wanted
    assert all(script[p.offset : p.offset + len(p.text)] == p.text for p in pieces)


def test_fingerprint_ignores_constants():
    one, two = (sqlast.fingerprint(f"SELECT * FROM t WHERE a IN ({x})") for x in ("1", "2, 3"))
    assert one == two
    assert one != sqlast.fingerprint("SELECT * FROM t WHERE b IN (1)")


def test_normalise_numbers_constants_behind_parameters():
    normal = sqlast.normalise(
        parsed("SELECT a FROM t WHERE a = $2 AND b IN (1, 'x') AND c > date '2024-01-01' LIMIT 5").node
    )
    assert normal.text == "SELECT a FROM t WHERE a = $2 AND b IN ($3, $4) AND c > $5::date LIMIT $6"
    assert normal.constants == {3: "1", 4: "'x'", 5: "'2024-01-01'", 6: "5"}


def test_normalise_keeps_what_says_what_is_computed():
    text = "SELECT 1 FROM t WHERE data ->> 'a' = 'x' AND date_trunc('day', ts) > '2024-01-01' AND flag ORDER BY 1"
    normal = sqlast.normalise(parsed(text).node)
    assert normal.text == "SELECT 1 FROM t WHERE (data ->> 'a') = $1 AND date_trunc('day', ts) > $2 AND flag ORDER BY 1"
    assert normal.shape == ("'a'", "'day'")


@given(LIMITED, st.integers(-(2**40), 2**40), st.one_of(st.none(), LIMITED))
@example("it's $1 \\ 'x'", 5, "\\")
def test_binding_round_trip(text, number, other):
    """Bound values come back as the constants that normalising finds."""
    node = parsed("SELECT * FROM t WHERE a = $1 AND b > $2 AND c = $3").node
    values = {1: quote_literal(text), 2: str(number)}
    if other is not None:
        values[3] = quote_literal(other)
    bound = sqlast.bind(node, values)
    again = parsed(sqlast.deparse(bound)).node
    assert sqlast.parameters(again) == ((3,) if other is None else ())
    constants = list(sqlast.normalise(again).constants.values())
    texts = [sqlast.parse_expression(c).child("sval") for c in constants]
    assert texts[0].text("sval") == text
    assert int(constants[1]) == number
    if other is not None:
        assert texts[2].text("sval") == other


def test_edits_leave_the_original_alone():
    node = parsed("SELECT * FROM t WHERE a = $1").node
    before = sqlast.deparse(node)
    sqlast.bind(node, {1: "5"})
    sqlast.renumber(node)
    assert sqlast.deparse(node) == before


def test_renumber_closes_gaps():
    node = parsed("SELECT $7::int, $3::text, $7::int").node
    assert sqlast.deparse(sqlast.renumber(node)) == "SELECT $2::int, $1::text, $2::int"


def test_unqualified():
    expression = sqlast.parse_expression('lower(o."Name") || o.b')
    plain = sqlast.unqualified(expression, lambda n: n.names("fields")[-1])
    assert sqlast.deparse_expression(plain) == 'lower("Name") || b'
    assert sqlast.deparse_expression(sqlast.unqualified(column_reference("x"), lambda _: "y z")) == '"y z"'


@pytest.mark.parametrize("text", ["1 FROM t", "1, 2", "a AS b", "1 WHERE true", ")"])
def test_no_expression(text):
    with pytest.raises(ValueError, match=r".+"):
        sqlast.parse_expression(text)


@pytest.mark.parametrize("text", ["\udcff", "SELECT '\ud800'", "SELECT 1; SELECT \udfff; SELECT 2"])
def test_half_a_character_is_no_text_and_takes_no_other_statement_along(text):
    assert isinstance(sqlast.parse(text), sqlast.Unparsed)
    assert isinstance(native.fingerprint(text), sqlast.Unparsed)
    assert len(sqlast.split(text)) == text.count(";") + 1
