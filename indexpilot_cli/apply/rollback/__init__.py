"""Taking back what our log says we did."""
