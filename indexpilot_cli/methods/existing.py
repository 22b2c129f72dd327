"""Existing indexes compared by structure: what covers what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from indexpilot_cli.core.catalog import Index, Table
from indexpilot_cli.core.ddl import index_body
from indexpilot_cli.core.index import BTREE, GIN, GIST, HASH, SPGIST, IndexDefinition, IndexKey, RedundantIndex
from indexpilot_cli.methods.kinds import index_kind
from indexpilot_cli.sql.expressions import CALL, CAST, read_expression
from indexpilot_cli.sql.normal import normal

_EXACT_METHODS = (BTREE, HASH, GIN, GIST, SPGIST)


def covered_by(definition: IndexDefinition, indexes: Iterable[Index], *, free: int = 0) -> Index | None:
    """The first usable index that does all the definition would do, or None.

    B-tree keys must be a prefix of the index's, in the same directions or all reversed. ``free`` leading keys
    are only compared for equality, so their order and directions do not matter. A definition with a predicate is
    covered only by an index with the same one: a whole index is larger, and that may be what the partial one saves.
    """
    usable = (i for i in indexes if i.valid and i.ready and i.definition.table == definition.table)
    return next((i for i in usable if covers(i.definition, definition, free, partial_by_full=False)), None)


def same_structure(left: IndexDefinition, right: IndexDefinition) -> bool:
    """Whether both are the same index but for names, spelling of expressions and storage parameters."""
    return (
        left.table == right.table
        and left.method == right.method
        and tuple(map(_full, left.keys)) == tuple(map(_full, right.keys))
        and set(left.include) == set(right.include)
        and left.unique == right.unique
        and left.nulls_not_distinct == right.nulls_not_distinct
        and _predicate(left) == _predicate(right)
    )


def must_stay(index: Index, table: Table) -> str | None:
    """Why an index is never offered, as a clause, whatever its use; None when it may go."""
    if index.primary or index.constraint in ("p", "u"):
        return "it is a key"
    if index.constraint is not None:
        return "a constraint is made of it"
    if index.referenced:
        return "a foreign key finds the rows it refers to by it"
    if index.definition.unique:
        return "it keeps values unique"
    if index.replica_identity:
        return "replication identifies rows by it"
    if index.parent is not None:
        return f"it is part of {index.parent.short}"
    return None if table.kind != "f" else "its table is foreign"


def redundant_indexes(tables: Iterable[Table]) -> tuple[RedundantIndex, ...]:
    """Indexes whose work another one of the same table does, largest first.

    Left out: those that serve a constraint, a foreign key's search for the rows it refers to or replication, invalid
    ones, and indexes of partitions
    that belong to one of the whole table (they come and go with it).
    """
    found: list[RedundantIndex] = []
    for table in tables:
        usable = [i for i in table.indexes if i.valid and i.ready]
        # Who goes first in this order stays: the older of two that are used alike.
        ordered = sorted(usable, key=lambda i: (not _is_needed(i), not i.clustered, not i.scans, i.oid, i.name))
        having: dict[tuple[str | None, ...], list[Index]] = {}  # who does all its work has its first key, too
        for index in ordered:
            for key in {_bare(k) for k in index.definition.keys}:
                having.setdefault(key, []).append(index)
        for index in ordered:
            if not _is_needed(index):
                found += _made_needless(table, index, having[_bare(index.definition.keys[0])])
    return tuple(sorted(found, key=lambda r: (-r.bytes, r.name)))


def _is_needed(index: Index) -> bool:
    identifies = index.primary or index.replica_identity or index.referenced
    return identifies or index.constraint is not None or index.parent is not None


def _made_needless(table: Table, index: Index, ordered: Sequence[Index]) -> Iterator[RedundantIndex]:
    """The index with the best one that makes it needless, if there is one."""
    before = ordered[: ordered.index(index)]
    same = next((i for i in before if _replaces(i, index) and _replaces(index, i)), None)
    wider = (i for i in ordered if i is not index and _replaces(i, index) and not _replaces(index, i))
    # The widest is covered by nothing itself, so it will still be there when the others are gone; of two that are the
    # same, max() takes the first, which is the one that stays.
    by = same or max(wider, key=lambda i: (len(i.definition.keys), len(i.definition.include)), default=None)
    if by is not None:
        keys = index_body(by.definition, table="").strip()
        scans = index.scans
        yield RedundantIndex(index.name, table.name, by.name, keys, same is not None, index.size_bytes, scans)


def stands_in(one: IndexDefinition, other: IndexDefinition) -> bool:
    """Whether an index does all that the other does: nothing approximate, unlike what a candidate is measured by."""
    # What a lossy or approximate method finds depends on its parameters (pages_per_range, lists, m).
    alike = one.method in _EXACT_METHODS or one.options == other.options
    return (
        one.method == other.method
        and alike
        and {_bare(k) for k in other.keys} <= {_bare(k) for k in one.keys}
        and covers(one, other, partial_by_full=False)
    )


def _replaces(index: Index, wanted: Index) -> bool:
    """Whether of two that the server holds the one does all that the other does."""
    one, other = index.definition, wanted.definition
    return (
        stands_in(one, other)
        and set(_written(wanted)) <= set(_written(index))
        and _calls(one.predicate) == _calls(other.predicate)
        and (index.immediate or not wanted.immediate or not other.unique)
    )


def _written(index: Index) -> Iterator[tuple[str | None, ...]]:
    """The keys as the server prints them: the planner finds an expression only in its own tree, casts and all.

    https://www.postgresql.org/docs/current/indexes-expressional.html
    """
    for key, parameters in zip_longest(index.definition.keys, index.parameters[: len(index.definition.keys)]):
        yield key.column, key.expression, _class(key), key.collation, parameters or None


def _calls(predicate: str | None) -> tuple[str, ...]:
    """Casts and functions in a predicate: the planner proves nothing across two that only give the same."""
    tree = read_expression(predicate) if predicate is not None else None
    return tuple(sorted(n.value for n in tree.walk() if n.kind in (CALL, CAST))) if tree is not None else ()


def covers(index: IndexDefinition, wanted: IndexDefinition, free: int = 0, partial_by_full: bool = True) -> bool:
    """Whether ``index`` serves every query that ``wanted`` serves (see covered_by).

    With ``partial_by_full`` an index without predicate serves what a partial one does.
    """
    if wanted.unique and not _enforces(index, wanted):
        return False
    if (index.predicate is not None or not partial_by_full) and _predicate(index) != _predicate(wanted):
        return False
    if not set(wanted.include) <= {*index.include, *index.columns}:
        return False
    if index.method == wanted.method == BTREE:
        return _prefix(index.keys, wanted.keys, free)
    if index.method != wanted.method:
        return wanted.method == HASH and index.method == BTREE and _prefix(index.keys, wanted.keys, 1)
    if index_kind(index.method).any_order:
        return all(any(_serves(index, have, want) for have in index.keys) for want in wanted.keys)
    return len(index.keys) >= len(wanted.keys) and all(
        _bare(h) == _bare(w) for h, w in zip(index.keys, wanted.keys, strict=False)
    )


def _enforces(index: IndexDefinition, wanted: IndexDefinition) -> bool:
    return (
        index.unique
        and {_bare(k) for k in index.keys} == {_bare(k) for k in wanted.keys}
        and (index.nulls_not_distinct or not wanted.nulls_not_distinct)
        and _predicate(index) == _predicate(wanted)
    )


def _prefix(have: Sequence[IndexKey], want: Sequence[IndexKey], free: int) -> bool:
    if len(want) > len(have):
        return False
    free = min(free, len(want))
    if {_bare(k) for k in have[:free]} != {_bare(k) for k in want[:free]}:
        return False
    rest = list(zip(have[free:], want[free:], strict=False))
    if any(_bare(h) != _bare(w) for h, w in rest):
        return False
    return all(_direction(h) == _direction(w) for h, w in rest) or all(_reversed(h, w) for h, w in rest)


def _serves(index: IndexDefinition, have: IndexKey, want: IndexKey) -> bool:
    if _bare(have) == _bare(want):
        return True
    return index_kind(index.method).answers(have, want) and _bare(have)[0] == _bare(want)[0]


def _bare(key: IndexKey) -> tuple[str, str | None, str | None]:
    text = normal(key.expression) if key.expression is not None else f'"{key.column}'
    return text, _class(key), key.collation


def _class(key: IndexKey) -> str | None:
    return "text_pattern_ops" if key.operator_class == "varchar_pattern_ops" else key.operator_class


def _direction(key: IndexKey) -> tuple[bool, bool]:
    return key.descending, key.descending if key.nulls_first is None else key.nulls_first


def _reversed(have: IndexKey, want: IndexKey) -> bool:
    descending, nulls_first = _direction(want)
    return _direction(have) == (not descending, not nulls_first)


def _full(key: IndexKey) -> tuple[object, ...]:
    return (*_bare(key), *_direction(key))


def _predicate(definition: IndexDefinition) -> str | None:
    return normal(definition.predicate) if definition.predicate is not None else None
