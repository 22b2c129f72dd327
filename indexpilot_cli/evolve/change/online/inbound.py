"""Foreign keys of other tables that refer to the changing column: they are made again on the column that comes."""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.core.names import quote_identifier, quote_literal
from indexpilot_cli.evolve.change.online.texts import aside, column_name, fill_in
from indexpilot_cli.evolve.change.online.values import InboundKey, OnlinePlan, Side


def inbound_mark(key: InboundKey, side: Side) -> str:
    """The key on the side's column, as the catalog's list of inbound keys has it while it is not in use."""
    return f"{key.table.schema}.{key.table.name}.{aside(key.name, side)}"


def add_inbound(plan: OnlinePlan, key: InboundKey, side: Side) -> str:
    """The key on the side's column, for new rows only until it is validated."""
    body = fill_in(key.body, column_name(plan, side))
    late = " NOT VALID" if key.enforced else ""
    return f"ALTER TABLE {key.table} ADD CONSTRAINT {quote_identifier(aside(key.name, side))} {body}{late}"


def validate_inbound(key: InboundKey, side: Side) -> str:
    """Check all rows; reads and writes go on."""
    return f"ALTER TABLE {key.table} VALIDATE CONSTRAINT {quote_identifier(aside(key.name, side))}"


def release_inbound(plan: OnlinePlan) -> Iterator[str]:
    """The keys on the column in use go."""
    for key in plan.inbound:
        yield f"ALTER TABLE {key.table} DROP CONSTRAINT {quote_identifier(key.name)}"


def take_over_inbound(plan: OnlinePlan, side: Side) -> Iterator[str]:
    """The keys on the column that comes get the names."""
    for key in plan.inbound:
        old, new = quote_identifier(aside(key.name, side)), quote_identifier(key.name)
        yield f"ALTER TABLE {key.table} RENAME CONSTRAINT {old} TO {new}"
        if key.comment is not None:
            yield f"COMMENT ON CONSTRAINT {new} ON {key.table} IS {quote_literal(key.comment)}"


def retired_inbound(plan: OnlinePlan, side: Side) -> tuple[str, ...]:
    """Statements that remove the keys on the side's column while it is not in use."""
    return tuple(
        f"ALTER TABLE {key.table} DROP CONSTRAINT IF EXISTS {quote_identifier(aside(key.name, side))}"
        for key in plan.inbound
    )
