"""Waiting for what can be observed, never for a time to pass."""

import time

import pytest

LIMIT = 120.0  # seconds: many times what any of it takes, so that a busy machine fails no test


def eventually(question, seconds=LIMIT):
    """The first true answer to the question; the test fails when there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > end:
            pytest.fail(f"not true within {seconds:g} s")
        time.sleep(0.02)
    return answer
