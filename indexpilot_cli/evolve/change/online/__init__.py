"""A column's type changed while everybody works."""
