"""Where statements come from: SQL files, server logs, recorded statistics."""
