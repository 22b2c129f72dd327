"""Questions to the real data that decide whether a migration will fail."""
