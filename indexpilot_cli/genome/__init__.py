"""The field catalog, tenant profiles, and schema files."""
