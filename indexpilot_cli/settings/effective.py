"""Which keys a person means."""

from __future__ import annotations

from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.keys import keys, nearest, sections


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
