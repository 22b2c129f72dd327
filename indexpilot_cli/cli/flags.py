"""Flags that are settings too: checked by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from indexpilot_cli.settings.load import Flag

Flags = Mapping[str, tuple[str, object]]


def checked(flags: Flags) -> dict[str, Flag]:
    """The flags that were given, by key, in their types. Raises UsageError that names the flag."""
    from indexpilot_cli.settings.load import Flag, flag_value

    given: dict[str, Flag] = {}
    for path, (name, value) in flags.items():
        if value is None:
            continue
        try:
            given[path] = Flag(name, flag_value(path, list(value) if isinstance(value, tuple) else value))
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None
    return given
