"""Somebody else's SQL, read so far that only what is harmless runs on production."""
