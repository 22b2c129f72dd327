"""Options of ``init`` alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from indexpilot_cli.cli.options.common import option


class Profile(StrEnum):
    """Configurations to begin with."""

    SMALL = "small"
    OLTP = "oltp"
    ANALYTICS = "analytics"


MetadataSchema = Annotated[str | None, option("--schema S", "Schema of our tables.")]
Check = Annotated[bool, option("--check", "Only look; exit with 3 when something is missing.")]
Upgrade = Annotated[bool, option("--upgrade", "Bring older tables up.")]
ConfigOnly = Annotated[bool, option("--config-only", "Write the file, ask no server.")]
DbOnly = Annotated[bool, option("--db-only", "Write no file.")]
ProfileOption = Annotated[Profile, option("--profile", "What the file holds.", metavar=None)]
FromSchema = Annotated[str | None, option("--from-schema FILE", "Fill the genome catalog from it.")]
DiscoverFields = Annotated[bool, option("--discover", "Fill the genome catalog from the database.")]
