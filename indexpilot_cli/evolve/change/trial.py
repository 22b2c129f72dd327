"""What a type change costs, asked of the server itself: on an empty copy of the table that is rolled back."""

from __future__ import annotations

from contextlib import closing

from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.evolve.change.online.probe import Wanted, try_change
from indexpilot_cli.evolve.change.types import Classify, by_rules
from indexpilot_cli.evolve.change.values import Classified, Work
from indexpilot_cli.evolve.relation import TypeChange
from indexpilot_cli.execute.context import RunContext


def by_trial(ctx: RunContext) -> Classify:
    """A classifier that needs a server that takes writes; None from it where the server would not try.

    Whether files change is the server's answer; that rows are read for a CHECK shows on no empty table and stays
    a matter of rules.
    """

    def classify(change: TypeChange) -> Classified | None:
        column, table = change.column, change.table
        wanted = Wanted(table.name, table.relid, column.name, column.number, change.new.text, change.using)
        try:
            with closing(ctx.builder("trial")) as session:
                tried = try_change(session, wanted)
        except UnreachableError:
            raise
        except IndexPilotError:
            return None
        by = f"server {table.version // 10000}"
        guess = by_rules(change)
        if tried.rewrites:
            same = guess.work in (Work.REBUILD, Work.REWRITE)
            return Classified(
                guess.work if same else Work.REWRITE, guess.reason if same else "the server writes it", by
            )
        if guess.work is Work.VERIFY:
            return Classified(guess.work, guess.reason, by)
        same = guess.work is Work.INSTANT
        return Classified(Work.INSTANT, guess.reason if same else "the server writes nothing anew", by)

    return classify
