"""Building what a plan says, taking it back, and asking whether it paid."""
