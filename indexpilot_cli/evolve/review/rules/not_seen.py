"""What nobody could see: statements not run, SQL put together at run time, another version."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.core.observation import RunState
from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act


def _not_run(review: Review) -> Iterator[Finding]:
    for case in review.cases:
        if case.seen.state is RunState.NOT_RUN:
            yield NOT_RUN.finding(case, f"not run: {case.seen.reason or 'the sandbox refuses it'}")


def _dynamic(review: Review) -> Iterator[Finding]:
    for case in review.cases:
        if any(a.kind is Act.DYNAMIC for a in case.actions):
            text = "runs SQL that is put together at run time: only what the empty copy led to was seen"
            yield DYNAMIC_SQL.finding(case, text)


def _other_version(review: Review) -> Iterator[Finding]:
    version = review.observation.method.partition("/")[2]
    major = version.partition(".")[0]
    if review.catalog is None or not major.isdigit() or not review.cases or int(major) == review.catalog.major:
        return
    text = f"was run on PostgreSQL {version}, the database is {review.catalog.major}: locks and rewrites may differ"
    yield VERSION_DIFFERENCE.finding(review.cases[0], text)


NOT_RUN = HazardRule(
    "N01 not-run",
    "judged by rules, not by running it",
    "The sandbox does not run statements that reach beyond the schema (programs, files, network, extensions, other "
    "databases) or that need rights it does not have.",
    "Read this statement yourself.",
    "COPY orders FROM PROGRAM 'cat /tmp/orders';",
    "COPY orders FROM STDIN;",
    "sql-copy.html",
    find=_not_run,
)

DYNAMIC_SQL = HazardRule(
    "N02 dynamic-sql",
    "SQL put together at run time",
    "What EXECUTE runs depends on data that the empty copy does not have.",
    "Write the statements out, or read this one yourself.",
    "DO $$ DECLARE t text; BEGIN FOR t IN SELECT relname FROM pg_class LOOP EXECUTE 'ANALYZE ' || t; END LOOP; END $$;",
    "ANALYZE orders;",
    "plpgsql-statements.html#PLPGSQL-STATEMENTS-EXECUTING-DYN",
    find=_dynamic,
)

VERSION_DIFFERENCE = HazardRule(
    "N03 version-difference",
    "another version of the server does it differently",
    "What was found holds for the version it was run on.",
    "Check with --server-version for each version that you run.",
    "ALTER TABLE orders ADD COLUMN total numeric GENERATED ALWAYS AS (price * 2);",
    "ALTER TABLE orders ADD COLUMN total numeric GENERATED ALWAYS AS (price * 2) STORED;",
    "release.html",
    find=_other_version,
)
