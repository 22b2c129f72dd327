"""Values for the Tab key, from local files only: a Tab never connects to a database."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path


def services(incomplete: str) -> list[str]:
    """``service=NAME`` for every service of the service files libpq would read."""
    names = sorted({name for path in _service_files() for name in _section_names(path)})
    return [f"service={name}" for name in names if f"service={name}".startswith(incomplete)]


def _service_files() -> Iterator[Path]:
    given = os.environ.get("PGSERVICEFILE")
    yield Path(given) if given else Path.home() / ".pg_service.conf"
    if os.environ.get("PGSYSCONFDIR"):
        yield Path(os.environ["PGSYSCONFDIR"]) / "pg_service.conf"


def _section_names(path: Path) -> list[str]:
    try:
        return re.findall(r"^\[([^\]]+)\]", path.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return []


def targets(incomplete: str) -> list[tuple[str, str]]:
    """Plans this user kept, and the recommendations in them."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    plans = sorted(path.stem for path in (Path(base) / "indexpilot" / "plans").glob("P-*.json"))
    return [(name, "plan") for name in plans if name.startswith(incomplete)] + ids(incomplete)


def ids(incomplete: str) -> list[tuple[str, str]]:
    """Recommendation ids of the plans this user kept, with how they read."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    found: dict[str, str] = {}
    for path in sorted((Path(base) / "indexpilot" / "plans").glob("*.json")):
        found.update(_advice(path))
    return [(name, text) for name, text in sorted(found.items()) if name.startswith(incomplete)]


def explainable(incomplete: str) -> list[tuple[str, str]]:
    """What ``explain`` knows without a server: recommendations of kept plans, and kinds of hazard."""
    return [*ids(incomplete), *hazards(incomplete)]


def hazards(incomplete: str) -> list[tuple[str, str]]:
    """Kinds of hazard, with what each is."""
    from indexpilot_cli.evolve.review.explain_hazard import hazards

    return [(key, kind.title) for key, kind in sorted(hazards().items()) if key.startswith(incomplete)]


def _advice(path: Path) -> dict[str, str]:
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        return {str(r["id"]): str(r["summary"]) for r in plan["recommendations"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
