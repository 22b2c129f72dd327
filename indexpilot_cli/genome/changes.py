"""What changed between the genome catalog and the database, renames recognised by where a column physically is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.genome.fields import FieldKey, GenomeField, Identity


class ChangeKind(StrEnum):
    """How a schema can have changed."""

    TABLE_ADDED = "table_added"
    TABLE_REMOVED = "table_removed"
    TABLE_RENAMED = "table_renamed"
    COLUMN_ADDED = "column_added"
    COLUMN_REMOVED = "column_removed"
    COLUMN_RENAMED = "column_renamed"
    TYPE_CHANGED = "type_changed"
    NULLABILITY_CHANGED = "nullability_changed"


@dataclass(frozen=True, slots=True)
class GenomeChange:
    """One difference. ``table`` is the table's present name (its last one when it is gone).

    ``before`` and ``after`` are what changed: names, types, or ``null`` / ``not null``.
    """

    kind: ChangeKind
    table: QualifiedName
    field: str | None = None
    before: str | None = None
    after: str | None = None


Fields = dict[str, GenomeField]
Places = Mapping[FieldKey, Identity]


def compare(
    old: Iterable[GenomeField], new: Iterable[GenomeField], old_places: Places, new_places: Places
) -> tuple[GenomeChange, ...]:
    """Every difference, tables first renamed, then removed, then added, then changed inside.

    A rename is believed only where the physical places of the remaining columns agree, because after a restore
    from a dump the same numbers can mean other things; otherwise it is a removal and an addition.
    """
    before, after = _by_table(old), _by_table(new)
    renamed = dict(_renamed_tables(before, after, old_places, new_places))
    pairs = [(name, name) for name in before if name in after] + list(renamed.items())
    changes = [GenomeChange(ChangeKind.TABLE_RENAMED, b, None, str(a), str(b)) for a, b in renamed.items()]
    changes += [GenomeChange(ChangeKind.TABLE_REMOVED, n) for n in before if n not in after and n not in renamed]
    added = [n for n in after if n not in before and n not in renamed.values()]
    changes += [GenomeChange(ChangeKind.TABLE_ADDED, n) for n in added]
    for was, now in pairs:
        changes += _inside(now, before[was], after[now], old_places, new_places)
    return tuple(changes)


def _by_table(fields: Iterable[GenomeField]) -> dict[QualifiedName, Fields]:
    tables: dict[QualifiedName, Fields] = {}
    for field in fields:
        tables.setdefault(field.table, {})[field.name] = field
    return tables


def _renamed_tables(
    before: Mapping[QualifiedName, Fields], after: Mapping[QualifiedName, Fields], old: Places, new: Places
) -> Iterator[tuple[QualifiedName, QualifiedName]]:
    appeared = {_relid(fields, new): name for name, fields in after.items() if name not in before}
    for name, fields in before.items():
        relid = _relid(fields, old)
        if name in after or relid is None or relid not in appeared:
            continue
        target = appeared[relid]
        same = [f for f in fields if f in after[target] and _same_place(fields[f], after[target][f], old, new)]
        if 2 * len(same) >= len(fields):
            yield name, target


def _relid(fields: Fields, places: Places) -> int | None:
    return next((places[f.key].relid for f in fields.values() if f.key in places), None)


def _same_place(was: GenomeField, now: GenomeField, old: Places, new: Places) -> bool:
    return was.key in old and old[was.key] == new.get(now.key)


def _inside(table: QualifiedName, before: Fields, after: Fields, old: Places, new: Places) -> Iterator[GenomeChange]:
    renamed = dict(_renamed_columns(before, after, old, new))
    for was, now in renamed.items():
        yield GenomeChange(ChangeKind.COLUMN_RENAMED, table, now, was, now)
    for name in before:
        if name not in after and name not in renamed:
            yield GenomeChange(ChangeKind.COLUMN_REMOVED, table, name, before[name].type)
    for name, field in after.items():
        if name not in before and name not in renamed.values():
            yield GenomeChange(ChangeKind.COLUMN_ADDED, table, name, None, field.type)
    kept = [(name, name) for name in before if name in after] + list(renamed.items())
    for was, now in kept:
        yield from _differences(table, before[was], after[now])


def _renamed_columns(before: Fields, after: Fields, old: Places, new: Places) -> Iterator[tuple[str, str]]:
    stayed = [name for name in before if name in after]
    if any(before[n].key in old and not _same_place(before[n], after[n], old, new) for n in stayed):
        return
    appeared = {new[f.key]: name for name, f in after.items() if name not in before and f.key in new}
    for name, field in before.items():
        place = old.get(field.key)
        if name not in after and place in appeared:
            yield name, appeared[place]


def _differences(table: QualifiedName, was: GenomeField, now: GenomeField) -> Iterator[GenomeChange]:
    if was.type != now.type:
        yield GenomeChange(ChangeKind.TYPE_CHANGED, table, now.name, was.type, now.type)
    if was.required != now.required:
        yield GenomeChange(ChangeKind.NULLABILITY_CHANGED, table, now.name, _null(was), _null(now))


def _null(field: GenomeField) -> str:
    return "not null" if field.required else "null"
