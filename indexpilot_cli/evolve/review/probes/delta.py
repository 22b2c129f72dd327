"""What a statement changes in the shape of tables and what it demands of their rows, as the clone saw it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.observation import CatalogChange, CatalogObject, ChangeKind
from indexpilot_cli.sql.ddl.action import Act, Action
from indexpilot_cli.sql.safe import reader
from indexpilot_cli.sql.safe.values import Key, Rule

_TABLES = ("r", "p", "f", "")


@dataclass(frozen=True, slots=True)
class AddedColumn:
    """A column a statement adds. ``generated`` is stored, virtual or empty; ``serial`` covers identity."""

    name: str
    type: str
    default: str = ""
    not_null: bool = False
    generated: str = ""
    expression: str = ""
    serial: bool = False
    number: int = 0


@dataclass
class Shape:
    """How one table changes its form. Names of columns are those before, ``added`` those after."""

    table: QualifiedName
    new_name: QualifiedName | None = None
    created: bool = False
    dropped: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    retyped: dict[str, tuple[str, str]] = field(default_factory=dict)
    expressions: dict[str, str] = field(default_factory=dict)
    added: list[AddedColumn] = field(default_factory=list)
    not_null: dict[str, bool] = field(default_factory=dict)
    optional: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Need:
    """What the rows of a table must fulfil at the statement's end: not_null, unique, computed, or a Rule's kind."""

    kind: str
    table: QualifiedName
    column: str = ""
    rule: Rule | None = None
    key: Key | None = None
    name: str | None = None


@dataclass
class Delta:
    """Everything of one statement; ``pending`` are checks and foreign keys made NOT VALID: they bind only rows that are
    written from now on. ``gone`` are tables it drops, ``dropped`` constraints and indexes.
    """

    shapes: dict[QualifiedName, Shape] = field(default_factory=dict)
    needs: list[Need] = field(default_factory=list)
    pending: list[Need] = field(default_factory=list)
    gone: list[QualifiedName] = field(default_factory=list)
    dropped: list[tuple[QualifiedName | None, str]] = field(default_factory=list)

    def asked(self, need: Need) -> bool:
        """Whether rows can be there that violate it: not in a table that the same statement makes."""
        shape = self.shapes.get(need.table)
        return shape is None or not shape.created

    def shape(self, table: QualifiedName) -> Shape:
        """The shape of that table, begun when there is none."""
        return self.shapes.setdefault(table, Shape(table))


def from_changes(changes: Sequence[CatalogChange], actions: Sequence[Action]) -> Delta:
    """The delta a clone saw. ``actions`` only give what no catalog keeps: the USING of a type change."""
    delta, changes = Delta(), tuple(_told_apart(changes))
    for change in changes:
        if change.object.kind == "table" and change.object.fact("relkind") in _TABLES:
            _table(delta, change)
    # Columns of a renamed table are listed under its new name; shapes go by the old one.
    back = {s.new_name: name for name, s in delta.shapes.items() if s.new_name}
    for change in changes:
        if change.object.kind == "column":
            _column(delta, change, actions, back)
        elif change.kind is ChangeKind.DROPPED and change.object.kind in ("constraint", "index"):
            delta.dropped.append((change.object.table, change.object.path[-1]))
    for shape in delta.shapes.values():
        shape.added.sort(key=lambda column: column.number)
    delta.needs = list(_needs(changes))
    delta.pending = list(_pending(changes))
    return delta


def _told_apart(changes: Sequence[CatalogChange]) -> Iterator[CatalogChange]:
    """The changes; a constraint or index in the place of another of its name is one dropped and one created."""
    for change in changes:
        before, after = change.before, change.after
        # A change of type makes all over the column again as well, with the same definition.
        other = before and after and before.identity != after.identity and before.definition != after.definition
        if other and change.object.kind in ("constraint", "index"):
            yield replace(change, kind=ChangeKind.DROPPED, after=None)
            yield replace(change, kind=ChangeKind.CREATED, before=None)
        else:
            yield change


def _table(delta: Delta, change: CatalogChange) -> None:
    before, after = change.before, change.after
    if before is None and after is not None:
        delta.shape(QualifiedName(*after.path[:2])).created = True
    elif after is None and before is not None:
        delta.gone.append(QualifiedName(*before.path[:2]))
    elif before is not None and after is not None and before.path != after.path:
        delta.shape(QualifiedName(*before.path[:2])).new_name = QualifiedName(*after.path[:2])


def _column(
    delta: Delta, change: CatalogChange, actions: Sequence[Action], back: dict[QualifiedName, QualifiedName]
) -> None:
    before, after = change.before, change.after
    table = before.table if before else after.table if after else None
    if table is None or table in delta.gone:
        return
    shape = delta.shape(table if before else back.get(table, table))
    if before is None and after is not None:
        shape.added.append(_new(after))
    elif after is None and before is not None:
        shape.dropped.add(before.path[-1])
    elif before is not None and after is not None:
        _changed(shape, before, after, actions)


def _changed(shape: Shape, before: CatalogObject, after: CatalogObject, actions: Sequence[Action]) -> None:
    old, new = before.path[-1], after.path[-1]
    if old != new:
        shape.renamed[old] = new
    if before.fact("type") != after.fact("type") and not _type_renamed(actions, before.fact("type")):
        shape.retyped[old] = (after.fact("type"), _using(actions, shape.table, old))
    if before.fact("not_null") != after.fact("not_null"):
        shape.not_null[old] = after.fact("not_null") == "true"
    if before.fact("default") != after.fact("default") or before.fact("identity") != after.fact("identity"):
        shape.optional[old] = bool(after.fact("default") or after.fact("identity"))
    if after.fact("generated") and before.fact("expression") != after.fact("expression"):
        shape.expressions[old] = after.fact("expression")


def _type_renamed(actions: Sequence[Action], kind: str) -> bool:
    """Whether the type only has another name."""
    last = kind.rsplit(".", maxsplit=1)[-1].strip('"')
    return any(a.kind is Act.RENAME and a.has("type") and a.object == last for a in actions)


def _using(actions: Sequence[Action], table: QualifiedName, column: str) -> str:
    """The USING expression of the last type change of a column, empty without one."""
    found = [a for a in actions if a.kind is Act.ALTER_TYPE and a.column == column and a.table == table.name]
    return (found[-1].expression or "") if found else ""


def _new(after: CatalogObject) -> AddedColumn:
    default = after.fact("default")
    return AddedColumn(
        name=after.path[-1],
        type=after.fact("type"),
        default=default,
        not_null=after.fact("not_null") == "true",
        generated=after.fact("generated"),
        expression=after.fact("expression"),
        serial=bool(after.fact("identity")) or default.startswith("nextval("),
        number=int(after.fact("number") or 0),
    )


def _needs(changes: Sequence[CatalogChange]) -> Iterator[Need]:
    indexes = {c.object.path for c in changes if c.object.kind == "index" and c.kind is ChangeKind.CREATED}
    columns = (c.object for c in changes if c.object.kind == "column" and _became_not_null(c))
    # A NOT NULL that partitions inherit is asked of their parent, which is read with all of them.
    parents = {column.path[-1] for column in columns if column.fact("inherited") != "true"}
    for change in changes:
        after, table = change.after, change.after.table if change.after else None
        if after is None or table is None:
            continue
        if after.kind == "column" and _became_not_null(change):
            if after.fact("inherited") != "true" or after.path[-1] not in parents:
                yield Need("not_null", table, after.path[-1])
        elif after.kind == "constraint":
            yield from _constraint(change, after, table)
        # The index of a partition follows from its parent's, which is asked about as a whole.
        elif after.kind == "index" and change.before is None and not _has_parent(after, indexes):
            yield from _index(after, table)


def _became_not_null(change: CatalogChange) -> bool:
    before, after = change.before, change.after
    return bool(before and after and before.fact("not_null") != "true" and after.fact("not_null") == "true")


def _has_parent(index: CatalogObject, created: set[tuple[str, ...]]) -> bool:
    """Whether the index belongs to a partition and that of its parent is made by the same statement."""
    parent = index.fact("parent").split(".")[-1].strip('"')
    return bool(parent) and any(path[-1] == parent for path in created)


def _constraint(change: CatalogChange, after: CatalogObject, table: QualifiedName) -> Iterator[Need]:
    # Unique and primary keys are asked about through their index, inherited constraints through the parent.
    # https://www.postgresql.org/docs/current/catalog-pg-constraint.html
    if after.fact("contype") not in ("c", "f", "x") or (change.before is None and after.fact("inherited") == "true"):
        return
    # VALIDATE turns a constraint that was there into a binding one: only then old rows must fulfil it.
    if not _binding(after) or (change.before is not None and _binding(change.before)):
        return
    rule = reader.rule(after.fact("definition") or after.definition)
    if rule is not None:
        yield Need(rule.kind, table, rule=rule, key=rule.key, name=after.path[-1])


def _pending(changes: Sequence[CatalogChange]) -> Iterator[Need]:
    for change in changes:
        made = change.after if change.before is None and change.object.kind == "constraint" else None
        if made is None or made.table is None or made.fact("contype") not in ("c", "f"):
            continue
        rule = reader.rule(made.fact("definition") or made.definition)
        if rule is not None and not _holds(made, "validated") and _holds(made, "enforced"):
            yield Need(rule.kind, made.table, rule=rule, name=made.path[-1])


def _binding(constraint: CatalogObject) -> bool:
    return _holds(constraint, "validated") and _holds(constraint, "enforced")


def _holds(constraint: CatalogObject, fact: str) -> bool:
    """A fact that is not given holds: only from 18 on a constraint can be NOT ENFORCED."""
    return constraint.fact(fact) in ("true", "t", "")


def _index(index: CatalogObject, table: QualifiedName) -> Iterator[Need]:
    definition = index.fact("definition") or index.definition
    yield from computed(definition, table, index.path[-1])
    key = reader.unique_index(definition) if index.fact("unique") in ("true", "t") else None
    if key is not None:
        yield Need("unique", table, key=key, name=index.path[-1])


def computed(definition: str, table: QualifiedName, name: str | None) -> Iterator[Need]:
    """That an index's expressions can be computed for every row it takes in."""
    expressions, predicate = reader.computed(definition)
    for text in expressions:
        yield Need("computed", table, key=Key((text,), predicate=predicate or None), name=name)
