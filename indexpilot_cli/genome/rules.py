"""What the genome catalog and the expression profiles let the advisor do."""

from __future__ import annotations

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.db.session import Session
from indexpilot_cli.genome import profiles
from indexpilot_cli.genome import table as genome
from indexpilot_cli.genome.fields import apply_indexable, apply_profiles
from indexpilot_cli.log.room import SCHEMA


def obey_genome(session: Session, catalog: Catalog, schema: str = SCHEMA) -> Catalog:
    """The catalog with those columns marked that the genome, or every tenant's profile, forbids to index.

    The metadata tables must be there. Columns say why in ``not_indexable_why``.
    """
    known = genome.fields(session, schema=schema)
    return apply_profiles(apply_indexable(catalog, known), known, profiles.all_rows(session, schema=schema))
