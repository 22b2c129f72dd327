"""What a change speaks of, looked up: the table, the type, the expressions; each wrong one is a Problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from indexpilot_cli.core.names import QualifiedName, quote_identifier, split_table
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.evolve import dependents, relation_facts
from indexpilot_cli.evolve.change import validate as checks
from indexpilot_cli.evolve.change.values import ChangeKind, Problem
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


def find_table(session: Session, typed: str, kind: ChangeKind, own: str, found: Findings) -> RelationFacts | None:
    """The table as typed (``orders``, ``sales.orders``, quoted or not); None when there is none that can change."""
    schema, name = split_table(typed)
    rows = relation_facts.find_relations(session, schema, name, own=own) if name and "\0" not in typed else ()
    if not rows:
        names = relation_facts.table_names(session, own=own)
        found.add(checks.missing_table(typed or "(empty)", [f"{n.schema}.{n.name}" for n in names]))
        return None
    if rows[0].is_system:
        found.wrong("system_table", f"{typed} belongs to the server or to IndexPilot itself", exit_code=6)
        return None
    table = relation_facts.read_relation(session, rows[0])
    found.add(*checks.table_problems(table, kind))
    return table


def find_column(table: RelationFacts, name: str, kind: ChangeKind, found: Findings) -> ColumnFacts | None:
    """The column to change; None when there is none."""
    column = table.column(name)
    if column is None:
        found.add(checks.missing_column(table, name))
        return None
    found.add(*checks.column_problems(table, column, kind))
    return column


def check_new_name(session: Session, table: RelationFacts, name: str, found: Findings, *, force: bool) -> None:
    """Whether a column may be called so."""
    reserved = {row.word for row in session.rows("change/reserved")}
    found.add(*checks.name_problems(name, reserved, force=force))
    if table.column(name) is not None:
        found.add(checks.column_exists(table, name))


def read_type(session: Session, text: str | None, found: Findings) -> TypeFacts | None:
    """The type as the parser and the server read it; None when one of them does not."""
    from indexpilot_cli.sql.parser.text import deparse_expression, parse_expression

    if not text or not text.strip():
        found.wrong("type_missing", "the column needs a type", "--type bigint, for instance")
        return None
    if text.strip().lower() in ("serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"):
        hint = "add a bigint column and an identity or a sequence in a migration of your own"
        found.wrong("pseudo_type", f"{text} is no type but a shorthand that would write every row", hint)
        return None
    try:
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
    except UnreachableError:
        raise
    except IndexPilotError as error:
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
    except UnreachableError:
        raise
    except IndexPilotError as error:
        found.wrong("bad_default", f"{text} is no default for {kind.text}: {error.detail}", error.hint)
        return False


def check_using(session: Session, table: RelationFacts, text: str, kind: TypeFacts, found: Findings) -> None:
    """Whether the server would compute the new values so."""
    wrong = dependents.answers(session, f"SELECT CAST(({text}) AS {kind.text}) FROM {table.name}")
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
    name = _dotted(place.text("schemaname"), place.text("relname"))
    wrong = dependents.answers(session, f"SELECT {', '.join(map(quote_identifier, columns)) or '1'} FROM {name}")
    if wrong is not None:
        found.wrong("bad_reference", f"--references {text}: {wrong.detail}", wrong.hint)
        return None
    return deparse(statement.node).partition(" REFERENCES ")[2]


def _dotted(schema: str, name: str) -> str:
    return f"{quote_identifier(schema)}.{quote_identifier(name)}" if schema else quote_identifier(name)


def is_empty(session: Session, table: RelationFacts) -> bool:
    """Whether the table has no row that we can see."""
    return not session.value(f"SELECT EXISTS (SELECT FROM {table.name})")


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
