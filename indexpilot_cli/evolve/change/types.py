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
from indexpilot_cli.evolve.type_change import RELABELLED, StoredType, Written, other_modifiers, other_type, stored_type
from indexpilot_cli.execute.context import RunContext


class Classify(Protocol):
    """Says what a type change would make the server do. None: this one cannot tell."""

    def __call__(self, change: TypeChange) -> Classified | None: ...


def by_rules(change: TypeChange) -> Classified:
    """The rule table's answer; where no rule knows better, a rewrite."""
    written, reason = _values(change)
    if written is Written.TABLE:
        return Classified(TypeWork.REWRITE, reason)
    relabelled = change.castable == "b"
    if written is Written.INDEXES and not relabelled:
        return Classified(TypeWork.REBUILD, reason)
    built = [a for a in change.table.mentioning(change.column.name) if a.kind == "index" or a.index is not None]
    checks = [a for a in change.table.mentioning(change.column.name) if a.type == "c"]
    computed = [a for a in built if a.computed]
    # The server cannot tell whether an expression over the new type gives the same, so it builds such an index again.
    if computed:
        return Classified(
            TypeWork.REBUILD, f"{computed[0].name.name} has an expression or predicate: it is built again"
        )
    if built and written is Written.INDEXES:
        return Classified(TypeWork.REBUILD, reason)
    # Not a rewrite, but rows are read under ACCESS EXCLUSIVE all the same.
    if checks:
        return Classified(TypeWork.VERIFY, f"every row is checked against {checks[0].name.name} again")
    return Classified(TypeWork.INSTANT, reason if written is Written.NOTHING else RELABELLED)


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


def _values(change: TypeChange) -> tuple[Written, str]:
    old, new = change.old, change.new
    if not is_plain(change.using, change.column.name, new):
        return Written.TABLE, "USING computes every value anew"
    # The domain's CHECK is part of the conversion, which makes it a computation for each row.
    if new.constrained:
        return Written.TABLE, f"{new.text} checks every value"
    if old.base is not None and old.kind == "d" and old.base == new.name:
        own = Written.NOTHING, "the domain's own base type"
        return other_modifiers(_stored(old), _stored(new)) if new.modifiers else own
    if new.kind == "d":
        return _into_domain(old, new)
    if old.oid == new.oid:
        return other_modifiers(_stored(old), _stored(new))
    written, reason = other_type(_stored(old), _stored(new), alike=change.castable == "b", timezone=change.timezone)
    return written, reason or f"{old.text} and {new.text} store values differently"


def _into_domain(old: TypeFacts, new: TypeFacts) -> tuple[Written, str]:
    if new.base != old.name or old.modifiers:
        return Written.TABLE, "another base type"
    if new.limited:
        return Written.TABLE, f"{new.text} checks every value"
    return Written.NOTHING, "a domain without constraints"


def _stored(facts: TypeFacts) -> StoredType:
    """The catalog's name, which no schema or spelling disguises; the modifiers that ``char`` and ``bit`` leave out."""
    return StoredType(facts.name, facts.modifiers or stored_type(facts.text).modifiers, facts.category == "A")


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
