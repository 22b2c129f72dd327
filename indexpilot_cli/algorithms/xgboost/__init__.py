"""What building an index really does to times, learned from measured changes."""
