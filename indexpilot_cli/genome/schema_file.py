"""A host's schema as a file (YAML, JSON or a Python literal): read, checked all at once, turned into genome fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexpilot_cli.core import files
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.errors import UsageError
from indexpilot_cli.genome.fields import GenomeField, feature_group
from indexpilot_cli.genome.schema_check import Checker, ColumnDefinition, SchemaDefinition
from indexpilot_cli.genome.schema_tree import (
    Malformed,
    Node,
    SchemaProblem,
    from_json,
    from_object,
    from_python,
    from_yaml,
    plain_name,
)

_READERS: dict[str, Callable[[str], Node]] = {
    ".yaml": from_yaml,
    ".yml": from_yaml,
    ".json": from_json,
    ".py": from_python,
}
_NOT_FOR_INDEXES = frozenset({"json", "xml", "bytea"})
_NO_FILE = "bad_schema_file"
CRM = Path(__file__).with_name("crm.yaml")  # the schema file of a small CRM, which simulations run on


class SchemaFileError(UsageError):
    """A schema file with mistakes; ``problems`` holds every one of them."""

    default_code = _NO_FILE

    def __init__(self, shown: str, problems: tuple[SchemaProblem, ...]):
        self.problems = problems
        count = "one mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__(f"{shown}: {count}", detail="; ".join(str(problem) for problem in problems))


@dataclass(frozen=True, slots=True)
class Checked:
    """A schema and its mistakes; with mistakes the schema holds what could be read."""

    schema: SchemaDefinition
    problems: tuple[SchemaProblem, ...]


def load_schema(source: Path | str | Mapping[str, Any]) -> SchemaDefinition:
    """The schema of a file (its suffix says which form: .yaml, .yml, .json, .py) or of an object of that shape.

    Raises SchemaFileError with every mistake and its line, UsageError when there is no such file.
    """
    checked = check(source)
    if checked.problems:
        raise SchemaFileError("the schema" if isinstance(source, Mapping) else Path(source).name, checked.problems)
    return checked.schema


def validate_schema(source: Path | str | Mapping[str, Any]) -> tuple[SchemaProblem, ...]:
    """Every mistake with its line, in the order of lines; empty when there is none."""
    return check(source).problems


def check(source: Path | str | Mapping[str, Any]) -> Checked:
    """The schema together with its mistakes. Raises UsageError only when the file cannot be read."""
    if not isinstance(source, Mapping | str | Path):
        raise UsageError(f"not a schema file: {type(source).__name__}", hint="give a path or a mapping", code=_NO_FILE)
    try:
        tree = from_object(source) if isinstance(source, Mapping) else _read(Path(source))
    except Malformed as error:
        return Checked(SchemaDefinition(()), tuple(sorted(error.problems, key=lambda problem: problem.line)))
    checker = Checker()
    schema = checker.schema(tree)
    return Checked(schema, tuple(sorted(checker.problems, key=lambda problem: problem.line)))


def genome_fields(schema: SchemaDefinition) -> tuple[GenomeField, ...]:
    """One genome field per column; where the file is silent, the type decides ``indexable`` and the name the group."""
    fields: list[GenomeField] = []
    for table in schema.tables:
        fields += [_genome_field(table.name, column) for column in table.columns]
    return tuple(fields)


def _genome_field(table: QualifiedName, column: ColumnDefinition) -> GenomeField:
    by_type = plain_name(column.type) not in _NOT_FOR_INDEXES
    return GenomeField(
        table,
        column.name,
        column.type,
        required=column.required,
        indexable=by_type if column.indexable is None else column.indexable,
        default_expression=column.default_expression,
        group=column.group or feature_group(column.name),
    )


def _read(path: Path) -> Node:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(
            f"{path.name}: not a schema file", hint=f"give it the suffix {', '.join(_READERS)}", code=_NO_FILE
        )
    data = files.read_bytes(path, files.SCHEMA)
    try:
        # Editors on Windows begin a file with a byte order mark.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(data[: error.start].count(b"\n") + 1, "not UTF-8 text") from None
    return reader(text)
