"""ALTER COLUMN … TYPE: tables rewritten, indexes rebuilt, statistics lost, values read in another time zone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace

from indexpilot_cli.core.observation import CatalogChange, SqlError, WorkKind
from indexpilot_cli.core.units import listed
from indexpilot_cli.evolve.review.case import Review, StatementCase
from indexpilot_cli.evolve.review.probes.question import ProbeKind
from indexpilot_cli.evolve.review.rule import BUILDS, READS, REWRITES, HazardRule, Works, error, table_sql
from indexpilot_cli.evolve.review.rules.dropped import was_there
from indexpilot_cli.evolve.review.values import Finding
from indexpilot_cli.sql.ddl.action import Act, Action

_WORTH = 1000.0  # rows from which missing statistics change a plan that matters
_ZONES = (
    {"timestamp without time zone", "timestamp with time zone"},
    {"time without time zone", "time with time zone"},
)
_SAID = re.compile(r"\bat\s+time\s+zone\b|\btimezone\s*\(", re.IGNORECASE)


def _rewrites(action: Action, works: Works) -> bool:
    return action.kind is Act.ALTER_TYPE and bool(works & REWRITES)


def _rebuilds(action: Action, works: Works) -> bool:
    return action.kind is Act.ALTER_TYPE and bool(works & (READS | BUILDS)) and WorkKind.REWRITE not in works


def _online(action: Action, _case: StatementCase) -> str:
    command = _command(action)
    return f"-- {command}" if command else ""


def _cannot(action: Action, _case: StatementCase) -> str:
    command = _command(action)
    return f"a type change that rewrites cannot be made safe by SQL alone: {command} --online" if command else ""


def _command(action: Action) -> str:
    """The command that does it beside readers and writers, ready for a shell; the column's name is taken literally."""
    if action.table is None or action.type is None or not action.columns:
        return ""
    using = ["--using", action.expression] if action.expression else []
    words = [table_sql(action), action.columns[0], "--type", action.type, *using]
    return f"indexpilot schema-evolve alter-type {shlex.join(words)}"


def _stale(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in review.effective:
        stale = stale_columns(case)
        if stale:
            table = stale[0].table or stale[0].object.table
            names = listed([c.object.path[-1] for c in stale])
            short = table.short if table else "the table"
            text = f"the statistics of {names} are gone: plans over {short} change until ANALYZE"
            made = rule.finding(case, text)
            yield replace(made, table=table, instead=f"{case.written.sql};\nANALYZE {table};")


def stale_columns(case: StatementCase) -> list[CatalogChange]:
    """Columns of big tables whose type changes and that nothing in the file analyzes afterwards."""
    return [c for c in _retyped(case) if _big(case, c) and not _analyzed(case, c)]


def _retyped(case: StatementCase) -> Iterator[CatalogChange]:
    for change in case.seen.changes:
        if change.object.kind == "column" and change.before is not None and change.after is not None:
            new = change.after.fact("type")
            if new and new != change.before.fact("type") and was_there(case.review, change):
                yield change


def _big(case: StatementCase, change: CatalogChange) -> bool:
    catalog, table = case.review.catalog, change.table or change.object.table
    found = catalog.table(table) if catalog is not None and table is not None else None
    return found is not None and found.rows >= _WORTH


def _analyzed(case: StatementCase, change: CatalogChange) -> bool:
    table = change.object.table
    return any(
        a.kind is Act.ANALYZE or (a.kind is Act.VACUUM and a.has("analyze"))
        for a in case.review.after(case.written.number)
        if a.table is None or (table is not None and a.table == table.name)
    )


def _shifted(rule: HazardRule, review: Review) -> Iterator[Finding]:
    for case in review.effective:
        using = " ".join(a.expression or "" for a in case.actions if a.kind is Act.ALTER_TYPE)
        shifted = [c.object.path[-1] for c in _retyped(case) if _zone_change(c)]
        if shifted and not _SAID.search(using):
            text = f"{listed(shifted)}: the session's TimeZone decides what the values mean from then on"
            yield rule.finding(case, text)


def _zone_change(change: CatalogChange) -> bool:
    assert change.before is not None and change.after is not None
    kinds = {re.sub(r"\(\d+\)", "", o.fact("type")) for o in (change.before, change.after)}
    return kinds in _ZONES


def _not_convertible(seen: SqlError) -> bool:
    # Class 22 are data exceptions: 22001 (too long) has a rule of its own, 22012 is a division and no conversion.
    return seen.sqlstate.startswith("22") and seen.sqlstate not in ("22001", "22012")


TYPE_CHANGE_REWRITES = HazardRule(
    "L10 type-change-rewrites",
    "a type change rewrites the table",
    "When the stored form of the values changes, the table and all its indexes are written anew under ACCESS "
    "EXCLUSIVE: reads and writes wait. Wider varchar, varchar to text and more numeric digits at the same scale "
    "rewrite nothing.",
    "indexpilot schema-evolve alter-type fills a shadow column in batches and swaps the names in a moment.",
    "ALTER TABLE orders ALTER COLUMN id TYPE bigint;",
    "ALTER TABLE orders ADD COLUMN id_new bigint;",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=_rewrites,
    safer=_online,
    cannot=_cannot,
)

TYPE_CHANGE_REBUILDS = HazardRule(
    "L11 type-change-rebuilds",
    "a type change rebuilds indexes or checks every row",
    "The values stay as they are, but an index with an expression or predicate over the column, or another order "
    "of values, is built again, and a CHECK on it reads every row: all under ACCESS EXCLUSIVE.",
    "Drop the constraint or index first and bring it back beside the readers, NOT VALID and CONCURRENTLY.",
    'ALTER TABLE orders ALTER COLUMN ref TYPE text COLLATE "C";',
    "DROP INDEX CONCURRENTLY orders_ref_idx;\n"
    'ALTER TABLE orders ALTER COLUMN ref TYPE text COLLATE "C";\n'
    "CREATE INDEX CONCURRENTLY orders_ref_idx ON orders (ref);",
    "sql-altertable.html#SQL-ALTERTABLE-NOTES",
    causes=_rebuilds,
    left="an index or a CHECK over the column must be built or proved again; drop it before, bring it back after",
)

VALUE_NOT_CONVERTIBLE = HazardRule(
    "F05 value-not-convertible",
    "there are values that the new type does not take",
    "The conversion fails at the first such value (22P02, 22003, 22007 …), after reading everything before it.",
    "Clean the values first or convert them in USING.",
    "ALTER TABLE orders ALTER COLUMN ref TYPE int USING ref::int;",
    "ALTER TABLE orders ALTER COLUMN ref TYPE int USING nullif(ref, '')::int;",
    "sql-altertable.html",
    fails=_not_convertible,
    probes=(ProbeKind.CAST,),
)

VALUE_TOO_LONG = HazardRule(
    "F06 value-too-long",
    "there are values longer than the new limit",
    "The change fails (22001); an explicit cast in USING would cut the values off instead.",
    "Shorten the values first, or choose a limit that they fit.",
    "ALTER TABLE orders ALTER COLUMN ref TYPE varchar(10);",
    "ALTER TABLE orders ALTER COLUMN ref TYPE varchar(10) USING left(ref, 10);",
    "datatype-character.html",
    fails=error("22001"),
    probes=(ProbeKind.TOO_LONG,),
)

NO_AUTOMATIC_CAST = HazardRule(
    "F25 no-automatic-cast",
    "the type change needs USING",
    "There is no assignment cast between the types, or the default cannot be converted (42804).",
    "Say how to convert in USING; drop the default before and set it again after.",
    "ALTER TABLE orders ALTER COLUMN ref TYPE int;",
    "ALTER TABLE orders ALTER COLUMN ref TYPE int USING ref::int;",
    "sql-altertable.html",
    fails=error("42804"),
)

STATISTICS_LOST = HazardRule(
    "W08 statistics-lost",
    "statistics are gone until ANALYZE",
    "A type change drops the column's statistics: plans rest on guesses until the next ANALYZE.",
    "ANALYZE the table right behind it.",
    "ALTER TABLE orders ALTER COLUMN ref TYPE text;",
    "ALTER TABLE orders ALTER COLUMN ref TYPE text;\nANALYZE orders (ref);",
    "sql-altertable.html",
    find=_stale,
)

VALUES_SHIFT = HazardRule(
    "W12 values-shift",
    "the meaning of values depends on the session's time zone",
    "timestamp to timestamptz reads each value as local time of the session that migrates: another TimeZone gives "
    "other instants.",
    "Say the zone: USING column AT TIME ZONE 'UTC'.",
    "ALTER TABLE orders ALTER COLUMN at TYPE timestamptz;",
    "ALTER TABLE orders ALTER COLUMN at TYPE timestamptz USING at AT TIME ZONE 'UTC';",
    "datatype-datetime.html#DATATYPE-TIMEZONES",
    find=_shifted,
)
