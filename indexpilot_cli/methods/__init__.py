"""Index kinds: sizes, write costs, page layout, and which index does the work of another."""
