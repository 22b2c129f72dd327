"""The registry of hazards: stable, complete, and every example is SQL."""

import re

import pytest

from indexpilot_cli.core.hazard import Severity
from indexpilot_cli.evolve.review.migration import read_migration
from indexpilot_cli.evolve.review.registry import HAZARDS


def test_ids_and_names_are_unique():
    assert all(key == hazard.id and re.fullmatch(r"[LFWDTNI]\d\d", key) for key, hazard in HAZARDS.items())
    assert len({h.name for h in HAZARDS.values()}) == len(HAZARDS)


def test_what_the_documentation_promised():
    assert HAZARDS["L01"].name == "index-not-concurrent"
    assert HAZARDS["W02"].name == "index-lost"
    assert HAZARDS["L01"].severity is Severity.ERROR
    assert HAZARDS["W02"].severity is Severity.WARNING


def test_advice_never_fails_a_build():
    assert not [h.id for h in HAZARDS.values() if h.id[0] in "DTNI" and h.severity is Severity.ERROR]


@pytest.mark.parametrize("hazard", HAZARDS.values(), ids=HAZARDS.keys())
def test_examples_are_sql(hazard):
    assert read_migration("example", hazard.example).statements
    assert read_migration("safe", hazard.safe_example).statements
    assert hazard.example != hazard.safe_example


@pytest.mark.parametrize("hazard", HAZARDS.values(), ids=HAZARDS.keys())
def test_texts(hazard):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", hazard.name)
    assert hazard.title and hazard.title[-1] != "." and hazard.explanation.endswith(".")
    assert hazard.instead
    assert hazard.id[0] == "I" or hazard.url.startswith("https://www.postgresql.org/docs/current/")
