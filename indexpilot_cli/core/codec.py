"""Frozen dataclasses to plain JSON values and back, driven by their type hints.

Dataclasses become objects, tuples and sets arrays (sets sorted, so files are stable), datetimes ISO text in
UTC, mappings with keys that are not text arrays of pairs. NaN and infinities become the texts "NaN",
"Infinity" and "-Infinity", because JSON has no such numbers.

``to_document`` and ``schema_of`` do the same for what is published: they follow a ``DocumentShape`` or a dataclass,
whose annotations are the keys in their order; ``Annotated`` adds where a value comes from (``From``), bounds
(``Facets``) and a description (a text), or ``UNPUBLISHED``. Times there are UTC with Z, to the second.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache, partial
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_json(value: object) -> Any:
    """The value as nested dicts, lists, numbers and texts that ``json.dumps`` takes."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_json(getattr(value, name)) for name in _field_names(type(value))}
    return _container(value)


@lru_cache(maxsize=256)
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


def _container(value: object) -> Any:
    if isinstance(value, collections.abc.Mapping):
        if all(isinstance(k, str) for k in value):
            return {k: to_json(v) for k, v in value.items()}
        return [[to_json(k), to_json(v)] for k, v in value.items()]
    if isinstance(value, frozenset | set):
        return sorted((to_json(v) for v in value), key=repr)
    if isinstance(value, collections.abc.Sequence):
        return [to_json(v) for v in value]
    raise TypeError(f"no JSON form for {type(value).__name__}")


def from_json(kind: type[T], data: Any) -> T:
    """A value of the dataclass ``kind`` from what ``to_json`` gave.

    Unknown keys are ignored and missing ones take their defaults, so a newer file with added fields loads.
    Raises ValueError when the data does not fit the type.
    """
    try:
        return typing.cast(T, _decode(kind, data))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from error


_Decoder: TypeAlias = collections.abc.Callable[[Any], Any]
_Writer: TypeAlias = collections.abc.Callable[[Any], Any]
_PLAIN = (str, int, bool)


def _decode(hint: Any, data: Any) -> Any:
    return _decoder(hint)(data)


@lru_cache(maxsize=1024)
def _decoder(hint: Any) -> _Decoder:
    """The function that makes a value of the hint: hints are read once, values come by the million."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _union_decoder(get_args(hint))
    if origin is Literal:
        return partial(_decode_word, get_args(hint))
    if origin is not None:
        return _generic_decoder(origin, get_args(hint))
    if hint is Any or hint is object or isinstance(hint, TypeVar):
        return lambda data: data
    if dataclasses.is_dataclass(hint):
        return _dataclass_decoder(typing.cast(type, hint))
    return partial(_decode_scalar, hint)


def _dataclass_decoder(kind: type) -> _Decoder:
    known: dict[str, _Decoder] = {}

    def decode(data: Any) -> Any:
        if not known:  # not before it is used: a dataclass may hold others of its kind
            hints = get_type_hints(kind)
            known.update({f.name: _decoder(hints[f.name]) for f in dataclasses.fields(kind) if f.init})
        return kind(**{name: known[name](value) for name, value in data.items() if name in known})

    return decode


def _decode_scalar(hint: Any, data: Any) -> Any:
    if hint is type(None):
        return None
    if hint is datetime:
        return datetime.fromisoformat(data)
    if hint is float:
        return float(data)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(data)
    if not isinstance(data, hint):
        raise TypeError(f"expected {hint.__name__}, got {type(data).__name__}")
    return data


def _decode_word(words: tuple[Any, ...], data: Any) -> Any:
    if data not in words:
        raise ValueError(f"{data!r} is none of {', '.join(map(repr, words))}")
    return data


def _union_decoder(options: tuple[Any, ...]) -> _Decoder:
    decoders = [_decoder(option) for option in options if option is not type(None)]

    def decode(data: Any) -> Any:
        if data is None and len(decoders) < len(options):
            return None
        failures = []
        for decoder in decoders:
            try:
                return decoder(data)
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                failures.append(str(error))
        raise TypeError("; ".join(failures))

    return decode


def _generic_decoder(origin: Any, arguments: tuple[Any, ...]) -> _Decoder:
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        decoders = [_decoder(argument) for argument in arguments]
        return lambda data: tuple(decoder(item) for decoder, item in zip(decoders, data, strict=True))
    if origin in (frozenset, set):
        item_of = _decoder(arguments[0])
        return lambda data: frozenset(map(item_of, data))
    if issubclass(origin, collections.abc.Mapping):
        return _mapping_decoder(_decoder(arguments[0]), _decoder(arguments[1]))
    if issubclass(origin, collections.abc.Sequence):
        return _sequence_decoder(arguments[0])
    return _decoder(origin)


def _mapping_decoder(key_of: _Decoder, value_of: _Decoder) -> _Decoder:
    def decode(data: Any) -> Any:
        pairs = data.items() if isinstance(data, dict) else data
        return types.MappingProxyType({key_of(key): value_of(value) for key, value in pairs})

    return decode


def _sequence_decoder(kind: Any) -> _Decoder:
    item_of = _decoder(kind)
    if kind not in _PLAIN:
        return lambda data: tuple(map(item_of, data))
    # Statistics are mostly long lists of texts: those are looked at all at once.
    return lambda data: tuple(data) if set(map(type, data)) <= {kind} else tuple(map(item_of, data))


class DocumentShape:
    """Base of what a document looks like where a value has other names, another order or more than is published.

    Nothing is ever made of a shape: the annotations of a subclass are read, its bases' first.
    """


@dataclasses.dataclass(frozen=True, slots=True)
class From:
    """Where a key's value comes from: attributes (``verdict.impact``; None on the way stays None) or a function."""

    source: str | collections.abc.Callable[[Any], object]

    def __call__(self, value: Any) -> Any:
        if not isinstance(self.source, str):
            return self.source(value)
        for name in self.source.split("."):
            value = None if value is None else getattr(value, name)
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Facets:
    """What a number or a text of a document keeps to."""

    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None

    def keywords(self) -> dict[str, object]:
        """The bounds as JSON Schema spells them."""
        named = {"minimum": self.minimum, "maximum": self.maximum, "pattern": self.pattern}
        return {word: bound for word, bound in named.items() if bound is not None}


Count = Annotated[int, Facets(0)]
Amount = Annotated[float, Facets(0)]
Portion = Annotated[float, Facets(0, 1)]
SummedPortion = Annotated[float, Facets(0, 1.000001)]  # of many, which may be a rounding above 1
UNPUBLISHED = "unpublished"  # among the notes of a field: for the program itself, in no document


_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time", "pattern": _TIME},
    type(None): {"type": "null"},
    Any: {},
}


@lru_cache(maxsize=256)
def _keys(kind: type) -> tuple[tuple[str, Any, From], ...]:
    """Each key of a document with its type and where its value comes from."""
    hints = get_type_hints(kind, include_extras=True)
    # What begins with _ is a place beside the fields, for what is worked out once.
    named = ((key, hint, getattr(hint, "__metadata__", ())) for key, hint in hints.items() if not key.startswith("_"))
    return tuple((key, hint, _source(notes) or From(key)) for key, hint, notes in named if UNPUBLISHED not in notes)


def _source(notes: Iterable[object]) -> From | None:
    return next((note for note in notes if isinstance(note, From)), None)


def _is_object(hint: Any) -> bool:
    return isinstance(hint, type) and (issubclass(hint, DocumentShape) or dataclasses.is_dataclass(hint))


def to_document(value: Any, hint: Any) -> Any:
    """The value as JSON in the shape of ``hint``: a ``DocumentShape``, a dataclass, or any type made of them."""
    return _writer(hint)(value)


def _writer(hint: Any) -> _Writer:
    """What makes JSON of values of that type; what a type asks for is looked up once, not for every value."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _writer(arguments[0])
    if origin in (Union, types.UnionType):
        options = [option for option in arguments if option is not type(None)]
        return _writer(options[0] if len(options) == 1 else Any)
    if _is_object(hint):
        return partial(_written_object, hint)
    return partial(_written, _writer(arguments[0]) if arguments else _untyped)


@lru_cache(maxsize=256)
def _writers(kind: type) -> tuple[tuple[str, _Writer, _Writer], ...]:
    """Each key of a document with what gets its value and what makes JSON of it."""
    return tuple((key, source, _writer(hint)) for key, hint, source in _keys(kind))


def _written_object(kind: type, value: Any) -> Any:
    return None if value is None else {key: write(source(value)) for key, source, write in _writers(kind)}


def _written(item: _Writer, value: Any) -> Any:
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, collections.abc.Sequence) and not isinstance(value, str):
        return [item(element) for element in value]
    return value


def _untyped(value: Any) -> Any:
    return _written(_untyped, value)


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the documents of a shape; the classes within stand in ``$defs`` by name."""
    definitions: dict[str, Any] = {}
    return {**_object_schema(kind, definitions), "$defs": definitions}


def _object_schema(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    properties = {key: _schema(hint, definitions) for key, hint, _ in _keys(kind)}
    paragraph = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    return {
        "description": " ".join(paragraph.split()),
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        schema = _schema(arguments[0], definitions)
        for note in arguments[1:]:
            schema |= note.keywords() if isinstance(note, Facets) else {}
            schema |= {"description": note} if isinstance(note, str) else {}
        return schema
    if origin in (Union, types.UnionType):
        return _any_of([_schema(option, definitions) for option in arguments])
    if origin is Literal:
        return {"enum": list(arguments)}
    if _is_object(hint):
        return _reference(hint, definitions)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return dict(_SCALARS[hint]) if hint in _SCALARS else _container_schema(origin or hint, arguments, definitions)


def _reference(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__.removesuffix("Document")
    if name not in definitions:
        definitions[name] = {}  # known before its keys are, so that a class may mention itself
        definitions[name] = _object_schema(kind, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _container_schema(kind: Any, arguments: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    if issubclass(kind, collections.abc.Mapping):
        return {"type": "object"}
    items = _schema(arguments[0], definitions) if arguments else {}
    return {"type": "array", "items": items} if items else {"type": "array"}


def _any_of(options: list[dict[str, Any]]) -> dict[str, Any]:
    """One of several: as short as the schema can say it where one of them is null."""
    kinds = [option for option in options if option != _SCALARS[type(None)]]
    if len(kinds) == 1 and isinstance(kinds[0].get("type"), str):
        return {**kinds[0], "type": [kinds[0]["type"], "null"]}
    if len(kinds) == 1 and "enum" in kinds[0]:
        return {"enum": [*kinds[0]["enum"], None]}
    return {"anyOf": options}
