"""The schema clone: an empty copy of a database on which a migration really runs, watched and shut in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from indexpilot_cli.core.command import Progress, Silent
from indexpilot_cli.core.estimator import NotModelled
from indexpilot_cli.core.names import QualifiedName, quote_identifier
from indexpilot_cli.core.observation import MigrationObservation, SqlError
from indexpilot_cli.db.errors import sqlstate
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError, IndexPilotError
from indexpilot_cli.evolve.review.clone.faults import Surroundings, missing_role
from indexpilot_cli.evolve.review.clone.run import Runner
from indexpilot_cli.evolve.review.clone.sandbox import OWNER, Sandbox, SandboxLimits, UntrustedSession, open_sandbox
from indexpilot_cli.evolve.review.clone.work import RelationsAtStart
from indexpilot_cli.planner.twin.hydrate import TEMPLATE, file_copy
from indexpilot_cli.planner.twin.layout import LocalStorage, Storage
from indexpilot_cli.snapshot.values import HIDDEN, SchemaObject, Snapshot
from indexpilot_cli.sql.ddl.action import Migration

PRISTINE = "indexpilot_before"
# Names that the sandbox needs itself. Any other name is kept, because files say ALTER DATABASE name SET …, or GRANT …
# ON DATABASE name.
_RESERVED = frozenset({"postgres", "template0", "template1", PRISTINE})
_FALLBACK = "clone"
_ADDED = ("POLICY", "ROW SECURITY")  # of no use to a planner, but they hold columns back from being dropped
# What leans on a relation and cannot be made without it.
_LEANING = ("VIEW", "MATERIALIZED VIEW", "FK CONSTRAINT", "TRIGGER", "RULE", "TABLE ATTACH", "SEQUENCE OWNED BY")
# Extensions whose functions read and write only their arguments and the database; the last lines are those that 13 and
# later call trusted themselves, for 12 has no such word. Every other one that the server does not call trusted keeps
# its types and operators, but its functions may not be called.
_HARMLESS_WORDS = """
    vector postgis postgis_topology hypopg pg_stat_statements earthdistance autoinc insert_username moddatetime refint
    intagg bloom hll rum ip4r prefix semver periods temporal_tables
    btree_gin btree_gist citext cube dict_int fuzzystrmatch hstore intarray isn ltree pg_trgm pgcrypto plpgsql seg
    tablefunc tsm_system_rows tsm_system_time unaccent uuid-ossp
"""
_HARMLESS = frozenset(_HARMLESS_WORDS.split())
_MOST_ROLES = 20


class Clone:
    """A running clone. Files run one after another on the state the one before left. Close it, or use ``with``.

    ``pristine`` is the database before every file, ``database`` the one they run in, ``sandbox`` their server.
    """

    pristine = PRISTINE

    def __init__(self, sandbox: Sandbox, snapshot: Snapshot, not_modelled: tuple[NotModelled, ...]):
        self.sandbox = sandbox
        self._snapshot = snapshot
        self.not_modelled = not_modelled
        wanted = snapshot.server.database
        self.database = _FALLBACK if wanted in _RESERVED or wanted.startswith("indexpilot_") else wanted
        self._unmade = False
        self._scene: RelationsAtStart | None = None
        self._settings = self._role_settings()
        self.reset()

    def __enter__(self) -> Clone:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and delete everything."""
        self.sandbox.close()

    # -- facts

    @property
    def version(self) -> str:
        """Version of the server the migrations run on, such as 18.4."""
        return self.sandbox.server.binaries.version

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the clone differs from the source as a whole."""
        notes = self.sandbox.hydrated.notes
        major = self.sandbox.server.binaries.major
        if major != self._snapshot.major:
            notes += (f"the clone is PostgreSQL {major}, the server is {self._snapshot.major}",)
        return notes

    @property
    def _newer(self) -> str:
        """Words for a server that is newer than what stands in for it; none where that version was asked for."""
        major, wanted = self.sandbox.server.binaries.major, self._snapshot.major
        return "" if self.sandbox.limits.major or wanted <= major else f"the clone is PostgreSQL {major}, not {wanted}"

    # -- running

    def run(self, migration: Migration) -> MigrationObservation:
        """Run the file on the current state and say what each statement did; a file's fault is never raised."""
        with self.session() as session:
            runner = Runner(
                session,
                self.sandbox.admin.version,
                self._snapshot.catalog.search_path,
                self._surroundings(),
                self.sandbox,
            )
            # What one file could not make is missing for the files behind it too.
            runner.unmade, runner.scene = self._unmade, self._scene
            observation = runner.run(migration, f"clone/{self.version}")
            self._unmade, self._scene = runner.unmade, runner.scene
        self._recover()
        return observation

    def reset(self) -> None:
        """Go back to the state before every file."""
        self._unmade, self._scene = False, None
        self.copy(PRISTINE, self.database)
        database = quote_identifier(self.database)
        # CREATE DATABASE makes its caller the owner: CREATE SCHEMA in the file would be refused (42501).
        self.sandbox.admin.execute(f"ALTER DATABASE {database} OWNER TO {OWNER}")
        self._restore_settings()

    def session(self) -> UntrustedSession:
        """A session of the schema's owner, as that of a migration."""
        self.sandbox.revive()
        return UntrustedSession(self.sandbox, self.database)

    def copy(self, source: str, name: str) -> Storage:
        """A copy of a database that nobody is in, in place of an older one of that name; gives where its files are."""
        admin = self.sandbox.admin
        # A session that was closed lives on until the server next looks at its socket.
        if admin.version >= 130000:
            admin.execute(f"DROP DATABASE IF EXISTS {quote_identifier(name)} WITH (FORCE)")
        else:
            admin.rows("clone/end_sessions", {"database": name})
            admin.execute(f"DROP DATABASE IF EXISTS {quote_identifier(name)}")
        copied = f"TEMPLATE {quote_identifier(source)}{file_copy(admin.version)}"
        admin.execute(f"CREATE DATABASE {quote_identifier(name)} {copied}")
        oid = admin.value("SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = %s", [name])
        directory = self.sandbox.server.data / "base" / str(oid)
        self.sandbox.allow(directory)
        return LocalStorage(directory)

    @contextmanager
    def watched(self, backend_pid: int, seconds: float) -> Iterator[None]:
        """End the backend when the block has not ended in time; what it runs may have switched off its own limits."""
        timer = threading.Timer(seconds, self._terminate, [backend_pid])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    # -- inside

    def _terminate(self, backend_pid: int) -> None:
        with suppress(IndexPilotError), self.sandbox.superuser() as admin:
            admin.value("SELECT pg_terminate_backend(%s)", [backend_pid])

    def _surroundings(self) -> Surroundings:
        missing = tuple(item.name for item in self.not_modelled if item.kind == "EXTENSION")
        stands = frozenset(item.name.rpartition(".")[2].strip('"') for item in self.not_modelled)
        available = frozenset(extension.name for extension in self._snapshot.catalog.extensions)
        return Surroundings(missing, stands, available, frozenset(self._snapshot.roles), self._newer)

    def _role_settings(self) -> tuple[str, ...]:
        """The settings a session of the owner begins with, as ``name=value``."""
        return tuple(row.item for row in self.sandbox.admin.rows("clone/settings", {"role": OWNER}))

    def _restore_settings(self) -> None:
        """A migration may change its own role's settings; they belong to the server, not to the database."""
        if self._role_settings() == self._settings:
            return
        admin = self.sandbox.admin
        admin.execute(f"ALTER ROLE {OWNER} RESET ALL")
        admin.execute("clone/put_settings", {"role": OWNER, "settings": list(self._settings)})

    def _recover(self) -> None:
        """Let sessions in again, whatever the database's owner did to it."""
        self.sandbox.revive()
        admin = self.sandbox.admin
        database = quote_identifier(self.database)
        admin.execute(f"GRANT ALL ON DATABASE {database} TO {OWNER}")
        admin.execute(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true CONNECTION LIMIT -1 IS_TEMPLATE false")


def open_clone(
    snapshot: Snapshot,
    *,
    cache_dir: Path,
    progress: Progress | None = None,
    limits: SandboxLimits | None = None,
) -> Clone:
    """A clone of the snapshot's schema, on binaries of its major version or of the one that ``limits`` names.

    Raises PrerequisiteError when this machine has no binaries of that version, or the server does not start.
    """
    sandbox = open_sandbox(snapshot, cache_dir, limits or SandboxLimits(), progress or Silent())
    try:
        return Clone(sandbox, snapshot, prepare(sandbox, snapshot))
    except BaseException:
        sandbox.close()
        raise


def prepare(sandbox: Sandbox, snapshot: Snapshot) -> tuple[NotModelled, ...]:
    """Make the template the database ``PRISTINE`` and take rights away; gives what it does not model."""
    admin = sandbox.admin
    admin.execute(f"ALTER DATABASE {TEMPLATE} RENAME TO {PRISTINE}")
    admin.execute(
        # Without SUPERUSER the server itself refuses COPY … PROGRAM, files of the host and untrusted languages.
        # https://www.postgresql.org/docs/current/sql-createrole.html
        f"ALTER ROLE {OWNER} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 4"
    )
    with sandbox.superuser(PRISTINE) as inside:
        _disarm(inside)
    with sandbox.owner(PRISTINE, timeout_ms=10_000) as owner:
        missing = _add(owner, sandbox, snapshot)
    # Whoever owns a database may drop it, and every reset copies this one.
    admin.execute(f"ALTER DATABASE {PRISTINE} OWNER TO CURRENT_USER")
    # The superuser works there: nothing of a stranger may come near it.
    admin.execute("REVOKE ALL ON DATABASE postgres FROM PUBLIC")
    return missing


def _disarm(inside: Session) -> None:
    """Nobody but the superuser may call functions of extensions that could reach out of the database."""
    for row in inside.rows("clone/extensions"):
        if row.trusted or row.name in _HARMLESS:
            continue
        for signature in row.functions:
            # EXECUTE on a function belongs to PUBLIC unless it is taken away: a REVOKE from the owner alone changes
            # nothing. https://www.postgresql.org/docs/current/ddl-priv.html
            inside.execute(f"REVOKE ALL ON ROUTINE {signature} FROM PUBLIC, {OWNER}")
        for wrapper in row.wrappers:
            # A foreign server leads onto the network; CREATE SERVER needs USAGE on its wrapper.
            inside.execute(f"REVOKE ALL ON FOREIGN DATA WRAPPER {quote_identifier(wrapper)} FROM PUBLIC, {OWNER}")


def _add(owner: Session, sandbox: Sandbox, snapshot: Snapshot) -> tuple[NotModelled, ...]:
    """What no planner needs or may have: relations of which only the catalogs tell, and policies.

    What could not be made without such a relation is tried again. Gives what is missing still.
    """
    left = {(item.name, item.kind): item for item in sandbox.hydrated.not_modelled if item.kind not in _ADDED}
    hidden = [item for item in snapshot.objects if item.kind.startswith(HIDDEN)]
    again = [item for item in snapshot.objects if hidden and item.kind in _LEANING and _key(item) in left]
    for item in (*hidden, *again, *(item for item in snapshot.objects if item.kind in _ADDED)):
        error = _try(owner, sandbox, item)
        if error is None:
            left.pop(_key(item), None)
        else:
            left.setdefault(_key(item), NotModelled(*_key(item), error))
    return tuple(left.values())


def _key(item: SchemaObject) -> tuple[str, str]:
    return str(QualifiedName(item.schema, item.name)), item.kind.removeprefix(HIDDEN)


def _try(owner: Session, sandbox: Sandbox, item: SchemaObject) -> str | None:
    """The server's refusal, or None. Roles that a policy names are made."""
    # The server stops at the first role that does not exist (42704): each attempt shows one more.
    for _ in range(_MOST_ROLES):
        try:
            owner.rows(item.sql)
        except AnsweredError as error:
            refusal = SqlError(sqlstate(error) or "", error.detail or error.message)
            role = missing_role(refusal)
            if role is None or not sandbox.make_role(role):
                return refusal.message
        else:
            return None
    return "it names too many roles"
