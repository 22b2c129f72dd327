"""The keys a configuration may hold, found by walking the settings, and texts and YAML values in their types.

Sizes count in 1024s, as PostgreSQL's own settings do
(https://www.postgresql.org/docs/current/config-setting.html).
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, chain

from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.rules import SettingRule
from indexpilot_cli.settings.sections import Settings

PREFIX = "INDEXPILOT_"
_OWN_FIELDS = ("origins", "files", "warnings")


@dataclass(frozen=True, slots=True)
class SettingKey:
    """One setting: dotted ``path``, Python ``kind`` (without None), whether it may be unset, limits."""

    path: str
    kind: object
    optional: bool
    default: object
    rule: SettingRule

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.path.replace(".", "_").upper()


@lru_cache(maxsize=1)
def keys() -> Mapping[str, SettingKey]:
    """All keys by path, in the order they are declared."""
    return types.MappingProxyType({key.path: key for key in _walk(Settings, "")})


@lru_cache(maxsize=1)
def sections() -> frozenset[str]:
    """All dotted paths that hold further keys."""
    above = (accumulate(path.split(".")[:-1], "{}.{}".format) for path in keys())
    return frozenset(chain.from_iterable(above))


_hints = cache(typing.get_type_hints)  # asked for the keys and for each building of settings


def _walk(kind: type, prefix: str) -> Iterator[SettingKey]:
    hints = _hints(kind)
    for field in dataclasses.fields(kind):
        if not prefix and field.name in _OWN_FIELDS:
            continue
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from _walk(typing.cast(type, hint), f"{prefix}{field.name}.")
        else:
            bare, optional = _without_none(hint)
            yield SettingKey(prefix + field.name, bare, optional, field.default, field.metadata["rule"])


def _without_none(hint: object) -> tuple[object, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [o for o in typing.get_args(hint) if o is not type(None)]
        return options[0], True
    return hint, False


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return close[0]
    last = word.rpartition(".")[2]
    tails = {w.rpartition(".")[2]: w for w in reversed(words)}
    tail = difflib.get_close_matches(last, tails, n=1, cutoff=0.8)
    return tails[tail[0]] if tail else None


def build(values: Mapping[str, object]) -> Settings:
    """Settings from values by path; what is missing keeps its default."""
    return typing.cast(Settings, _build(Settings, "", values))


def _build(kind: type, prefix: str, values: Mapping[str, object]) -> object:
    hints = _hints(kind)
    given: dict[str, object] = {}
    for field in dataclasses.fields(kind):
        path = prefix + field.name
        if dataclasses.is_dataclass(hints[field.name]):
            given[field.name] = _build(typing.cast(type, hints[field.name]), path + ".", values)
        elif path in values:
            given[field.name] = values[path]
    return kind(**given)


def value_of(settings: Settings, path: str) -> object:
    """The value of a key."""
    value: object = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def chosen(name: str | None) -> tuple[str, ...]:
    """All keys, those of a section, or one. Raises UsageError for an unknown name, with the nearest."""
    if name is None:
        return tuple(keys())
    found = tuple(path for path in keys() if path == name or path.startswith(name + "."))
    if found:
        return found
    meant = nearest(name, [*keys(), *sections()])
    hint = f"indexpilot config show {meant}" if meant else "indexpilot config show"
    raise UsageError(f"unknown key {name}" + (f", did you mean {meant}?" if meant else ""), hint=hint)


_SIZES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIMES = {"": 1.0, "ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z%]*)\s*\Z")
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def size(text: str) -> int:
    """Bytes of a text such as ``5GB``, ``100 MiB`` or ``8192``. Raises ValueError."""
    number, unit = _split(text, "5GB")
    short = unit.lower().removesuffix("ib").removesuffix("b") if unit.lower() != "b" else "b"
    if short not in _SIZES:
        raise ValueError(f"{text!r} is not a size: use kB, MB, GB or TB, such as 5GB")
    return round(number * _SIZES[short])


def duration(text: str) -> float:
    """Seconds of a text such as ``2s``, ``500ms``, ``5min``, ``2h``, ``7d`` or ``30``. Raises ValueError."""
    number, unit = _split(text, "7d")
    if unit.lower() not in _TIMES:
        raise ValueError(f"{text!r} is not a time: use ms, s, min, h, d or w, such as 7d")
    return number * _TIMES[unit.lower()]


def share(text: str) -> float:
    """A share 0–1 of a text such as ``5%`` or ``0.05``. Raises ValueError."""
    number, unit = _split(text, "5%")
    if unit not in ("", "%"):
        raise ValueError(f"{text!r} is not a share: write 5% or 0.05")
    value = number / 100 if unit else number
    if value > 1:
        meant = "" if unit else f": write {text.strip()}% or a number up to 1"
        raise ValueError(f"{text!r} is more than the whole{meant}")
    return value


def _split(text: str, example: str) -> tuple[float, str]:
    match = _NUMBER.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit, such as {example}")
    return float(match.group(1)), match.group(2)


def convert(key: SettingKey, value: object, *, text: bool = False) -> object:
    """The value in the key's type, within its limits. ``text``: it comes from the environment.

    Raises ValueError with a clause that follows the key's name.
    """
    if value is None:
        if key.optional:
            return None
        raise ValueError("needs a value")
    converted = _typed(key, value, text)
    _check(key.rule, converted)
    return converted


def _typed(key: SettingKey, value: object, text: bool) -> object:
    if typing.get_origin(key.kind) is tuple:
        item = typing.get_args(key.kind)[0]
        items = [v for v in value.split(",") if v.strip()] if text and isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError(f"expects a list, got {_name(value)}")
        return tuple(_scalar(item, v.strip() if isinstance(v, str) else v, key.rule, text) for v in items)
    return _scalar(key.kind, value, key.rule, text)


_UNITS: dict[str, Callable[[str], float]] = {"bytes": size, "seconds": duration, "share": share}


def _scalar(kind: object, value: object, rule: SettingRule, text: bool) -> object:
    if kind is bool:
        return _bool(value, text)
    if kind is str:
        if value is False and "off" in rule.choices:
            return "off"  # YAML reads a bare off as false: https://yaml.org/type/bool.html
        if not isinstance(value, str):
            raise ValueError(f"expects text, got {_name(value)}")
        return value
    if isinstance(value, str) and rule.unit:
        return _UNITS[rule.unit](value)
    return _number(kind, value, text)


def _bool(value: object, text: bool) -> bool:
    if isinstance(value, bool):
        return value
    if text and isinstance(value, str) and value.strip().lower() in _TRUE + _FALSE:
        return value.strip().lower() in _TRUE
    raise ValueError(f"expects true or false, got {_name(value)}")


def _number(kind: object, value: object, text: bool) -> int | float:
    if text and isinstance(value, str):
        try:
            value = float(value) if kind is float else int(value)
        except ValueError:
            raise ValueError(f"expects {_kind_name(kind)}, got {value!r}") from None
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        raise ValueError(f"expects {_kind_name(kind)}, got {_name(value)}")
    return float(value) if kind is float else typing.cast(int, value)


def _check(rule: SettingRule, value: object) -> None:
    for item in value if isinstance(value, tuple) else (value,):
        if rule.choices and item not in rule.choices:
            raise ValueError(f"is {item!r}, expects one of {', '.join(str(c) for c in rule.choices)}")
        if isinstance(item, int | float) and not isinstance(item, bool):
            _check_range(rule, item)


def _check_range(rule: SettingRule, value: float) -> None:
    if math.isnan(value) or math.isinf(value):
        raise ValueError("expects a finite number")
    if rule.low is not None and value < rule.low:
        raise ValueError(f"is {value:g}, must be at least {rule.low:g}")
    if rule.high is not None and value > rule.high:
        raise ValueError(f"is {value:g}, must be at most {rule.high:g}")


def _kind_name(kind: object) -> str:
    return "a whole number" if kind is int else "a number"


def _name(value: object) -> str:
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text {value!r}"
    return str(value).lower() if isinstance(value, bool) else repr(value)
