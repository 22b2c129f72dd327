"""Each feature of the contract with the host has a test that bears its name."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LAST = {"a": 10, "b": 9, "c": 11, "e": 9, "f": 14, "h": 7, "i": 6, "j": 4, "l": 7, "m": 3, "n": 4, "o": 5, "t": 10}
# Faults that apply has to stand are numbered with the same letter: their tests prove no feature.
FAULTS = ("test_apply_", "test_faults_", "test_rollback_", "test_verify_")
FEATURES = [f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)]


@pytest.fixture(scope="module")
def named():
    found = set()
    for path in TESTS.rglob("test_*.py"):
        for name in re.findall(r"^def test_((?:[a-z]\d+_(?:and_)?)+)", path.read_text(), re.MULTILINE):
            ids = name.rstrip("_").split("_")
            found.update(i for i in ids if not (i[0] == "f" and path.name.startswith(FAULTS)))
    return found


@pytest.mark.parametrize("feature", FEATURES)
def test_a_test_bears_its_name(named, feature):
    assert feature in named
