"""One file for each index kind: what it serves, its size, what its entries cost, its first pages."""
