"""Indexes, constraints and statistics objects from their facts: dropped ones come back with all they had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.evolve.relation import Attached, RelationFacts

_ORDER = {"index": 2, "statistics": 5}
_CONSTRAINT_ORDER = {"n": 0, "p": 1, "u": 1, "x": 3, "c": 3, "f": 4}


def in_order(found: Iterable[Attached]) -> tuple[Attached, ...]:
    """Keys before what refers to them, and nothing before what it needs."""
    return tuple(sorted(found, key=rank))


def rank(attached: Attached) -> tuple[int, str]:
    """Where it stands in the order of making things."""
    rank = _CONSTRAINT_ORDER.get(attached.type, 3) if attached.kind == "constraint" else _ORDER[attached.kind]
    return rank, attached.name.name


def create(table: RelationFacts, attached: Attached) -> Iterator[str]:
    """The statements that make it again, comment, statistics targets and flags included."""
    match attached.kind:
        case "index":
            yield from _index(table, attached)
        case "statistics":
            yield from _statistics(attached)
        case _:
            yield from _constraint(table, attached)


def drop(table: RelationFacts, attached: Attached) -> str:
    """The statement that drops it."""
    match attached.kind:
        case "index":
            return f"DROP INDEX {attached.name}"
        case "statistics":
            return f"DROP STATISTICS {attached.name}"
    return f"ALTER TABLE {table.name} DROP CONSTRAINT {quote_identifier(attached.name.name)}"


def _index(table: RelationFacts, index: Attached) -> Iterator[str]:
    if not index.valid:
        return
    yield from _placed(index, index.definition)
    yield from _flags(table, index, index.name, index.comment)
    if index.parent is not None:
        yield f"ALTER INDEX {index.parent} ATTACH PARTITION {index.name}"


def _constraint(table: RelationFacts, constraint: Attached) -> Iterator[str]:
    quoted = quote_identifier(constraint.name.name)
    only = "ONLY " if constraint.partitioned else ""  # its partitions have theirs made and attached one by one
    head = f"ALTER TABLE {only}{table.name} ADD CONSTRAINT {quoted}"
    index = QualifiedName(table.name.schema, constraint.name.name)
    if _by_index(table, constraint):
        yield from _placed(constraint, str(constraint.index))
        word = "PRIMARY KEY" if constraint.type == "p" else "UNIQUE"
        yield f"{head} {word} USING INDEX {quoted}{_deferral(constraint)}"
    else:
        yield from _placed(constraint, f"{head} {constraint.definition}")
        if constraint.options and constraint.index is not None:
            yield f"ALTER INDEX {index} SET ({', '.join(constraint.options)})"
    if constraint.index is not None:
        yield from _flags(table, constraint, index, constraint.index_comment)
    if constraint.parent is not None:
        yield f"ALTER INDEX {constraint.parent} ATTACH PARTITION {index}"
    if constraint.comment is not None:
        yield f"COMMENT ON CONSTRAINT {quoted} ON {table.name} IS {quote_literal(constraint.comment)}"


def _by_index(table: RelationFacts, constraint: Attached) -> bool:
    """Building the index first keeps storage parameters and INCLUDE; partitioned tables do not allow it."""
    if constraint.type not in ("p", "u") or constraint.index is None or table.kind == "p":
        return False
    return "WITHOUT OVERLAPS" not in constraint.definition


def _statistics(found: Attached) -> Iterator[str]:
    yield found.definition
    if found.owner:
        yield f"ALTER STATISTICS {found.name} OWNER TO {quote_identifier(found.owner)}"
    for _, target in found.targets:
        yield f"ALTER STATISTICS {found.name} SET STATISTICS {target}"
    if found.comment is not None:
        yield f"COMMENT ON STATISTICS {found.name} IS {quote_literal(found.comment)}"


def _placed(attached: Attached, statement: str) -> Iterator[str]:
    """The statement, with its index in the tablespace it was in."""
    if attached.tablespace is None:
        yield statement
        return
    yield f"SET LOCAL default_tablespace = {quote_literal(attached.tablespace)}"
    yield statement
    yield "RESET default_tablespace"


def _flags(table: RelationFacts, attached: Attached, index: QualifiedName, comment: str | None) -> Iterator[str]:
    for number, target in attached.targets:
        yield f"ALTER INDEX {index} ALTER COLUMN {number} SET STATISTICS {target}"
    if comment is not None:
        yield f"COMMENT ON INDEX {index} IS {quote_literal(comment)}"
    if attached.clustered:
        yield f"ALTER TABLE {table.name} CLUSTER ON {quote_identifier(index.name)}"
    if attached.replica_identity:
        yield f"ALTER TABLE {table.name} REPLICA IDENTITY USING INDEX {quote_identifier(index.name)}"


def _deferral(constraint: Attached) -> str:
    if not constraint.deferrable:
        return ""
    return " DEFERRABLE INITIALLY DEFERRED" if constraint.deferred else " DEFERRABLE"
