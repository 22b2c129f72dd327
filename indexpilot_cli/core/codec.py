"""Frozen dataclasses to plain JSON values and back, driven by their type hints.

Dataclasses become objects, tuples and sets arrays (sets sorted, so files are stable), datetimes ISO text in
UTC, mappings with keys that are not text arrays of pairs. NaN and infinities become the texts "NaN",
"Infinity" and "-Infinity", because JSON has no such numbers.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import math
import types
import typing
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

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
    if dataclasses.is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return _container(value)


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


@lru_cache(maxsize=256)
def _fields(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind) if f.init}


def _decode(hint: Any, data: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(hint), data)
    if origin is not None:
        return _decode_generic(origin, get_args(hint), data)
    if hint is Any or hint is object or isinstance(hint, TypeVar):
        return data
    if dataclasses.is_dataclass(hint):
        known = _fields(typing.cast(type, hint))
        return typing.cast(type, hint)(**{k: _decode(known[k], v) for k, v in data.items() if k in known})
    return _decode_scalar(hint, data)


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


def _decode_union(options: tuple[Any, ...], data: Any) -> Any:
    if data is None and type(None) in options:
        return None
    failures = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _decode(option, data)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            failures.append(str(error))
    raise TypeError("; ".join(failures))


def _decode_generic(origin: Any, arguments: tuple[Any, ...], data: Any) -> Any:
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_decode(arguments[0], item) for item in data)
        return tuple(_decode(a, item) for a, item in zip(arguments, data, strict=True))
    if origin in (frozenset, set):
        return frozenset(_decode(arguments[0], item) for item in data)
    if issubclass(origin, collections.abc.Mapping):
        pairs = data.items() if isinstance(data, dict) else data
        decoded = {_decode(arguments[0], k): _decode(arguments[1], v) for k, v in pairs}
        return types.MappingProxyType(decoded)
    if issubclass(origin, collections.abc.Sequence):
        return tuple(_decode(arguments[0], item) for item in data)
    return _decode(origin, data)
