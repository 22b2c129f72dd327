"""From a statement and a catalog to how each relation is used."""
