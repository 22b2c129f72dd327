"""From a snapshot to the template database of a private server: schema, statistics and sizes, but no rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from indexpilot_cli.core.command import Progress
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.names import QualifiedName, quote_identifier, quote_literal
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import IndexPilotError, UnreachableError
from indexpilot_cli.methods.pages import RelationFile
from indexpilot_cli.planner.twin.extended import put_extended
from indexpilot_cli.planner.twin.layout import Heap, read_layout
from indexpilot_cli.planner.twin.schema import Builder, build
from indexpilot_cli.planner.twin.statistics import put_sizes, put_statistics
from indexpilot_cli.snapshot.values import Snapshot

TEMPLATE = "twin"
PLANNER = "indexpilot_planner"  # the role that plans: owner of everything, no superuser
_HARMLESS = {"force_parallel_mode": "off", "debug_parallel_query": "off", "enable_group_by_reordering": "on"}


@dataclass(frozen=True, slots=True)
class Hydrated:
    """What is known of a hydrated template: its files, tables, and what is missing or different."""

    files: tuple[RelationFile, ...]
    heaps: tuple[tuple[QualifiedName, Heap], ...]
    not_modelled: tuple[NotModelled, ...]
    notes: tuple[str, ...] = ()


class Connects(Protocol):
    """Sessions to a server of ours, by database."""

    def superuser(self, database: str | None = None) -> Session:
        """A session that may change catalogs; without a database name to one that always exists."""
        ...

    def owner(self, database: str) -> Session:
        """A session of the planning role that may create objects."""
        ...


def hydrate(host: Connects, snapshot: Snapshot, progress: Progress, *, template: str = TEMPLATE) -> Hydrated:
    """Make the template database on the running server. Its relation files stay short; copies get the sizes."""
    with host.superuser() as admin:
        notes = create_database(admin, snapshot, template)
    with host.superuser(template) as admin, host.owner(template) as planner:
        for statement in _PREPARATION:
            planner.execute(statement)
        not_modelled = _create_objects(Builder(planner, admin, snapshot), snapshot, progress)
        progress.stage("statistics")
        put_sizes(admin, snapshot.sizes, snapshot.server.version_num)
        with without_domain_checks(planner):
            not_modelled += put_statistics(admin, snapshot.statistics)
            not_modelled += put_extended(admin, snapshot.extended)
        notes += put_settings(admin, snapshot)
        files, heaps = read_layout(admin, snapshot)
        admin.execute("CHECKPOINT")
    return Hydrated(files, tuple(heaps.items()), tuple(not_modelled), notes)


@contextmanager
def without_domain_checks(planner: Session) -> Iterator[None]:
    """No domain checks its values in the block: the superuser writes statistics and must not run functions.

    A snapshot can come from anywhere, and a CHECK can call whatever its author likes.
    """
    checks = planner.rows("twin/domain_checks")
    for check in checks:
        planner.execute(f"ALTER DOMAIN {check.domain} DROP CONSTRAINT {check.name}")
    yield
    for check in checks:
        planner.execute(f"ALTER DOMAIN {check.domain} ADD CONSTRAINT {check.name} {check.definition}")


def put_settings(admin: Session, snapshot: Snapshot) -> tuple[str, ...]:
    """The source's planner settings and search path for the role that plans; gives those that differ now."""
    unknown = []
    for name, value in snapshot.settings.items():
        try:
            admin.execute(f"ALTER ROLE {PLANNER} SET {quote_identifier(name)} TO {quote_literal(value)}")
        except UnreachableError:
            raise
        except IndexPilotError:
            if value != _HARMLESS.get(name):
                unknown.append(name)
    path = ", ".join(quote_identifier(schema) for schema in snapshot.catalog.search_path) or "''"
    admin.execute(f"ALTER ROLE {PLANNER} SET search_path TO {path}")
    return (f"settings this version does not have: {', '.join(unknown)}",) if unknown else ()


_PREPARATION = (
    "SET check_function_bodies = off",
    "SET client_min_messages = error",
    "SET xmloption = content",
    "SELECT pg_catalog.set_config('search_path', '', false)",
)


def create_database(admin: Session, snapshot: Snapshot, template: str) -> tuple[str, ...]:
    """The empty template with the source's encoding and sort order, or the nearest this host has.

    Gives what had to be different.
    """
    encoding = quote_literal(snapshot.catalog.encoding)
    if not admin.value("SELECT count(*) FROM pg_roles WHERE rolname = %s", [PLANNER]):
        admin.execute(f"CREATE ROLE {PLANNER} LOGIN BYPASSRLS")
    refusal = None
    for locale, note in _locales(snapshot, admin.version):
        try:
            admin.execute(f"CREATE DATABASE {template} TEMPLATE template0 OWNER {PLANNER} ENCODING {encoding} {locale}")
        except UnreachableError:
            raise
        except IndexPilotError as error:
            refusal = error
            continue
        return (note,) if note else ()
    assert refusal is not None
    raise refusal


def _locales(snapshot: Snapshot, version: int) -> Iterator[tuple[str, str | None]]:
    libc = f"LC_COLLATE {quote_literal(snapshot.collate)} LC_CTYPE {quote_literal(snapshot.ctype)}"
    locale = quote_literal(snapshot.provider_locale or "und")
    wanted = snapshot.provider_locale or snapshot.collate
    if snapshot.provider == "c":
        yield libc, None
    elif snapshot.provider == "i" and version >= 150000:
        yield f"LOCALE_PROVIDER icu ICU_LOCALE {locale} LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'", None
        yield f"LOCALE_PROVIDER icu ICU_LOCALE {locale} LC_COLLATE 'C' LC_CTYPE 'C'", None
    elif snapshot.provider == "b" and version >= 170000:
        yield f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {locale} LC_COLLATE 'C' LC_CTYPE 'C'", None
    bytewise = wanted in ("C", "POSIX") or (snapshot.provider == "b" and wanted in ("C", "C.UTF-8"))
    if bytewise:
        yield "LC_COLLATE 'C' LC_CTYPE 'C'", None
    note = f'this host has no collation "{wanted}": texts sort differently on the twin, so ranges of texts may too'
    language = wanted.split(".")[0].split("@")[0].replace("_", "-")
    if version >= 150000:
        yield f"LOCALE_PROVIDER icu ICU_LOCALE {quote_literal(language)} LC_COLLATE 'C' LC_CTYPE 'C'", note
    yield "LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'", note
    yield "LC_COLLATE 'C' LC_CTYPE 'C'", f"{note}; LIKE may use ordinary indexes there"


def _create_objects(builder: Builder, snapshot: Snapshot, progress: Progress) -> list[NotModelled]:
    progress.stage("schema", len(snapshot.objects))
    for _ in build(builder, snapshot.objects):
        progress.advance()
    return [*snapshot.missing, *builder.not_modelled]
