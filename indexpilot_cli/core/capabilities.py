"""What a server is and what our role may do there."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Server:
    """Identity of a server as the JSON envelope prints it. ``version`` is text such as ``16.4``."""

    version: str
    version_num: int
    database: str
    host: str | None
    port: int | None
    user: str
    in_recovery: bool = False
    read_only: bool = False
    tls: bool = False

    @property
    def major(self) -> int:
        """Major version, such as 16."""
        return self.version_num // 10000


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What we may use: each field is a fact that was asked of the server, not guessed from a version."""

    server: Server
    superuser: bool = False
    reads_all_stats: bool = False
    can_create_schema: bool = False
    generic_plan: bool = False
    statements_version: str | None = None
    statements_readable: bool = False
    statements_preloaded: bool = False
    hypopg_version: str | None = None
    hypopg_available: str | None = None
    pooler_suspected: bool = False
    metadata_version: int | None = None
    unreadable_tables: tuple[str, ...] = field(default=())
