"""A host's monitoring, error tracker, audit and pool: what is told to each, behind a guard that keeps us unharmed."""
