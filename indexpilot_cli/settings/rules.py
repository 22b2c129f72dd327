"""What the value of a setting may be, and the fields of the settings' dataclasses that carry it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SettingRule:
    """What a value may be. ``unit`` is "" or bytes, seconds, share; ``secret`` values are never printed."""

    text: str
    low: float | None = None
    high: float | None = None
    choices: tuple[object, ...] = ()
    unit: str = ""
    secret: bool = False


def key(
    default: T,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[object, ...] = (),
    unit: str = "",
    secret: bool = False,
) -> T:
    """A dataclass field with its rule."""
    rule = SettingRule(text, low, high, choices, unit, secret)
    return dataclasses.field(default=default, metadata={"rule": rule}, repr=not secret)


def share(default: float, text: str) -> float:
    """A share between 0 and 1."""
    return key(default, text, low=0, high=1, unit="share")


def count(default: int, text: str, low: int = 0) -> int:
    """A whole number, at least ``low``."""
    return key(default, text, low=low)


def seconds(default: float, text: str) -> float:
    """A time in seconds, not negative."""
    return key(default, text, low=0, unit="seconds")


def switch(text: str, default: bool = True) -> bool:
    """A switch, on unless said otherwise."""
    return key(default, text)
