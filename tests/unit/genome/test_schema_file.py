"""Three forms of one schema say the same; every mistake is found with its line; nothing is executed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import UsageError
from indexpilot_cli.genome.schema_file import CRM, SchemaFileError, genome_fields, load_schema, validate_schema
from indexpilot_cli.genome.schema_tree import canonical_type

YAML = """\
# a shop
schema:
  tables:
    - name: orders
      fields:
        - name: id
          type: SERIAL
          required: true
        - {name: "on", type: 'varchar(20)', feature_group: state, indexable: false}
        - name: customer_id
          type: INTEGER
          nullable: false
          foreign_key: {table: customers, column: id, on_delete: cascade}
        - {name: doc, type: json}
        - {name: custom_note, type: "text", default_expression: false}
      indexes:
        - fields: [customer_id]
          type: btree
    - name: customers
      schema: crm
      fields: {id: bigint, "Mixed Case": "timestamp(3) with time zone[]"}
"""
OBJECT = {
    "schema": {
        "tables": [
            {
                "name": "orders",
                "fields": [
                    {"name": "id", "type": "SERIAL", "required": True},
                    {"name": "on", "type": "varchar(20)", "feature_group": "state", "indexable": False},
                    {
                        "name": "customer_id",
                        "type": "INTEGER",
                        "nullable": False,
                        "foreign_key": {"table": "customers", "column": "id", "on_delete": "cascade"},
                    },
                    {"name": "doc", "type": "json"},
                    {"name": "custom_note", "type": "text", "default_expression": False},
                ],
                "indexes": [{"fields": ["customer_id"], "type": "btree"}],
            },
            {
                "name": "customers",
                "schema": "crm",
                "fields": {"id": "bigint", "Mixed Case": "timestamp(3) with time zone[]"},
            },
        ]
    }
}


def good(text):
    return text.replace("foreign_key: {table: customers,", "foreign_key: {table: customers, schema: crm,")


def good_object():
    changed = json.loads(json.dumps(OBJECT))
    changed["schema"]["tables"][0]["fields"][2]["foreign_key"]["schema"] = "crm"
    return changed


@pytest.fixture
def file(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def lines(path):
    return [(p.line, p.message) for p in validate_schema(path)]


def test_n2_three_forms_and_an_object_say_the_same(file):
    forms = [
        file("a.yaml", good(YAML)),
        file("a.json", json.dumps(good_object(), indent="\t")),
        file("a.py", f'"""Schema."""\n\nVERSION = 3\nSCHEMA: dict = {good_object()!r}\n'),
        file("b.py", repr(good_object())),
        good_object(),
    ]
    schemas = [load_schema(form) for form in forms]
    assert all(schema == schemas[0] for schema in schemas)
    fields = {(str(f.table), f.name): f for f in genome_fields(schemas[0])}
    assert len(fields) == 7
    assert fields["public.orders", "id"].type == "integer" and fields["public.orders", "id"].required
    on = fields["public.orders", "on"]
    assert (on.type, on.group, on.indexable) == ("character varying(20)", "state", False)
    assert fields["public.orders", "customer_id"].required
    assert not fields["public.orders", "doc"].indexable and fields["public.orders", "customer_id"].indexable
    note = fields["public.orders", "custom_note"]
    assert (note.group, note.default_expression) == ("custom", False)
    assert fields["crm.customers", "Mixed Case"].type == "timestamp(3) with time zone[]"
    reference = schemas[0].tables[0].columns[2].reference
    assert (reference.table, reference.column, reference.on_delete) == (
        QualifiedName("crm", "customers"),
        "id",
        "CASCADE",
    )
    assert schemas[0].tables[0].indexes[0].columns == ("customer_id",)


MALFORMED = {
    "unknown key": ("tables:\n- name: t\n  feilds: []\n  fields: [{name: a, type: int}]", 3, "did you mean fields"),
    "no table name": ("tables:\n- fields: [{name: a, type: int}]", 2, "no name"),
    "no type": ("tables:\n- name: t\n  fields:\n  - name: a", 4, "no type"),
    "bad type": ("tables:\n- name: t\n  fields:\n  - name: a\n    type: datetime", 5, "use timestamptz"),
    "injected type": ("tables:\n- name: t\n  fields:\n  - {name: a, type: 'int; drop table x'}", 4, "not a type"),
    "flag": ("tables:\n- name: t\n  fields:\n  - {name: a, type: int, required: 'maybe'}", 4, "true or false"),
    "twice": ("tables:\n- name: t\n  fields:\n  - {name: a, type: int}\n  - {name: a, type: int}", 5, "twice"),
    "table twice": ("tables:\n- {name: t, fields: {a: int}}\n- {name: t, fields: {a: int}}", 3, "twice"),
    "key twice": ("tables:\n  t: {fields: {a: int}}\n  t: {fields: {a: int}}", 3, "twice"),
    "no fields": ("tables:\n- name: t", 2, "fields is missing"),
    "empty fields": ("tables:\n- name: t\n  fields: []", 3, "is a list"),
    "reference": (
        "tables:\n- name: t\n  fields:\n  - name: a\n    type: int\n    foreign_key: {table: x}",
        6,
        "not in",
    ),
    "indexed": ("tables:\n- name: t\n  fields: {a: int}\n  indexes:\n  - fields: [b]", 5, "does not have"),
    "method": ("tables:\n- name: t\n  fields: {a: int}\n  indexes:\n  - {fields: [a], type: magic}", 5, "one of btree"),
    "long name": (f"tables:\n- name: {'n' * 64}\n  fields: {{a: int}}", 2, "63 bytes"),
    "number": ("tables:\n- name: 7\n  fields: {a: int}", 2, "is a text"),
    "not YAML": ("tables:\n- name: [unclosed\n  x: {", 3, "not YAML"),
    "tab": ("tables:\n\t- x", 2, "not YAML"),
    "empty": ("", 1, "empty"),
    "a list": ("- a\n- b", 1, "mapping"),
    "slip": ("tables:\n- name: t\n  fields:\n    a: integr", 4, "integer is"),
    "no tables": ("name: x", 1, "tables is missing"),
    "strange tag": ("tables: !!python/object/apply:os.system ['true']", 1, "a table is a mapping"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_n1_mistakes_have_their_line(file, name):
    text, line, words = MALFORMED[name]
    found = lines(file("x.yaml", text))
    assert any(at == line and words in message for at, message in found), found


def test_n1_all_mistakes_at_once(file):
    path = file(
        "x.yaml",
        "tables:\n- name: t\n  colour: red\n  fields:\n  - name: a\n  - {name: b, type: 'in t x'}\n  - {type: int}\n",
    )
    assert [line for line, _ in lines(path)] == [3, 5, 6, 7]
    with pytest.raises(SchemaFileError) as refused:
        load_schema(path)
    assert len(refused.value.problems) == 4
    assert refused.value.exit_code == 2 and "line 7" in refused.value.detail


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("x.json", '{"tables":\n [1,}', 2, "not JSON"),
        ("x.json", '{\n"tables": [{\n"name": "t",\n"fields": [{"name": "a"}]}]}', 4, "no type"),
        ("x.py", "import os\nSCHEMA = {}", 1, "executed"),
        ("x.py", "SCHEMA = {\n 'tables': open('/etc/passwd')}", 2, "not a literal"),
        ("x.py", "SCHEMA = {\n 'tables': [\n {'name': 't', 'fields': {'a': 'int', **{}}}]}", 3, "a key must be"),
        ("x.py", "SCHEMA = {\n 'tables': [x for x in ()]}", 2, "not a literal"),
        ("x.py", "def f(: pass", 1, "not Python"),
        ("x.py", "A = {}\nB = {}", 1, "SCHEMA"),
        ("x.py", "SCHEMA = {'tables': [{'name': 't', 'fields': {'a':\n b'int'}}]}", 2, "not a literal"),
        ("x.yaml", b"tables:\n\xff", 2, "UTF-8"),
    ],
)
def test_n1_other_forms_have_lines_too(file, name, text, line, words):
    found = lines(file(name, text))
    assert any(at == line and words in message for at, message in found), found


def test_nothing_is_executed(file, tmp_path):
    proof = tmp_path / "proof"
    file("x.py", f"SCHEMA = {{'tables': __import__('pathlib').Path({str(proof)!r}).touch()}}")
    file("x.yaml", f"tables: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{proof}]]")
    assert lines(tmp_path / "x.py") and lines(tmp_path / "x.yaml")
    assert not proof.exists()


def test_endless_files_end(file):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert lines(file("bomb.yaml", bomb + "tables: *i"))
    assert lines(file("loop.yaml", "tables: &t [*t]"))
    assert lines(file("deep.json", "[" * 100_000))
    assert lines(file("deep.py", "(" * 5_000))
    assert lines(file("deep.yaml", "[" * 300))


def test_files_that_cannot_be_read(tmp_path, file):
    for path in (tmp_path / "no.yaml", tmp_path, file("x.txt", "tables: {}")):
        with pytest.raises(UsageError):
            load_schema(path)


def test_json_texts_keep_every_character(file):
    name = 'ä "q" \\ / 😀\t'
    path = file("x.json", json.dumps({"tables": [{"name": name, "fields": {"a": "int"}}]}))
    assert load_schema(path).tables[0].name.name == name


def test_the_demo_has_four_tables():
    fields = genome_fields(load_schema(CRM))
    assert {f.table.name for f in fields} == {"tenants", "organizations", "contacts", "interactions"}
    assert {f.name for f in fields if not f.indexable} == {"photo", "raw_message"}


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["tables", "name", "fields", "type", "schema", "indexes"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(tree=st.dictionaries(st.sampled_from(["tables", "schema"]), TREES, min_size=1))
def test_any_tree_is_checked_without_falling_over(tree):
    for problem in validate_schema(tree):
        assert str(problem)


@given(text=st.text(max_size=40))
def test_types_are_canonical_or_refused(text):
    try:
        once = canonical_type(text)
    except ValueError as error:
        assert str(error)
    else:
        assert canonical_type(once) == once


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("VARCHAR(200)", "character varying(200)"),
        ("numeric(10, 2)", "numeric(10,2)"),
        ("decimal(5)", "numeric(5,0)"),
        ("int[][3]", "integer[]"),
        ("integer ARRAY", "integer[]"),
        ("TIMESTAMP (3)", "timestamp(3) without time zone"),
        ("timestamptz", "timestamp with time zone"),
        ("Double  Precision", "double precision"),
        ("float(10)", "real"),
        ("char", "character(1)"),
        ("BigSerial", "bigint"),
        ('"My Type"', '"My Type"'),
        ("Mood", "mood"),
        ("public.integr", "public.integr"),
        ("texts", "texts"),
    ],
)
def test_types(written, canonical):
    assert canonical_type(written) == canonical


def test_n1_one_mistake_hides_no_other(file):
    yaml = file(
        "a.yaml",
        "tables:\n- name: t\n  fields:\n  - {name: a, type: integr, feature_group: 7}\n  - {name: a, type: int}\n"
        "  indexes:\n  - {fields: a, unique: maybe}\n  - {fields: [a]}\n",
    )
    assert [line for line, _ in lines(yaml)] == [4, 4, 5, 7, 7]
    python = file("a.py", 'S = {\n  "tables": [\n    {"name": f"t"},\n    {1: "t", **x},\n  ],\n}\n')
    assert [line for line, _ in lines(python)] == [3, 4, 4, 4]
    assert [line for line, _ in lines(file("b.py", "import os\nS = {}\nprint(os)\n"))] == [1]
    assert [line for line, _ in lines(file("c.py", "import os\nS = {}\ndel os\n"))] == [1, 3]
