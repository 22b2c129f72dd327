"""What the generator may propose, as numbers a caller can change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CandidateOptions:
    """Limits of candidate generation. Shares are between 0 and 1, widths in bytes, sizes in pages or rows.

    A table is too small when it has at most ``few_pages`` pages, or fewer than ``small_rows`` rows in at most
    ``small_pages`` pages; below ``medium_rows`` rows only selective plain indexes are proposed.
    """

    few_pages: int = 5
    small_rows: float = 1000
    small_pages: int = 64
    medium_rows: float = 10_000
    medium_selectivity: float = 0.1
    max_selectivity: float = 0.3
    max_key_columns: int = 4
    max_key_width: int = 2700
    covering: bool = True
    max_include_columns: int = 8
    max_include_width: int = 200
    all_visible_share: float = 0.8
    partial_weight: float = 0.9
    partial_selectivity: float = 0.2
    partial_distinct: float = 30
    null_partial_selectivity: float = 0.8
    rare_value: float = 0.05
    hash_width: int = 40
    brin_pages: int = 1280
    brin_correlation: float = 0.9
    per_table: int = 80
