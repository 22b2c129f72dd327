"""Views of a schema review."""
