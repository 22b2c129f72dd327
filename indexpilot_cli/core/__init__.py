"""Values everyone speaks in. Imports nothing of ours but the errors."""
