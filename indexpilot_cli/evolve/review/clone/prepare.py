"""From the twin's template to a database that strangers may enter: what was left out comes in, what could act goes."""

from __future__ import annotations

import re

from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.names import quote_identifier
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.evolve.review.clone.sandbox import OWNER, Sandbox
from indexpilot_cli.planner.twin.hydrate import TEMPLATE
from indexpilot_cli.snapshot.values import SchemaObject, Snapshot

PRISTINE = "indexpilot_before"
_ADDED = ("POLICY", "ROW SECURITY")  # of no use to a planner, but they hold columns back from being dropped
# Extensions whose functions read and write only their arguments and the database. Every other one that the
# server does not call trusted keeps its types and operators, but its functions may not be called.
_HARMLESS_WORDS = """
    vector postgis postgis_topology hypopg pg_stat_statements earthdistance autoinc insert_username moddatetime refint
    intagg bloom hll rum ip4r prefix semver periods temporal_tables
"""
_HARMLESS = frozenset(_HARMLESS_WORDS.split())
_ROLE = re.compile(r'role "(.*)" does not exist', re.DOTALL)
_MOST_ROLES = 20


def prepare(sandbox: Sandbox, snapshot: Snapshot) -> tuple[NotModelled, ...]:
    """Make the template the database ``PRISTINE`` and take rights away; gives what it does not model."""
    admin = sandbox.admin
    admin.execute(f"ALTER DATABASE {TEMPLATE} RENAME TO {PRISTINE}")
    admin.execute(
        f"ALTER ROLE {OWNER} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 4"
    )
    missing = [item for item in sandbox.hydrated.not_modelled if item.kind not in _ADDED]
    with sandbox.superuser(PRISTINE) as inside:
        _disarm(inside)
    with sandbox.planner(PRISTINE, timeout_ms=10_000) as owner:
        missing += _add(owner, sandbox, snapshot)
    admin.execute(f"ALTER DATABASE {PRISTINE} OWNER TO CURRENT_USER")
    admin.execute("REVOKE ALL ON DATABASE postgres FROM PUBLIC")
    return tuple(missing)


def _disarm(inside: Session) -> None:
    """Nobody but the superuser may call functions of extensions that could reach out of the database."""
    for row in inside.rows("clone/extensions"):
        if row.trusted or row.name in _HARMLESS:
            continue
        for signature in row.functions:
            inside.execute(f"REVOKE ALL ON ROUTINE {signature} FROM PUBLIC, {OWNER}")
        for wrapper in row.wrappers:
            inside.execute(f"REVOKE ALL ON FOREIGN DATA WRAPPER {quote_identifier(wrapper)} FROM PUBLIC, {OWNER}")


def _add(owner: Session, sandbox: Sandbox, snapshot: Snapshot) -> list[NotModelled]:
    missing = []
    for item in snapshot.objects:
        if item.kind in _ADDED:
            error = _try(owner, sandbox, item)
            if error is not None:
                missing.append(NotModelled(f"{item.schema}.{item.name}", item.kind, error))
    return missing


def _try(owner: Session, sandbox: Sandbox, item: SchemaObject) -> str | None:
    """The server's refusal, or None. Roles that a policy names are made."""
    for _ in range(_MOST_ROLES):
        try:
            owner.rows(item.sql)
        except UnreachableError:
            raise
        except IndexPilotError as error:
            refusal = error.detail or error.message
            role = _ROLE.fullmatch(refusal)
            if role is None or not sandbox.make_role(role[1]):
                return refusal
        else:
            return None
    return "it names too many roles"
