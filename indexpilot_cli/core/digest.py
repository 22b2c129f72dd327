"""A fingerprint of the tables a plan is about, so that a plan for yesterday's schema is not built today."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from indexpilot_cli.core.catalog import Catalog
from indexpilot_cli.core.names import QualifiedName


def schema_digest(catalog: Catalog, tables: Iterable[QualifiedName]) -> str:
    """Sixteen hex digits of the identity, columns and types of the tables; empty for no tables.

    Indexes are left out: building the plan changes them, and apply compares those one by one.
    """
    facts = []
    for name in sorted(tables):
        table = catalog.table(name)
        columns = [(c.number, c.name, c.type, c.collation) for c in table.columns] if table else None
        facts.append([str(name), table.oid if table else None, columns])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16] if facts else ""
