"""A twin on a scratch server the user names, where neither its binaries nor its files are ours."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexpilot_cli.core import units
from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.core.command import Progress
from indexpilot_cli.db.conninfo import with_database
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.planner.twin.cluster import PLANNING_MS, copy_template, our_session
from indexpilot_cli.planner.twin.hydrate import PLANNER, Hydrated, hydrate
from indexpilot_cli.planner.twin.layout import RemoteStorage, Storage
from indexpilot_cli.snapshot.values import Snapshot

MOST_BYTES = 64 * 1024**3  # files are not sparse there


@dataclass
class ScratchHost:
    """A superuser connection string, and the databases we made there. Close it to drop them."""

    dsn: str
    snapshot: Snapshot
    version: str
    template: str
    hydrated: Hydrated = field(default_factory=lambda: Hydrated((), (), ()))
    _made: list[str] = field(default_factory=list)
    _admin: Session | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes it less exact than a private server of the same version."""
        return (
            f"plans come from the scratch server ({self.version}): its build, collations and load are its own, "
            "so this is less exact than a private server",
        )

    def superuser(self, database: str | None = None) -> Session:
        """A session that may change catalogs."""
        return our_session(with_database(self.dsn, database) if database else self.dsn, read_only=False)

    def owner(self, database: str) -> Session:
        """A session that acts as the planning role."""
        return self._as_planner(self.superuser(database))

    def planner(self, database: str) -> Session:
        """A session that only plans, with the source's settings."""
        session = our_session(with_database(self.dsn, database), read_only=True, timeout_ms=PLANNING_MS)
        # Settings of a role count only where it logs in, and here it cannot.
        session.rows("twin/role_settings", {"role": PLANNER})
        return self._as_planner(session)

    def copy(self, name: str) -> tuple[str, Storage]:
        """A database like the template with files of full size: its name, and where its files are."""
        name = f"{self.template}_{name}"
        self._made.append(name)
        oid = copy_template(self, self.template, name)
        self._admin = self._admin or self.superuser()
        if self._admin.value("SELECT current_setting('data_checksums')") == "on":
            # The planted pages carry none.
            self._admin.execute(f"ALTER DATABASE {name} SET ignore_checksum_failure = on")
        storage = RemoteStorage(self._admin, oid)
        for file in self.hydrated.files:
            if file.pages:
                storage.write(file)
        return name, storage

    def close(self) -> None:
        """Drop the databases."""
        if self._admin is not None:
            self._admin.close()
        with self.superuser() as admin:
            for name in (*self._made, self.template):
                admin.execute(f"DROP DATABASE IF EXISTS {name}")

    @staticmethod
    def _as_planner(session: Session) -> Session:
        session.rows(f"SET SESSION AUTHORIZATION {PLANNER}")
        return session


def open_scratch(snapshot: Snapshot, dsn: str, progress: Progress) -> ScratchHost:
    """A twin in databases of its own on the scratch server, dropped again when it is closed.

    Raises PrerequisiteError unless the role there is a superuser and the files would fit; never use production.
    """
    size = sum(s.pages for s in snapshot.sizes) * BLOCK
    if size > MOST_BYTES:
        raise PrerequisiteError(
            f"the scratch server would need {units.size(size)} for files of the source's size",
            hint="use local server binaries, where such files take no space",
        )
    with our_session(dsn, read_only=False) as admin:
        if not admin.value("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
            raise PrerequisiteError(
                "the scratch server is usable only as superuser", hint="give a superuser's connection string"
            )
        version = str(admin.value("SELECT split_part(current_setting('server_version'), ' ', 1)"))
        template = f"indexpilot_twin_{snapshot.fingerprint}_{admin.backend_pid}"
    host = ScratchHost(dsn, snapshot, version, template)
    try:
        host.hydrated = hydrate(host, snapshot, progress, template=template)
    except BaseException:
        host.close()
        raise
    return host
