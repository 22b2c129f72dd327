"""One file per command: the only room where the servers meet the pure centre."""
