from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.simulate.connections import cut_steps, named_steps, sql_steps

TEXT = """-- a preface; with a semicolon
-- step first after zero
-- said before;
SELECT 1;
SELECT ';' || 'x; y',
       2;

-- step second 12 pool.column one(a,b)
DO $$ BEGIN PERFORM 1; END $$
"""


def test_steps_have_their_words_and_statements():
    first, second = cut_steps(TEXT)
    assert (first.name, first.words) == ("first", ("after", "zero"))
    assert first.statements == ("SELECT 1", "SELECT ';' || 'x; y',\n       2")
    assert second.words == ("12", "pool.column", "one(a,b)")
    assert second.statements == ("DO $$ BEGIN PERFORM 1; END $$",)


@given(st.lists(st.from_regex(r"[a-z]{1,8}", fullmatch=True), unique=True))
def test_every_header_opens_one_step(names):
    text = "".join(f"-- step {name}\nSELECT '{name}';\n" for name in names)
    assert [(s.name, s.statements) for s in cut_steps(text)] == [(n, (f"SELECT '{n}'",)) for n in names]


def test_the_files_agree_on_the_tables():
    tables = {step.name for step in sql_steps("schema")}
    assert tables == set(named_steps("rows")) == set(named_steps("keys")) == set(named_steps("vacuum"))
    parents = {word for step in sql_steps("rows") for word in step.words[1:]}
    assert parents <= tables
