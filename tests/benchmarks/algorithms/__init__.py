"""The experiments of the published algorithms, one file each, and the decisions that each of them changes."""
