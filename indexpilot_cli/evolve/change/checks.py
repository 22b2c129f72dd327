"""What a change speaks of, looked up: the table, the type, the expressions; each wrong one is a Problem."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from indexpilot_cli.core.ddl import Select, any_row
from indexpilot_cli.core.names import NAME_LIMIT, QualifiedName, cut_name, dotted, quote_identifier, split_table
from indexpilot_cli.core.units import listed
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError, IndexPilotError
from indexpilot_cli.evolve import dependents, relation_facts
from indexpilot_cli.evolve.change.values import Affected, ColumnChangeKind, Problem
from indexpilot_cli.evolve.relation import ColumnFacts, RelationFacts, TypeFacts


@dataclass(slots=True)
class Findings:
    """Problems as they are found; several wrong things are told together."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, *found: Problem) -> None:
        """Keep them."""
        self.problems.extend(found)

    def wrong(self, code: str, message: str, hint: str | None = None, exit_code: int = 2) -> None:
        """Keep one."""
        self.problems.append(Problem(code, message, hint, exit_code))


def find_table(session: Session, typed: str, kind: ColumnChangeKind, own: str, found: Findings) -> RelationFacts | None:
    """The table as typed (``orders``, ``sales.orders``, quoted or not); None when there is none that can change."""
    schema, name = split_table(typed)
    rows = relation_facts.find_relations(session, schema, name, own=own) if name and "\0" not in typed else ()
    if not rows:
        names = relation_facts.table_names(session, own=own)
        found.add(missing_table(typed or "(empty)", [f"{n.schema}.{n.name}" for n in names]))
        return None
    if rows[0].is_system:
        found.wrong("system_table", f"{typed} belongs to the server or to IndexPilot itself", exit_code=6)
        return None
    table = relation_facts.read_relation(session, rows[0])
    found.add(*table_problems(table, kind))
    return table


def find_column(table: RelationFacts, name: str, kind: ColumnChangeKind, found: Findings) -> ColumnFacts | None:
    """The column to change; None when there is none."""
    column = table.column(name)
    if column is None:
        found.add(missing_column(table, name))
        return None
    found.add(*column_problems(table, column, kind))
    return column


def check_new_name(session: Session, table: RelationFacts, name: str, found: Findings, *, force: bool) -> None:
    """Whether a column may be called so."""
    reserved = {row.word for row in session.rows("change/reserved")}
    found.add(*name_problems(name, reserved, force=force))
    if table.column(name) is not None:
        found.add(column_exists(table, name))


def read_type(session: Session, text: str | None, found: Findings) -> TypeFacts | None:
    """The type as the parser and the server read it; None when one of them does not."""
    from indexpilot_cli.sql.parser.text import deparse_expression, parse_expression

    if not text or not text.strip():
        found.wrong("type_missing", "the column needs a type", "--type bigint, for instance")
        return None
    # nextval() is volatile: ADD COLUMN with it writes the whole table anew under ACCESS EXCLUSIVE.
    # https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-SERIAL
    if text.strip().lower() in ("serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"):
        hint = "add a bigint column and an identity or a sequence in a migration of your own"
        found.wrong("pseudo_type", f"{text} is no type but a shorthand that would write every row", hint)
        return None
    try:
        # What goes on to the server is what the parser printed of one type: nothing can stand behind it.
        cast = parse_expression(f"CAST(NULL AS {text})")
        plain = deparse_expression(cast) if cast.kind == "TypeCast" else ""
    except ValueError:
        plain = ""
    if not plain.startswith("NULL::") or plain.startswith("NULL::SETOF"):
        found.wrong("bad_type", f"{text!r} is not the name of a type", "such as varchar(20), numeric(10,2), text[]")
        return None
    return _known_type(session, plain.removeprefix("NULL::"), found)


def _known_type(session: Session, text: str, found: Findings) -> TypeFacts | None:
    try:
        facts = dependents.type_facts(session, text)
    except AnsweredError as error:
        found.wrong("unknown_type", f"the server has no type {text}: {error.detail}", error.hint)
        return None
    if facts.kind == "p":
        found.wrong("pseudo_type", f"{text} is a pseudo-type: no column can have it")
        return None
    return facts


def read_expression(text: str, what: str, found: Findings) -> str | None:
    """One SQL expression without comments, as the parser prints it; None when it is not one."""
    from indexpilot_cli.sql.parser.text import deparse_expression, parse_expression

    try:
        node = parse_expression(text)
        if any(part.kind == "ParamRef" for part in node.walk()):
            raise ValueError("a parameter has no value here")
        if what == "--default" and any(part.kind == "SubLink" for part in node.walk()):
            found.wrong("bad_expression", "a default cannot look into tables", "put a function around it")
            return None
        return deparse_expression(node)
    except ValueError as error:
        found.wrong("bad_expression", f"{what} is not one SQL expression: {error}", "text goes in quotes: \"'new'\"")
        return None


def check_default(session: Session, text: str, kind: TypeFacts, found: Findings) -> bool:
    """Whether the default gives every row a value of its own; a default that cannot be one is a problem."""
    try:
        return dependents.is_volatile(session, text, kind.text)
    except AnsweredError as error:
        found.wrong("bad_default", f"{text} is no default for {kind.text}: {error.detail}", error.hint)
        return False


def check_using(session: Session, table: RelationFacts, text: str, kind: TypeFacts, found: Findings) -> None:
    """Whether the server would compute the new values so."""
    wrong = dependents.answers(session, Select(f"CAST(({text}) AS {kind.text})", table.name))
    if wrong is not None:
        found.wrong("bad_expression", f"--using {text}: {wrong.detail}", wrong.hint)


def casts(session: Session, source: str, target: str) -> bool:
    """Whether an explicit cast between two types exists."""
    return dependents.answers(session, f"SELECT CAST(CAST(NULL AS {source}) AS {target})") is None


def read_reference(session: Session, text: str, column: str, found: Findings) -> str | None:
    """What stands after REFERENCES, as the parser prints it, on a table that is there."""
    from indexpilot_cli.sql.parser.native import Unparsed
    from indexpilot_cli.sql.parser.text import deparse, parse

    head = f"ALTER TABLE x ADD FOREIGN KEY ({quote_identifier(column)}) REFERENCES "
    statement = parse(head + text)
    keys = () if isinstance(statement, Unparsed) else [n for n in statement.node.walk() if n.kind == "Constraint"]
    if isinstance(statement, Unparsed) or len(keys) != 1 or keys[0].child("pktable") is None:
        found.wrong("bad_reference", f"{text!r} is not what can stand after REFERENCES", "customers (id)")
        return None
    place = keys[0].child("pktable")
    assert place is not None
    columns = keys[0].names("pk_attrs")
    name = dotted(place.text("schemaname"), place.text("relname"))
    wrong = dependents.answers(session, Select(", ".join(map(quote_identifier, columns)) or "1", name))
    if wrong is not None:
        found.wrong("bad_reference", f"--references {text}: {wrong.detail}", wrong.hint)
        return None
    return deparse(statement.node).partition(" REFERENCES ")[2]


def is_empty(session: Session, table: RelationFacts) -> bool:
    """Whether the table has no row that we can see."""
    return session.value(any_row(table.name)) is None


def leaves(session: Session, table: RelationFacts) -> tuple[QualifiedName, ...]:
    """The tables that hold the rows."""
    return tuple(QualifiedName(r.schema, r.name) for r in session.rows("change/leaves", {"relid": table.relid}))


def error_of(problems: Sequence[Problem]) -> IndexPilotError:
    """All problems as one error, whose class is that of the gravest."""
    from indexpilot_cli.errors import PrerequisiteError, RefusedError, UsageError

    classes = {2: UsageError, 5: PrerequisiteError, 6: RefusedError}
    first = min(problems, key=lambda p: p.exit_code)
    text = "; ".join(p.message for p in problems)
    hints = " | ".join(dict.fromkeys(p.hint for p in problems if p.hint))
    return classes.get(first.exit_code, UsageError)(text, hint=hints or None, code=first.code)


SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
MOST_COLUMNS = 1600  # MaxHeapAttributeNumber
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "c": "a composite type"}


def name_problems(name: str, reserved: Collection[str] = (), *, force: bool = False) -> tuple[Problem, ...]:
    """Why no new column should be called so. ``reserved`` are words that would need quotes in every query."""
    if not name.strip():
        return (Problem("bad_name", "a column needs a name", "give the name of the column"),)
    if "\0" in name or not name.isprintable():
        return (Problem("bad_name", "the name holds characters that cannot be printed", "choose another name"),)
    found: list[Problem] = []
    size = len(name.encode(errors="surrogatepass"))
    if size > NAME_LIMIT:
        text = f"the name has {size} bytes, PostgreSQL keeps {NAME_LIMIT}"
        found.append(Problem("name_too_long", text, f"shorten it: {cut_name(name)}"))
    if name in SYSTEM_COLUMNS:
        found.append(Problem("system_column", f"{name} is a system column of every table", "choose another name"))
    if name.lower() in reserved and not force:
        text = f"{name} is a reserved word: every query would have to write {quote_identifier(name.lower())} in quotes"
        found.append(Problem("reserved_word", text, "choose another name, or --force"))
    return tuple(found)


def table_problems(table: RelationFacts, kind: ColumnChangeKind) -> tuple[Problem, ...]:
    """Why the relation's columns cannot be changed here."""
    name = table.name.short
    if table.kind not in ("r", "p"):
        what = _KINDS.get(table.kind, "not a table")
        return (Problem("not_a_table", f"{name} is {what}, not a table", "change the table it reads from"),)
    found: list[Problem] = []
    if not table.owned:
        text = f"{name} belongs to {table.owner}: only its owner may change its columns"
        found.append(Problem("not_owner", text, f"connect as a member of {quote_identifier(table.owner)}", 5))
    if table.typed:
        found.append(Problem("typed_table", f"{name} is of a composite type, which decides about its columns", None))
    if table.is_partition and kind is not ColumnChangeKind.TYPE:
        parent = table.parents[0] if table.parents else "its parent"
        found.append(
            Problem("partition", f"{name} is a partition of {parent}", f"change {parent}: its partitions follow")
        )
    return tuple(found)


def missing_table(typed: str, known: Iterable[str]) -> Problem:
    """There is no such table; the nearest name as a hint."""
    near = get_close_matches(typed.rpartition(".")[2], [k.rpartition(".")[2] for k in known], n=1)
    hint = f"did you mean {near[0]}?" if near else "indexpilot discover lists the tables"
    return Problem("table_missing", f"there is no table {typed}", hint)


def missing_column(table: RelationFacts, column: str) -> Problem:
    """There is no such column; the nearest name as a hint."""
    near = get_close_matches(column, [c.name for c in table.columns], n=1)
    hint = f"did you mean {near[0]}?" if near else f"its columns are {', '.join(c.name for c in table.columns)}"
    if column in SYSTEM_COLUMNS:
        return Problem("system_column", f"{column} is a system column: it cannot be changed", None)
    return Problem("column_missing", f"{table.name.short} has no column {column}", hint)


def column_exists(table: RelationFacts, column: str) -> Problem:
    """The name is taken."""
    there = table.column(column)
    text = f"{table.name.short} has a column {column} already" + (f" ({there.type})" if there else "")
    return Problem("column_exists", text, "choose another name, or rename that one first")


def column_problems(table: RelationFacts, column: ColumnFacts, kind: ColumnChangeKind) -> tuple[Problem, ...]:
    """Why this column cannot be changed like that."""
    if column.inherited and kind is not ColumnChangeKind.ADD:
        parent = table.parents[0] if table.parents else "a parent"
        text = f"{column.name} is inherited from {parent}"
        return (Problem("inherited_column", text, f"change it in {parent}: {table.name.short} follows"),)
    if column.generated and kind is ColumnChangeKind.TYPE:
        text = f"{column.name} is generated: its values come from {column.generation}"
        return (Problem("generated_column", text, "drop it and add it again with the other type"),)
    if kind is ColumnChangeKind.DROP and len(table.columns) == 1:
        text = f"{column.name} is the only column of {table.name.short}"
        return (Problem("last_column", text, f"DROP TABLE {table.name} if nobody needs it", 6),)
    return ()


def blocked(kind: ColumnChangeKind, objects: Iterable[Affected]) -> tuple[Problem, ...]:
    """PostgreSQL refuses the change while these exist; they are named, never dropped along."""
    names = [f"{o.kind} {o.name}" for o in objects if o.effect == "blocks"]
    if not names:
        return ()
    verb = "dropped" if kind is ColumnChangeKind.DROP else "given another type"
    text = f"the column cannot be {verb}: {listed(names, 5)} {'needs' if len(names) == 1 else 'need'} it"
    hint = "drop or change what needs it first, in your own migration: it is not dropped along"
    return (Problem("dependents", text, hint, 6),)


def vanishing(objects: Iterable[Affected], *, force: bool) -> tuple[Problem, ...]:
    """Indexes and constraints that a drop takes along want a yes of their own."""
    names = [f"{o.kind} {o.name}" for o in objects if o.effect == "disappears"]
    if not names or force:
        return ()
    text = f"dropping the column drops {listed(names, 6)}"
    return (Problem("takes_along", text, "--force if that is meant; rollback brings them back", 6),)


def too_many_columns(table: RelationFacts) -> tuple[Problem, ...]:
    """A table has room for 1600 columns, dropped ones included."""
    # A number is never given twice: DROP COLUMN leaves its row in pg_attribute.
    # https://www.postgresql.org/docs/current/limits.html
    highest = max((c.number for c in table.columns), default=0)
    if highest < MOST_COLUMNS:
        return ()
    return (Problem("too_many_columns", f"{table.name.short} has used all {MOST_COLUMNS} column numbers", None, 6),)
