"""Every statement of a change and of its way back is one SQL statement, whatever things are called."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from indexpilot_cli.core.names import QualifiedName, object_name, quote_identifier
from indexpilot_cli.evolve.change import steps as change_steps
from indexpilot_cli.evolve.change import undo
from indexpilot_cli.evolve.change.values import Span
from indexpilot_cli.evolve.relation import Attached, ColumnFacts, Grant, RelationFacts, SequenceFacts
from indexpilot_cli.sql.parser import Statement, parse

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30)


@st.composite
def columns(draw, name=None):
    kind = draw(st.sampled_from(["plain", "default", "serial", "always", "by default", "generated"]))
    sequence = None
    if kind in ("serial", "always", "by default"):
        own = QualifiedName(draw(NAMES), draw(NAMES))
        sequence = SequenceFacts(
            own,
            kind != "serial",
            "integer",
            1,
            draw(st.sampled_from([1, -2])),
            1,
            99,
            1,
            True,
            draw(st.none() | st.integers(1, 99)),
            owner=draw(NAMES),
            comment=draw(TEXTS),
        )
    return ColumnFacts(
        name or draw(NAMES),
        3,
        "integer",
        not_null=draw(st.booleans()),
        default="nextval('s'::regclass)" if kind == "serial" else "7" if kind == "default" else None,
        generation="1 + 1" if kind == "generated" else None,
        generated="s" if kind == "generated" else "",
        identity={"always": "a", "by default": "d"}.get(kind, ""),
        storage=draw(st.sampled_from([None, "EXTERNAL"])),
        target=draw(st.none() | st.integers(0, 1000)),
        options=draw(st.sampled_from([(), ("n_distinct=-0.5",)])),
        comment=draw(st.none() | TEXTS),
        grants=tuple(draw(st.lists(st.builds(Grant, NAMES | st.just(""), NAMES, st.just("SELECT"), st.booleans())))),
        sequence=sequence,
    )  # fmt: skip


@st.composite
def tables(draw):
    name = QualifiedName(draw(NAMES), draw(NAMES))
    column = draw(columns())
    key = draw(NAMES.filter(lambda n: n != column.name))
    quoted = quote_identifier(column.name)
    index = QualifiedName(name.schema, draw(NAMES))
    attached = (
        Attached("index", index, f"CREATE INDEX {quote_identifier(index.name)} ON {name} USING btree ({quoted})",
                 (column.name,), comment=draw(st.none() | TEXTS), tablespace=draw(st.none() | NAMES),
                 targets=((1, 5),), clustered=draw(st.booleans()), replica_identity=draw(st.booleans())),
        Attached("constraint", QualifiedName(name.schema, draw(NAMES)), f"CHECK (({quoted} > 0)) NOT VALID",
                 (column.name,), "c", comment=draw(st.none() | TEXTS)),
        Attached("statistics", index, f"CREATE STATISTICS {index} ON {quoted}, id FROM {name}", (column.name, "id"),
                 owner=draw(NAMES), targets=((0, 7),), comment=draw(TEXTS)),
    )  # fmt: skip
    triggers = tuple(draw(st.lists(st.tuples(NAMES, st.booleans()), max_size=2)))
    parts = (ColumnFacts(key, 1, "int"), column)
    return RelationFacts(
        name, 1, "r", draw(st.sampled_from([150000, 180000])), columns=parts, attached=attached, key=(key,),
        triggers=triggers,
    )  # fmt: skip


def all_single(statements):
    for text in statements:
        assert isinstance(parse(text), Statement), text


@settings(max_examples=60, deadline=None)
@given(tables(), st.booleans())
def test_drop_and_back(table, save):
    column = table.columns[-1]
    saved = QualifiedName("indexpilot", 'saved "it') if save else None
    (step,) = change_steps.drop(table, column, saved)
    back = undo.of_drop(table, column, saved)
    all_single((*step.statements, *back.statements, *back.after))
    assert back.loss == "" or (saved is None and column.generation is None and back.loss.startswith("DATA LOSS"))
    made = [text for text in back.statements if text.startswith("CREATE INDEX")]
    assert len(made) == 1


@settings(max_examples=60, deadline=None)
@given(tables(), NAMES, TEXTS, st.booleans(), st.booleans(), st.booleans())
def test_add(table, name, comment, each_row, small, unique):
    new = change_steps.NewColumn(
        table, name, "int", "7", True, comment, unique, '"a b" (id)', each_row, small, (table.name,)
    )
    todo = change_steps.add_column(new)
    all_single(text.replace("{low}", "0").replace("{high}", "9") for step in todo for text in step.statements)
    assert len(todo) == 1 if small else len(todo) > 2
    if not small:
        assert all(step.span in (Span.BRIEF, Span.ONLINE) for step in todo)
    all_single(undo.of_add(table, name).statements)


@settings(max_examples=60, deadline=None)
@given(tables())
def test_type_and_back_makes_again_only_what_reads_differently(table):
    column = table.columns[-1]
    same = undo.of_type(table, column, table)
    all_single((*same.statements, *same.after))
    assert not any(text.startswith(("CREATE", "DROP")) for text in same.statements)
    other = replace(table, attached=(replace(table.attached[0], definition="something else"), *table.attached[1:]))
    back = undo.of_type(table, column, other)
    all_single(back.statements)
    assert [text.split()[0] for text in back.statements if "INDEX" in text.split()[:2]][:2] == ["DROP", "CREATE"]


@given(NAMES, NAMES, st.sampled_from(["key", "fkey", "not_null"]), st.lists(NAMES, max_size=3))
def test_names_of_constraints_fit(table, column, suffix, taken):
    name = object_name(table * 4, column * 4, suffix, taken)
    again = object_name(table * 4, column * 4, suffix, [name])
    assert len(name.encode()) <= 63
    assert len(again.encode()) <= 63
    assert name not in taken
    assert again != name
    assert name.endswith(f"_{suffix}") or taken


def test_not_null_is_proved_before_it_is_taken_over():
    table = RelationFacts(QualifiedName("public", "t"), 1, "r", 170000)
    old = [s.statements for s in change_steps.not_null_steps(table, "c", "t_c_not_null")]
    assert old == [
        ("ALTER TABLE public.t ADD CONSTRAINT t_c_not_null CHECK (c IS NOT NULL) NOT VALID",),
        ("ALTER TABLE public.t VALIDATE CONSTRAINT t_c_not_null",),
        ("ALTER TABLE public.t ALTER COLUMN c SET NOT NULL", "ALTER TABLE public.t DROP CONSTRAINT t_c_not_null"),
    ]
    new = [s.statements for s in change_steps.not_null_steps(replace(table, version=180000), "c", "t_c_not_null")]
    assert new == [
        ("ALTER TABLE public.t ADD CONSTRAINT t_c_not_null NOT NULL c NOT VALID",),
        ("ALTER TABLE public.t VALIDATE CONSTRAINT t_c_not_null",),
    ]
