"""The keys a configuration may hold, found by walking the settings values."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain

from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.rule import SettingRule
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


def _walk(kind: type, prefix: str) -> Iterator[SettingKey]:
    hints = typing.get_type_hints(kind)
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
    hints = typing.get_type_hints(kind)
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
