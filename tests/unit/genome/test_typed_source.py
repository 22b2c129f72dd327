"""Source for the rows of tables: it runs, and means the names that were given, whatever they are."""

import dataclasses

from hypothesis import example, given
from hypothesis import strategies as st

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.genome.typed_source import (
    SqlType,
    TypedColumn,
    TypedSchema,
    TypedTable,
    TypeStyle,
    class_name,
    python_source,
)

INT = SqlType(23, QualifiedName("pg_catalog", "int4"), "b", "N")
ODD = st.sampled_from(["class", "int", "_datetime", "__x", "a b", "1", "ﬁ", "a\\", '"', "'''", "None", "copy", "x\x7f"])
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20) | ODD


def schema(tables):
    return TypedSchema(
        tuple(
            TypedTable(QualifiedName("public", name), tuple(TypedColumn(c, 23, "integer") for c in columns))
            for name, columns in tables.items()
        ),
        {23: INT},
    )


def run(source):
    found = {}
    exec(compile(source, "rows", "exec"), found)
    return found


@given(st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=4), max_size=4))
@example({"\U000108fb": ["\U000108fb", "a\U000108fb"]})  # a number to Unicode, nothing to Python
def test_t7_any_names_give_source_that_runs_and_means_them(tables):
    described = schema(tables)
    rows = [v for k, v in run(python_source(described)).items() if isinstance(v, type) and not k.startswith("_")]
    assert [list(row.__annotations__) for row in rows] == list(tables.values())
    found = run(python_source(described, TypeStyle.DATACLASS))
    rows = [v for k, v in found.items() if dataclasses.is_dataclass(v)]
    columns = [[f.metadata.get("column", f.name) for f in dataclasses.fields(row)] for row in rows]
    assert columns == list(tables.values())


def test_t7_names_of_classes():
    assert class_name(QualifiedName("public", "order_items"), "Row") == "OrderItemsRow"
    assert class_name(QualifiedName("sales", "2024"), "Row") == "Sales2024Row"
    assert class_name(QualifiedName("public", "2024"), "Row") == "T2024Row"
    two = python_source(schema({"a b": [], "a_b": []}))
    assert "class ABRow(" in two and "class ABRow2(" in two
