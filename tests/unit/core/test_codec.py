"""Values survive the way to JSON and back."""

import dataclasses
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import pytest

import indexpilot_cli
from indexpilot_cli.core import codec
from indexpilot_cli.core.catalog import Catalog, Column, ColumnStatistics, ForeignKey, Index, Table
from indexpilot_cli.core.codec import (
    UNPUBLISHED,
    DocumentShape,
    Facets,
    From,
    from_json,
    schema_of,
    to_document,
    to_json,
)
from indexpilot_cli.core.estimator import PlannedStatement
from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.workload import (
    Atom,
    AtomKind,
    PlanMode,
    Plannable,
    QueryTemplate,
    RelationUse,
    Scenario,
    StatementKind,
)

PACKAGE = Path(indexpilot_cli.__file__).parent
ORDERS = QualifiedName("public", "orders")
INDEX = IndexDefinition(ORDERS, (IndexKey("a"), IndexKey(expression="lower(b)")), options=(("fillfactor", "90"),))


def through(value):
    return from_json(type(value), json.loads(json.dumps(to_json(value), allow_nan=False)))


def test_catalog():
    statistics = ColumnStatistics(0.1, 8, -0.5, ("1", "x"), (0.5, 0.25), correlation=None)
    column = Column("a", 1, "integer", "int4", "N", statistics=statistics)
    index = Index(QualifiedName("public", "i"), INDEX, "CREATE INDEX …", tree_height=2)
    table = Table(ORDERS, "r", (column,), (index,), pages=10, tuples=5.0, parent=ORDERS)
    catalog = Catalog(
        150020,
        "shop",
        (table,),
        (ForeignKey("f", ORDERS, ("a",), ORDERS, ("a",)),),
        settings=MappingProxyType({"work_mem": "4MB"}),
        views=MappingProxyType({ORDERS: "select 1"}),
        taken_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    back = through(catalog)
    assert back == catalog
    assert back.tables[0].columns[0].statistics == statistics


def test_template():
    use = RelationUse(
        ORDERS, "o", (Atom(AtomKind.JOIN, "=", "a", join_to=(ORDERS, "b")),), columns=frozenset({"a", "b"})
    )
    template = QueryTemplate(
        "q-1",
        "ff",
        "select",
        StatementKind.SELECT,
        3.0,
        None,
        (ORDERS,),
        (use,),
        (Scenario(Plannable("select 1", PlanMode.GENERIC, 1), 1.0, "generic"),),
    )
    back = through(template)
    assert (back, back.uses, back.scenarios) == (template, template.uses, template.scenarios)


def test_numbers_json_cannot_hold():
    plan = PlannedStatement(float("inf"), hypothetical=frozenset({INDEX}))
    assert through(plan) == plan


def test_wrong_data_is_a_value_error():
    with pytest.raises(ValueError, match="not a QualifiedName"):
        from_json(QualifiedName, {"schema": "public"})
    with pytest.raises(ValueError, match="not a QualifiedName"):
        from_json(QualifiedName, {"schema": 1, "name": "x"})


def test_added_fields_are_ignored():
    assert from_json(QualifiedName, {"schema": "a", "name": "b", "new": 1}) == QualifiedName("a", "b")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Wheel:
    """A wheel."""

    spokes: int


@dataclass(frozen=True)
class Bike:
    wheels: tuple[Wheel, ...]
    colour: Colour
    made: datetime
    tags: frozenset[str] = frozenset()
    price: float | None = None


class BikeDocument(DocumentShape):
    """A bike,
    as it is published.

    More.
    """

    paint: Annotated[Colour, From("colour"), "what it looks like"]
    made: datetime
    front: Annotated[Wheel | None, From(lambda bike: bike.wheels[0] if bike.wheels else None)]
    spokes: Annotated[Annotated[int, Facets(0)] | None, From("lock.spokes")]
    tags: frozenset[str]
    wheels: tuple[Wheel, ...]


@dataclass(frozen=True)
class Locked(Bike):
    lock: Wheel | None = None


BIKE = Locked(
    (Wheel(32),), Colour.RED, datetime(2026, 1, 2, 3, 4, 5, 678, timezone(timedelta(hours=1))), tags=frozenset("ba")
)


@dataclass(frozen=True)
class Saddle:
    """A saddle."""

    height: Annotated[float, "above the ground"]
    glue: Annotated[str, UNPUBLISHED] = ""


def test_a_value_says_itself_what_is_published_of_it():
    assert to_document(Saddle(0.9, "hot"), Saddle) == {"height": 0.9}
    assert schema_of(Saddle)["properties"] == {"height": {"type": "number", "description": "above the ground"}}
    assert through(Saddle(0.9, "hot")) == Saddle(0.9, "hot")


def test_documents_follow_their_shape():
    assert list(to_document(BIKE, BikeDocument).items()) == [
        ("paint", "red"),
        ("made", "2026-01-02T02:04:05Z"),
        ("front", {"spokes": 32}),
        ("spokes", None),
        ("tags", ["a", "b"]),
        ("wheels", [{"spokes": 32}]),
    ]
    assert to_document(replace(BIKE, wheels=(), lock=Wheel(3)), BikeDocument)["spokes"] == 3


def test_schemas_follow_their_shape():
    schema = schema_of(BikeDocument)
    assert schema["description"] == "A bike, as it is published."
    assert schema["required"] == ["paint", "made", "front", "spokes", "tags", "wheels"]
    assert schema["properties"]["paint"] == {"enum": ["red", "blue"], "description": "what it looks like"}
    assert schema["properties"]["made"]["format"] == "date-time"
    assert schema["properties"]["front"] == {"anyOf": [{"$ref": "#/$defs/Wheel"}, {"type": "null"}]}
    assert schema["properties"]["spokes"] == {"type": ["integer", "null"], "minimum": 0}
    assert schema["properties"]["tags"] == {"type": "array", "items": {"type": "string"}}
    assert schema["$defs"]["Wheel"]["properties"] == {"spokes": {"type": "integer"}}
    assert schema["additionalProperties"] is False


def test_a_type_is_looked_at_once_however_many_values_there_are(monkeypatch):
    looked = []
    origin = codec.get_origin
    monkeypatch.setattr(codec, "get_origin", lambda hint: looked.append(hint) or origin(hint))
    many = Whole("w", tuple(Part(n, f"p{n}") for n in range(500)))
    assert to_document(many, Whole)["parts"][499] == {"number": 499, "name": "p499"}
    assert len(looked) < 20


@dataclass(frozen=True)
class Part:
    number: int
    name: str


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...]


KEPT = re.compile(r"\bfrom_json\((\w+),")


def kept_kinds():
    """What the program reads back from files and the log, with all that is within."""
    for path in PACKAGE.rglob("*.py"):
        names = set(KEPT.findall(path.read_text()))
        if names and path.name != "codec.py":
            module = import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
            yield from (getattr(module, name) for name in names)


def within(hint):
    if dataclasses.is_dataclass(hint):
        yield from get_type_hints(hint).values()
    yield from get_args(hint)


def test_whatever_is_kept_can_be_read_back():
    todo, seen = list(kept_kinds()), set()
    assert len(todo) > 20
    while todo:
        hint = todo.pop()
        if hint is not Ellipsis and str(hint) not in seen:
            seen.add(str(hint))
            if get_origin(hint) is not Literal:
                todo += within(hint)
            codec._decoder(hint)


def test_a_word_is_one_of_those_it_may_be():
    assert from_json(Worded, {"word": "soon"}) == Worded("soon")
    with pytest.raises(ValueError, match="'late' is none of 'now', 'soon'"):
        from_json(Worded, {"word": "late"})


@dataclass(frozen=True)
class Worded:
    word: Literal["now", "soon"]
