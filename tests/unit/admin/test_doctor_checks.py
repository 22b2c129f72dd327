"""Lines of ``doctor`` from hand-made facts: each state of pg_stat_statements has its own sentence."""

from dataclasses import replace

import pytest

from indexpilot_cli.admin.doctor_checks import encryption_checks, workload_checks
from indexpilot_cli.core.catalog import Capabilities, Server

READABLE = Capabilities(
    Server("18.4", 180004, "shop", "db1", 5432, "reader"),
    reads_all_stats=True,
    statements_version="1.12",
    statements_readable=True,
    statements_preloaded=True,
)


@pytest.mark.parametrize(
    ("facts", "state", "text", "fix"),
    [
        ({}, "ok", "1.12", None),
        (
            {"statements_readable": False, "statements_fix": "GRANT USAGE ON SCHEMA monitoring TO reader;"},
            "warning",
            "may not be read",
            "GRANT USAGE ON SCHEMA monitoring TO reader;",
        ),
        (
            {"statements_off": "pg_stat_statements.track = none"},
            "warning",
            "nothing is being recorded: pg_stat_statements.track = none",
            "ALTER SYSTEM SET pg_stat_statements.track = top; SELECT pg_reload_conf();",
        ),
        (
            {"statements_off": "compute_query_id = off"},
            "warning",
            "nothing is being recorded: compute_query_id = off",
            "ALTER SYSTEM SET compute_query_id = auto; SELECT pg_reload_conf();",
        ),
        (
            {"reads_all_stats": False},
            "warning",
            "other users' statements are hidden from us",
            'GRANT pg_read_all_stats TO "reader";',
        ),
    ],
)
def test_statements_that_are_not_recorded_or_not_seen(facts, state, text, fix):
    (check,) = workload_checks(replace(READABLE, **facts))
    assert (check.state, check.text, check.fix) == (state, text, fix)


@pytest.mark.parametrize(
    ("host", "tls", "told"),
    [("db1", False, True), ("db1", True, False), ("localhost", False, False), ("/run/postgresql", False, False)],
)
def test_h7_a_network_without_tls_is_told(host, tls, told):
    found = list(encryption_checks(replace(READABLE, server=replace(READABLE.server, host=host, tls=tls))))
    assert [(c.state, c.code) for c in found] == ([("warning", "encryption")] if told else [])
