"""Remarks on the review itself: what nobody could see of the file, and ignore comments without a reason or a use."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from indexpilot_cli.core.observation import RunState
from indexpilot_cli.evolve.review.case import Review
from indexpilot_cli.evolve.review.rule import HazardRule
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Ignore, Migration


def _not_run(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in review.cases:
        if case.seen.state is RunState.NOT_RUN:
            yield rule.finding(case, f"not run: {case.seen.reason or 'the sandbox refuses it'}")


def _dynamic(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in review.cases:
        if any(a.kind is Act.DYNAMIC for a in case.actions):
            text = "runs SQL that is put together at run time: only what the empty copy led to was seen"
            yield rule.finding(case, text)


def _other_version(rule: HazardRule, review: Review) -> Iterator[Finding]:
    version = review.observation.method.partition("/")[2]
    major = version.partition(".")[0]
    if review.catalog is None or not major.isdigit() or not review.cases or int(major) == review.catalog.major:
        return
    text = f"was run on PostgreSQL {version}, the database is {review.catalog.major}: locks and rewrites may differ"
    yield rule.finding(review.cases[0], text)


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


def _without_reason(
    migration: Migration, used: Collection[tuple[int, str]], _known: Collection[str]
) -> Iterator[Finding]:
    for statement in migration.statements:
        for comment in statement.ignores:
            id_ = comment.hazard
            if (statement.number, id_) in used and not comment.reason:
                text = f"ignores {id_} and does not say why: -- indexpilot: ignore {id_} -- reason"
                yield _about(IGNORE_WITHOUT_REASON, text, migration, comment, statement.number)


def _unused(migration: Migration, used: Collection[tuple[int, str]], known: Collection[str]) -> Iterator[Finding]:
    for statement in migration.statements:
        for comment in statement.ignores:
            if (statement.number, comment.hazard) not in used:
                yield _about(IGNORE_UNUSED, _nothing(comment, known), migration, comment, statement.number)
    for comment in migration.stray_ignores:
        text = f"no statement follows the comment that ignores {comment.hazard}"
        yield _about(IGNORE_UNUSED, text, migration, comment, 0)


def _nothing(comment: Ignore, known: Collection[str]) -> str:
    if comment.hazard in known:
        return f"there is no {comment.hazard} in this statement to ignore"
    near = get_close_matches(comment.hazard, known, n=1, cutoff=0.5)
    return f"there is no hazard {comment.hazard}" + (f": did you mean {near[0]}?" if near else "")


def _about(rule: HazardRule, text: str, migration: Migration, comment: Ignore, number: int) -> Finding:
    known = rule.hazard
    return Finding(known.id, known.name, known.severity, migration.path, number, comment.line, 1, "", text)


IGNORE_WITHOUT_REASON = HazardRule(
    "I01 ignore-without-reason",
    "an ignore comment without a reason",
    "Whoever reads it next year cannot know whether it still holds.",
    "-- indexpilot: ignore L01 -- the table is empty",
    "-- indexpilot: ignore L01\nCREATE INDEX i ON orders (ref);",
    "-- indexpilot: ignore L01 -- the table is empty\nCREATE INDEX i ON orders (ref);",
    comments=_without_reason,
)

IGNORE_UNUSED = HazardRule(
    "I02 ignore-unused",
    "an ignore comment that ignores nothing",
    "Nothing of that id was found in the statement behind it (or there is no such id).",
    "Remove the comment.",
    "-- indexpilot: ignore L01 -- the table is empty\nSELECT 1;",
    "SELECT 1;",
    comments=_unused,
)
