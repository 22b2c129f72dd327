"""Bytes, counts and estimated times as text; and that nobody writes bytes in a way of their own."""

import ast
import re
from pathlib import Path

import pytest

import indexpilot_cli
from indexpilot_cli.core.units import count, seconds, size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (512, "512 B"),
        (1536, "1.5 kB"),
        (62914560, "60.0 MB"),
        (5 << 30, "5.0 GB"),
        (1e6, "976.6 kB"),
    ],
)
def test_a_megabyte_is_1024_kilobytes(value, text):
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (3.14, "3.1"), (1204, "1,204"), (912000, "912 k"), (48.2e6, "48.2 M"), (3e12, "3.0 T")],
)
def test_counts(value, text):
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.02, "20 ms"), (0.9996, "1 s"), (4, "4 s"), (90, "90 s"), (240, "4 min"), (8280, "2.3 h"), (259200, "3 d")],
)
def test_an_estimated_time_is_as_exact_as_it_deserves(value, text):
    assert seconds(value) == text


def test_bytes_become_text_in_one_place():
    """A formatted number before a unit of bytes, in any f-string of the package but that of ``size``."""
    found = []
    for path in Path(indexpilot_cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                pairs = zip(node.values, node.values[1:], strict=False)
                found += [
                    f"{path.name}:{node.lineno}"
                    for first, second in pairs
                    if isinstance(first, ast.FormattedValue)
                    and isinstance(second, ast.Constant)
                    and re.match(r" ?[kKMGT]i?B\b", second.value)
                ]
    assert found == []
