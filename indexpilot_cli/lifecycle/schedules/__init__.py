"""``lifecycle`` by the clock: which job is due when, who runs it, and what came of it."""
