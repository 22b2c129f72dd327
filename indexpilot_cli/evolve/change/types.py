"""What a type change costs, by rule: the answer where no server of the same version can be asked.

Measured on PostgreSQL 13 to 18; ATColumnChangeRequiresRewrite() in the server's tablecmds.c decides.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import Protocol

from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.evolve.change.online.probe import Wanted, try_change
from indexpilot_cli.evolve.change.values import Classified, TypeWork
from indexpilot_cli.evolve.relation import TypeChange, TypeFacts
from indexpilot_cli.execute.context import RunContext

_UTC = frozenset({"utc", "etc/utc", "gmt", "etc/gmt", "zulu", "etc/zulu", "uct", "etc/uct", "universal", "greenwich"})
_TEMPORAL = frozenset({"timestamp", "timestamptz", "time", "timetz", "interval"})
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "citext"})


class Classify(Protocol):
    """Says what a type change would make the server do. None: this one cannot tell."""

    def __call__(self, change: TypeChange) -> Classified | None: ...


def by_rules(change: TypeChange) -> Classified:
    """The rule table's answer; where no rule knows better, a rewrite."""
    work, reason = _values(change)
    if work is not TypeWork.INSTANT:
        return Classified(work, reason)
    built = [a for a in change.table.mentioning(change.column.name) if a.kind == "index" or a.index is not None]
    checks = [a for a in change.table.mentioning(change.column.name) if a.type == "c"]
    computed = [a for a in built if a.computed]
    # The server cannot tell whether an expression over the new type gives the same, so it builds such an index again.
    if computed:
        return Classified(
            TypeWork.REBUILD, f"{computed[0].name.name} has an expression or predicate: it is built again"
        )
    if built and _orders_differently(change):
        return Classified(TypeWork.REBUILD, "the order of values changes: its indexes are built again")
    # Not a rewrite, but rows are read under ACCESS EXCLUSIVE all the same.
    if checks:
        return Classified(TypeWork.VERIFY, f"every row is checked against {checks[0].name.name} again")
    return Classified(work, reason)


def is_plain(using: str | None, column: str, new: TypeFacts) -> bool:
    """Whether USING says nothing else than the conversion that happens anyway."""
    if using is None:
        return True
    text = re.sub(r"[\s()]+", "", using).lower()
    name = quote_identifier(column).lower()
    kind = re.sub(r"[\s()]+", "", new.text).lower()
    return text in (name, f"{name}::{kind}", f"cast{name}as{kind}")


def assignable(change: TypeChange) -> bool:
    """Whether the server converts the values without a USING clause (as far as rules can tell)."""
    old, new = change.old, change.new
    if old.oid == new.oid or "d" in (old.kind, new.kind) or "A" in (old.category, new.category):
        return True
    return change.context in ("a", "i") or new.category == "S"


def _values(change: TypeChange) -> tuple[TypeWork, str]:
    old, new = change.old, change.new
    if not is_plain(change.using, change.column.name, new):
        return TypeWork.REWRITE, "USING computes every value anew"
    # The domain's CHECK is part of the conversion, which makes it a computation for each row.
    if new.constrained:
        return TypeWork.REWRITE, f"{new.text} checks every value"
    if old.base is not None and old.kind == "d" and old.base == new.name:
        return _modifiers(old, new) if new.modifiers else (TypeWork.INSTANT, "the domain's own base type")
    if new.kind == "d":
        same = new.base == old.name and not old.modifiers
        return (TypeWork.INSTANT, "a domain without constraints") if same else (TypeWork.REWRITE, "another base type")
    if old.oid == new.oid:
        return _modifiers(old, new)
    # Since 12 the server knows that both are the same number in UTC; the operator classes differ, hence the indexes.
    if {old.name, new.name} == {"timestamp", "timestamptz"}:
        if change.timezone.lower() in _UTC and not new.modifiers:
            return TypeWork.REBUILD, "no value changes in UTC, but its indexes are built again"
        return TypeWork.REWRITE, f"every value is shifted by the time zone {change.timezone}"
    # Binary-coercible (castmethod b): no function is called for a value. A length still is one, and bpchar pads.
    # https://www.postgresql.org/docs/current/catalog-pg-cast.html
    if change.castable == "b" and new.name != "bpchar" and not (new.modifiers and new.name in _TEXTS):
        return TypeWork.INSTANT, "both types store values alike"
    return TypeWork.REWRITE, f"{old.text} and {new.text} store values differently"


def _modifiers(old: TypeFacts, new: TypeFacts) -> tuple[TypeWork, str]:
    if old.modifiers == new.modifiers:
        return TypeWork.INSTANT, "the values stay as they are"
    if new.category == "A" or old.category == "A":
        return TypeWork.REWRITE, "the elements of arrays are converted one by one"
    if not new.modifiers:
        return (
            (TypeWork.INSTANT, "the limit goes")
            if new.name not in ("bpchar", "bit")
            else (TypeWork.REWRITE, "padding changes")
        )
    if new.name in ("varchar", "varbit"):
        wider = bool(old.modifiers) and new.modifiers[0] >= old.modifiers[0]
        return (TypeWork.INSTANT, "the limit grows") if wider else (TypeWork.REWRITE, "every value's length is checked")
    if new.name == "numeric":
        return _numeric(old.modifiers, new.modifiers)
    if new.name in _TEMPORAL and new.name != "interval":
        finer = new.modifiers[0] >= (old.modifiers[0] if old.modifiers else 6)
        return (TypeWork.INSTANT, "the precision grows") if finer else (TypeWork.REWRITE, "every value is rounded")
    return TypeWork.REWRITE, "the modifier changes"


def _numeric(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[TypeWork, str]:
    if not old:
        return TypeWork.REWRITE, "every value's size is checked"
    (precision, scale), (wanted, wanted_scale) = (*old, 0)[:2], (*new, 0)[:2]
    # A numeric value is stored with its own scale: another one changes each value, more precision changes none.
    if scale == wanted_scale and wanted >= precision:
        return TypeWork.INSTANT, "the precision grows at the same scale"
    return TypeWork.REWRITE, "every value is rounded or checked"


def _orders_differently(change: TypeChange) -> bool:
    """text to citext compares by other rules, and so does another collation."""
    return "citext" in (change.old.name, change.new.name) and change.old.name != change.new.name


def by_trial(ctx: RunContext) -> Classify:
    """A classifier that needs a server that takes writes; None from it where the server would not try.

    Whether files change is the server's answer; that rows are read for a CHECK shows on no empty table and stays
    a matter of rules.
    """

    def classify(change: TypeChange) -> Classified | None:
        column, table = change.column, change.table
        wanted = Wanted(table.name, table.relid, column.name, column.number, change.new.text, change.using)
        try:
            # A session of its own: the reading one is read-only, where no temporary table can be made.
            with closing(ctx.builder("trial")) as session:
                tried = try_change(session, wanted)
        except UnreachableError:
            raise
        except IndexPilotError:
            return None
        by = f"server {table.version // 10000}"
        guess = by_rules(change)
        if tried.rewrites:
            same = guess.work in (TypeWork.REBUILD, TypeWork.REWRITE)
            return Classified(
                guess.work if same else TypeWork.REWRITE, guess.reason if same else "the server writes it", by
            )
        if guess.work is TypeWork.VERIFY:
            return Classified(guess.work, guess.reason, by)
        same = guess.work is TypeWork.INSTANT
        return Classified(TypeWork.INSTANT, guess.reason if same else "the server writes nothing anew", by)

    return classify
