"""From a statement's parse tree to what it does."""
