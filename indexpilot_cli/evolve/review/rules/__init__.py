"""A migration by rules, and what of all that was seen is worth reading."""
