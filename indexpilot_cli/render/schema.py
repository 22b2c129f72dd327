"""The JSON schemas of all results, shipped in the package."""

from __future__ import annotations

import difflib
from importlib.resources import files

from indexpilot_cli.errors import UsageError

_SUFFIX = ".json"


def names() -> tuple[str, ...]:
    """What ``schema NAME`` knows."""
    folder = files("indexpilot_cli.render") / "schemas"
    return tuple(sorted(f.name.removesuffix(_SUFFIX) for f in folder.iterdir() if f.name.endswith(_SUFFIX)))


def text(name: str) -> str:
    """The schema as JSON text. Raises UsageError for an unknown name, with the nearest."""
    known = names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"indexpilot schema {close[0]}" if close else "indexpilot schema"
        raise UsageError(f"no schema {name!r}" + (f", did you mean {close[0]}?" if close else ""), hint=hint)
    return (files("indexpilot_cli.render") / "schemas" / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
