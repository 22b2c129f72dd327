"""Results become documents, documents become tables, Markdown or the JSON envelope."""
