"""An identity column's sequence, moved from one column to the other: made again, going on where it stood.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-GENERATED-IDENTITY
"""

from __future__ import annotations

from collections.abc import Iterator

from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.evolve.change.online.values import Both, Grant, Identity, OnlinePlan, Side

LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
_AT, _CALLED = "indexpilot.identity_at", "indexpilot.identity_called"


def sequence_options(start: int, increment: int, low: int, high: int, cache: int, *, cycles: bool, types: Both) -> Both:
    """The sequence's options on either column: a bound that was only the old type's becomes the new type's."""
    old_bound = LARGEST.get(types.old, 0)
    common = f"START WITH {start} INCREMENT BY {increment}"
    rest = f"CACHE {cache}" + (" CYCLE" if cycles else "")
    lowest, highest = f" MINVALUE {low}", f" MAXVALUE {high}"
    bounds = ("" if low == -old_bound - 1 else lowest) + ("" if high == old_bound else highest)
    return Both(f"{common}{lowest}{highest} {rest}", f"{common}{bounds} {rest}")


def release_identity(plan: OnlinePlan, column: str) -> Iterator[str]:
    """The column in use lets its sequence go; the transaction remembers where it stood."""
    if plan.identity is None:
        return
    sequence = plan.identity.sequence
    yield (
        f"SELECT pg_catalog.set_config({quote_literal(_AT)}, last_value::text, true) AS a,"
        f" pg_catalog.set_config({quote_literal(_CALLED)}, is_called::text, true) AS b FROM {sequence}"
    )
    yield f"ALTER TABLE {plan.table} ALTER COLUMN {column} DROP IDENTITY"


def take_over_identity(plan: OnlinePlan, side: Side, column: str) -> Iterator[str]:
    """The column that comes into use gets a sequence of the same name, options, privileges and position."""
    identity = plan.identity
    if identity is None:
        return
    yield (
        f"ALTER TABLE {plan.table} ALTER COLUMN {column} ADD GENERATED {'ALWAYS' if identity.always else 'BY DEFAULT'}"
        f" AS IDENTITY (SEQUENCE NAME {identity.sequence} {identity.options.of(side)})"
    )
    yield (
        f"SELECT pg_catalog.setval({quote_literal(str(identity.sequence))}::regclass,"
        f" pg_catalog.current_setting({quote_literal(_AT)})::bigint,"
        f" pg_catalog.current_setting({quote_literal(_CALLED)})::boolean)"
    )
    yield from _belongings(identity)


def _belongings(identity: Identity) -> Iterator[str]:
    for grant in identity.grants:
        yield _sequence_grant(identity.sequence, grant)
    if identity.comment is not None:
        yield f"COMMENT ON SEQUENCE {identity.sequence} IS {quote_literal(identity.comment)}"


def _sequence_grant(sequence: QualifiedName, grant: Grant) -> str:
    who = "PUBLIC" if grant.grantee is None else quote_identifier(grant.grantee)
    return f"GRANT {grant.privilege} ON SEQUENCE {sequence} TO {who}{' WITH GRANT OPTION' if grant.grantable else ''}"
