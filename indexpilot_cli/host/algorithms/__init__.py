"""What the published algorithms say of a table or a field: read from the catalog and a bounded sample of pages."""
