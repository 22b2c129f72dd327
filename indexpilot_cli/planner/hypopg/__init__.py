"""What-if on the database itself with the HypoPG extension."""
