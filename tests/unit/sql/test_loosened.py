"""Statements without their conditions."""

from __future__ import annotations

import pytest

from indexpilot_cli.sql.literals import loosened


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT f(a) FROM t WHERE a = 1 LIMIT 5", "SELECT f(a) FROM t WHERE true LIMIT 5"),
        ("UPDATE t SET a = 2 WHERE id = 7", "UPDATE t SET a = 2 WHERE true"),
        ("DELETE FROM t WHERE id = 7", "DELETE FROM t WHERE true"),
        ("SELECT a FROM t", "SELECT a FROM t"),
        ("INSERT INTO t VALUES (1)", None),
        ("SELEC", None),
    ],
)
def test_only_the_outermost_where_goes(text, expected):
    assert loosened(text) == expected
