"""Will every value survive a change of its column's type? The questions, and the column's values afterwards.

An assignment to ``varchar(n)`` refuses what an explicit cast would cut, so lengths are compared and never cast.
https://www.postgresql.org/docs/current/sql-altertable.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from indexpilot_cli.core.catalog import ColumnStatistics
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.evolve.review.probes.question import Body, ProbeKind, Question, casts, longer
from indexpilot_cli.evolve.review.probes.virtual import VirtualColumn, VirtualTable, unbounded
from indexpilot_cli.evolve.review.probes.virtual_tables import Tables

_TYPE = re.compile(
    r"(?:pg_catalog\.)?(?P<name>[a-z0-9_ ]+?)\s*(?:\((?P<n>\d+)(?:\s*,\s*-?\d+)?\))?(?P<rest>\[\]| with.*)?", re.I
)
MAY_FAIL = re.compile(r"[-+*/%]|::|\bCAST\b|\bto_|\bSELECT\b|\bsub|\bdate", re.I)
_NUMERIC = re.compile(r"\((\d+)(?:\s*,\s*(\d+))?\)")
_TEXT = {"character varying": "varchar", "character": "char", "bpchar": "char", "varchar": "varchar", "char": "char"}
_BITS = {"bit": "bit", "bit varying": "varbit", "varbit": "varbit"}
_NAMES = {"int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "decimal": "numeric"}
_NAMES |= {"float8": "double precision", "float4": "real", "bool": "boolean"}
_NAMES |= {"timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone"}
_HARMLESS = {
    ("smallint", "integer"), ("smallint", "bigint"), ("integer", "bigint"), ("smallint", "numeric"),
    ("integer", "numeric"), ("bigint", "numeric"), ("integer", "double precision"), ("real", "double precision"),
    ("smallint", "double precision"), ("smallint", "real"), ("integer", "real"), ("bigint", "double precision"),
    ("date", "timestamp without time zone"), ("date", "timestamp with time zone"), ("json", "jsonb"),
    ("timestamp without time zone", "timestamp with time zone"), ("cidr", "inet"), ("boolean", "integer"),
    ("timestamp with time zone", "timestamp without time zone"), ("integer", "oid"), ("jsonb", "json"),
    ("timestamp without time zone", "date"), ("timestamp with time zone", "date"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Retyping:
    """A type change: ``value`` gives the column afterwards over ``ip_t``, None when it is not known."""

    value: str | None
    questions: tuple[Question, ...] = ()
    type: str = ""


def normal(kind: str) -> tuple[str, int]:
    """A type's plain name and its first modifier (-1: none), such as ("varchar", 10)."""
    match = _TYPE.fullmatch(kind.strip())
    if match is None or match["rest"]:
        return kind.strip(), -1
    name = " ".join(match["name"].lower().split())
    known = _TEXT.get(name) or _BITS.get(name) or _NAMES.get(name) or name
    size = int(match["n"]) if match["n"] else -1
    return known, 1 if size < 0 and known in ("char", "bit") and name != "bpchar" else size


def retype(
    table: VirtualTable, column: str, kind: str, using: str, tables: Tables, seen: ColumnStatistics | None
) -> Retyping:
    """What a change of a column to type ``kind`` asks, and what the column holds then."""
    old = table.column(column)
    where = f"{column} of {table.name.short}"
    inner, new = _inner(using, kind, tables) if using else (quote_identifier(column), kind)
    found = tables.expression(inner, table)
    if old is None:
        return Retyping(None, type=kind)
    if found is None or old.unknown:
        why = old.unknown or "its USING expression calls what must not run on this database, or cannot be foreseen"
        question = Question(ProbeKind.CAST, "22P02", f"a value in {where} does not fit {kind}", None, why_not=why)
        return Retyping(None, (question,), new)
    if not using and fits(old.type, kind):
        return Retyping(f"CAST({_over(found.sql)} AS {unbounded(kind)})", type=new)
    return _asked(_over(found.sql), where, new, column, tables, seen if not using else None)


def _asked(value: str, where: str, kind: str, column: str, tables: Tables, seen: ColumnStatistics | None) -> Retyping:
    name, size = normal(kind)
    words = f"a value in {where} does not fit {kind}"
    last = name.split(".")[-1].strip('"')
    if name in ("varchar", "char") and size > 0:
        question = Question(ProbeKind.TOO_LONG, "22001", words, too_long(value, size), (column,))
        verdict, why = longer(seen, size)
        return Retyping(f"({value})::text", (_judged(question, verdict, why),), kind)
    if name in ("bit", "varbit") and size > 0:
        test = f"length(({value})::varbit) {'<>' if name == 'bit' else '>'} {size}"
        state = "22026" if name == "bit" else "22001"
        return Retyping(value, (Question(ProbeKind.TOO_LONG, state, words, row_where(test), (column,)),), kind)
    if last in tables.labels:
        allowed = ", ".join(quote_literal(label) for label in tables.labels[last]) or "NULL"
        body = row_where(f"({value})::text NOT IN ({allowed})")
        return Retyping(f"({value})::text", (Question(ProbeKind.CHECK, "22P02", words, body, (column,)),), kind)
    if last in tables.domains:
        return _domain(value, words, last, column, tables)
    if tables.expression(f"NULL::{kind}") is None:
        why = f"{kind} is no built-in type"
        return Retyping(None, (Question(ProbeKind.CAST, "22P02", words, None, (column,), why_not=why),), kind)
    verdict, why = casts(seen, name)
    question = Question(ProbeKind.CAST, "22P02", words, evaluated(f"CAST({value} AS {kind})"), (column,))
    return Retyping(f"CAST({value} AS {kind})", (_judged(question, verdict, why),), kind)


def _domain(value: str, words: str, name: str, column: str, tables: Tables) -> Retyping:
    domain = tables.domains[name]
    if domain.checks is None:
        why = f"a check of {name} cannot be read"
        return Retyping(None, (Question(ProbeKind.CHECK, "23514", words, None, (column,), why_not=why),), name)
    cast = f"CAST({value} AS {domain.type})"
    over = VirtualTable(QualifiedName("", name), None, (VirtualColumn("value", domain.type),))
    vetted = [tables.expression(check, over) for check in domain.checks]
    questions = tuple(
        Question(ProbeKind.CHECK, "23514", words, None, (column,), why_not=f"a check of {name} must not run here")
        if v is None
        else Question(ProbeKind.CHECK, "23514", words, on_value(v.sql, cast), (column,))
        for v in vetted
    )
    return Retyping(cast, questions, name)


def _inner(using: str, kind: str, tables: Tables) -> tuple[str, str]:
    """The USING expression without casts to a type that production does not have yet."""
    text, last = using, kind.rsplit(".", maxsplit=1)[-1].strip('"')
    inner, to = tables.safe.uncast(text)
    if to and to.split(".")[-1].strip('"') == last and (last in tables.labels or last in tables.domains):
        return inner, kind
    return text, kind


def _judged(question: Question, verdict: bool | None, why: str) -> Question:
    return replace(question, verdict=verdict, verdict_why=why)


def _over(text: str) -> str:
    return f"({text})"


def fits(old: str, new: str) -> bool:
    """Whether every value of the old type surely becomes one of the new."""
    (before, size), (after, limit) = normal(old), normal(new)
    if limit < 0 and after in ("text", "varchar"):
        return True
    if before == after and before in ("varchar", "varbit", "char") and 0 < size <= limit:
        return True
    if before == after == "numeric":
        return _wider(old, new)
    return limit < 0 and (before == after or (before, after) in _HARMLESS)


def _wider(old: str, new: str) -> bool:
    """Whether a numeric type holds all another one does."""
    before, after = _NUMERIC.search(old), _NUMERIC.search(new)
    if before is None or after is None:
        return after is None
    (digits, scale), (room, kept) = ((int(m[1]), int(m[2] or 0)) for m in (before, after))
    return kept >= scale and room - kept >= digits - scale


def too_long(value: str, size: int) -> Body:
    """Rows whose text is longer than ``size`` with more than spaces behind it."""
    text = f"({value})::text"
    return row_where(f"char_length({text}) > {size} AND rtrim(substr({text}, {size + 1}), ' ') <> ''")


def row_where(condition: str) -> Body:
    """Rows (of ``ip_t``) for which the condition is true."""
    return lambda item: f"SELECT 1 FROM {item} AS ip_t WHERE {condition} LIMIT 1"


def on_value(check: str, value: str) -> Body:
    """Rows for which a domain's check of VALUE is false."""
    return lambda item: (
        f"SELECT 1 FROM (SELECT {value} AS value FROM {item} AS ip_t) AS ip_d WHERE NOT ({check}) LIMIT 1"
    )


def evaluated(value: str) -> Body:
    """Evaluates the expression for every row and gives nothing of it away."""
    return lambda item: f"SELECT count({value}) FROM {item} AS ip_t"
