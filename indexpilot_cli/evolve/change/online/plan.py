"""Looking at a table and a column before its type is changed online: what is in the way, and what must come along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexpilot_cli.core import units
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.db.queries import filled
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.evolve import relation_facts
from indexpilot_cli.evolve.change.online import ddl, work
from indexpilot_cli.evolve.change.online.probe import Tried, try_change
from indexpilot_cli.evolve.change.online.texts import (
    PLACE,
    TRIGGERS,
    Both,
    Identity,
    InboundKey,
    OnlineConstraint,
    OnlineGrant,
    OnlineIndex,
    OnlinePlan,
    OnlineRequest,
    OnlineStatistics,
)
from indexpilot_cli.evolve.relation import ColumnFacts, Grant
from indexpilot_cli.execute import build

if TYPE_CHECKING:
    from indexpilot_cli.db.session import Row, Session

# Casts to and from text that are not immutable depend on these: output formats, money, to_char, to_tsvector.
# https://www.postgresql.org/docs/current/xfunc-volatility.html
_PINNED = (
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "extra_float_digits",
    "bytea_output",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "default_text_search_config",
)


def make_plan(session: Session, wanted: OnlineRequest, op_id: str) -> OnlinePlan:
    """What the change takes; nothing is changed. The session must be allowed to make a temporary table.

    Raises UsageError (no such table, column, type; a bad expression), RefusedError with every reason at once.
    """
    relid = _relid(session, wanted.table)
    table = session.one("online/table", {"relid": relid})
    assert table is not None
    column = _column(session, relid, wanted)
    reasons = [*_table_obstacles(table), *_column_obstacles(session, relid, column)]
    with session.transaction():  # with the schema before every name in their definitions
        session.value("SELECT pg_catalog.set_config('search_path', '', true)")
        constraints = relation_facts.constraint_rows(session, relid)
        inbound = session.rows("online/inbound", {"relid": relid, "attnum": column.number})
    indexes = relation_facts.index_rows(session, relid)
    reasons += [*_constraint_obstacles(constraints, column), *_trigger_obstacles(session, relid, table)]
    reasons += _inbound_obstacles(inbound, wanted)
    if reasons:
        raise _refused(wanted, reasons)
    tried = try_change(session, wanted, relid, column.number)
    _expression_obstacles(session, relid, tried, wanted)
    plan = _Assembly(session, wanted, op_id, table, column, tried).plan(indexes, constraints, inbound)
    _nothing_forgotten(session, plan, wanted)
    return plan


def _nothing_forgotten(session: Session, plan: OnlinePlan, wanted: OnlineRequest) -> None:
    """Raises RefusedError when something hangs on the column that the plan would leave behind."""
    forgotten = sorted(work.followers(session, plan.relid, plan.attnum) - plan.names)
    if forgotten:
        raise _refused(wanted, [f"{name} has a form that is not supported" for name in forgotten])


def _relid(session: Session, table: QualifiedName) -> int:
    found = build.relation_kind(session, table)
    if found is None:
        raise UsageError(
            f"no table {table.short}", hint="indexpilot discover lists what is there", code="unknown_table"
        )
    return found[0]


def _column(session: Session, relid: int, wanted: OnlineRequest) -> ColumnFacts:
    rows = relation_facts.read_columns(session, relid)
    found = next((row for row in rows if row.name == wanted.column), None)
    if found is None:
        names = ", ".join(row.name for row in rows)
        raise UsageError(
            f"{wanted.table.short} has no column {quote_identifier(wanted.column)}", detail=names, code="unknown_column"
        )
    return found


def _refused(wanted: OnlineRequest, reasons: Sequence[str]) -> RefusedError:
    where = f"{wanted.table.short}.{quote_identifier(wanted.column)}"
    return RefusedError(
        f"the type of {where} cannot be changed online",
        detail="; ".join(reasons),
        hint="a plain ALTER TABLE … TYPE locks the table while it works; see indexpilot schema-evolve check",
        code="shadow_unsupported",
    )


def _table_obstacles(table: Row) -> Iterator[str]:
    # CREATE INDEX CONCURRENTLY is refused for a partitioned table, and partitions and children must have their parent's
    # columns. A rule can make something else of the batches' UPDATE. Rows that a policy hides would never be filled.
    if table.kind != "r":
        yield "it is a partitioned table" if table.kind == "p" else f"it is no ordinary table (kind {table.kind})"
    if table.persistence == "t":
        yield "a temporary table is seen by one session only"
    if table.is_partition or table.inherits:
        yield "it is a partition, or has inheritance parents or children"
    if table.typed:
        yield "it is a typed table (CREATE TABLE OF)"
    if table.has_rules:
        yield "it has rewrite rules"
    if not table.owned:
        yield "the role is not its owner"
    if table.rows_hidden:
        yield "row-level security hides rows from the role"
    # All columns are published where there is no list: from the first row on that has the second column, a subscriber
    # whose table lacks it stops applying.
    # https://www.postgresql.org/docs/current/logical-replication-subscription.html
    if table.publications:
        names = ", ".join(table.publications)
        yield f"it is published ({names}): subscribers stop at a column they do not have"


def _column_obstacles(session: Session, relid: int, column: ColumnFacts) -> Iterator[str]:
    if column.generated:
        yield "it is a generated column"
    if column.inherited or not column.local:
        yield "it is inherited"
    for what in work.obstacles(session, relid, column.number):
        yield f"{what} depends on it"


def _constraint_obstacles(constraints: Sequence[Row], column: ColumnFacts) -> Iterator[str]:
    for row in constraints:
        if column.number not in row.numbers:
            continue
        # USING INDEX is for UNIQUE and PRIMARY KEY only: an exclusion constraint builds its index under ACCESS
        # EXCLUSIVE.
        if row.type == "x":
            yield f"exclusion constraint {row.name} cannot be built without blocking"
        # ON DELETE SET NULL (column), from 15 on, names the column in a second place of the definition.
        if row.type == "f" and (column.number in row.set_on_delete or not _foreign_prefix(row)):
            yield f"foreign key {row.name} has a form that is not supported"


def _inbound_obstacles(rows: Sequence[Row], wanted: OnlineRequest) -> Iterator[str]:
    for row in rows:
        if row.own_table or row.inherited or row.kind != "r" or not row.owned or _pointing(row, wanted) is None:
            yield f"foreign key {row.name} on table {row.table_name} depends on it"


def _pointing(row: Row, wanted: OnlineRequest) -> str | None:
    """The words of the definition that name the column, None when it is written in another way."""
    words = f" REFERENCES {wanted.table}({', '.join(row.columns)})"
    return words if words in row.definition else None


def _trigger_obstacles(session: Session, relid: int, table: Row) -> Iterator[str]:
    """Filling is an UPDATE of every row: a trigger that a person wrote for real changes must not run for it."""
    rows = relation_facts.trigger_rows(session, relid)
    # A superuser's session silences those for ordinary sessions: with session_replication_role = replica those marked O
    # rest, while A (always) and R (replica) fire.
    silenced = {"O"} if table.superuser else set()
    heard = [r.name for r in rows if r.on_update and r.enabled not in silenced and not r.name.startswith(TRIGGERS)]
    if heard:
        yield f"its UPDATE triggers would run for every row: {', '.join(heard)}"
    # BEFORE triggers fire in the order of their names, compared byte by byte: one after ours could change the old
    # column when the new value is made already.
    # https://www.postgresql.org/docs/current/trigger-definition.html
    late = [row.name for row in rows if row.before_row and row.name.encode() > TRIGGERS.encode()]
    if late and not all(name.startswith(TRIGGERS) for name in late):
        yield f"trigger {late[0]} fires after ours"


def _expression_obstacles(session: Session, relid: int, tried: Tried, wanted: OnlineRequest) -> None:
    # A stored generated column is computed after the BEFORE triggers: in NEW it has no value yet.
    # https://www.postgresql.org/docs/current/ddl-generated-columns.html
    generated = {row.number: row.name for row in relation_facts.read_columns(session, relid) if row.generated}
    read = [generated[number] for number in tried.reads if number in generated]
    if read:
        raise _refused(wanted, [f"the expression reads generated column {name}" for name in read])


def _foreign_prefix(row: Row) -> str | None:
    """The definition's words up to the list of columns, None when it is written in another way."""
    prefix = f"FOREIGN KEY ({', '.join(row.key_columns)})"
    return prefix if row.definition.startswith(prefix) else None


def _grants(found: Iterable[Grant]) -> tuple[OnlineGrant, ...]:
    """Privileges without who gave them, in an order that does not depend on when they were given."""
    plain = (OnlineGrant(g.privilege, g.grantee or None, g.grantable) for g in found)
    return tuple(sorted(plain, key=lambda g: (g.grantee or "", g.privilege)))


def _target(target: int | None) -> int:
    return -1 if target is None else target  # the default, as ALTER … SET STATISTICS says it


@dataclass(frozen=True, slots=True)
class _Assembly:
    """The plan put together from what the catalog and the copy said."""

    session: Session
    wanted: OnlineRequest
    op_id: str
    table: Row
    column: ColumnFacts
    tried: Tried

    def plan(self, indexes: Sequence[Row], constraints: Sequence[Row], inbound: Sequence[Row]) -> OnlinePlan:
        wanted, tried, column, table = self.wanted, self.tried, self.column, self.table
        triggers = relation_facts.trigger_rows(self.session, self.table.relid)
        return OnlinePlan(
            op_id=self.op_id,
            table=wanted.table,
            relid=self.table.relid,
            column=wanted.column,
            attnum=column.number,
            old_type=tried.old_type,
            new_type=tried.new_type,
            columns=tuple((r.number, r.name) for r in relation_facts.read_columns(self.session, self.table.relid)),
            expression=tried.expression,
            assigned=tried.assigned,
            reverse=tried.reverse,
            reverse_assigned=tried.reverse_assigned,
            pins=self._pins(),
            rewrites=tried.rewrites,
            old_collation=tried.old_collation,
            new_collation=tried.new_collation,
            indexes=tuple(self._index(row) for row in indexes if row.name in tried.indexes),
            constraints=tuple(self._constraints(constraints)),
            inbound=tuple(self._inbound(row) for row in inbound),
            statistics=self._statistics(),
            not_null=column.not_null,
            not_null_name=work.not_null_name(self.session, self.table.relid, wanted.column),
            default=tried.default,
            target=_target(column.target),
            options=column.options,
            comment=column.comment,
            grants=_grants(column.grants),
            sequences=self._owned_sequences(),
            identity=self._identity(),
            quiet=bool(table.superuser) and any(row.on_update for row in triggers),
            bytes=int(table.bytes),
            rows=float(table.rows),
            notes=tuple(self._notes()),
        )

    def _pins(self) -> tuple[tuple[str, str], ...]:
        """Settings the expression may depend on, as they are in this session."""
        # pg_temp stands last by name: left out it would be searched first, and a writer's temporary table would be
        # found.
        path = (("search_path", ", ".join(["pg_catalog", *self.table.schemas, "pg_temp"])),)
        if self.tried.immutable:
            return path
        value = self.session.value
        return path + tuple((name, str(value("SELECT pg_catalog.current_setting(%s)", (name,)))) for name in _PINNED)

    def _index(self, row: Row) -> OnlineIndex:
        # An invalid index refuses nothing and answers nothing, so whether it should come along is not to be guessed.
        if not row.usable:
            raise _refused(self.wanted, [f"index {row.name} is invalid: drop it or build it again first"])
        return filled(
            OnlineIndex,
            row,
            body=self.tried.indexes[row.name],
            unique=row.is_unique,
            constraint=row.constraint_kind,
            deferrable=row.is_deferrable,
            deferred=row.is_deferred,
            targets=tuple((int(number), int(target)) for number, target in row.targets or ()),
        )

    def _constraints(self, rows: Sequence[Row]) -> Iterator[OnlineConstraint]:
        for row in rows:
            body = self._body(row)
            if body is not None:
                other = QualifiedName(row.references_schema, row.references_name) if row.references_name else None
                yield OnlineConstraint(row.name, row.type, body, row.valid, row.enforced, row.comment, other)

    def _body(self, row: Row) -> Both | None:
        if row.type == "c":
            return self.tried.checks.get(row.name)
        if row.type != "f" or self.column.number not in row.numbers:
            return None
        own = quote_identifier(self.wanted.column)
        keys = ", ".join(PLACE if name == own else name for name in row.key_columns)
        rest = row.definition.removeprefix(_foreign_prefix(row) or "").removesuffix(" NOT VALID")
        text = f"FOREIGN KEY ({keys}){rest}"
        return Both(text, text)

    def _inbound(self, row: Row) -> InboundKey:
        own, words = quote_identifier(self.wanted.column), _pointing(row, self.wanted) or ""
        keys = ", ".join(PLACE if name == own else name for name in row.columns)
        body = row.definition.removesuffix(" NOT VALID").replace(words, f" REFERENCES {self.wanted.table}({keys})")
        table = QualifiedName(row.schema, row.table_name)
        return InboundKey(table, row.name, body, row.validated, row.enforced, row.comment)

    def _owned_sequences(self) -> tuple[QualifiedName, ...]:
        """Sequences the column owns; that of an identity column is another matter."""
        # The sequence of an identity column cannot change its owner: it goes with DROP IDENTITY and is made again.
        found = relation_facts.read_sequences(self.session, self.table.relid).get(self.column.number, ())
        return tuple(sequence.name for sequence in found if not sequence.identity)

    def _identity(self) -> Identity | None:
        sequence, types = self.column.sequence, Both(self.tried.old_type, self.tried.new_type)
        if not self.column.identity or sequence is None:
            return None
        # The server has identity columns of these three types alone.
        if types.new not in ddl.LARGEST:
            raise _refused(self.wanted, [f"an identity column cannot be {types.new}"])
        return Identity(
            always=self.column.identity == "a",
            sequence=sequence.name,
            options=ddl.sequence_options(sequence, types),
            # An owner's own privileges come with the sequence when it is made.
            grants=_grants(g for g in sequence.grants if g.grantee != sequence.owner),
            comment=sequence.comment,
        )

    def _statistics(self) -> tuple[OnlineStatistics, ...]:
        found = self.tried.statistics
        return tuple(
            OnlineStatistics(
                row.schema,
                row.name,
                found[(row.schema, row.name)],
                _target(row.target),
                row.comment,
            )
            for row in relation_facts.statistics_rows(self.session, self.table.relid)
            if (row.schema, row.name) in found
        )

    def _notes(self) -> Iterator[str]:
        wanted = self.wanted
        yield (
            f"{quote_identifier(wanted.column)} becomes the table's last column: INSERT without a list of columns,"
            " SELECT * and COPY without a list see another order"
        )
        yield f"every row is written once more: up to {units.size(self.table.bytes)} of disk, and as much WAL or more"
        yield "prepared statements that return the column, or all columns, must be prepared again"
        if self.tried.reverse is None:
            yield "rows that change after the swap cannot be taken back: there is no cast the other way"
        for sequence in self._owned_sequences():
            yield f"sequence {sequence} keeps its own type: ALTER SEQUENCE … AS changes its limits"
