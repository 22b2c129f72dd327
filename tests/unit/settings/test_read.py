"""Every key is read: a setting that nothing looks at promises what does not happen."""

import ast
import typing
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

import indexpilot_cli
from indexpilot_cli.algorithms.registry import ALGORITHMS
from indexpilot_cli.guards.bypass import _FEATURES as BYPASS_FEATURES
from indexpilot_cli.lifecycle.schedules.timetable import Job, components
from indexpilot_cli.settings.conninfo import _FIELDS as CONNECTION_FIELDS
from indexpilot_cli.settings.features import FeatureSettings
from indexpilot_cli.settings.keys import keys
from indexpilot_cli.settings.sections import MaintenanceComponents, Settings

ROOT = Path(indexpilot_cli.__file__).parent
DECLARED = {ROOT / "settings" / name for name in ("sections.py", "features.py", "load.py")}
MODULES = {Settings.__module__, FeatureSettings.__module__}
# Read by a list of names: those of settings/conninfo.py and guards/bypass.py, the algorithms' switches, and the parts
# of the scheduled jobs.
BY_NAME = {
    *(f"connection.{name}" for name in CONNECTION_FIELDS),
    *(f"features.{algorithm.name}.enabled" for algorithm in ALGORITHMS),
    *(f"bypass.features.{name}.enabled" for name in BYPASS_FEATURES),
    *(f"bypass.features.{name}.reason" for name in BYPASS_FEATURES),
    *(
        f"operational.maintenance.components.{name}"
        for name in chain(*(components(j, MaintenanceComponents()) for j in Job))
    ),
}


@cache
def readers():
    """Of each module: the attribute chains it reads (without the name they start from) and the settings it imports."""
    found = []
    for path in sorted(set(ROOT.rglob("*.py")) - DECLARED):
        chains, classes = set(), set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                chains.add(f".{chain(node)}")
            elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
                classes |= {alias.name for alias in node.names}
        found.append((chains, classes))
    return found


def chain(node):
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed(parts))


def class_of(section):
    """The dataclass of a dotted section, None when there is none."""
    kind = Settings
    for part in section.split("."):
        kind = typing.get_type_hints(kind).get(part)
        if kind is None:
            return None
    return kind.__name__


def is_read(path):
    """Whether a module that takes the section out of what it was given, or imports its class, reads the leaf."""
    section, _, leaf = path.rpartition(".")
    last, kind = section.rpartition(".")[2], class_of(section)
    for chains, classes in readers():
        has_section = kind in classes or any(f".{last}." in f"{c}." for c in chains)
        if has_section and any(c.endswith(f".{leaf}") for c in chains):
            return True
    return False


@pytest.mark.parametrize("path", sorted(set(keys()) - BY_NAME))
def test_every_key_is_read_by_code(path):
    assert is_read(path), f"{path} is read by nothing: build what it promises or take it out"


@pytest.mark.parametrize(
    "path", ["features.cert.enabled", "connection.pool_min", "operational.reporting.enabled", "advisor.patience"]
)
def test_a_key_that_nothing_reads_is_found(path):
    assert not is_read(path)
