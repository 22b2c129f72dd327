"""Configuration files to begin with, shipped in the package."""

from __future__ import annotations

from importlib.resources import files


def profile_text(name: str) -> str:
    """The YAML text of a shipped profile: small, oltp or analytics."""
    return (files("indexpilot_cli.settings") / "profiles" / f"{name}.yaml").read_text(encoding="utf-8")
